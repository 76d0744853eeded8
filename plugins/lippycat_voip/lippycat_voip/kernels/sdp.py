"""Session descriptions of a segment's messages: one row of the media table for each m= line (RFC 4566, section 5).

Only what ties packets to a call is read here. Format and codec lists are left as a span: they repeat from message to
message, so that Python reads each of them once.
"""

from __future__ import annotations

from lippycat_core.columns import I32, I64, U8
from lippycat_core.kernels.load import u8
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
from lippycat_voip.kernels.text import COLON, CR, EQUALS, HT, SLASH, SP, line_end, number, starts
from lippycat_voip.kernels.words import word_value, words

MEDIA_LIMIT = 16
"""m= lines of a description that are read."""

PORT_MAX = 65535

ATTRIBUTE, CONNECTION, MEDIA = 0x61, 0x63, 0x6D  # a= c= m=

# Indexes into sdp.MEDIA_TYPES, sdp.PROTOCOLS and sdp.DIRECTIONS; 0 is every other type and protocol.
MEDIA_TYPES = words({"audio": 1, "video": 2, "image": 3, "application": 4, "message": 5, "text": 6})
TCP_PROTOCOL = 6
PROTOCOLS = words(
    {
        "rtp/avp": 1,
        "rtp/avpf": 2,
        "rtp/savp": 3,
        "rtp/savpf": 4,
        "udp/tls/rtp/savp": 3,  # RFC 5764
        "udp/tls/rtp/savpf": 4,
        "udptl": 5,
        "udp/tls/udptl": 5,  # RFC 7345
    }
)
SENDRECV, SENDONLY, RECVONLY, INACTIVE = 0, 1, 2, 3
IS_RTPMAP, IS_PTIME, IS_RTCP, IS_MUX, IS_CRYPTO, IS_FINGERPRINT = 4, 5, 6, 7, 8, 9
ATTRIBUTES = words(
    {
        "sendrecv": SENDRECV,
        "sendonly": SENDONLY,
        "recvonly": RECVONLY,
        "inactive": INACTIVE,
        "rtpmap": IS_RTPMAP,
        "ptime": IS_PTIME,
        "rtcp": IS_RTCP,  # RFC 3605
        "rtcp-mux": IS_MUX,  # RFC 5761
        "crypto": IS_CRYPTO,  # RFC 4568
        "fingerprint": IS_FINGERPRINT,  # RFC 8122
    }
)


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
            kind = u8(slab, i)
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
                media[base + D_TYPE] = max(word_value(slab, begin, word_end(slab, begin, stop), MEDIA_TYPES, True), 0)
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
                literal, a0, a1, a2, a3 = connection_address(slab, begin, stop)
                if lines == 0:
                    known, w0, w1, w2, w3 = literal, a0, a1, a2, a3
                elif not own_address:  # of several (layered multicast) the first
                    own_address = True
                    media[base + D_ADDRESS_KNOWN] = literal
                    media[base + D_ADDRESS] = a0
                    media[base + D_ADDRESS + 1] = a1
                    media[base + D_ADDRESS + 2] = a2
                    media[base + D_ADDRESS + 3] = a3
            elif kind == ATTRIBUTE:
                value_at = name_end(slab, begin, stop)
                said = word_value(slab, begin, value_at, ATTRIBUTES, True)
                value_at += 1
                if said < 0:
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
                    value, _ = number(slab, value_at, stop)
                    media[base + D_PTIME] = value
                elif said == IS_RTCP:
                    value, _ = number(slab, value_at, stop)
                    media[base + D_RTCP_PORT] = value if value <= PORT_MAX else -1
                    literal, a0, a1, a2, a3 = connection_address(slab, next_word(slab, begin, stop), stop)
                    media[base + D_RTCP_KNOWN] = literal
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


def port_and_count(slab: U8, begin: int, end: int) -> tuple[int, int]:
    """Port and number of ports of `port/count`; port 0 where there is no usable one."""
    port, i = number(slab, begin, end)
    if port < 0 or port > PORT_MAX:
        return 0, 1
    if i < end and slab[i] == SLASH:
        count, _ = number(slab, i + 1, end)
        return port, min(max(count, 1), PORT_MAX)
    return port, 1


def connection_address(slab: U8, begin: int, end: int) -> tuple[bool, int, int, int, int]:
    """Whether `IN IP4 address/ttl` at `begin` has an address literal, and its words."""
    i = next_word(slab, next_word(slab, begin, end), end)
    stop = i
    while stop < end and slab[stop] != SP and slab[stop] != HT and slab[stop] != SLASH:
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


def name_end(slab: U8, begin: int, end: int) -> int:
    """End of the attribute name at `begin`: a colon or white space."""
    i = begin
    while i < end and slab[i] != COLON and slab[i] != SP and slab[i] != HT:
        i += 1
    return i


def protocol(slab: U8, begin: int, end: int) -> int:
    """Index into sdp.PROTOCOLS of the transport protocol in [begin, end): whatever runs over TCP is TCP."""
    if starts(slab, begin, end, b"tcp"):
        return TCP_PROTOCOL
    return max(word_value(slab, begin, end, PROTOCOLS, True), 0)
