"""Session descriptions of a segment's messages: one row of the media table for each m= line (RFC 4566, section 5).

Only what ties packets to a call is read here. Format and codec lists are left as a span: they repeat from message to
message, so that Python reads each of them once.
"""

from __future__ import annotations

from lippycat_core.columns import I32, I64, U8
from lippycat_voip.columns import (
    A_CRYPTO,
    A_FINGERPRINT,
    A_MUX,
    D_ADDRESS,
    D_ADDRESS_KNOWN,
    D_DIRECTION,
    D_FLAGS,
    D_FORMATS,
    D_MESSAGE,
    D_PORT,
    D_PORTS,
    D_PROTO,
    D_PTIME,
    D_RTCP_ADDRESS,
    D_RTCP_KNOWN,
    D_RTCP_PORT,
    D_TYPE,
    D_WIDTH,
    M_SDP,
    M_WIDTH,
)
from lippycat_voip.kernels.literals import address_literal
from lippycat_voip.kernels.text import CR, EQUALS, HT, SP, line_end, number, starts

MEDIA_LIMIT = 16
"""m= lines of a description that are read."""

PORT_MAX = 65535

ATTRIBUTE, CONNECTION, MEDIA = 0x61, 0x63, 0x6D  # a= c= m=


def describe(slab: U8, messages: I32, first: int, count: int, media: I64, rows: int) -> int:
    """Fill rows of the media table for messages `first` to `count`, and end them with one whose D_MESSAGE is -1.

    Returns the message to go on with (`count` when done): it stops where `rows` could not hold another whole
    description. `rows` must be larger than MEDIA_LIMIT. A message without description has no rows.
    """
    row = 0
    for m in range(first, count):
        i = int(messages[m * M_WIDTH + M_SDP])
        length = int(messages[m * M_WIDTH + M_SDP + 1])
        if length < 0:
            continue
        if row + MEDIA_LIMIT >= rows:
            media[row * D_WIDTH + D_MESSAGE] = -1
            return m
        end = i + length
        lines = 0  # m= lines so far
        known, w0, w1, w2, w3 = False, 0, 0, 0, 0  # session level, inherited by each media description
        direction = 0
        flags = 0
        base = 0
        own_address = False
        while i < end:
            stop = line_end(slab, i, end)
            begin = i + 2
            kind = int(slab[i])
            i = stop + 1
            if stop < begin or slab[begin - 1] != EQUALS:
                continue
            while stop > begin and slab[stop - 1] == CR:
                stop -= 1
            if kind == MEDIA:
                if lines == MEDIA_LIMIT:
                    break
                base = (row + lines) * D_WIDTH
                lines += 1
                own_address = False
                for k in range(D_WIDTH):
                    media[base + k] = 0
                media[base + D_MESSAGE] = m
                media[base + D_TYPE] = media_type(slab, begin, stop)
                begin = next_word(slab, begin, stop)
                port, ports = port_and_count(slab, begin, stop)
                media[base + D_PORT] = port
                media[base + D_PORTS] = ports
                begin = next_word(slab, begin, stop)
                media[base + D_PROTO] = protocol(slab, begin, word_end(slab, begin, stop))
                begin = next_word(slab, begin, stop)
                media[base + D_FORMATS] = begin
                media[base + D_FORMATS + 1] = stop - begin
                media[base + D_ADDRESS_KNOWN] = known
                media[base + D_ADDRESS] = w0
                media[base + D_ADDRESS + 1] = w1
                media[base + D_ADDRESS + 2] = w2
                media[base + D_ADDRESS + 3] = w3
                media[base + D_DIRECTION] = direction
                media[base + D_FLAGS] = flags
                media[base + D_RTCP_PORT] = -1
                media[base + D_PTIME] = -1
            elif kind == CONNECTION:
                k, a0, a1, a2, a3 = connection_address(slab, begin, stop)
                if lines == 0:
                    known, w0, w1, w2, w3 = k, a0, a1, a2, a3
                elif not own_address:  # of several (layered multicast) the first
                    own_address = True
                    media[base + D_ADDRESS_KNOWN] = k
                    media[base + D_ADDRESS] = a0
                    media[base + D_ADDRESS + 1] = a1
                    media[base + D_ADDRESS + 2] = a2
                    media[base + D_ADDRESS + 3] = a3
            elif kind == ATTRIBUTE:
                said = attribute(slab, begin, stop)
                if said == NOTHING:
                    continue
                if lines == 0:
                    if said <= INACTIVE:
                        direction = said
                    elif said == IS_CRYPTO:
                        flags |= A_CRYPTO
                    elif said == IS_FINGERPRINT:
                        flags |= A_FINGERPRINT
                elif said <= INACTIVE:
                    media[base + D_DIRECTION] = said
                elif said == IS_RTPMAP:
                    media[base + D_FORMATS + 1] = stop - media[base + D_FORMATS]
                elif said == IS_PTIME:
                    value, _ = number(slab, begin + 6, stop)
                    media[base + D_PTIME] = value
                elif said == IS_RTCP:
                    value, _ = number(slab, begin + 5, stop)
                    media[base + D_RTCP_PORT] = value if value <= PORT_MAX else -1
                    k, a0, a1, a2, a3 = connection_address(slab, next_word(slab, begin, stop), stop)
                    media[base + D_RTCP_KNOWN] = k
                    media[base + D_RTCP_ADDRESS] = a0
                    media[base + D_RTCP_ADDRESS + 1] = a1
                    media[base + D_RTCP_ADDRESS + 2] = a2
                    media[base + D_RTCP_ADDRESS + 3] = a3
                elif said == IS_MUX:
                    media[base + D_FLAGS] |= A_MUX
                elif said == IS_CRYPTO:
                    media[base + D_FLAGS] |= A_CRYPTO
                elif said == IS_FINGERPRINT:
                    media[base + D_FLAGS] |= A_FINGERPRINT
        row += lines
    media[row * D_WIDTH + D_MESSAGE] = -1
    return count


