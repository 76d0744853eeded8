"""The start line of a SIP message (RFC 3261, sections 7.1 and 7.2): what tells SIP from everything else on any port."""

from __future__ import annotations

from lippycat_core.columns import U8
from lippycat_voip.kernels.text import CR, HT, LF, SP, TOKEN, starts

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
    second space together with the reason: many senders leave both out.
    """
    if begin >= end or TOKEN[slab[begin]] == 0:
        return NO_MESSAGE, 0, 0
    if starts(slab, begin, end, _VERSION):
        return _status_line(slab, begin, end)
    last = min(end, begin + LONGEST_METHOD + 1)
    space = begin
    while space < last and TOKEN[slab[space]] != 0:
        space += 1
    if space >= last or slab[space] != SP:
        return NO_MESSAGE, 0, 0
    last = min(end, space + 1 + LONGEST_URI + 1)
    second = space + 1
    while second < last and slab[second] > SP and slab[second] != 127:
        second += 1
    if second >= last or second == space + 1 or slab[second] != SP or not starts(slab, second + 1, end, _VERSION):
        return NO_MESSAGE, 0, 0
    stop = second + 1 + len(_VERSION)
    if stop < end and slab[stop] != CR and slab[stop] != LF:
        return NO_MESSAGE, 0, 0
    return REQUEST, space, second


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
    return RESPONSE, space, stop
