"""Which protocol a UDP payload is: by its content alone, never by port (RFC 7983, RFC 5761, section 4).

Says what one datagram can be; whether RTP candidates make a stream is told from many of them, elsewhere.
"""

from __future__ import annotations

from lippycat_core.columns import DECODED, U8, UDP, Net, Route, Transport
from lippycat_core.kernels.load import be16, be32, u8
from lippycat_voip.columns import K_DTLS, K_RTCP, K_RTP, K_SIP, K_STUN, K_ZRTP
from lippycat_voip.kernels.start_line import NO_MESSAGE, skip_padding, start_line

UNKNOWN = -1

STUN_HEADER = 20
STUN_COOKIE = 0x2112A442  # RFC 8489, section 5
ZRTP_COOKIE = 0x5A525450  # "ZRTP" (RFC 6189, section 5)
ZRTP_HEADER = 12
DTLS_HEADER = 13
RTP_HEADER = 12
RTCP_HEADER = 8  # of the shortest packet that has a sender: header word and SSRC
RTCP_LAST = 207  # SR 200 to XR 207: what a datagram may begin with


def classify(slab: U8, transport: Transport, net: Net, route: Route, begin: int, end: int, base: int) -> None:
    """Write `base` + K_… into the kind of each UDP row in [begin, end) that is one of ours and is still 0."""
    for row in range(begin, end):
        if route.status[row] != DECODED or net.proto[row] != UDP or route.kind[row] != 0:
            continue
        off = int(transport.pay_off[row])
        size = int(transport.pay_len[row])
        wire = max(int(transport.pay_wire[row]), size)
        if size < 4:
            continue
        first = u8(slab, off)
        kind = UNKNOWN
        if first >= 0x80:
            if first < 0xC0:
                kind = rtp_or_rtcp(slab, off, size, wire)
        elif first < 64:
            kind = binary(slab, off, size, wire)
        if kind == UNKNOWN and first < 0x80 and is_sip(slab, off, off + size):
            kind = K_SIP
        if kind != UNKNOWN:
            route.kind[row] = base + kind


def is_sip(slab: U8, begin: int, end: int) -> bool:
    """Whether a datagram begins, padding apart, with a start line."""
    form, _, _ = start_line(slab, skip_padding(slab, begin, end), end)
    return form != NO_MESSAGE


def rtp_or_rtcp(slab: U8, off: int, size: int, wire: int) -> int:
    """K_RTP, K_RTCP or UNKNOWN for a payload of version 2 with `size` bytes captured of `wire`."""
    second = u8(slab, off + 1)
    kind = second & 0x7F
    if kind >= 64 and kind <= 95:  # never RTP payload types where RTCP may come to the same port (RFC 5761, section 4)
        return K_RTCP if second >= 200 and second <= RTCP_LAST and is_rtcp(slab, off, size, wire) else UNKNOWN
    first = u8(slab, off)
    if size < RTP_HEADER:
        return UNKNOWN
    head = RTP_HEADER + 4 * (first & 0x0F)
    if first & 0x10:  # header extension (RFC 3550, 5.3.1)
        if head + 4 <= size:
            head += 4 * be16(slab, off + head + 2)
        head += 4
    if first & 0x20:  # padding: its length is the last byte, and at least 1 (RFC 3550, 5.1)
        padding = 1
        if size == wire:
            padding = u8(slab, off + size - 1)
        if padding == 0:
            return UNKNOWN
        head += padding
    return K_RTP if head <= wire else UNKNOWN


def is_rtcp(slab: U8, off: int, size: int, wire: int) -> bool:
    """Whether the first RTCP packet has a sender and fits the datagram. Whether all packets add up to it, which only matters
    where no SDP announced RTCP (SRTCP and some senders have more behind them), is told where streams are known."""
    return size >= RTCP_HEADER and RTCP_HEADER <= 4 + 4 * be16(slab, off + 2) <= wire


def binary(slab: U8, off: int, size: int, wire: int) -> int:
    """K_STUN, K_DTLS, K_ZRTP or UNKNOWN for a payload whose first byte is below 64 (RFC 7983, section 7)."""
    first = u8(slab, off)
    if first < 4:
        return K_STUN if is_stun(slab, off, size, wire) else UNKNOWN
    if first == 0x10:
        return K_ZRTP if size >= ZRTP_HEADER and be32(slab, off + 4) == ZRTP_COOKIE else UNKNOWN
    if first >= 20 and first <= 26:  # DTLS content types; the version is the complement of TLS's (RFC 6347, section 4.1)
        if size < DTLS_HEADER or u8(slab, off + 1) != 0xFE or u8(slab, off + 2) < 0xFC:
            return UNKNOWN
        return K_DTLS if DTLS_HEADER + be16(slab, off + 11) <= wire else UNKNOWN
    return UNKNOWN


def is_stun(slab: U8, off: int, size: int, wire: int) -> bool:
    """STUN by its cookie and length (RFC 8489, section 5); without the cookie (RFC 3489) by a known type and exact length."""
    if size < STUN_HEADER:
        return False
    length = be16(slab, off + 2)
    if be32(slab, off + 4) == STUN_COOKIE:
        return length % 4 == 0 and STUN_HEADER + length <= wire
    kind = be16(slab, off)
    method = kind & 0x0F
    return (kind & 0xFEEF) == method and (method == 1 or method == 2) and STUN_HEADER + length == wire
