"""Where the addresses of a message's parties lie: Request-URI, From, To, P-Asserted-Identity and P-Preferred-Identity.

The message table knows the first value of a field; asserted identities come as two, in one line or in two (RFC 3325,
9.1), so their lines are gone through here once more. What a URI says is not looked at.
"""

from __future__ import annotations

from lippycat_core.columns import I32, U8
from lippycat_voip.columns import (
    AD_LEN,
    AD_MESSAGE,
    AD_OFF,
    AD_WIDTH,
    F_TRUNCATED,
    M_BODY,
    M_FLAGS,
    M_FROM,
    M_LEN,
    M_OFF,
    M_PAI,
    M_PPI,
    M_TO,
    M_URI,
    M_WIDTH,
)
from lippycat_voip.kernels.headers import header_field
from lippycat_voip.kernels.sip import HEADER_LIMIT, LINE_LIMIT
from lippycat_voip.kernels.text import (
    COLON,
    COMMA,
    GREATER,
    LESS,
    LF,
    QUOTE,
    SEMICOLON,
    first_value_end,
    folded_end,
    quoted_end,
    skip_space,
    trim_space,
)

FIELD_LIMIT = 8
"""Addresses of From, of To, and of both identity fields together."""

MESSAGE_LIMIT = 3 * FIELD_LIMIT + 1
"""Addresses of a message."""


def addresses(slab: U8, messages: I32, count: int, found: I32) -> int:
    """Write a row (`AD_` fields) for each address of `count` messages, in their order, and return how many there are.

    `found` has room for MESSAGE_LIMIT rows a message. An address is what stands between angle brackets, outside of quotes;
    where there are none, the bare URI without what follows its first semicolon.
    """
    used = 0
    for m in range(count):
        base = m * M_WIDTH
        if messages[base + M_URI + 1] > 0:
            used = put(found, used, m, int(messages[base + M_URI]), int(messages[base + M_URI + 1]))
        for field in (M_FROM, M_TO):
            i = int(messages[base + field])
            used = addresses_of(slab, i, i + int(messages[base + field + 1]), m, found, used, used + FIELD_LIMIT)

        # Asserted identities: the lines from the first one on
        i = first_of(int(messages[base + M_PAI]), int(messages[base + M_PPI]))
        if i < 0:
            continue
        head = int(messages[base + M_BODY])
        cut = head < 0 and (int(messages[base + M_FLAGS]) & F_TRUNCATED) != 0
        if head < 0:
            head = int(messages[base + M_OFF]) + int(messages[base + M_LEN])
        limit = min(head, int(messages[base + M_OFF]) + HEADER_LIMIT)
        most = used + FIELD_LIMIT
        lines = 0
        field = M_PAI
        while i < limit and lines < LINE_LIMIT:
            lines += 1
            line = folded_end(slab, i, limit)
            if cut and line >= head:
                break  # the snap length cut it: nobody knows how it goes on
            if field in (M_PAI, M_PPI):
                used = addresses_of_list(slab, i, trim_space(slab, i, line), m, found, used, most)
            name = line + 1
            i = name
            while i < limit and slab[i] != COLON and slab[i] != LF:
                i += 1
            if i < limit and slab[i] == LF:
                field = -1  # no header field, and this line feed ends it
            else:
                field = header_field(slab, name, trim_space(slab, name, i))
                i += 1
    return used


def put(found: I32, used: int, message: int, off: int, length: int) -> int:
    """Write one row behind `used` others; returns how many there are now."""
    found[used * AD_WIDTH + AD_MESSAGE] = message
    found[used * AD_WIDTH + AD_OFF] = off
    found[used * AD_WIDTH + AD_LEN] = length
    return used + 1


def addresses_of_list(slab: U8, begin: int, end: int, message: int, found: I32, used: int, most: int) -> int:
    """The same for values with commas between; as many rows as make `most`."""
    i = begin
    while i < end and used < most:
        stop = first_value_end(slab, i, end)
        used = addresses_of(slab, i, stop, message, found, used, most)
        i = skip_space(slab, stop, end)
        if i < end and slab[i] == COMMA:
            i += 1
    return used


def addresses_of(slab: U8, begin: int, end: int, message: int, found: I32, used: int, most: int) -> int:
    """Write a row for each address of one value, as many as make `most`; returns how many there are now."""
    i = begin
    pairs = 0
    while i < end and used < most and pairs < FIELD_LIMIT:
        off, length, i = bracketed(slab, i, end)
        if length < 0:
            break
        pairs += 1
        if length > 0:
            used = put(found, used, message, off, length)
    if begin < end and pairs == 0 and used < most:
        off, length = bare(slab, begin, end)
        if length > 0:
            used = put(found, used, message, off, length)
    return used


def first_of(a: int, b: int) -> int:
    """The smaller of two offsets, either of which may be absent (negative)."""
    return b if a < 0 else a if b < 0 else min(a, b)


def bracketed(slab: U8, begin: int, end: int) -> tuple[int, int, int]:
    """Offset and length of the next address in angle brackets, and where to go on behind it; length -1 and `end` where
    there is none. A quote that nothing closes counts as any other character."""
    i = begin
    quotes = True
    while i < end:
        c = slab[i]
        if c == QUOTE and quotes:
            stop = quoted_end(slab, i, end)
            quotes = stop <= end
            i = stop if quotes else i + 1
            continue
        i += 1
        if c == LESS:
            stop = i
            while stop < end and slab[stop] != LESS and slab[stop] != GREATER:
                stop += 1
            if stop < end and slab[stop] == GREATER:
                i = skip_space(slab, i, stop)
                return i, trim_space(slab, i, stop) - i, stop + 1
    return -1, -1, end


def bare(slab: U8, begin: int, end: int) -> tuple[int, int]:
    """Offset and length of the address in a value that has none between brackets: behind a quoted name, and behind a
    bracket that nothing closes; without one up to the first semicolon."""
    i = skip_space(slab, begin, end)
    if i < end and slab[i] == QUOTE:
        stop = quoted_end(slab, i, end)
        i = stop if stop <= end else i + 1
    stop = i
    while stop < end and slab[stop] != LESS:
        stop += 1
    if stop < end:
        i = stop + 1
        stop = end
    else:
        stop = i
        while stop < end and slab[stop] != SEMICOLON:
            stop += 1
    i = skip_space(slab, i, stop)
    return i, trim_space(slab, i, stop) - i
