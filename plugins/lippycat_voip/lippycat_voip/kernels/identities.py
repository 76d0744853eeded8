"""What filters look at: user parts, telephone numbers and whole URIs of addresses, written one behind the other.

Each text is in the one form in which it is compared, so that what the user asked for is looked up byte by byte. Which of
them is wanted is not decided here.
"""

from __future__ import annotations

from typing import NamedTuple

from lippycat_core.columns import I32, U8
from lippycat_core.kernels.copy import copy_bytes
from lippycat_core.kernels.load import u8
from lippycat_voip.columns import AD_LEN, AD_MESSAGE, AD_OFF, AD_WIDTH
from lippycat_voip.kernels.text import COLON, SEMICOLON, SP, starts
from lippycat_voip.kernels.uris import (
    AT,
    OTHER,
    PLUS,
    SEPARATORS,
    SIP,
    TEL,
    address_end,
    copy_lower,
    copy_normal,
    copy_unescaped,
    copy_unseparated,
    escaped,
    first_byte,
    last_byte,
    scheme_end,
    scheme_kind,
)

USERS, NUMBERS, URIS = 1, 2, 4
"""Bits of what is wanted, and the order in which an address' texts are written."""

TEXT_LIMIT = 1024
"""Bytes of a user part or URI as sent; a longer one is nobody's."""

NUMBER_LIMIT = 64
"""Digits of a telephone number; E.164 has 15."""

CONTEXT = b"phone-context="

ADDRESS_BYTES = 3 * TEXT_LIMIT + 4 * NUMBER_LIMIT
"""Most bytes that the texts of one address take, with what is written on the way to them."""

ADDRESS_TEXTS = 2
"""Most texts of one kind of one address."""


class Texts(NamedTuple):
    """Where texts lie in the stage's own slab, and the message of each."""

    off: I32
    length: I32
    message: I32


class Numbering(NamedTuple):
    """How national and international numbers are dialled where the capture was made; digits all."""

    prefixes: U8  # international prefixes, one behind the other
    ends: I32  # where each of them ends
    country: U8  # none: national numbers mean nothing elsewhere
    national: U8


def identities(
    slab: U8,
    addresses: I32,
    first: int,
    count: int,
    wanted: int,
    numbering: Numbering,
    out: U8,
    users: Texts,
    numbers: Texts,
    uris: Texts,
) -> tuple[int, int, int, int, int]:
    """Write the `wanted` texts of addresses `first` to `count`. Returns the address to go on with (`count` when done: it
    stops where `out` might not hold another), how many bytes of `out` are used, and how many users, numbers and URIs
    there are. The lists have room for ADDRESS_TEXTS of each address, `out` for ADDRESS_BYTES at least.

    A user: escapes resolved (RFC 3261, 19.1.1); of a tel URI its number, and also without visual separators. A number: its
    digits as written, and those of the E.164 number that they stand for where that is known, without `+`. A URI: without
    parameters, scheme, host and tel's number in lower case, escapes only where they are needed, that number without
    separators.
    """
    used = 0
    n_users = 0
    n_numbers = 0
    n_uris = 0
    for a in range(first, count):
        if used + ADDRESS_BYTES > len(out):
            return a, used, n_users, n_numbers, n_uris
        message = int(addresses[a * AD_WIDTH + AD_MESSAGE])
        begin = int(addresses[a * AD_WIDTH + AD_OFF])
        end = begin + int(addresses[a * AD_WIDTH + AD_LEN])
        colon = scheme_end(slab, begin, end)
        if colon < 0:
            continue
        kind = scheme_kind(slab, begin, colon)
        rest = colon + 1
        at = last_byte(slab, rest, end, AT) if kind != TEL else -1
        user_end = rest  # of the user part, or the number of tel
        if kind == TEL:
            user_end = first_byte(slab, rest, end, SEMICOLON)
        elif kind == SIP and at >= 0:
            user_end = first_byte(slab, rest, at, COLON)  # a password follows
        has_user = rest < user_end <= rest + TEXT_LIMIT

        if (wanted & USERS) != 0 and has_user:
            stop = copy_unescaped(slab, rest, user_end, out, used)
            users.off[n_users] = used
            users.length[n_users] = stop - used
            users.message[n_users] = message
            n_users += 1
            if kind == TEL:
                bare = copy_unseparated(out, used, stop, out, stop)
                if 0 < bare - stop < stop - used:
                    users.off[n_users] = stop
                    users.length[n_users] = bare - stop
                    users.message[n_users] = message
                    n_users += 1
                    stop = bare
            used = stop

        if (wanted & NUMBERS) != 0 and has_user:
            number_end = first_byte(slab, rest, user_end, SEMICOLON)
            plus, stop = copy_number(slab, rest, number_end, out, used)
            if stop > used:
                numbers.off[n_numbers] = used
                numbers.length[n_numbers] = stop - used
                numbers.message[n_numbers] = message
                n_numbers += 1
                if not plus:
                    params_end = user_end if kind == SIP else end
                    off, length, stop = world_number(slab, number_end, params_end, numbering, out, used, stop)
                    if length > 0:
                        numbers.off[n_numbers] = off
                        numbers.length[n_numbers] = length
                        numbers.message[n_numbers] = message
                        n_numbers += 1
                used = stop

        if (wanted & URIS) != 0:
            stop = user_end if kind == TEL else address_end(slab, rest if at < 0 else at, end)
            if stop - begin <= TEXT_LIMIT:
                uris.off[n_uris] = used
                uris.message[n_uris] = message
                used = copy_uri(slab, begin, colon, at, stop, kind, out, used)
                uris.length[n_uris] = used - int(uris.off[n_uris])
                n_uris += 1
    return count, used, n_users, n_numbers, n_uris


