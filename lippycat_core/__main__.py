"""`lc`, and `python -m lippycat_core`, which is the same."""

from __future__ import annotations

import signal


def main() -> None:
    """Run `lc` and exit. Ctrl-C while modules are still being imported ends the process as it ends any other program."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from lippycat_core.cli.main import main as lc

    signal.signal(signal.SIGINT, before)
    lc()


if __name__ == "__main__":
    main()
