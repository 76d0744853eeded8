"""Very many needles that may lie anywhere: each is known by grams of its bytes, and grams of a span are looked up (Karp,
Rabin: Efficient randomized pattern-matching algorithms, 1987; Wu, Manber: A fast algorithm for multi-pattern searching, 1994).

Where needles are known by `stride` neighbouring grams, every stride-th gram of a span is enough: of those of a needle that
lies there exactly one is looked up. A bit a hash, in a table that stays in the cache, turns nearly all away.
"""

from __future__ import annotations

from lippycat_core.columns import I32, U8
from lippycat_core.kernels.compare import OFFSETS, agrees, lower4
from lippycat_core.kernels.hit import ascending, offset_of
from lippycat_core.kernels.load import le32
from lippycat_core.kernels.needles import Found, Index, Needles, Programs

SHORTEST, LONGEST = 4, 8
"""Bytes of a gram: two words of four, which overlap where it is shorter than eight."""

LOW_FACTOR, HIGH_FACTOR = 0x2545F491, 0x1B873593
"""Below 2**30, so that the sum of both products stays below 2**63."""

FIRST_BIT, SECOND_BIT, BUCKET = 22, 9, 34
"""Where in that sum the numbers of a key's two bits (Bloom: Space/time trade-offs in hash coding, CACM 1970) and of its bucket
are taken from."""


def next_seen(slab: U8, begin: int, end: int, shift: int, stride: int, seen: U8) -> int:
    """The first place begin + k * stride below `end` whose gram has the hash of a needle's; `end` or more where there is none.
    A loop of its own, and small: it is where the time goes."""
    bits = (len(seen) * 8 - 1) & OFFSETS
    p = begin
    while p < end:
        low = le32(slab, p & OFFSETS)
        high = le32(slab, (p + shift) & OFFSETS)
        spread = low * LOW_FACTOR + high * HIGH_FACTOR
        bit = (spread >> FIRST_BIT) & bits
        if (int(seen[bit >> 3]) >> (bit & 7)) & 1 != 0:
            bit = (spread >> SECOND_BIT) & bits
            if (int(seen[bit >> 3]) >> (bit & 7)) & 1 != 0:
                break
        p += stride
    return p


def next_seen_folded(slab: U8, begin: int, end: int, shift: int, stride: int, seen: U8) -> int:
    """The same with letters in lower case."""
    bits = (len(seen) * 8 - 1) & OFFSETS
    p = begin
    while p < end:
        low = lower4(le32(slab, p & OFFSETS))
        high = lower4(le32(slab, (p + shift) & OFFSETS))
        spread = low * LOW_FACTOR + high * HIGH_FACTOR
        bit = (spread >> FIRST_BIT) & bits
        if (int(seen[bit >> 3]) >> (bit & 7)) & 1 != 0:
            bit = (spread >> SECOND_BIT) & bits
            if (int(seen[bit >> 3]) >> (bit & 7)) & 1 != 0:
                break
        p += stride
    return p


def match_grams(
    slab: U8,
    off: I32,
    length: I32,
    begin: int,
    end: int,
    fold: U8,
    folded: int,
    gram: int,
    stride: int,
    needles: Needles,
    index: Index,
    programs: Programs,
    stamps: I32,
    serial: int,
    out: Found,
) -> tuple[int, int, int]:
    """Look up every `stride`-th gram of `gram` bytes (SHORTEST to LONGEST) of rows [begin, end) and write (row, pattern,
    offset) of each hit, in the order of rows. A needle stands in the table once for each of its `stride` grams: `at` says
    where in it that gram lies, `low` and `high` are its words, folded where `folded` is 1. Returns as `match_each`.
    """
    count = 0
    room = len(out.row)
    ordered = 1
    buckets = len(index.start) - 2
    shift = gram - SHORTEST
    step = max(stride, 1)
    for row in range(begin, end):
        n = int(length[row])
        o = int(off[row]) & OFFSETS
        before = count
        places = o + n - gram + 1
        p = o
        while p < places:
            p = (
                next_seen_folded(slab, p, places, shift, step, index.seen)
                if folded != 0
                else next_seen(slab, p, places, shift, step, index.seen)
            )
            if p >= places:
                break
            low = le32(slab, p)
            high = le32(slab, p + shift)
            if folded != 0:
                low = lower4(low)
                high = lower4(high)
            bucket = ((low * LOW_FACTOR + high * HIGH_FACTOR) >> BUCKET) & buckets
            for c in range(int(index.start[bucket]), int(index.start[bucket + 1])):
                if needles.low[c] != low or needles.high[c] != high:
                    continue
                first = p - int(needles.at[c])
                m = int(needles.length[c])
                if first < o or first + m > o + n:
                    continue
                if agrees(slab, fold, first, needles.text, int(needles.off[c]), m):
                    offset = first - o
                    kind = int(needles.kind[c])
                    if kind != 0:
                        offset = offset_of(
                            slab,
                            fold,
                            o,
                            n,
                            first,
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
            p += step
        ordered &= ascending(out.pattern, out.offset, before, count)
    return end, count, ordered
