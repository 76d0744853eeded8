"""One thread beside the run: it answers who asks, and once a second holds the numbers against the rules for alerts.

It reads the pipeline between two batches. The worker's part is a few additions a batch, and a snapshot where one is wanted
while it is at work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lippycat_core.control.alerts import CLEARED, FAILURE_S, WINDOW_S, AlertBook, Change, Window, rate, rules
from lippycat_core.control.metrics import Snapshot
from lippycat_core.control.reading import Limits, Reading
from lippycat_core.hookspecs import Alert
from lippycat_core.matching.fallback import FallbackBackend
from lippycat_core.pipeline import Pipeline
from lippycat_core.writing.figures import Figures

if TYPE_CHECKING:
    from lippycat_core.control.server import ControlServer

OPENS_AFTER_S = 0.3
"""A run that is shorter than this is over before anybody could ask: it opens no socket."""

INTERVAL_S = 1.0
BUSY_S = 0.5
"""How long to wait for the worker's own snapshot before the last one must do."""


class Watch(NamedTuple):
    """What a monitor is to know of its run. `endless`: the input is a pipe or an interface, which may fall silent."""

    command: str
    inputs: Sequence[str]
    limits: Limits
    endless: bool = False
    stale_s: float = 60.0
    place: Path | None = None  # where the control socket is to be; None: nowhere
    config: Callable[[], Sequence[Mapping[str, object]]] = tuple
    match: FallbackBackend | None = None
    injected: Callable[[], Mapping[str, int]] = dict  # packets for a virtual interface, by result
    written: Callable[[], Figures] = Figures  # what is kept on disk


class Monitor:
    """Watches one run. `tell` takes one line for people, `hook` each alert that was raised or cleared."""

    def __init__(self, watch: Watch, tell: Callable[[str], None], hook: Callable[[Alert], None]) -> None:
        self.watch = watch
        self.book = AlertBook(rules(watch.stale_s))
        self._tell = tell
        self._hook = hook
        self._over = threading.Event()
        self._asking = threading.Lock()
        self._wanted = False
        self._unreadable = False
        self._fresh = threading.Event()
        self._untold: list[Alert] = []
        self._packets = Window(WINDOW_S)
        self._failures = Window(FAILURE_S)
        self._queue_sum = 0.0
        self._queue_count = 0
        self._work_begun: float | None = None  # when we first saw the worker at the batch at hand
        self._batches = 0
        self._batches_seen = -1
        self._server: ControlServer | None = None
        self._thread: threading.Thread | None = None

    def begin(self, pipeline: Pipeline) -> None:
        """Watch `pipeline`, which is about to run with our `batch` as its `on_batch`."""
        self._pipeline = pipeline
        self._reading = Reading(pipeline, self.watch.limits, self.watch.match, self.watch.injected, self.watch.written)
        self._last = self._reading.snapshot({})
        self._thread = threading.Thread(target=self._run, name="lc-control", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """The run is over, however it ended."""
        self._over.set()
        if self._server is not None:
            self._server.wake()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    # -- the worker's part ------------------------------------------------------------------------------------------------

    def batch(self, rows: int, seconds: float) -> None:
        """A batch is done; called by the worker, which holds the pipeline's `busy`."""
        self._batches += 1
        self._reading.bound = True
        if rows:
            self._reading.batches.add(seconds)
            self._reading.last_packet = time.monotonic()
            self._queue_sum += self._reading.queue_fill()
            self._queue_count += 1
        if self._wanted:
            self._wanted = False
            self._take()
            self._fresh.set()
        if self._untold:
            self._tell_hook()

    # -- anybody's --------------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The numbers between two batches: of now, or where the worker does not come to an end, the last that there are."""
        with self._asking:
            busy = self._pipeline.busy
            free = busy.acquire(blocking=False)
            if not free:
                self._fresh.clear()
                self._wanted = True
                free = not self._fresh.wait(BUSY_S) and busy.acquire(blocking=False)
            if free:
                try:
                    self._take()
                finally:
                    busy.release()
            return self._last

    def _take(self) -> None:
        """A snapshot; what a plugin raises when it is asked must not reach the run."""
        try:
            self._last = self._reading.snapshot(self.book.counts())
        except Exception as error:
            if not self._unreadable:
                self._unreadable = True
                self._tell(f"metrics cannot be read: {type(error).__name__}: {' '.join(str(error).split())}; the run goes on")

    # -- the monitor's thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        if self._over.wait(OPENS_AFTER_S):
            return
        self._open()
        try:
            while not self._over.is_set():
                if self._server is not None:
                    self._server.serve(time.monotonic() + INTERVAL_S)
                else:
                    self._over.wait(INTERVAL_S)
                if not self._over.is_set():
                    self.look(time.monotonic())
        except Exception as error:  # ours or a plugin's, the run does not depend on it
            self._tell(f"the run can no more be asked: {type(error).__name__}: {error}; it goes on")
        finally:
            if self._server is not None:
                self._server.close()

    def _open(self) -> None:
        if self.watch.place is None:
            return
        from lippycat_core.control.answers import Answers
        from lippycat_core.control.server import ControlServer  # here, for a short run needs neither

        try:
            self._server = ControlServer(self.watch.place, Answers(self).reply)
        except OSError as error:
            reason = error.strerror or str(error)
            self._tell(f"no control socket: {reason}; the run goes on, `lc debug` cannot ask it (--no-control: do not try)")

    def look(self, now: float) -> None:
        """Hold the numbers of now (monotonic seconds) against the rules."""
        for change in self.book.judge(self._figures(now), time.time()):
            self._announce(change)
        if self._untold and self._pipeline.busy.acquire(blocking=False):
            try:
                self._tell_hook()
            finally:
                self._pipeline.busy.release()

    def _figures(self, now: float) -> dict[str, float]:
        reading = self._reading
        captured, dropped, undecodable = self._packets.grew(now, *reading.outcome())
        (failures,) = self._failures.grew(now, reading.match_failures())
        figures = {
            "drop_rate": rate(dropped, captured),
            "undecodable_rate": rate(undecodable, captured),
            "tcp_memory": reading.tcp_fill(),
            "match_backend_failed": float(failures),
            "worker_stalled": self._stalled(now),
        }
        if self.watch.endless:
            # A file is read as fast as its batches are worked on, so that its queue is always full, and it never falls silent.
            taken, self._queue_count = self._queue_count, 0
            summed, self._queue_sum = self._queue_sum, 0.0
            at_work = self._work_begun is not None
            figures["queue_fill"] = summed / taken if taken else reading.queue_fill() if at_work else 0.0
            if not at_work:
                figures["stale_capture"] = now - reading.last_packet
        return figures

    def _stalled(self, now: float) -> float:
        """Seconds for which the worker has been seen at one batch."""
        if not self._pipeline.busy.locked():
            self._work_begun = None
        elif self._work_begun is None or self._batches != self._batches_seen:
            self._work_begun = now
        self._batches_seen = self._batches
        return 0.0 if self._work_begun is None else now - self._work_begun

    def _announce(self, change: Change) -> None:
        if change.rule.told and change.level != CLEARED:
            return
        self._untold.append(Alert(change.rule.name, change.level, change.message))
        self._tell(f"{change.level}: {change.message}")

    def _tell_hook(self) -> None:
        """Hooks are called while the worker waits, so that no two of a plugin run at once."""
        while self._untold:
            self._hook(self._untold.pop(0))
