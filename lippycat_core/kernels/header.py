"""One header field of messages (RFC 3261, 7.3): which bytes of each are its value."""

from __future__ import annotations

from lippycat_core.columns import I32, U8
from lippycat_core.kernels.compare import OFFSETS

HT, LF, CR, SP, COLON = 9, 10, 13, 32, 58
MOST_NAMES = 8


def find_field(
    slab: U8, off: I32, length: I32, begin: int, end: int, fold: U8, names: U8, name_end: I32, first: U8, place: I32, size: I32
) -> None:
    """Write for rows [begin, end) where the field's value begins, from the span's begin, and its length; -1 and -1 where
    there is none (`interfaces.match.Extractor`).

    `names` are in lower case, one behind the other, name k ends at name_end[k]; first[c] is 1 for the bytes, in either case,
    that a name begins with.
    """
    for row in range(begin, end):
        place[row] = -1
        size[row] = -1
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
                    line = value
                    while line < stop and (
                        slab[line] != LF or (line + 1 < stop and (slab[line + 1] == SP or slab[line + 1] == HT))
                    ):
                        line += 1
                    while value < line and is_space(int(slab[value])):
                        value += 1
                    last = line
                    while last > value and is_space(int(slab[last - 1])):
                        last -= 1
                    place[row] = value - o
                    size[row] = last - value
                    break
            j = i & OFFSETS
            while j < stop and slab[j] != LF:
                j += 1
            i = j + 1
            k = i
            while k < stop and slab[k] == CR:
                k += 1
            if k < stop and slab[k] == LF:
                break


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
