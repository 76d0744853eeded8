"""Very many needles that may lie anywhere: each is known by one gram of its bytes, the rarest it has, and every gram of a
span is looked up (Karp, Rabin: Efficient randomized pattern-matching algorithms, 1987; here one gram stands for a needle).

A bit a hash, in a table that stays in the cache, turns nearly all of them away.
"""

from __future__ import annotations

from lippycat_core.columns import I32, U8
from lippycat_core.kernels.compare import OFFSETS, agrees
from lippycat_core.kernels.hit import offset_of
from lippycat_core.kernels.load import le32
from lippycat_core.kernels.needles import Index, Needles, Programs

SHORTEST, LONGEST = 4, 8
"""Bytes of a gram: two words of four, which overlap where it is shorter than eight."""

LOW_FACTOR, HIGH_FACTOR = 0x2545F491, 0x1B873593
"""Below 2**30, so that the sum of both products stays below 2**63."""


def lower4(word: int) -> int:
    """Four bytes with ASCII letters in lower case, all at once: bit 7 of each sum says that the byte is at least `A`, or
    beyond `Z`."""
    low7 = word & 0x7F7F7F7F
    from_a = low7 + 0x3F3F3F3F
    beyond_z = low7 + 0x25252525
    upper = from_a & (0xFFFFFFFF ^ beyond_z) & (0xFFFFFFFF ^ word) & 0x80808080
    return word | (upper >> 2)


def match_grams(
    slab: U8,
    off: I32,
    length: I32,
    begin: int,
    end: int,
    fold: U8,
    folded: int,
    gram: int,
    needles: Needles,
    index: Index,
    programs: Programs,
    stamps: I32,
    serial: int,
    out: I32,
) -> tuple[int, int]:
    """Look up each gram of `gram` bytes (SHORTEST to LONGEST) of rows [begin, end) and write (row, pattern, offset) of each
    hit, in the order of rows. Of a needle `at` says where in it its gram lies, `low` and `high` are the gram's words, folded
    where `folded` is 1. Returns as `match_each`.
    """
    count = 0
    room = len(out) // 3
    buckets = len(index.start) - 2
    bits = len(index.seen) * 8 - 1
    shift = gram - SHORTEST
    for row in range(begin, end):
        n = int(length[row])
        o = int(off[row]) & OFFSETS
        before = count
        for i in range(n - gram + 1):
            p = (o + i) & OFFSETS
            low = le32(slab, p)
            high = le32(slab, (p + shift) & OFFSETS)
            if folded != 0:
                low = lower4(low)
                high = lower4(high)
            spread = low * LOW_FACTOR + high * HIGH_FACTOR
            bit = (spread >> 22) & bits
            if (int(index.seen[bit >> 3]) >> (bit & 7)) & 1 == 0:
                continue
            bucket = (spread >> 34) & buckets
            for c in range(int(index.start[bucket]), int(index.start[bucket + 1])):
                if needles.low[c] != low or needles.high[c] != high:
                    continue
                first = i - int(needles.at[c])
                m = int(needles.length[c])
                if first < 0 or first + m > n:
                    continue
                if agrees(slab, fold, o + first, needles.text, int(needles.off[c]), m):
                    offset = offset_of(
                        slab,
                        fold,
                        o,
                        n,
                        o + first,
                        serial + row,
                        int(needles.pattern[c]),
                        int(needles.kind[c]),
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
    return end, count
