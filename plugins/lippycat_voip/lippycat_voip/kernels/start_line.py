"""The start line of a SIP message (RFC 3261, sections 7.1 and 7.2): what tells SIP from everything else on any port."""

from __future__ import annotations

from lippycat_core.columns import U8
from lippycat_voip.kernels.text import COLON, CR, HT, LF, SP, starts, token_end

NO_MESSAGE, REQUEST, RESPONSE = 0, 1, 2

LONGEST_METHOD = 64
LONGEST_URI = 8192
LONGEST_PADDING = 256

_VERSION = b"sip/2.0"


def skip_padding(slab: U8, begin: int, end: int) -> int:
    """Offset behind the keep-alive bytes that senders leave in front of a message: line ends (RFC 3261, 7.5), NUL and
    white space, `LONGEST_PADDING` bytes at most."""
    last = min(end, begin + LONGEST_PADDING)
    i = begin
    while i < last and (slab[i] == CR or slab[i] == LF or slab[i] == 0 or slab[i] == SP or slab[i] == HT):
        i += 1
    return i


def start_line(slab: U8, begin: int, end: int) -> tuple[int, int, int]:
    """Form of the line at `begin` (NO_MESSAGE, REQUEST, RESPONSE) and the offsets of its two separators.

    Separators are exactly one space, as the grammar has it; `end` is as good as a line end. A status line may lack the
    second space together with the reason: many senders leave both out. Method and URI may hold bytes that the grammar
    does not allow (`clean_request` tells), but the first is printable and none is NUL: what says SIP is the version at
    the line's end.
    """
    if begin >= end or slab[begin] <= SP or slab[begin] >= 127:
        return NO_MESSAGE, 0, 0
    if starts(slab, begin, end, _VERSION):
        return _status_line(slab, begin, end)
    last = min(end, begin + LONGEST_METHOD + 1)
    space = _part_end(slab, begin, last, COLON)  # no header field looks like a request line
    if space >= last or slab[space] != SP:
        return NO_MESSAGE, 0, 0
    last = min(end, space + 1 + LONGEST_URI + 1)
    second = _part_end(slab, space + 1, last, SP)
    if second >= last or slab[second] != SP or not starts(slab, second + 1, end, _VERSION):
        return NO_MESSAGE, 0, 0
    stop = second + 1 + len(_VERSION)
    if stop < end and slab[stop] != CR and slab[stop] != LF:
        return NO_MESSAGE, 0, 0
    colon = space + 2
    while colon < second and slab[colon] != COLON:
        colon += 1
    return (REQUEST, space, second) if colon < second else (NO_MESSAGE, 0, 0)  # a URI has a scheme


def clean_request(slab: U8, begin: int, space: int, second: int) -> bool:
    """Whether a request line with these separators has a token for a method and no control characters in its URI."""
    i = space + 1
    while i < second and slab[i] > SP and slab[i] != 127:
        i += 1
    return i == second and token_end(slab, begin, space) == space


def _part_end(slab: U8, begin: int, end: int, separator: int) -> int:
    i = begin
    while i < end and slab[i] != SP and slab[i] != CR and slab[i] != LF and slab[i] != 0 and slab[i] != separator:
        i += 1
    return i


def _status_line(slab: U8, begin: int, end: int) -> tuple[int, int, int]:
    space = begin + len(_VERSION)
    stop = space + 4
    if stop > end or slab[space] != SP:
        return NO_MESSAGE, 0, 0
    for i in range(space + 1, stop):
        if slab[i] < 48 or slab[i] > 57:
            return NO_MESSAGE, 0, 0
    if stop < end and slab[stop] != SP and slab[stop] != CR and slab[stop] != LF:
        return NO_MESSAGE, 0, 0
    i = stop
    while i < end and slab[i] != CR and slab[i] != LF and slab[i] != 0:
        i += 1
    if i < end and slab[i] == 0:
        return NO_MESSAGE, 0, 0
    return RESPONSE, space, stop
