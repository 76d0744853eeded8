"""One automaton for all needles (Aho, Corasick: Efficient string matching, CACM 1975), its transitions in one table with a
column a class of bytes: bytes that no needle has are one class. `matching/automaton.py` builds it and says what lies where.
"""

from __future__ import annotations

from lippycat_core.columns import I32, U8
from lippycat_core.kernels.compare import OFFSETS
from lippycat_core.kernels.hit import ascending, offset_of
from lippycat_core.kernels.needles import BEGIN, END, Found, Needles, Programs


def match_automaton(
    slab: U8,
    off: I32,
    length: I32,
    begin: int,
    end: int,
    fold: U8,
    classes: U8,
    columns: int,
    table: I32,
    own: I32,
    same: I32,
    link: I32,
    needles: Needles,
    programs: Programs,
    stamps: I32,
    serial: int,
    out: Found,
) -> tuple[int, int, int]:
    """Run the automaton over rows [begin, end) and write (row, pattern, offset) of each hit, in the order of rows.
    `classes` folds where case is ignored. Returns as `match_each`."""
    count = 0
    room = len(out.row)
    ordered = 1
    for row in range(begin, end):
        n = int(length[row])
        o = int(off[row]) & OFFSETS
        before = count
        state = 0
        for i in range(n):
            entry = int(table[state + int(classes[slab[(o + i) & OFFSETS]])])
            state = entry >> 1
            if entry & 1 == 0:
                continue
            node = state // columns
            while node >= 0:
                c = int(own[node])
                while c >= 0:
                    m = int(needles.length[c])
                    place = o + i + 1 - m
                    kind = int(needles.kind[c])
                    if (kind & BEGIN == 0 or place == o) and (kind & END == 0 or i + 1 == n):
                        offset = offset_of(
                            slab,
                            fold,
                            o,
                            n,
                            place,
                            serial + row,
                            int(needles.pattern[c]),
                            kind,
                            int(needles.program[c]),
                            programs,
                            stamps,
                        )
                        if offset >= 0:
                            if count >= room:
                                return row, before, ordered
                            out.row[count] = row
                            out.pattern[count] = needles.pattern[c]
                            out.offset[count] = offset
                            count += 1
                    c = int(same[c])
                node = int(link[node])
        ordered &= ascending(out.pattern, out.offset, before, count)
    return end, count, ordered