def copy_uri(slab: U8, begin: int, colon: int, at: int, end: int, kind: int, out: U8, to: int) -> int:
    """Scheme, user and host, without parameters, in the form in which URIs are compared."""
    to = copy_lower(slab, begin, colon + 1, out, to)
    folds = colon + 1 if kind != OTHER else end  # from where on case does not count
    if at >= 0:
        folds = at
    to = copy_normal(slab, colon + 1, folds, out, to)
    stop = copy_normal(slab, folds, end, out, to)
    copy_lower(out, to, stop, out, to)
    return copy_unseparated(out, to, stop, out, to) if kind == TEL else stop


def copy_number(slab: U8, begin: int, end: int, out: U8, at: int) -> tuple[bool, int]:
    """Whether a number begins with `+`, and the end of its digits (`*` and `#` are some too, but none alone), which go to
    `out`; `at` for what is no number. Escapes are resolved, separators and spaces left out."""
    i = begin
    n = at
    plus = False
    digits = False
    while i < end:
        c = escaped(slab, i, end)
        if c >= 0:
            i += 3
        else:
            c = u8(slab, i)
            i += 1
        if (c >= 48 and c <= 57) or c == 0x2A or c == 0x23:
            if n - at == NUMBER_LIMIT:
                return False, at
            digits = digits or c >= 48
            out[n] = c
            n += 1
        elif c == PLUS and n == at and not plus:
            plus = True
        elif SEPARATORS[c] == 0 and c != SP:
            return False, at
    return plus, n if digits else at


def world_number(
    slab: U8, params: int, params_end: int, numbering: Numbering, out: U8, number: int, number_end: int
) -> tuple[int, int, int]:
    """Offset and length of the E.164 number that the digits at `number` of `out` stand for, length 0 where nobody knows,
    and where `out` is free. By the phone-context among the parameters (RFC 3966, 5.1.5), else by the prefixes."""
    context = phone_context(slab, params, params_end)
    if context >= 0:
        stop = first_byte(slab, context, params_end, SEMICOLON)
        plus, at = copy_number(slab, context, stop, out, number_end)
        if plus and at > number_end:
            copy_bytes(out, at, out, number, number_end - number)
            return number_end, at - number_end + number_end - number, at + number_end - number
    begin = 0
    for k in range(len(numbering.ends)):
        end = int(numbering.ends[k])
        if number + end - begin < number_end and same(out, number, numbering.prefixes, begin, end):
            return number + end - begin, number_end - number - (end - begin), number_end
        begin = end
    country, national = len(numbering.country), len(numbering.national)
    if country == 0 or number + national >= number_end or not same(out, number, numbering.national, 0, national):
        return number, 0, number_end
    copy_bytes(out, number_end, numbering.country, 0, country)
    length = number_end - number - national
    copy_bytes(out, number_end + country, out, number + national, length)
    return number_end, country + length, number_end + country + length


def phone_context(slab: U8, begin: int, end: int) -> int:
    """Offset of the value of the parameter phone-context, -1 where there is none; `begin` is at a semicolon, or `end`."""
    i = begin
    while i < end:
        if starts(slab, i + 1, end, CONTEXT):
            return i + 1 + len(CONTEXT)
        i = first_byte(slab, i + 1, end, SEMICOLON)
    return -1


def same(slab: U8, at: int, other: U8, begin: int, end: int) -> bool:
    """Whether the bytes from `at` on, of which there are enough, are those of `other` in [begin, end)."""
    i = begin
    while i < end and slab[at + i - begin] == other[i]:
        i += 1
    return i == end
