"""SIGINT and SIGTERM during a run: the first asks it to stop and write its summary, the second ends the process."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any

TAKEN = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """A context in which the two signals set a flag; calling it tells whether one came. Main thread only."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        """Whether the run was asked to stop."""
        return self._signal is not None

    @property
    def exit_code(self) -> int:
        """130 after SIGINT, 143 after SIGTERM, 0 where neither came."""
        return 0 if self._signal is None else 128 + self._signal

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None:
            os._exit(128 + number)
        self._signal = number

    def __enter__(self) -> StopRequest:
        self._before = {taken: signal.signal(taken, self._take) for taken in TAKEN}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for taken, handler in self._before.items():
            signal.signal(taken, handler)
