"""One needle: what is fastest for a few, one after the other, and what a user may ask for.

Needles that may lie anywhere are found by their two rarest bytes, looked for at many places at once; only where both stand
is anything compared.
"""

from __future__ import annotations

from lippycat_core.columns import I32, U8
from lippycat_core.kernels.compare import OFFSETS, agrees
from lippycat_core.kernels.needles import AT_ZERO, BEGIN, END, ONCE, Found, Needles

WIDE, NARROW = 32, 64
"""Places that the processor looks at in one step; spans with no more than NARROW are gone through by steps at once."""

BLOCK = 256
"""Places after which is asked whether there was anything; where there was, each step is asked."""


def both_anywhere(slab: U8, first: int, second: int, width: int, text: U8, at: int, other: int) -> bool:
    """Whether text[at] stands at first + k and text[other] at second + k, for any k below `width`."""
    x = first & OFFSETS
    y = second & OFFSETS
    n = width & 0xFFFF
    wanted = text[at]
    beside = text[other]
    found = False
    for k in range(n):
        found = found | ((slab[x + k] == wanted) & (slab[y + k] == beside))
    return found


def both_anywhere_folded(slab: U8, first: int, second: int, width: int, lower: U8, upper: U8, at: int, other: int) -> bool:
    """The same with letters in any case: `upper` is `lower` with upper-case letters."""
    x = first & OFFSETS
    y = second & OFFSETS
    n = width & 0xFFFF
    a = lower[at]
    capital = upper[at]
    b = lower[other]
    beside = upper[other]
    found = False
    for k in range(n):
        found = found | (((slab[x + k] == a) | (slab[x + k] == capital)) & ((slab[y + k] == b) | (slab[y + k] == beside)))
    return found


def next_byte(slab: U8, begin: int, end: int, byte: int, other: int) -> int:
    """The first place in [begin, end) of either byte; `end` where there is none."""
    p = begin
    while p < end and slab[p & OFFSETS] != byte and slab[p & OFFSETS] != other:
        p += 1
    return p


def match_each(
    slab: U8,
    off: I32,
    length: I32,
    begin: int,
    end: int,
    fold: U8,
    upper: U8,
    folded: int,
    needles: Needles,
    which: int,
    out: Found,
) -> tuple[int, int, int]:
    """Look for one needle, number `which`, which calls for no program, in rows [begin, end) and write (row, pattern, offset) of
    each hit.

    `at` and `low` of a needle say where in it its two rarest bytes stand; `upper` is the needles' text in upper case, where
    case is ignored. Returns the row at which `out` was full (its hits are not in it) or `end`, the number of hits, and 1 where
    each row's hits are in order of pattern and offset.
    """
    count = 0
    room = len(out.row)
    m = int(needles.length[which])
    kind = int(needles.kind[which])
    first = int(needles.off[which])
    at = int(needles.at[which])
    other = int(needles.low[which])
    pattern = int(needles.pattern[which])
    rare = int(needles.text[first + at]) if m > 0 else 0
    capital = int(upper[first + at]) if m > 0 else 0
    size = len(slab) - max(at, other)
    for row in range(begin, end):
        n = int(length[row])
        if n < m:
            continue
        o = int(off[row]) & OFFSETS
        before = count
        if kind & (BEGIN | END) != 0:
            place = o if kind & BEGIN != 0 else o + n - m
            if (kind & BEGIN != 0 and kind & END != 0 and n != m) or not agrees(slab, fold, place, needles.text, first, m):
                continue
            if count >= room:
                return row, before, 1
            out.row[count] = row
            out.pattern[count] = pattern
            out.offset[count] = 0 if kind & AT_ZERO != 0 else place - o
            count += 1
            continue
        places = o + n - m + 1
        place = o
        block = BLOCK if places - place > NARROW else WIDE
        while place < places:
            width = min(places - place, block)
            whole = (width + WIDE - 1) & -WIDE  # whole steps where the slab has so many bytes: what is found is compared anyway
            if place + whole > size:
                whole = width
            if folded != 0:
                found = both_anywhere_folded(
                    slab, place + at, place + other, whole, needles.text, upper, first + at, first + other
                )
            else:
                found = both_anywhere(slab, place + at, place + other, whole, needles.text, first + at, first + other)
            if found and width > WIDE:
                block = WIDE
                continue
            past = place + width
            if found:
                while place < past:
                    place = next_byte(slab, place + at, past + at, rare, capital) - at
                    if place < past and agrees(slab, fold, place, needles.text, first, m):
                        if count >= room:
                            return row, before, 1
                        out.row[count] = row
                        out.pattern[count] = pattern
                        out.offset[count] = 0 if kind & AT_ZERO != 0 else place - o
                        count += 1
                        if kind & ONCE != 0:
                            past = places
                            break
                    place += 1
            place = past
    return end, count, 1
