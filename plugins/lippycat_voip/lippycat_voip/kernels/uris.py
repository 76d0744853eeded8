"""Parts of a URI, copied out in the one form in which they are compared (RFC 3261, 19.1.4; RFC 3986, 6.2.2; RFC 3966, 4).

Every copy goes to `out` from `at` on and returns where it ends; the caller has made sure that there is room for as many
bytes as are read.
"""

from __future__ import annotations

from lippycat_core.columns import U8
from lippycat_core.kernels.load import u8
from lippycat_voip.kernels.text import COLON, SEMICOLON, starts

PERCENT, PLUS, AT, QUESTION = 0x25, 0x2B, 0x40, 0x3F

OTHER, SIP, TEL = 0, 1, 2
"""What a scheme says of the rest: nothing, a user at a host (sip and sips), a telephone number."""

UNRESERVED = bytes(byte in b"-_.!~*'()0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" for byte in range(256))
"""1 for the bytes that mean the same escaped and as they are (RFC 3261, 25.1)."""

SCHEME = bytes(byte in b"+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" for byte in range(256))

SEPARATORS = bytes(byte in b"-.()" for byte in range(256))
"""1 for the visual separators of a telephone number (RFC 3966, 5.1.1)."""


def scheme_end(slab: U8, begin: int, end: int) -> int:
    """Offset of the colon behind the scheme; -1 where there is no scheme."""
    i = begin
    while i < end and SCHEME[slab[i]] != 0:
        i += 1
    return i if begin < i < end and slab[i] == COLON else -1


def scheme_kind(slab: U8, begin: int, colon: int) -> int:
    """OTHER, SIP or TEL."""
    n = colon - begin
    if n == 3 and starts(slab, begin, colon, b"tel"):
        return TEL
    return SIP if (n == 3 and starts(slab, begin, colon, b"sip")) or (n == 4 and starts(slab, begin, colon, b"sips")) else OTHER


def first_byte(slab: U8, begin: int, end: int, wanted: int) -> int:
    """Offset of the first such byte, or `end`."""
    i = begin
    while i < end and slab[i] != wanted:
        i += 1
    return i


def last_byte(slab: U8, begin: int, end: int, wanted: int) -> int:
    """Offset of the last such byte, or -1."""
    i = end - 1
    while i >= begin and slab[i] != wanted:
        i -= 1
    return i if i >= begin else -1


def address_end(slab: U8, begin: int, end: int) -> int:
    """Where the parameters and headers of a URI begin whose host is at `begin`, or `end`."""
    i = begin
    while i < end and slab[i] != SEMICOLON and slab[i] != QUESTION:
        i += 1
    return i


def escaped(slab: U8, i: int, end: int) -> int:
    """The byte that `%XX` at `i` stands for; -1 where no such thing is there."""
    if i + 2 >= end or slab[i] != PERCENT:
        return -1
    high, low = _hex(u8(slab, i + 1)), _hex(u8(slab, i + 2))
    return high * 16 + low if high >= 0 and low >= 0 else -1


def copy_unescaped(slab: U8, begin: int, end: int, out: U8, at: int) -> int:
    """The bytes with their escapes resolved (RFC 3261, 19.1.1)."""
    i = begin
    while i < end:
        value = escaped(slab, i, end)
        if value >= 0:
            out[at] = value
            i += 3
        else:
            out[at] = slab[i]
            i += 1
        at += 1
    return at


def copy_normal(slab: U8, begin: int, end: int, out: U8, at: int) -> int:
    """The bytes with escapes only where they are needed, in capital letters."""
    i = begin
    while i < end:
        value = escaped(slab, i, end)
        if value < 0 or UNRESERVED[value] != 0:
            out[at] = slab[i] if value < 0 else value
            i += 1 if value < 0 else 3
            at += 1
        else:
            for k in range(3):
                out[at] = _upper(u8(slab, i + k))
                at += 1
            i += 3
    return at


def copy_lower(slab: U8, begin: int, end: int, out: U8, at: int) -> int:
    """The bytes with ASCII letters in lower case."""
    for i in range(begin, end):
        c = u8(slab, i)
        out[at] = c + 32 if c >= 65 and c <= 90 else c
        at += 1
    return at


def copy_unseparated(slab: U8, begin: int, end: int, out: U8, at: int) -> int:
    """The bytes without visual separators."""
    for i in range(begin, end):
        c = u8(slab, i)
        if SEPARATORS[c] == 0:
            out[at] = c
            at += 1
    return at


def _hex(c: int) -> int:
    if c >= 48 and c <= 57:
        return c - 48
    c |= 0x20
    return c - 87 if c >= 97 and c <= 102 else -1


def _upper(c: int) -> int:
    return c - 32 if c >= 97 and c <= 122 else c
