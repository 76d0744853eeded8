"""Writer threads: jobs of one file run in their order on one thread, files share the threads, and what waits is bounded.

A crew of one has no thread: its jobs run where they are submitted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from lippycat_core.builtin.outputs import Output

MOST_WAITING = 64 << 20
"""Bytes that wait in all lanes; who submits more waits until there is room."""

MOST_JOBS = 4096

Job = Callable[[int], None]
"""Gets the number of its lane: what only one lane touches needs no lock."""


class Crew:
    """`threads` lanes. A job that raises ends nothing: the first such error is raised by `submit`, `wait` or `close`."""

    def __init__(self, threads: int, *, most_waiting: int = MOST_WAITING, most_jobs: int = MOST_JOBS) -> None:
        self.lanes = max(threads, 1)
        self._most_waiting = most_waiting
        self._most_jobs = most_jobs
        self._changed = threading.Condition()
        self._jobs: list[deque[tuple[int, Job]]] = [deque() for _ in range(self.lanes)]
        self._threads: list[threading.Thread | None] = [None] * self.lanes
        self._waiting = 0
        self._count = 0
        self._ended = False
        self._error: BaseException | None = None

    def submit(self, key: int, nbytes: int, job: Job) -> None:
        """Run `job` behind all others of `key`; it holds `nbytes`. Waits while too much waits already."""
        lane = key % self.lanes
        if self.lanes == 1:
            job(lane)
            return
        with self._changed:
            self._raise()
            while self._count and (self._waiting + nbytes > self._most_waiting or self._count >= self._most_jobs):
                self._changed.wait()
                self._raise()
            self._jobs[lane].append((nbytes, job))
            self._waiting += nbytes
            self._count += 1
            if self._threads[lane] is None:
                thread = threading.Thread(target=self._work, args=(lane,), name=f"lc-writer-{lane + 1}", daemon=True)
                self._threads[lane] = thread
                thread.start()
            self._changed.notify_all()

    def _work(self, lane: int) -> None:
        jobs = self._jobs[lane]
        while True:
            with self._changed:
                while not jobs:
                    if self._ended:
                        return
                    self._changed.wait()
                nbytes, job = jobs[0]  # stays there until it is done, so that `wait` sees it
            try:
                job(lane)
            except BaseException as error:  # whoever submits next must hear of it
                with self._changed:
                    self._error = self._error or error
            del job
            with self._changed:
                jobs.popleft()
                self._waiting -= nbytes
                self._count -= 1
                self._changed.notify_all()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def wait(self, key: int | None = None) -> None:
        """Until all jobs (of the lane of `key`) are done."""
        jobs = self._jobs if key is None else [self._jobs[key % self.lanes]]
        with self._changed:
            while any(jobs):
                self._changed.wait()
            self._raise()

    def close(self) -> None:
        """Until all jobs are done; then the threads end. May be called twice."""
        try:
            self.wait()
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            for thread in self._threads:
                if thread is not None:
                    thread.join()


class CrewOutput:
    """An `Output` whose bytes a crew writes to another; what goes wrong there is raised by the next call here."""

    def __init__(self, output: Output, crew: Crew, key: int) -> None:
        self._output = output
        self._crew = crew
        self._key = key
        self._closed = False
        self._error: OSError | None = None

    def write(self, data: bytes | memoryview) -> None:
        """See Output."""
        self._raise()
        if self._crew.lanes == 1:
            self._output.write(data)
            return
        copy = bytes(data)

        def job(lane: int) -> None:
            if self._error is None:  # behind what could not be written comes nothing
                try:
                    self._output.write(copy)
                except OSError as error:
                    self._error = error

        self._crew.submit(self._key, len(copy), job)

    def close(self) -> None:
        """See Output."""
        if self._closed:
            return
        self._closed = True
        try:
            self._crew.wait(self._key)
        finally:
            self._output.close()
        self._raise()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error
