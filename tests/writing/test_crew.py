"""Writer threads: who runs a job, in which order, how much waits, and who hears of an error."""

from __future__ import annotations

import errno
import threading
import time

import pytest

from lippycat_core.writing.crew import Crew, CrewOutput


def test_jobs_of_one_file_keep_their_order_on_one_thread_and_files_share_the_threads() -> None:
    crew = Crew(3)
    done: dict[int, list[tuple[str, int]]] = {key: [] for key in range(9)}
    for i in range(100):
        for key in done:
            crew.submit(key, 10, lambda lane, key=key, i=i: done[key].append((threading.current_thread().name, i)))
    crew.close()
    for key, jobs in done.items():
        assert jobs == [(f"lc-writer-{key % 3 + 1}", i) for i in range(100)]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lc-writer")]


def test_a_crew_of_one_has_no_thread() -> None:
    crew = Crew(1)
    names: list[str] = []
    crew.submit(7, 10, lambda lane: names.append(threading.current_thread().name))
    assert names == [threading.current_thread().name]
    crew.close()


def test_a_full_queue_makes_the_run_wait() -> None:
    crew = Crew(2, most_waiting=100)
    go = threading.Event()
    crew.submit(0, 60, lambda lane: go.wait(10) and None)
    crew.submit(0, 40, lambda lane: None)
    submitted: list[float] = []
    waits = threading.Thread(target=lambda: (crew.submit(0, 10, lambda lane: None), submitted.append(time.monotonic())))
    waits.start()
    time.sleep(0.1)
    assert not submitted
    go.set()
    waits.join(10)
    assert submitted
    crew.close()


def test_what_is_larger_than_the_queue_goes_alone() -> None:
    crew = Crew(2, most_waiting=10)
    done: list[int] = []
    for i in range(3):
        crew.submit(1, 1000, lambda lane, i=i: done.append(i))
    crew.close()
    assert done == [0, 1, 2]


def test_an_error_of_a_thread_reaches_who_waits() -> None:
    crew = Crew(2)

    def broken(lane: int) -> None:
        raise ValueError("a bug")

    crew.submit(0, 1, broken)
    with pytest.raises(ValueError, match="a bug"):
        crew.close()
    crew.close()


class Disk:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = 0

    def write(self, data: bytes | memoryview) -> None:
        if len(self.written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("threads", [1, 2])
def test_a_disk_that_fills_is_told_by_the_next_write_or_the_close(threads: int) -> None:
    crew, disk = Crew(threads), Disk()
    output = CrewOutput(disk, crew, 5)

    def fill() -> None:
        for part in (b"a", b"b", b"c"):
            output.write(part)
        output.close()

    with pytest.raises(OSError, match="No space"):
        fill()
    output.close()
    crew.close()
    assert disk.written == [b"a", b"b"]
    assert disk.closed == 1 or threads == 1
