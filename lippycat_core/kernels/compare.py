"""Comparing a needle or a wildcard program with a place in the slab. The caller checks that what is read lies in the slab."""

from __future__ import annotations

from lippycat_core.columns import I32, U8
from lippycat_core.kernels.load import le32
from lippycat_core.kernels.needles import BEGIN, END

OFFSETS = 0x7FFFFFFF
"""An offset and-ed with this is known to be no negative index, which Python would count from the end: machine code then
needs no check for that, and reads several bytes at once."""

CAPITAL = 0x41


def lower4(word: int) -> int:
    """Four bytes with ASCII letters in lower case, all at once: bit 7 of each sum says that the byte is at least `A`, or
    beyond `Z`."""
    low7 = word & 0x7F7F7F7F
    from_a = low7 + 0x3F3F3F3F
    beyond_z = low7 + 0x25252525
    upper = from_a & (0xFFFFFFFF ^ beyond_z) & (0xFFFFFFFF ^ word) & 0x80808080
    return word | (upper >> 2)


def agrees(slab: U8, fold: U8, place: int, text: U8, off: int, length: int) -> bool:
    """Whether `length` bytes at `place` are those at `off` of `text`, which is folded; four at a time, the last four
    perhaps once more."""
    p = place & OFFSETS
    t = off & OFFSETS
    n = length & OFFSETS
    folded = fold[CAPITAL] != CAPITAL
    i = 0
    if n >= 4:
        while i < n:
            k = min(i, n - 4) & OFFSETS
            word = le32(slab, p + k)
            if (lower4(word) if folded else word) != le32(text, t + k):
                return False
            i += 4
        return True
    while i < n and fold[slab[p + i]] == text[t + i]:
        i += 1
    return i == n


def segment_at(slab: U8, fold: U8, place: int, text: U8, anything: U8, off: int, length: int) -> bool:
    """Whether a segment lies at `place`."""
    p = place & OFFSETS
    t = off & OFFSETS
    i = 0
    while i < length and (anything[t + i] != 0 or fold[slab[p + i]] == text[t + i]):
        i += 1
    return i == length


def segment_from(slab: U8, fold: U8, begin: int, end: int, text: U8, anything: U8, off: int, length: int) -> int:
    """The first place of a segment in [begin, end), -1 where it has none."""
    p = begin
    while p + length <= end:
        if segment_at(slab, fold, p, text, anything, off, length):
            return p
        p += 1
    return -1


def program_begin(
    slab: U8,
    fold: U8,
    begin: int,
    end: int,
    text: U8,
    anything: U8,
    off: I32,
    length: I32,
    first: int,
    last: int,
    kind: int,
) -> int:
    """Where in [begin, end) a program's leftmost match begins, from `begin`; -1 where it does not match. `first` to `last`
    (inclusive) are its segments.

    Each segment is taken at its first place behind the one before: no other choice could do better, so there is nothing to
    try again, and hostile input costs no more than its length times the pattern's.
    """
    n = int(length[first])
    rest = end - begin - n
    if rest < 0:
        return -1
    if first == last and kind & END != 0:
        if kind & BEGIN != 0 and rest != 0:
            return -1
        return rest if segment_at(slab, fold, begin + rest, text, anything, int(off[first]), n) else -1
    start = begin
    if kind & BEGIN != 0:
        if not segment_at(slab, fold, begin, text, anything, int(off[first]), n):
            return -1
    else:
        start = segment_from(slab, fold, begin, end, text, anything, int(off[first]), n)
        if start < 0:
            return -1
    place = start + n
    for s in range(first + 1, last + 1):
        n = int(length[s])
        if s == last and kind & END != 0:
            if end - n < place or not segment_at(slab, fold, end - n, text, anything, int(off[s]), n):
                return -1
            return start - begin
        place = segment_from(slab, fold, place, end, text, anything, int(off[s]), n)
        if place < 0:
            return -1
        place += n
    return start - begin
