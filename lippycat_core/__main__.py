"""`lc`, and `python -m lippycat_core`, which is the same."""

from __future__ import annotations

import os
import signal
from types import FrameType


def main() -> None:
    """Run `lc` and exit. Ctrl-C while modules are still being imported ends the process with its code and no traceback."""
    before = signal.signal(signal.SIGINT, _end)
    from lippycat_core.cli.main import main as lc

    signal.signal(signal.SIGINT, before)
    lc()


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
