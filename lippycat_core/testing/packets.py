"""Packets and capture files made by hand: what tests and examples are written with. Checksums are zero (nobody verifies them)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ETHERNET = 1
RAW = 101
ACK, PSH, SYN, FIN, RST = 16, 8, 2, 1, 4


class Record(NamedTuple):
    """One captured packet: time in nanoseconds, captured bytes, length on the wire (None: all of it was captured)."""

    ts_ns: int
    data: bytes
    wirelen: int | None = None


def _address(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def ip(src: str, dst: str, proto: int, payload: bytes, *, ident: int = 0, fragment: int = 0, ttl: int = 64) -> bytes:
    """An IPv4 or IPv6 packet (by the addresses' form). `fragment` is the IPv4 flags and offset field."""
    if ":" in src:
        return struct.pack("!IHBB", 0x60000000, len(payload), proto, ttl) + _address(src) + _address(dst) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), ident, fragment, ttl, proto, 0)
    return head + _address(src) + _address(dst) + payload


def udp(src: str, sport: int, dst: str, dport: int, payload: bytes) -> bytes:
    """An IP packet with a UDP datagram."""
    return ip(src, dst, 17, struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload)


def tcp(src: str, sport: int, dst: str, dport: int, seq: int, payload: bytes = b"", *, ack: int = 0, flags: int = ACK) -> bytes:
    """An IP packet with a TCP segment."""
    head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 65535, 0, 0)
    return ip(src, dst, 6, head + payload)


def ethernet(packet: bytes, *, vlans: Iterable[int] = ()) -> bytes:
    """An Ethernet frame around an IP packet, with 802.1Q tags where asked."""
    tags = b"".join(struct.pack("!HH", 0x8100, vlan) for vlan in vlans)
    kind = 0x86DD if packet[:1] and packet[0] >> 4 == 6 else 0x0800
    return b"\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01" + tags + struct.pack("!H", kind) + packet


def rtp(seq: int, timestamp: int, ssrc: int, payload: bytes, *, payload_type: int = 0, marker: bool = False) -> bytes:
    """An RTP packet (RFC 3550, 5.1)."""
    second = payload_type | (0x80 if marker else 0)
    return struct.pack("!BBHII", 0x80, second, seq & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


def pcap(records: Iterable[Record], *, link: int = ETHERNET, big_endian: bool = False, nanoseconds: bool = True) -> bytes:
    """The bytes of a pcap file."""
    order = ">" if big_endian else "<"
    magic, unit = (0xA1B23C4D, 1) if nanoseconds else (0xA1B2C3D4, 1000)
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)]
    for record in records:
        seconds, ns = divmod(record.ts_ns, 1_000_000_000)
        wirelen = len(record.data) if record.wirelen is None else record.wirelen
        out += [struct.pack(order + "IIII", seconds, ns // unit, len(record.data), wirelen), record.data]
    return b"".join(out)


def write_pcap(path: Path, records: Iterable[Record], *, link: int = ETHERNET) -> Path:
    """Write a pcap file and return its path."""
    path.write_bytes(pcap(records, link=link))
    return path
