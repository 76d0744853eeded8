"""Several files as one: by time, stable, bounded, and the same whatever the batch."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lippycat_core.batch import Batch
from lippycat_core.builtin import merge
from lippycat_core.builtin.files import open_source
from lippycat_core.builtin.merge import MergedSource
from lippycat_core.errors import InputError
from lippycat_core.interfaces.capture import CaptureSource
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.capture import CaptureSuite
from lippycat_core.testing.packets import Record, pcap
from lippycat_core.testing.pcapng import Blocks

Read = Callable[..., Any]


def by_time(files: list[list[Record]]) -> list[Record]:
    """The definition: the earliest of the files' next records, the first file's on a tie."""
    files = [list(file) for file in files]
    merged = []
    while any(files):
        merged.append(min((file for file in files if file), key=lambda file: file[0].ts_ns).pop(0))
    return merged


def written(folder: Path, files: list[list[Record]]) -> list[str]:
    paths = []
    for i, records in enumerate(files):
        path = folder / f"{i:03}.pcap"
        path.write_bytes(pcap(records, big_endian=i % 2 == 1))
        paths.append(str(path))
    return paths


times = st.integers(0, 30)  # few, so that there are ties


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(st.lists(times, max_size=12), min_size=2, max_size=9),
    in_order=st.booleans(),
    capacity=st.sampled_from([1, 2, 5, 4096]),
)
def test_the_merge_is_its_definition(
    tmp_path: Path, kernels: KernelSet, read: Read, files: list[list[int]], in_order: bool, capacity: int
) -> None:
    """Files whose own records go backwards too: these are never re-sorted."""
    made = [
        [Record(ts, b"file %d record %d" % (i, j), 999) for j, ts in enumerate(sorted(file) if in_order else file)]
        for i, file in enumerate(files)
    ]
    reading = read(MergedSource(written(tmp_path, made), kernels), capacity)
    assert reading.packets == [(*record, 1) for record in by_time(made)]
    assert reading.faults == []


def test_files_longer_than_the_pool(tmp_path: Path, kernels: KernelSet, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "READ_BYTES_A_FILE", (4096, 4096))
    monkeypatch.setattr(merge, "ROWS_A_FILE", (5, 5))
    made = [[Record(3 * i * (1 + f % 3) + f, bytes([f]) * (i % 300)) for i in range(400)] for f in range(4)]
    made[2][200] = Record(made[2][200].ts_ns, bytes(262_144))
    made[3][200] = Record(made[3][200].ts_ns, bytes(262_144))
    wanted = [record.data for record in by_time(made)]
    for capacity in (3, 4096):
        reading = read(MergedSource(written(tmp_path, made), kernels), capacity)
        assert [packet.data for packet in reading.packets] == wanted


def test_link_types_and_formats_mix(tmp_path: Path, kernels: KernelSet, read: Read) -> None:
    (tmp_path / "a.pcapng").write_bytes(Blocks(">").file([(1, b"a"), (5, b"c")], link=113) + Blocks(">").secrets(b"key"))
    (tmp_path / "b.pcap.gz").write_bytes(gzip.compress(pcap([Record(2000, b"b"), Record(9000, b"d")], link=101)))
    source = MergedSource([str(tmp_path / "a.pcapng"), str(tmp_path / "b.pcap.gz")], kernels)
    assert [(packet.data, packet.link) for packet in read(source).packets] == [(b"a", 113), (b"b", 101), (b"c", 113), (b"d", 101)]
    assert [data for _, data in source.secrets] == [b"key"]


def test_later_files_sleep_until_their_turn(
    tmp_path: Path, kernels: KernelSet, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More files than may be open: those of later times are opened again when their first record is due."""
    monkeypatch.setattr(merge, "OPEN_AT_ONCE", 3)
    made = [[Record(100 * f + 7 * i, b"%d %d" % (f, i)) for i in range(40)] for f in range(60)]
    made[50] = []
    paths = written(tmp_path, made)
    Path(paths[55]).write_bytes(Path(paths[55]).read_bytes()[:-1])
    made[55].pop()
    most_open = 0
    opened = os.open

    def counted(*args: Any) -> int:
        nonlocal most_open
        most_open = max(most_open, len(os.listdir("/proc/self/fd")))
        return opened(*args)

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "open", counted)
    source = MergedSource(paths, kernels)
    assert source.progress().bytes_total == sum(os.path.getsize(path) for path in paths)
    reading = read(source, 50)
    assert [packet.data for packet in reading.packets] == [record.data for record in by_time(made)]
    assert [(fault.source, fault.what) for fault in reading.faults] == [(paths[55], "truncated")]
    assert most_open - before <= 8
    assert source.progress().bytes_done == source.progress().bytes_total


