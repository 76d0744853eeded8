"""What a run has written, as numbers that can be asked for while it goes."""

from __future__ import annotations

from typing import NamedTuple


class Figures(NamedTuple):
    """Packets written (one that is in several files counts for each), bytes on disk, files begun and those that failed; commands
    that ran and those that failed."""

    packets: int = 0
    nbytes: int = 0
    files: int = 0
    failures: int = 0
    commands: int = 0
    command_failures: int = 0
