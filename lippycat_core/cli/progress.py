"""One line on standard error that says how far a long run is. It reads the wall clock; results never depend on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from lippycat_core.interfaces.capture import Progress

QUIET_S = 1.0
"""A run shorter than this shows nothing."""

INTERVAL_S = 0.2


class ProgressLine:
    """Packets, rate and time left, drawn over itself at most five times a second; `close` wipes it."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._begin = clock()
        self._due = self._begin + QUIET_S
        self._drawn = 0

    def __call__(self, progress: Progress, packets: int) -> None:
        """Take note of how far the run is, and draw it where it is time to."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + INTERVAL_S
        line = describe(progress, packets, now - self._begin)
        self._stream.write("\r" + line + " " * (self._drawn - len(line)))
        self._stream.flush()
        self._drawn = len(line)

    def close(self) -> None:
        """Wipe the line, so that what follows begins at the margin."""
        if self._drawn:
            self._stream.write("\r" + " " * self._drawn + "\r")
            self._stream.flush()
            self._drawn = 0


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
