"""One needle after the other: what is fastest for a few, and what a user may ask for.

Needles that may lie anywhere are found by their two rarest bytes, looked for at many places at once; only where both stand
is anything compared.
"""

from __future__ import annotations

from lippycat_core.columns import I32, U8
from lippycat_core.kernels.compare import OFFSETS, agrees
from lippycat_core.kernels.hit import offset_of
from lippycat_core.kernels.needles import AT_ZERO, BEGIN, END, ONCE, Needles, Programs

WIDE = 32
"""Places that the processor looks at in one step."""

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
    programs: Programs,
    stamps: I32,
    serial: int,
    out: I32,
) -> tuple[int, int]:
    """Look for each needle in rows [begin, end) and write (row, pattern, offset) of each hit, in the order of rows.

    `at` and `low` of a needle say where in it its two rarest bytes stand; `upper` is the needles' text in upper case.
    Returns the row at which `out` was full (its hits are not in it) or `end`, and the number of hits.
    """
    count = 0
    room = len(out) // 3
    size = len(slab)
    for row in range(begin, end):
        n = int(length[row])
        if n < 0:
            continue
        o = int(off[row])
        before = count
        for c in range(len(needles.off)):
            m = int(needles.length[c])
            last = n - m
            if last < 0:
                continue
            kind = int(needles.kind[c])
            text = int(needles.off[c])
            if kind & (BEGIN | END) != 0:
                if kind & BEGIN != 0 and kind & END != 0 and last != 0:
                    continue
                place = o if kind & BEGIN != 0 else o + last
                if agrees(slab, fold, place, needles.text, text, m):
                    offset = (
                        place - o
                        if kind & (ONCE | AT_ZERO) == 0
                        else offset_of(
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
                    )
                    if offset >= 0:
                        if count >= room:
                            return row, before
                        out[3 * count] = row
                        out[3 * count + 1] = needles.pattern[c]
                        out[3 * count + 2] = offset
                        count += 1
                continue
            at = int(needles.at[c])
            other = int(needles.low[c])
            i = 0
            block = BLOCK
            while i <= last:
                width = min(last + 1 - i, block)
                whole = (
                    (width + WIDE - 1) // WIDE * WIDE
                )  # a whole step where the slab has so many bytes: hits are compared anyway
                if o + i + max(at, other) + whole > size:
                    whole = width
                if folded != 0:
                    found = both_anywhere_folded(
                        slab, o + i + at, o + i + other, whole, needles.text, upper, text + at, text + other
                    )
                else:
                    found = both_anywhere(slab, o + i + at, o + i + other, whole, needles.text, text + at, text + other)
                if found and width > WIDE:
                    block = WIDE
                    continue
                if found:
                    p = o + i + at
                    past = p + width
                    while p < past:
                        p = next_byte(slab, p, past, int(needles.text[text + at]), int(upper[text + at]))
                        if p < past and agrees(slab, fold, p - at, needles.text, text, m):
                            offset = p - at - o
                            if kind != 0:
                                offset = offset_of(
                                    slab,
                                    fold,
                                    o,
                                    n,
                                    p - at,
                                    serial + row,
                                    int(needles.pattern[c]),
                                    kind,
                                    int(needles.program[c]),
                                    programs,
                                    stamps,
                                )
                            if offset >= 0:
                                if count >= room:
                                    return row, before
                                out[3 * count] = row
                                out[3 * count + 1] = needles.pattern[c]
                                out[3 * count + 2] = offset
                                count += 1
                        p += 1
                i += width
    return end, count
