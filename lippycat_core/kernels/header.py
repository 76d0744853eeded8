"""One header field of messages (RFC 3261, 7.3): which bytes of each are its value."""

from __future__ import annotations

from lippycat_core.columns import I32, U8
from lippycat_core.kernels.compare import OFFSETS
from lippycat_core.kernels.load import le32

HT, LF, CR, SP, COLON = 9, 10, 13, 32, 58
FOUR_LF, ONES, HIGH_BITS = 0x0A0A0A0A, 0x01010101, 0x80808080


def find_field(
    slab: U8, off: I32, length: I32, begin: int, end: int, fold: U8, names: U8, name_end: I32, first: U8, place: I32, size: I32
) -> None:
    """Write for rows [begin, end), from the first entry on, where the field's value begins, from the span's begin, and its
    length; -1 and -1 where there is none (`interfaces.match.Extractor`).

    `names` are in lower case, one behind the other, name k ends at name_end[k]; first[c] is 1 for the bytes, in either case,
    that a name begins with.
    """
    for row in range(begin, end):
        place[row - begin] = -1
        size[row - begin] = -1
        n = int(length[row])
        o = int(off[row]) & OFFSETS
        stop = o + n
        i = o
        while i < stop and (slab[i] == CR or slab[i] == LF):  # RFC 3261, 7.5
            i += 1
        while i < stop:
            if first[slab[i]] != 0:
                colon = colon_behind(slab, i, stop, fold, names, name_end)
                if colon >= 0:
                    value = colon + 1
                    line = line_end(slab, value, stop)
                    while line + 1 < stop and (slab[line + 1] == SP or slab[line + 1] == HT):
                        line = line_end(slab, line + 1, stop)
                    while value < line and is_space(int(slab[value])):
                        value += 1
                    last = line
                    while last > value and is_space(int(slab[last - 1])):
                        last -= 1
                    place[row - begin] = value - o
                    size[row - begin] = last - value
                    break
            i = line_end(slab, i, stop) + 1
            k = i
            while k < stop and slab[k] == CR:
                k += 1
            if k < stop and slab[k] == LF:
                break


def line_end(slab: U8, begin: int, end: int) -> int:
    """Offset of the line feed that ends the line, or `end`. Four bytes at a time: taking one from each turns on the bit 7 of
    those that were zero (Mycroft, 1987), and of some behind these."""
    i = begin & OFFSETS
    while i + 4 <= end:
        differ = le32(slab, i & OFFSETS) ^ FOUR_LF
        if (differ - ONES) & (0xFFFFFFFF ^ differ) & HIGH_BITS != 0:
            break
        i += 4
    while i < end and slab[i] != LF:
        i += 1
    return i


def colon_behind(slab: U8, begin: int, end: int, fold: U8, names: U8, name_end: I32) -> int:
    """Where the colon behind one of the names at `begin` is, -1 where none of them stands there."""
    start = 0
    for k in range(len(name_end)):
        n = int(name_end[k]) - start
        i = 0
        while i < n and begin + i < end and fold[slab[begin + i]] == names[start + i]:
            i += 1
        if i == n:
            i += begin
            while i < end and (slab[i] == SP or slab[i] == HT):
                i += 1
            if i < end and slab[i] == COLON:
                return i
        start += n
    return -1


def is_space(byte: int) -> bool:
    """White space, line ends of folded lines included."""
    return byte in (SP, HT, CR, LF)
