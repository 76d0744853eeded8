"""SCTP packets made by hand (RFC 9260): what tests of associations are written with. Nobody verifies the checksum: it is 0."""

from __future__ import annotations

import struct

from lippycat_core.testing.packets import ethernet, ip, udp
from lippycat_core.testing.streams import End

END, BEGIN, UNORDERED = 1, 2, 4
WHOLE = BEGIN | END


def chunk(kind: int, flags: int, body: bytes) -> bytes:
    """A chunk of any type, padded to four bytes."""
    return struct.pack("!BBH", kind, flags, 4 + len(body)) + body + bytes(-len(body) % 4)


def data(tsn: int, payload: bytes, flags: int = WHOLE, *, stream: int = 0, number: int = 0) -> bytes:
    """A DATA chunk."""
    return chunk(0, flags, struct.pack("!IHHI", tsn & 0xFFFFFFFF, stream, number & 0xFFFF, 0) + payload)


def i_data(tsn: int, payload: bytes, flags: int = WHOLE, *, stream: int = 0, number: int = 0, fragment: int = 0) -> bytes:
    """An I-DATA chunk (RFC 8260)."""
    return chunk(64, flags, struct.pack("!IHHII", tsn & 0xFFFFFFFF, stream, 0, number, fragment) + payload)


def init(tsn: int, tag: int = 1, *, ack: bool = False) -> bytes:
    """An INIT, or an INIT ACK."""
    return chunk(2 if ack else 1, 0, struct.pack("!IIHHI", tag, 65536, 10, 10, tsn & 0xFFFFFFFF))


def sack(upto: int) -> bytes:
    """A SACK."""
    return chunk(3, 0, struct.pack("!IIHH", upto & 0xFFFFFFFF, 65536, 0, 0))


def forward(upto: int) -> bytes:
    """A FORWARD TSN (RFC 3758)."""
    return chunk(192, 0, struct.pack("!I", upto & 0xFFFFFFFF))


def packet(src: End, dst: End, *chunks: bytes, tag: int = 7, over_udp: bool = False) -> bytes:
    """An Ethernet frame with an SCTP packet, in UDP where asked (RFC 6951)."""
    inside = struct.pack("!HHII", src[1], dst[1], tag, 0) + b"".join(chunks)
    return ethernet(udp(src[0], 9899, dst[0], 9899, inside) if over_udp else ip(src[0], dst[0], 132, inside))