# What an attribute says. The first four are indexes into sdp.DIRECTIONS.
SENDRECV, SENDONLY, RECVONLY, INACTIVE = 0, 1, 2, 3
IS_RTPMAP, IS_PTIME, IS_RTCP, IS_MUX, IS_CRYPTO, IS_FINGERPRINT, NOTHING = 4, 5, 6, 7, 8, 9, 10


def attribute(slab: U8, begin: int, end: int) -> int:
    """Which of the attributes above stands at `begin`."""
    if begin >= end:
        return NOTHING
    c = int(slab[begin]) | 0x20  # attribute names have one case (RFC 4566, section 5); some senders do not know
    said = NOTHING
    if c == 0x72:  # r
        if starts(slab, begin, end, b"rtpmap:"):
            said = IS_RTPMAP
        elif starts(slab, begin, end, b"rtcp:"):
            said = IS_RTCP
        elif word_is(slab, begin, end, b"rtcp-mux"):
            said = IS_MUX
        elif word_is(slab, begin, end, b"recvonly"):
            said = RECVONLY
    elif c == 0x73:  # s
        if word_is(slab, begin, end, b"sendrecv"):
            said = SENDRECV
        elif word_is(slab, begin, end, b"sendonly"):
            said = SENDONLY
    elif c == 0x69 and word_is(slab, begin, end, b"inactive"):
        said = INACTIVE
    elif c == 0x70 and starts(slab, begin, end, b"ptime:"):
        said = IS_PTIME
    elif c == 0x63 and starts(slab, begin, end, b"crypto:"):
        said = IS_CRYPTO
    elif c == 0x66 and starts(slab, begin, end, b"fingerprint:"):
        said = IS_FINGERPRINT
    return said


def media_type(slab: U8, begin: int, end: int) -> int:
    """Index into sdp.MEDIA_TYPES of the word at `begin`."""
    if word_is(slab, begin, end, b"audio"):
        return 1
    if word_is(slab, begin, end, b"video"):
        return 2
    if word_is(slab, begin, end, b"image"):
        return 3
    if word_is(slab, begin, end, b"application"):
        return 4
    if word_is(slab, begin, end, b"message"):
        return 5
    return 6 if word_is(slab, begin, end, b"text") else 0


def protocol(slab: U8, begin: int, end: int) -> int:
    """Index into sdp.PROTOCOLS of the transport protocol in [begin, end): its RTP profile whatever lies below (UDP/TLS),
    but everything over TCP is TCP."""
    if starts(slab, begin, end, b"tcp"):
        return 6
    if word_is(slab, begin, end, b"udptl"):
        return 5
    if end - begin >= 7 and starts(slab, end - 7, end, b"rtp/avp"):
        return 1
    if end - begin >= 8 and starts(slab, end - 8, end, b"rtp/avpf"):
        return 2
    if end - begin >= 8 and starts(slab, end - 8, end, b"rtp/savp"):
        return 3
    return 4 if end - begin >= 9 and starts(slab, end - 9, end, b"rtp/savpf") else 0


def port_and_count(slab: U8, begin: int, end: int) -> tuple[int, int]:
    """Port and number of ports of `port/count`; port 0 where there is no usable one."""
    port, i = number(slab, begin, end)
    if port < 0 or port > PORT_MAX:
        return 0, 1
    if i < end and slab[i] == 0x2F:
        count, _ = number(slab, i + 1, end)
        return port, min(max(count, 1), PORT_MAX)
    return port, 1


def connection_address(slab: U8, begin: int, end: int) -> tuple[bool, int, int, int, int]:
    """Whether `IN IP4 address/ttl` at `begin` has an address literal, and its words."""
    i = next_word(slab, next_word(slab, begin, end), end)
    stop = i
    while stop < end and slab[stop] != SP and slab[stop] != HT and slab[stop] != 0x2F:
        stop += 1
    return address_literal(slab, i, stop)


def word_end(slab: U8, begin: int, end: int) -> int:
    """End of the word at `begin`."""
    i = begin
    while i < end and slab[i] != SP and slab[i] != HT:
        i += 1
    return i


def next_word(slab: U8, begin: int, end: int) -> int:
    """Begin of the word after the one at `begin`, or `end`. Senders put more than one space between."""
    i = word_end(slab, begin, end)
    while i < end and (slab[i] == SP or slab[i] == HT):
        i += 1
    return i


def word_is(slab: U8, begin: int, end: int, word: bytes) -> bool:
    """Whether the word at `begin` is `word` (lower case), whatever its case."""
    stop = begin + len(word)
    return starts(slab, begin, end, word) and (stop == end or slab[stop] == SP or slab[stop] == HT)
