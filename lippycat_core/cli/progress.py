"""One line on standard error that says how far a long run is. It reads the wall clock; results never depend on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TextIO

from lippycat_core.batch import Batch
from lippycat_core.events import Event
from lippycat_core.interfaces.capture import Progress

QUIET_S = 1.0
"""A run shorter than this shows nothing."""

INTERVAL_S = 0.2


class ProgressLine:
    """Packets, rate and time left, drawn over itself at most five times a second; `close` wipes it.

    It is a sink too, the first of a run whose results go to the same terminal: it steps aside before they are written, and
    stands below them afterwards.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._begin = clock()
        self._due = self._begin + QUIET_S
        self._line = ""
        self._shown = False

    def __call__(self, progress: Progress, packets: int) -> None:
        """Take note of how far the run is, and draw it where it is time to."""
        now = self._clock()
        if now >= self._due:
            self._due = now + INTERVAL_S
            self._draw(describe(progress, packets, now - self._begin))
        elif self._line and not self._shown:
            self._draw(self._line)

    def _draw(self, line: str) -> None:
        self._stream.write("\r" + line + " " * (len(self._line) - len(line)))
        self._stream.flush()
        self._line, self._shown = line, True

    def _wipe(self) -> None:
        if self._shown:
            self._stream.write("\r" + " " * len(self._line) + "\r")
            self._stream.flush()
            self._shown = False

    def packets(self, batch: Batch) -> None:
        """Make room for what other sinks write of a batch."""
        self._wipe()

    def emit(self, events: Sequence[Event]) -> None:
        """Make room for what other sinks write of events."""
        self._wipe()

    def close(self) -> None:
        """Wipe the line, so that what follows begins at the margin."""
        self._wipe()


def describe(progress: Progress, packets: int, elapsed_s: float) -> str:
    """`12,345,678 packets, 3,100,000/s, 41 %, 7 s left`; no share and no time left where the size is not known."""
    parts = [f"{packets:,} packets", f"{round(packets / elapsed_s) if elapsed_s > 0 else 0:,}/s"]
    total, done = progress.bytes_total, progress.bytes_done
    if total and 0 < done <= total:
        parts.append(f"{100 * done // total} %")
        parts.append(f"{_duration(elapsed_s * (total - done) / done)} left")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
