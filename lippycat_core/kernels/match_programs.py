"""Wildcard programs, one after the other: for those that have no literal to be found by, and for who asks for it."""

from __future__ import annotations

from lippycat_core.columns import I32, U8
from lippycat_core.kernels.compare import program_begin
from lippycat_core.kernels.needles import Found, Programs


def match_programs(
    slab: U8, off: I32, length: I32, begin: int, end: int, fold: U8, programs: Programs, which: I32, out: Found
) -> tuple[int, int, int]:
    """Try programs `which` on rows [begin, end) and write (row, pattern, offset) of each that matches. Returns as
    `match_each`."""
    count = 0
    room = len(out.row)
    for row in range(begin, end):
        n = int(length[row])
        if n < 0:
            continue
        o = int(off[row])
        before = count
        for k in range(len(which)):
            program = int(which[k])
            offset = program_begin(
                slab,
                fold,
                o,
                o + n,
                programs.text,
                programs.any,
                programs.off,
                programs.length,
                int(programs.first[program]),
                int(programs.first[program + 1]) - 1,
                int(programs.kind[program]),
            )
            if offset >= 0:
                if count >= room:
                    return row, before, 1
                out.row[count] = row
                out.pattern[count] = programs.pattern[program]
                out.offset[count] = offset
                count += 1
    return end, count, 1
