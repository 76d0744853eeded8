"""IP addresses written as text: dotted IPv4 and IPv6 (RFC 4291, section 2.2), as four words (IPv4 mapped)."""

from __future__ import annotations

from lippycat_core.columns import U8
from lippycat_core.kernels.load import u8
from lippycat_voip.kernels.text import COLON, number

MAPPED = 0xFFFF
_DOT = 0x2E


def address_literal(slab: U8, begin: int, end: int) -> tuple[bool, int, int, int, int]:
    """Whether the bytes are an address literal, and its words; zones (`%eth0`) and host names are none."""
    for i in range(begin, end):
        if slab[i] == COLON:
            return ipv6(slab, begin, end)
    word = ipv4(slab, begin, end)
    if word < 0:
        return False, 0, 0, 0, 0
    return True, 0, 0, MAPPED, word


def ipv4(slab: U8, begin: int, end: int) -> int:
    """The address as one word; -1 for anything but four numbers below 256 with dots between."""
    i = begin
    word = 0
    for part in range(4):
        if part > 0:
            if i >= end or slab[i] != _DOT:
                return -1
            i += 1
        value, stop = number(slab, i, end)
        if value < 0 or value > 255 or stop - i > 3:
            return -1
        word = word * 256 + value
        i = stop
    return word if i == end else -1


def ipv6(slab: U8, begin: int, end: int) -> tuple[bool, int, int, int, int]:
    """Whether the bytes are an IPv6 address, and its words: `::` at most once, an IPv4 address as the last two groups."""
    groups, gap = _survey(slab, begin, end)
    if groups < 0 or groups > 8 or (gap < 0 and groups != 8) or (gap >= 0 and groups == 8):
        return False, 0, 0, 0, 0
    w0 = w1 = w2 = w3 = 0
    i = begin
    g = 0
    while i < end:
        if slab[i] == COLON:
            i += 1
            continue
        value, stop = _group(slab, i, end)
        at = g if gap < 0 or g < gap else g + 8 - groups
        if stop < end and slab[stop] == _DOT:
            return True, w0, w1, w2, ipv4(slab, i, end)
        value *= 0x10000 if at % 2 == 0 else 1
        if at < 2:
            w0 += value
        elif at < 4:
            w1 += value
        elif at < 6:
            w2 += value
        else:
            w3 += value
        g += 1
        i = stop
    return True, w0, w1, w2, w3


def _survey(slab: U8, begin: int, end: int) -> tuple[int, int]:
    """How many groups are written, and in front of which of them `::` stands (-1: none); -1 groups for no address."""
    groups = 0
    gap = -1
    i = begin
    separated = True  # a group may begin here
    while i < end:
        if slab[i] == COLON:
            double = i + 1 < end and slab[i + 1] == COLON
            if double:
                if gap >= 0:
                    return -1, -1
                gap = groups
                i += 1
            elif separated or i + 1 == end:
                return -1, -1
            separated = True
            i += 1
            continue
        if not separated:
            return -1, -1
        value, stop = _group(slab, i, end)
        if stop < end and slab[stop] == _DOT:
            return (groups + 2, gap) if ipv4(slab, i, end) >= 0 else (-1, -1)
        if value < 0:
            return -1, -1
        groups += 1
        separated = False
        i = stop
    return groups, gap


def _group(slab: U8, begin: int, end: int) -> tuple[int, int]:
    """A group of one to four hexadecimal digits and where it ends; -1 where there is none."""
    i = begin
    value = 0
    while i < end and i < begin + 4:
        c = u8(slab, i)
        if c >= 48 and c <= 57:
            digit = c - 48
        elif (c | 0x20) >= 97 and (c | 0x20) <= 102:
            digit = (c | 0x20) - 87
        else:
            break
        value = value * 16 + digit
        i += 1
    return (value if i > begin else -1), i
