"""What capture files hold beside packets: headers, pcapng blocks and their options (draft-ietf-opsawg-pcapng). Bytes only."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from lippycat_core.kernels.walk import ENHANCED_PACKET_BLOCK, INTERFACE_DESCRIPTION, LARGEST_CAPLEN, SECTION_HEADER

NANOSECOND_MAGIC = 0xA1B23C4D
BYTE_ORDER_MAGIC = 0x1A2B3C4D
UNKNOWN_SECTION_LENGTH = -1
NANOSECONDS = 9
INTERFACE_STATISTICS = 5
PCAP_HEADER_BYTES = 24

# Options (sections 3.5, 4.1, 4.2 and 4.6)
OPT_END, OPT_COMMENT = 0, 1
SHB_USERAPPL, IF_TSRESOL = 4, 9
ISB_STARTTIME, ISB_ENDTIME, ISB_IFRECV = 2, 3, 4

MOST_COMMENT = 8192
"""Bytes of one comment; what is longer is cut."""


def pcap_header(link: int) -> bytes:
    """A pcap file's header: little-endian, nanoseconds."""
    return struct.pack("<IHHiIII", NANOSECOND_MAGIC, 2, 4, 0, 0, LARGEST_CAPLEN, link)


def section_header(comments: Sequence[str] = ()) -> bytes:
    """A Section Header Block of unknown length."""
    options = _comments(comments) + option(SHB_USERAPPL, b"lippycat") + option(OPT_END, b"")
    return block(SECTION_HEADER, struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, UNKNOWN_SECTION_LENGTH) + options)


def interface_description(link: int) -> bytes:
    """An Interface Description Block of that link type, with times in nanoseconds."""
    options = option(IF_TSRESOL, bytes([NANOSECONDS])) + option(OPT_END, b"")
    return block(INTERFACE_DESCRIPTION, struct.pack("<HHI", link, 0, LARGEST_CAPLEN) + options)


def interface_statistics(interface: int, first_ns: int, last_ns: int, packets: int, comments: Sequence[str] = ()) -> bytes:
    """An Interface Statistics Block: so many packets between two times, and what else is to be said at the end."""
    options = (
        _comments(comments)
        + option(ISB_STARTTIME, _time(first_ns))
        + option(ISB_ENDTIME, _time(last_ns))
        + option(ISB_IFRECV, struct.pack("<Q", packets))
        + option(OPT_END, b"")
    )
    return block(INTERFACE_STATISTICS, struct.pack("<I", interface) + _time(last_ns) + options)


def _time(ns: int) -> bytes:
    return struct.pack("<II", max(ns, 0) >> 32 & 0xFFFFFFFF, max(ns, 0) & 0xFFFFFFFF)


def _comments(comments: Sequence[str]) -> bytes:
    return b"".join(option(OPT_COMMENT, text_bytes(text, MOST_COMMENT)) for text in comments)


def text_bytes(text: str, most: int) -> bytes:
    """UTF-8 of at most so many bytes, cut between two characters."""
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore").encode()


def block(kind: int, content: bytes) -> bytes:
    """A block around `content`, whose length is a multiple of four."""
    total = struct.pack("<I", len(content) + 12)
    return struct.pack("<I", kind) + total + content + total


def option(code: int, value: bytes) -> bytes:
    """An option, padded to 32 bits."""
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def whole_records(data: memoryview, count: int, *, pcapng: bool, headed: bool) -> int:
    """How many of the first `count` bytes of `data`, which begins with a record (or, `headed`, with a pcap file's header), are
    whole records."""
    pos = PCAP_HEADER_BYTES if headed and not pcapng else 0
    if pos > count:
        return 0
    while pos + 12 <= count:
        length = int.from_bytes(data[pos + 4 : pos + 8] if pcapng else data[pos + 8 : pos + 12], "little")
        end = pos + (length if pcapng else 16 + length)
        if end > count or end <= pos:
            break
        pos = end
    return pos


def in_order(data: bytes, *, pcapng: bool) -> bytes:
    """A file of ours with its packets in order of time: headers first, what is said at the end last."""
    heads: list[bytes] = []
    packets: list[tuple[tuple[int, int], bytes]] = []
    tails: list[bytes] = []
    pos = 0 if pcapng else PCAP_HEADER_BYTES
    if not pcapng:
        heads.append(data[:pos])
    while pos + 12 <= len(data):
        if pcapng:
            kind, total = struct.unpack_from("<II", data, pos)
            high, low = struct.unpack_from("<II", data, pos + 12) if kind == ENHANCED_PACKET_BLOCK else (0, 0)
        else:
            kind, (high, low, length) = ENHANCED_PACKET_BLOCK, struct.unpack_from("<III", data, pos)
            total = 16 + length
        part = data[pos : pos + total]
        if kind == ENHANCED_PACKET_BLOCK:
            packets.append(((high, low), part))
        else:
            (tails if kind == INTERFACE_STATISTICS else heads).append(part)
        pos += total
    packets.sort(key=lambda packet: packet[0])
    return b"".join([*heads, *(part for _, part in packets), *tails])
