"""Multipart bodies (RFC 2046, section 5.1), as far as finding a session description in one."""

from __future__ import annotations

from lippycat_core.columns import U8
from lippycat_voip.kernels.text import COLON, CR, TOKEN, line_end, skip_space, starts

_DASH = 0x2D


def is_sdp(slab: U8, begin: int, end: int) -> bool:
    """Whether a Content-Type value is application/sdp, with or without parameters."""
    stop = begin + 15
    return starts(slab, begin, end, b"application/sdp") and (stop >= end or TOKEN[slab[stop]] == 0)


def sdp_part(slab: U8, begin: int, end: int) -> tuple[int, int]:
    """Offset and length of the first part of type application/sdp; length -1 where there is none.

    The part ends at the next line that begins with two dashes: no line of a session description does (RFC 4566, 5).
    """
    i = begin
    while i < end:
        stop = line_end(slab, i, end)
        if _names_sdp(slab, i, stop):
            return _part(slab, stop + 1, end)
        i = stop + 1
    return -1, -1


def _names_sdp(slab: U8, begin: int, end: int) -> bool:
    if starts(slab, begin, end, b"content-type"):
        i = begin + 12
    elif starts(slab, begin, end, b"c"):
        i = begin + 1
    else:
        return False
    i = skip_space(slab, i, end)
    if i >= end or slab[i] != COLON:
        return False
    return is_sdp(slab, skip_space(slab, i + 1, end), end)


def _part(slab: U8, begin: int, end: int) -> tuple[int, int]:
    i = begin
    while i < end:  # the part's other header fields, up to its empty line
        stop = line_end(slab, i, end)
        empty = stop == i or (stop == i + 1 and slab[i] == CR)
        i = stop + 1
        if empty:
            break
    body = min(i, end)
    i = body
    while i < end:
        if slab[i] == _DASH and i + 1 < end and slab[i + 1] == _DASH:
            return body, i - body
        i = line_end(slab, i, end) + 1
    return body, end - body
