"""SIP messages of a segment: one row of the message table each (RFC 3261, section 7).

One pass over the header section; a field's value is looked into only where the table wants more of it than its span. What
a message means is not decided here.
"""

from __future__ import annotations

from lippycat_core.columns import I32, TCP, U8
from lippycat_voip.columns import (
    F_MALFORMED,
    F_SDP,
    F_TRUNCATED,
    M_BODY,
    M_BRANCH,
    M_CALL_ID,
    M_CONTENT_LENGTH,
    M_CONTENT_TYPE,
    M_CSEQ,
    M_CSEQ_METHOD,
    M_CSEQ_TEXT,
    M_FLAGS,
    M_FROM,
    M_FROM_TAG,
    M_LEN,
    M_METHOD,
    M_METHOD_TEXT,
    M_OFF,
    M_REASON,
    M_REASON_HEADER,
    M_ROW,
    M_SDP,
    M_SEGMENTS,
    M_SERVER,
    M_STATUS,
    M_TO,
    M_TRANSPORT,
    M_URI,
    M_USER_AGENT,
    M_WIDTH,
    SP_LEN,
    SP_OFF,
    SP_ROW,
    SP_SEGMENTS,
    SP_TRANSPORT,
    SP_WIDTH,
    SP_WIRE_LEN,
    TLS,
)
from lippycat_voip.kernels.headers import UNKNOWN, header_field, method_number
from lippycat_voip.kernels.multipart import is_sdp, sdp_part
from lippycat_voip.kernels.start_line import NO_MESSAGE, RESPONSE, clean_request, skip_padding, start_line
from lippycat_voip.kernels.text import (
    COLON,
    CR,
    LF,
    balanced,
    first_value_end,
    folded_end,
    line_end,
    number,
    parameter,
    skip_space,
    starts,
    token_end,
    trim_space,
)

HEADER_LIMIT = 64 * 1024
"""Bytes of a header section; a longer one is malformed and read no further."""

LINE_LIMIT = 256
"""Header fields of a message, likewise."""

NUMBER_MAX = 2**31 - 1
"""The largest CSeq (RFC 3261, 8.1.1.5), and the largest number that a column holds."""


