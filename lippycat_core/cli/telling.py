"""What is told to the user beside the results: one line on standard error. Imports nothing heavy."""

from __future__ import annotations

import sys

from lippycat_core.printable import printable


def say(message: str) -> None:
    """One line on standard error."""
    print(f"lc: {printable(' '.join(message.split()))}", file=sys.stderr)
