"""Where the messages of a TCP direction begin and end (RFC 3261, 18.3): start line, header section, Content-Length.

Looks at bytes that lie in order in the slab; what waits for more of them is the framer's.
"""

from __future__ import annotations

from lippycat_core.columns import I64, U8
from lippycat_voip.columns import M_CONTENT_LENGTH
from lippycat_voip.kernels.headers import header_field
from lippycat_voip.kernels.sip import HEADER_LIMIT, empty_line
from lippycat_voip.kernels.start_line import LONGEST_METHOD, LONGEST_URI, NO_MESSAGE, skip_padding, start_line
from lippycat_voip.kernels.text import COLON, CR, LF, SP, folded_end, line_end, number, skip_space, trim_space

# What `frame` writes: five int64 fields, the first of which is one of the four answers.
FOUND, BEGIN, BODY, LENGTH, JUNK, OUT_WIDTH = 0, 1, 2, 3, 4, 5
NOTHING = 0  # padding at most
MESSAGE = 1  # a header section from BEGIN to BODY, and LENGTH bytes of body behind it
PARTIAL = 2  # from BEGIN on perhaps a message: more bytes are needed to tell, or to complete the header section
MIDLINE = 3  # junk whose line has not ended yet

VERSION = b"sip/2.0"
LONG_VERSION = 7

LONGEST_START_LINE = LONGEST_METHOD + LONGEST_URI + 16


def frame(slab: U8, begin: int, end: int, out: I64) -> None:
    """Find the first message at or after `begin`: writes what it found, where, and how many bytes of junk it passed.

    Junk is passed line by line up to the next start line; padding in front of a line is no junk. LENGTH is -1 where the
    header section gives no usable Content-Length; the first one counts, as in `kernels.sip`.
    """
    junk = 0
    at = begin
    body = end
    length = -1
    found = NOTHING
    while True:
        start = skip_padding(slab, at, end)
        if start > at:
            at = start
            continue
        if at >= end:
            break
        stop = line_end(slab, at, end)
        long = stop - at > LONGEST_START_LINE
        if stop == end:
            found = PARTIAL
            if long or not start_so_far(slab, at, end):
                found = MIDLINE
                junk += end - at
                at = end
            break
        form, _, _ = start_line(slab, at, stop)
        if form != NO_MESSAGE and not long:
            body, length, other = header_section(slab, stop + 1, min(end, at + HEADER_LIMIT))
            if body >= 0:
                found = MESSAGE
                break
            if other >= 0:
                junk += other - at
                at = other
                continue
            if end - at < HEADER_LIMIT:
                found = PARTIAL
                break
        junk += stop + 1 - at
        at = stop + 1
    out[FOUND] = found
    out[BEGIN] = at
    out[BODY] = body
    out[LENGTH] = length
    out[JUNK] = junk


def start_so_far(slab: U8, begin: int, end: int) -> bool:
    """Whether more bytes can make a start line of those that are there, as `start_line` takes it."""
    if begin >= end or slab[begin] <= SP or slab[begin] >= 127:
        return False
    if version_so_far(slab, begin, end):
        i = begin + LONG_VERSION
        digits = i + 1
        while i < end and i < digits + 3:
            if (slab[i] != SP) if i < digits else (slab[i] < 48 or slab[i] > 57):
                return False
            i += 1
        return i >= end or slab[i] == SP or slab[i] == CR
    i = word_so_far(slab, begin, min(end, begin + LONGEST_METHOD + 1), COLON)
    if i == end:
        return True
    if i - begin > LONGEST_METHOD or slab[i] != SP:
        return False
    uri = i + 1
    i = word_so_far(slab, uri, min(end, uri + LONGEST_URI + 1), SP)
    if i == end:
        return True
    if i - uri > LONGEST_URI or slab[i] != SP or not version_so_far(slab, i + 1, end):
        return False
    i += 1 + LONG_VERSION
    return i >= end or slab[i] == CR


def version_so_far(slab: U8, begin: int, end: int) -> bool:
    """Whether `SIP/2.0` stands here, as far as one can see."""
    i = 0
    while i < LONG_VERSION and begin + i < end:
        byte = int(slab[begin + i])
        if 65 <= byte <= 90:
            byte += 32
        if byte != VERSION[i]:
            return False
        i += 1
    return True


def word_so_far(slab: U8, begin: int, end: int, separator: int) -> int:
    """Where a part of a request line ends, or `end`."""
    i = begin
    while i < end and slab[i] != SP and slab[i] != CR and slab[i] != 0 and slab[i] != separator:
        i += 1
    return i


def header_section(slab: U8, begin: int, end: int) -> tuple[int, int, int]:
    """Offset of the body behind the header fields at `begin` (-1: no empty line in sight), the first usable
    Content-Length (-1: none), and the offset of a start line among the fields, which makes the section worthless (-1: none).
    """
    i = begin
    length = -1
    while i < end:
        name = i
        while i < end and slab[i] != COLON and slab[i] != LF:
            i += 1
        if i >= end:
            return -1, -1, -1
        if slab[i] == LF and empty_line(slab, name, i):
            return i + 1, length, -1
        space = name
        while space < i and slab[space] != SP:
            space += 1
        if space < i:  # as in a start line, and hardly in front of a colon
            stop = line_end(slab, i, end)
            form, _, _ = start_line(slab, name, stop)
            if stop < end and form != NO_MESSAGE:
                return -1, -1, name
        if slab[i] == LF:
            i += 1
            continue
        field = header_field(slab, name, trim_space(slab, name, i))
        value = i + 1
        i = folded_end(slab, value, end)
        if field == M_CONTENT_LENGTH and length < 0:
            value = skip_space(slab, value, i)
            stop = trim_space(slab, value, i)
            given, value = number(slab, value, stop)
            if value == stop:
                length = given
        i += 1
    return -1, -1, -1
