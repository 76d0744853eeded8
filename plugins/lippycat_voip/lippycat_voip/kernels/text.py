"""Lines, words, numbers and parameters of text protocols in a slab (RFC 3261, section 25; RFC 4566, section 5).

Nothing here knows a header or a method. Bytes are compared in place; only numbers are computed with, through `load`.
"""

from __future__ import annotations

from lippycat_core.columns import U8
from lippycat_core.kernels.load import u8

HT, LF, CR, SP = 9, 10, 13, 32
QUOTE, COMMA, SLASH, COLON, SEMICOLON, LESS, EQUALS, GREATER, BACKSLASH = 0x22, 0x2C, 0x2F, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x5C

TOKEN = bytes(byte in b"-.!%*_+`'~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" for byte in range(256))
"""1 for the bytes of a token (RFC 3261, section 25.1)."""

NUMBER_LIMIT = 1 << 40
"""Numbers stop growing here: still a number, and too large for whatever it was meant to be."""


def starts(slab: U8, begin: int, end: int, word: bytes) -> bool:
    """Whether the bytes begin with `word`, whatever the case; `word` is in lower case."""
    if end - begin < len(word):
        return False
    for i in range(len(word)):
        c = slab[begin + i]
        w = word[i]
        if c != w and (w < 97 or w > 122 or c + 32 != w):
            return False
    return True


def line_end(slab: U8, begin: int, end: int) -> int:
    """Offset of the line feed that ends the line, or `end`."""
    i = begin
    while i < end and slab[i] != LF:
        i += 1
    return i


def folded_end(slab: U8, begin: int, end: int) -> int:
    """Offset of the line feed that ends a header field with its continuation lines (RFC 3261, 7.3.1), or `end`."""
    i = begin
    while i < end:
        if slab[i] == LF and (i + 1 >= end or (slab[i + 1] != SP and slab[i + 1] != HT)):
            return i
        i += 1
    return i


def skip_space(slab: U8, begin: int, end: int) -> int:
    """Offset of the first byte that is no white space, line ends of folded lines included, or `end`."""
    i = begin
    while i < end and (slab[i] == SP or slab[i] == HT or slab[i] == CR or slab[i] == LF):
        i += 1
    return i


def trim_space(slab: U8, begin: int, end: int) -> int:
    """End of the bytes without the white space and line ends behind them."""
    i = end
    while i > begin and (slab[i - 1] == SP or slab[i - 1] == HT or slab[i - 1] == CR or slab[i - 1] == LF):
        i -= 1
    return i


def number(slab: U8, begin: int, end: int) -> tuple[int, int]:
    """The decimal number at `begin`, at most `NUMBER_LIMIT`, and where it ends; -1 where there is no digit."""
    i = begin
    value = 0
    while i < end and slab[i] >= 48 and slab[i] <= 57:
        if value < NUMBER_LIMIT:
            value = value * 10 + u8(slab, i) - 48
        i += 1
    if i == begin:
        return -1, i
    return min(value, NUMBER_LIMIT), i


def token_end(slab: U8, begin: int, end: int) -> int:
    """End of the token at `begin`."""
    i = begin
    while i < end and TOKEN[slab[i]] != 0:
        i += 1
    return i


def first_value_end(slab: U8, begin: int, end: int) -> int:
    """End of the first of several values: a comma outside of quotes and angle brackets ends it (RFC 3261, 7.3.1)."""
    i = begin
    angle = False
    while i < end:
        c = slab[i]
        if c == QUOTE and not angle:
            i = quoted_end(slab, i, end)
            continue
        if c == LESS:
            angle = True
        elif c == GREATER:
            angle = False
        elif c == COMMA and not angle:
            return trim_space(slab, begin, i)
        i += 1
    return end


def quoted_end(slab: U8, begin: int, end: int) -> int:
    """Offset behind the string that the quote at `begin` opens; `end` + 1 where nothing closes it."""
    i = begin + 1
    while i < end:
        c = slab[i]
        if c == QUOTE:
            return i + 1
        if c == BACKSLASH:
            i += 1
        i += 1
    return end + 1


def parameter(slab: U8, begin: int, end: int, word: bytes) -> tuple[int, int]:
    """Offset and length of the value of the first value's header parameter `word` (lower case); length -1 where it is
    not there.

    Parameters of a URI in angle brackets are not the header's; without brackets all are (RFC 3261, section 20). A quote
    that nothing closes counts as any other character.
    """
    i = begin
    angle = False
    quotes = True
    while i < end:
        c = slab[i]
        if c == QUOTE and quotes and not angle:
            stop = quoted_end(slab, i, end)
            quotes = stop <= end
            i = stop if quotes else i + 1
            continue
        if c == LESS:
            angle = True
        elif c == GREATER:
            angle = False
        elif c == COMMA and not angle:
            return -1, -1
        elif c == SEMICOLON and not angle:
            i = skip_space(slab, i + 1, end)
            if starts(slab, i, end, word):
                equals = skip_space(slab, i + len(word), end)
                if equals < end and slab[equals] == EQUALS:
                    value = skip_space(slab, equals + 1, end)
                    stop = value
                    while stop < end and not _ends_value(slab[stop]):
                        stop += 1
                    return value, stop - value
            continue
        i += 1
    return -1, -1


def balanced(slab: U8, begin: int, end: int) -> bool:
    """Whether every quoted string ends."""
    i = begin
    while i < end:
        i = quoted_end(slab, i, end) if slab[i] == QUOTE else i + 1
    return i <= end


def _ends_value(c: int) -> bool:
    return c in (SEMICOLON, COMMA, SP, HT, CR, LF, GREATER)
