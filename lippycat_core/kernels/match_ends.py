"""Needles that lie at the begin or the end of a span, of which user lists have very many: found by the hash of their bytes.

The hash of a span's first k bytes is a sum, so that one pass gives it for every length that a needle has. Its cost does not
depend on the number of needles.
"""

from __future__ import annotations

from lippycat_core.columns import I32, I64, U8
from lippycat_core.kernels.compare import OFFSETS, agrees
from lippycat_core.kernels.hit import ascending, offset_of
from lippycat_core.kernels.needles import AT_ZERO, BEGIN, END, ONCE, Found, Index, Needles, Programs

REACH = 1024
"""Bytes of a needle that are hashed; longer ones are found by their first (or last) so many."""

WHOLE = BEGIN | END
SPREAD = 0x5BD1E995
LOW31 = 0x7FFFFFFF
FIRST_BIT, SECOND_BIT, BUCKET = 20, 8, 32
"""Where in a key's product with SPREAD the numbers of its two bits and of its bucket are taken from (as in `match_grams`)."""


def squeeze(total: int) -> int:
    """A sum of products (below 2**49) as 31 bits."""
    return (total ^ (total >> 25)) & LOW31


def match_ends(
    slab: U8,
    off: I32,
    length: I32,
    begin: int,
    end: int,
    fold: U8,
    needles: Needles,
    index: Index,
    steps: I32,
    whole: U8,
    factors: I64,
    backward: int,
    programs: Programs,
    stamps: I32,
    serial: int,
    out: Found,
) -> tuple[int, int, int]:
    """Look for needles at the begin (at the end where `backward` is 1) of rows [begin, end) and write (row, pattern, offset)
    of each hit, in the order of rows.

    `steps` are the lengths, at most REACH, that needles have which need not be the whole span, ascending; `whole[n]` is 1
    where one has that is n bytes long and must be. Of a needle `low` is its hash (`squeeze` of the sum of bytes times
    `factors`, backwards where the span is read so), `high` how many bytes are in it. Returns as `match_each`.
    """
    count = 0
    room = len(out.row)
    ordered = 1
    buckets = len(index.start) - 2
    bits = (len(index.seen) * 8 - 1) & OFFSETS
    for row in range(begin, end):
        n = int(length[row])
        if n < 0:
            continue
        o = int(off[row]) & OFFSETS
        before = count
        total = 0
        taken = 0
        looked = -1
        step = 0
        while True:
            if step < len(steps) and steps[step] <= n:
                target = int(steps[step])
                step += 1
            elif n < len(whole) and whole[n] != 0 and looked != n:
                target = n
            else:
                break
            if backward != 0:
                p = o + n - 1
                for i in range(taken, target):
                    total += factors[i] * fold[slab[(p - i) & OFFSETS]]
            else:
                for i in range(taken & OFFSETS, target):
                    total += factors[i] * fold[slab[o + i]]
            taken = target
            looked = target
            key = squeeze(total)
            spread = key * SPREAD
            bit = (spread >> FIRST_BIT) & bits
            if (int(index.seen[bit >> 3]) >> (bit & 7)) & 1 == 0:
                continue
            bit = (spread >> SECOND_BIT) & bits
            if (int(index.seen[bit >> 3]) >> (bit & 7)) & 1 == 0:
                continue
            bucket = (spread >> BUCKET) & buckets
            for c in range(int(index.start[bucket]), int(index.start[bucket + 1])):
                if needles.low[c] != key or needles.high[c] != target:
                    continue
                m = int(needles.length[c])
                kind = int(needles.kind[c])
                if m > n or (kind & WHOLE == WHOLE and m != n):
                    continue
                place = o if backward == 0 else o + n - m
                if agrees(slab, fold, place, needles.text, int(needles.off[c]), m):
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
                            return row, before, ordered
                        out.row[count] = row
                        out.pattern[count] = needles.pattern[c]
                        out.offset[count] = offset
                        count += 1
        ordered &= ascending(out.pattern, out.offset, before, count)
    return end, count, ordered
