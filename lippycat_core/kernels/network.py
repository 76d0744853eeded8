"""IP headers: where an IPv4 or IPv6 header's payload lies, and what protocol it is of.

A helper takes the header's place, the end of what was captured and the end of what was on the wire, and returns
(protocol, payload, end of the payload on the wire). A negative protocol is minus a status: FRAGMENT, with the place of its
data, or an undecodable reason. The end by the IP length excludes Ethernet padding; a length of 0 (segmentation offload,
jumbograms) means the outer end.
"""

from __future__ import annotations

from lippycat_core.columns import BAD_HEADER, FRAGMENT, TRUNCATED_HEADER, U8
from lippycat_core.kernels.load import be16, u8

# IPv6 extension headers that have a length in units of 8 bytes (RFC 8200, section 4), and the two that have not
HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS = 0, 43, 60
FRAGMENT_HEADER, AUTHENTICATION = 44, 51

MAX_EXTENSIONS = 16
LARGEST_DATAGRAM = 65535


def ipv4(slab: U8, pos: int, end: int, wire_end: int) -> tuple[int, int, int]:
    """The payload of the IPv4 header at `pos` (RFC 791)."""
    if pos + 20 > end:
        return -TRUNCATED_HEADER, pos, wire_end
    first = u8(slab, pos)
    header = (first & 15) * 4
    total = be16(slab, pos + 2)
    if first >> 4 != 4 or header < 20:
        return -BAD_HEADER, pos, wire_end
    if total != 0:
        if total < header:
            return -BAD_HEADER, pos, wire_end
        wire_end = pos + total
    if end > wire_end:
        end = wire_end
    payload = pos + header
    if payload > end:
        return -TRUNCATED_HEADER, pos, wire_end
    flags = be16(slab, pos + 6)
    if flags & 0x3FFF:
        return -fragment_status((flags & 0x1FFF) * 8, flags & 0x2000, wire_end - payload), payload, wire_end
    protocol = u8(slab, pos + 9)
    if protocol == AUTHENTICATION:
        if payload + 2 > end:
            return -cut(payload + 2, wire_end), pos, wire_end
        protocol = u8(slab, payload)
        payload += (u8(slab, payload + 1) + 2) * 4
        if payload > end:
            return -cut(payload, wire_end), pos, wire_end
    return protocol, payload, wire_end


def ipv6(slab: U8, pos: int, end: int, wire_end: int) -> tuple[int, int, int]:
    """The payload behind the IPv6 header at `pos` and its extension headers. A fragment's header lies at `payload - 8`."""
    if pos + 40 > end:
        return -TRUNCATED_HEADER, pos, wire_end
    if u8(slab, pos) >> 4 != 6:
        return -BAD_HEADER, pos, wire_end
    length = be16(slab, pos + 4)
    if length != 0:
        wire_end = pos + 40 + length
    if end > wire_end:
        end = wire_end
    protocol = u8(slab, pos + 6)
    payload = pos + 40
    for _ in range(MAX_EXTENSIONS):
        extension = protocol
        if extension in (HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS):
            unit, extra = 8, 1
        elif extension == AUTHENTICATION:
            unit, extra = 4, 2
        elif extension == FRAGMENT_HEADER:
            unit, extra = 0, 0
        else:
            return protocol, payload, wire_end
        if payload + 8 > end:
            return -cut(payload + 8, wire_end), pos, wire_end
        protocol = u8(slab, payload)
        if extension == FRAGMENT_HEADER:
            flags = be16(slab, payload + 2)
            payload += 8
            if flags & 0xFFF9:  # neither set: an atomic fragment is a whole datagram (RFC 6946)
                return -fragment_status(flags & 0xFFF8, flags & 1, wire_end - payload), payload, wire_end
        else:
            payload += (u8(slab, payload + 1) + extra) * unit
            if payload > end:
                return -cut(payload, wire_end), pos, wire_end
    return -BAD_HEADER, pos, wire_end


def fragment_status(offset: int, more: int, length: int) -> int:
    """FRAGMENT, or BAD_HEADER for one that no datagram can have (RFC 8200, section 4.5; RFC 791, section 3.2)."""
    if length <= 0 or offset + length > LARGEST_DATAGRAM:
        return BAD_HEADER
    if more != 0 and length & 7 != 0:
        return BAD_HEADER
    return FRAGMENT


def cut(needed: int, wire_end: int) -> int:
    """Why a header that should reach up to `needed` does not: the snap length cut it, or its datagram is too short."""
    if needed > wire_end:
        return BAD_HEADER
    return TRUNCATED_HEADER