def parse(slab: U8, spans: I32, count: int, table: I32) -> None:
    """Fill a row of the message table for each of the `count` spans (`SP_` fields), all fields written.

    A span without a valid start line gives a row with method and status 0 that is malformed. Header fields that may come
    more than once keep their first value; the `Reason` that speaks of Q.850 wins over others (RFC 3326).
    """
    for m in range(count):
        s = m * SP_WIDTH
        base = m * M_WIDTH
        off = int(spans[s + SP_OFF])
        end = off + int(spans[s + SP_LEN])
        cut = spans[s + SP_WIRE_LEN] > spans[s + SP_LEN]
        transport = int(spans[s + SP_TRANSPORT])
        for k in range(M_WIDTH):
            table[base + k] = -1
        table[base + M_ROW] = spans[s + SP_ROW]
        table[base + M_TRANSPORT] = transport
        table[base + M_SEGMENTS] = spans[s + SP_SEGMENTS]
        table[base + M_METHOD] = 0
        table[base + M_STATUS] = 0
        table[base + M_CSEQ_METHOD] = 0
        flags = 0

        # Start line
        begin = skip_padding(slab, off, end)
        form, first, second = start_line(slab, begin, end)
        i = line_end(slab, begin, end)
        table[base + M_OFF] = begin
        if form == NO_MESSAGE:
            table[base + M_LEN] = end - begin
            table[base + M_FLAGS] = F_MALFORMED
            continue
        method = 0
        if form == RESPONSE:
            status, stop = number(slab, first + 1, second)
            table[base + M_STATUS] = status
            if status < 100 or status > 699:
                flags = F_MALFORMED
            reason = min(second + 1, i)
            table[base + M_REASON] = reason
            table[base + M_REASON + 1] = trim_space(slab, reason, i) - reason
        else:
            if not clean_request(slab, begin, first, second):
                flags = F_MALFORMED
            method = method_number(slab, begin, first)
            table[base + M_METHOD] = method
            table[base + M_METHOD_TEXT] = begin
            table[base + M_METHOD_TEXT + 1] = first - begin
            table[base + M_URI] = first + 1
            table[base + M_URI + 1] = second - first - 1
        i += 1

        # Header fields, up to the empty line
        limit = min(end, begin + HEADER_LIMIT)
        lines = 0
        whole = False
        via = False
        content_length = -1
        while i < limit and lines < LINE_LIMIT:
            lines += 1
            name = i
            while i < limit and slab[i] != COLON and slab[i] != LF:
                i += 1
            if i >= limit or slab[i] == LF:
                if i < limit and empty_line(slab, name, i):
                    whole = True
                    i += 1
                    break
                i += 1  # not a header field: nothing in it is for us
                continue
            field = header_field(slab, name, trim_space(slab, name, i))
            value = i + 1
            i = folded_end(slab, value, limit)
            if field == UNKNOWN or (cut and i >= end):  # the snap length cut this one: nobody knows how it goes on
                i += 1
                continue
            value = min(skip_space(slab, value, i), i)
            stop = trim_space(slab, value, i)
            i += 1
            if field == M_BRANCH:
                if not via:
                    via = True
                    a, n = parameter(slab, value, stop, b"branch")
                    if n >= 0:
                        table[base + M_BRANCH] = a
                        table[base + M_BRANCH + 1] = n
            elif field == M_CSEQ:
                if table[base + M_CSEQ_TEXT] >= 0:
                    flags |= F_MALFORMED
                    continue
                v, a = number(slab, value, stop)
                if v >= 0 and v <= NUMBER_MAX:
                    table[base + M_CSEQ] = v
                a = skip_space(slab, a, stop)
                n = token_end(slab, a, stop) - a
                table[base + M_CSEQ_TEXT] = a
                table[base + M_CSEQ_TEXT + 1] = n
                table[base + M_CSEQ_METHOD] = method_number(slab, a, a + n)
                if n == 0 or v < 0 or v > NUMBER_MAX:
                    flags |= F_MALFORMED
            elif field == M_CONTENT_LENGTH:
                v, a = number(slab, value, stop)
                if v < 0 or a != stop or v > NUMBER_MAX or (content_length >= 0 and v != content_length):
                    flags |= F_MALFORMED
                elif content_length < 0:
                    content_length = v
            elif table[base + field] < 0:
                if field in (M_FROM, M_TO):
                    a, n = parameter(slab, value, stop, b"tag")
                    if n >= 0:
                        table[base + field + M_FROM_TAG - M_FROM] = a
                        table[base + field + M_FROM_TAG - M_FROM + 1] = n
                    if value == stop or not balanced(slab, value, stop):
                        flags |= F_MALFORMED
                elif field == M_CALL_ID:
                    if value == stop:
                        flags |= F_MALFORMED
                elif field != M_USER_AGENT and field != M_SERVER and field != M_REASON_HEADER:
                    stop = first_value_end(slab, value, stop)
                table[base + field] = value
                table[base + field + 1] = stop - value
            elif field == M_REASON_HEADER:
                if starts(slab, value, stop, b"q.850"):
                    table[base + field] = value
                    table[base + field + 1] = stop - value
            elif field in (M_CALL_ID, M_FROM, M_TO):
                flags |= F_MALFORMED  # once in a message (RFC 3261, 7.3.1 and table 2); the first counts

        # Body
        table[base + M_CONTENT_LENGTH] = content_length
        body = min(i, end)
        stop = end
        if not whole:
            body = end
            if cut:
                flags |= F_TRUNCATED
            elif i < end:
                flags |= F_MALFORMED  # a limit was met
        elif content_length >= 0 and content_length <= end - body:
            stop = body + content_length
        elif cut:
            flags |= F_TRUNCATED
        elif content_length >= 0 or (transport in (TCP, TLS) and table[base + M_CONTENT_TYPE] >= 0):
            flags |= F_MALFORMED  # a body shorter than it says, or one in a stream that does not say (RFC 3261, 18.3)
        table[base + M_LEN] = stop - begin
        if whole:
            table[base + M_BODY] = body
            table[base + M_BODY + 1] = stop - body
        if stop > body:
            a, n = sdp_in(slab, int(table[base + M_CONTENT_TYPE]), int(table[base + M_CONTENT_TYPE + 1]), body, stop)
            if n >= 0:
                flags |= F_SDP
                table[base + M_SDP] = a
                table[base + M_SDP + 1] = n

        # What every message must have (RFC 3261, 8.1.1; Max-Forwards is not in RFC 2543 and not in responses)
        if whole or not cut:
            if table[base + M_CALL_ID] < 0 or table[base + M_FROM] < 0 or table[base + M_TO] < 0 or not via:
                flags |= F_MALFORMED
            if table[base + M_CSEQ] < 0 or (method != 0 and not answers(slab, table, base)):
                flags |= F_MALFORMED
        table[base + M_FLAGS] = flags


def empty_line(slab: U8, begin: int, end: int) -> bool:
    """Whether only carriage returns lie in front of the line feed at `end`: some senders write CR CR LF."""
    i = begin
    while i < end and slab[i] == CR:
        i += 1
    return i == end


def answers(slab: U8, table: I32, base: int) -> bool:
    """Whether the method of a request's CSeq is that of its request line (RFC 3261, 8.1.1.5)."""
    n = int(table[base + M_METHOD_TEXT + 1])
    if n != table[base + M_CSEQ_TEXT + 1]:
        return False
    a = int(table[base + M_METHOD_TEXT])
    b = int(table[base + M_CSEQ_TEXT])
    i = 0
    while i < n and slab[a + i] == slab[b + i]:
        i += 1
    return i == n


def sdp_in(slab: U8, type_off: int, type_len: int, begin: int, end: int) -> tuple[int, int]:
    """Offset and length of the session description in a body of the content type at `type_off` (negative: none was
    given); length -1 where there is none."""
    if type_off < 0:
        return (begin, end - begin) if starts(slab, begin, end, b"v=0") else (-1, -1)
    if is_sdp(slab, type_off, type_off + type_len):
        return begin, end - begin
    if starts(slab, type_off, type_off + type_len, b"multipart/"):
        return sdp_part(slab, begin, end)
    return -1, -1