def test_a_file_that_went_away_in_its_sleep_is_a_fault(
    tmp_path: Path, kernels: KernelSet, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "OPEN_AT_ONCE", 1)
    paths = written(tmp_path, [[Record(f, b"x")] for f in range(3)])
    source = MergedSource(paths, kernels)
    os.unlink(paths[1])
    reading = read(source)
    assert len(reading.packets) == 2
    assert [(fault.source, fault.what) for fault in reading.faults] == [(paths[1], "truncated")]
    assert "No such file" in reading.faults[0].detail


def test_a_fault_ends_its_own_file_only(tmp_path: Path, kernels: KernelSet, read: Read) -> None:
    paths = written(tmp_path, [[Record(i, b"%d" % f) for i in range(9)] for f in range(3)])
    data = Path(paths[1]).read_bytes()
    Path(paths[1]).write_bytes(data[:-3])
    reading = read(MergedSource(paths, kernels), 4)
    assert len(reading.packets) == 26
    assert [(fault.source, fault.what) for fault in reading.faults] == [(paths[1], "truncated")]


def test_empty_files_take_no_part(tmp_path: Path, kernels: KernelSet, read: Read) -> None:
    assert read(MergedSource(written(tmp_path, [[], []]), kernels)).packets == []
    assert len(read(MergedSource(written(tmp_path, [[], [Record(1, b"x")], []]), kernels)).packets) == 1
    assert len(read(MergedSource(written(tmp_path, [[Record(2, b"y")], [Record(1, b"x")], []]), kernels)).packets) == 2


def test_progress_is_that_of_all_files(tmp_path: Path, read: Read) -> None:
    paths = written(tmp_path, [[Record(1, b"abc")], [Record(2, b"defg")]])
    source = MergedSource(paths, Interpreted())
    size = sum(os.path.getsize(path) for path in paths)
    assert source.progress().bytes_total == size
    read(source)
    assert source.progress().bytes_done == size


def test_one_bad_file_is_an_error_and_leaves_nothing_open(tmp_path: Path) -> None:
    paths = written(tmp_path, [[Record(1, b"abc")]])
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(InputError, match="missing"):
        open_source([*paths, str(tmp_path / "missing")], Interpreted())
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_pipe_that_has_nothing_yet_holds_the_merge_back(tmp_path: Path, kernels: KernelSet) -> None:
    paths = written(tmp_path, [[Record(1, b"a"), Record(3, b"c")]])
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = os.open(fifo, os.O_RDWR)
    data = pcap([Record(2, b"b"), Record(4, b"d")])
    os.write(writer, data[:24])
    source = MergedSource([*paths, str(fifo)], kernels)
    batch = Batch(kernels)
    got: list[bytes] = []

    def fill() -> bool:
        batch.clear(len(got) + 1)
        more = source.fill(batch, 5)
        for row in range(batch.rows):
            off = int(batch.frame.off[row])
            got.append(bytes(batch.mem[off : off + 1]))
        return more

    assert fill()
    assert got == []
    os.write(writer, data[24:41])
    assert fill()
    assert got == [b"a", b"b"]
    assert fill()
    assert got == [b"a", b"b"]
    os.write(writer, data[41:])
    reader = os.open(fifo, os.O_RDONLY)
    os.close(writer)
    while fill():
        pass
    os.close(reader)
    assert got == [b"a", b"b", b"c", b"d"]


def test_hundreds_of_files_cost_little_memory(tmp_path: Path) -> None:
    """Resident memory, in a process of its own: the pool's untouched pages are not there."""
    paths = written(tmp_path, [[Record(1000 * i + f, bytes(1400)) for i in range(30)] for f in range(400)])
    code = f"""
from lippycat_core.batch import Batch
from lippycat_core.builtin.files import open_source
from lippycat_core.kernelset import Interpreted
kernels = Interpreted()
batch = Batch(kernels)
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1024
before = peak()
source = open_source([{str(tmp_path)!r}], kernels)
assert source.fill(batch, 0)
assert batch.frame.ts_ns[:300].tolist() == list(range(300))
print(peak() - before)
"""
    assert len(paths) == 400
    assert int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) < 60


class TestAsCaptureDriver(CaptureSuite):
    records = (
        [Record(10 * i, b"even") for i in range(30)],
        [Record(10 * i + 5, b"odd", 1500) for i in range(30)],
    )

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path) -> None:
        self.paths = written(tmp_path, list(self.records))

    def open(self, kernels: KernelSet) -> CaptureSource:
        return MergedSource(self.paths, kernels)

    def expected(self) -> list[Record]:
        return by_time(list(self.records))
