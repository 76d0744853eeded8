"""What becomes of a needle that was found: a hit with an offset, or nothing; and the order of a row's hits."""

from __future__ import annotations

from lippycat_core.columns import I32, U8
from lippycat_core.kernels.compare import program_begin
from lippycat_core.kernels.needles import AT_ZERO, ONCE, Programs


def offset_of(
    slab: U8,
    fold: U8,
    off: int,
    length: int,
    place: int,
    stamp: int,
    pattern: int,
    kind: int,
    program: int,
    programs: Programs,
    stamps: I32,
) -> int:
    """The offset of the hit that a needle at `place` in the span (`off`, `length`) is, -1 where it is none.

    `stamps` has, by pattern, the `stamp` of the last row that a pattern of one hit a row was looked at in.
    """
    if kind & ONCE != 0:
        if stamps[pattern] == stamp:
            return -1
        stamps[pattern] = stamp
    if program >= 0:
        return program_begin(
            slab,
            fold,
            off,
            off + length,
            programs.text,
            programs.any,
            programs.off,
            programs.length,
            int(programs.first[program]),
            int(programs.first[program + 1]) - 1,
            int(programs.kind[program]),
        )
    return 0 if kind & AT_ZERO != 0 else place - off


def ascending(pattern: I32, offset: I32, begin: int, end: int) -> int:
    """1 where hits [begin, end), those of one row, are in order of pattern and offset, else 0."""
    for k in range(begin + 1, end):
        if pattern[k] < pattern[k - 1] or (pattern[k] == pattern[k - 1] and offset[k] < offset[k - 1]):
            return 0
    return 1
