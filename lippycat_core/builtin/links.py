"""Network interfaces as the Linux kernel describes them (rtnetlink, RFC 3549): names, states, addresses, counters. No NumPy here.

Whoever runs may ask: no privilege is needed, and the answer is that of the process's own network namespace.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from lippycat_core.errors import InputError

# linux/rtnetlink.h, if_link.h, if_addr.h
RTM_NEWLINK, RTM_GETLINK, RTM_NEWADDR, RTM_GETADDR = 16, 18, 20, 22
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
IFLA_IFNAME, IFLA_MTU, IFLA_STATS64 = 3, 4, 23
IFA_ADDRESS, IFA_LOCAL = 1, 2
IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
STATS_OVER, STATS_FIFO, STATS_MISSED = 11, 14, 15
"""Words of rtnl_link_stats64 that count what the hardware had no room for."""
HEADER = struct.Struct("=IHHII")
ANY = "any"

ETHERNET, RAW, SLL2 = 1, 101, 276
LINK_TYPES = {1: ETHERNET, 772: ETHERNET, 65534: RAW, 519: RAW, 768: RAW, 769: RAW, 776: RAW}
"""ARPHRD_ (Ethernet, loopback, none as of tun, raw IP, IP tunnels) to LINKTYPE_. All others are captured cooked (SLL2)."""


@dataclass(frozen=True, slots=True)
class Link:
    """One interface; `lost` counts what its hardware dropped since it came up."""

    name: str
    index: int
    hatype: int
    up: bool
    running: bool
    mtu: int
    lost: int
    addresses: list[str] = field(default_factory=list)

    @property
    def link_type(self) -> int:
        """LINKTYPE_ number that its packets are captured with."""
        return LINK_TYPES.get(self.hatype, SLL2)

    @property
    def state(self) -> str:
        """`up`, `no carrier` (up, but nothing at the other end) or `down`."""
        return "down" if not self.up else "up" if self.running else "no carrier"


def links(*, addresses: bool = False) -> list[Link]:
    """All interfaces by index. InputError where the kernel does not tell (other systems than Linux, a sandbox)."""
    try:
        found = [_link(body) for kind, body in _dump(RTM_GETLINK) if kind == RTM_NEWLINK]
        if addresses:
            by_index = {link.index: link for link in found}
            for kind, body in _dump(RTM_GETADDR):
                index = struct.unpack_from("=I", body, 4)[0]
                if kind == RTM_NEWADDR and index in by_index:
                    by_index[index].addresses.append(_address(body))
    except (AttributeError, OSError) as error:
        reason = getattr(error, "strerror", None) or "this system has no rtnetlink"
        raise InputError(f"interfaces cannot be listed: {reason}; live capture needs Linux") from None
    return sorted(found, key=lambda link: link.index)


def _dump(what: int) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each message that the kernel answers a dump request with."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as channel:
        channel.bind((0, 0))
        size = 16 if what == RTM_GETLINK else 8  # struct ifinfomsg, ifaddrmsg
        channel.send(HEADER.pack(HEADER.size + size, what, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + bytes(size))
        while True:
            data = channel.recv(1 << 18)
            at = 0
            while at + HEADER.size <= len(data):
                length, kind, _flags, _sequence, _pid = HEADER.unpack_from(data, at)
                if kind == NLMSG_DONE or length < HEADER.size:
                    return
                if kind == NLMSG_ERROR:
                    code = -struct.unpack_from("=i", data, at + HEADER.size)[0]
                    raise OSError(code, os.strerror(code))
                yield kind, data[at + HEADER.size : at + length]
                at += (length + 3) // 4 * 4


def _attributes(body: bytes, at: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while at + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = body[at + 4 : at + length]
        at += (length + 3) // 4 * 4
    return found


def _link(body: bytes) -> Link:
    hatype, index, flags = struct.unpack_from("=xxHiI", body)
    said = _attributes(body, 16)
    stats = said.get(IFLA_STATS64, b"")
    words = struct.unpack(f"={len(stats) // 8}Q", stats[: len(stats) // 8 * 8])
    lost = sum(words[at] for at in (STATS_OVER, STATS_FIFO, STATS_MISSED) if at < len(words))
    name = said.get(IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "replace")
    mtu = int.from_bytes(said.get(IFLA_MTU, b"\0\0\0\0"), sys.byteorder)
    return Link(name, index, hatype, flags & IFF_UP != 0, flags & IFF_LOWER_UP != 0, mtu, lost)


def _address(body: bytes) -> str:
    prefix = body[1]
    said = _attributes(body, 8)
    raw = said.get(IFA_LOCAL) or said.get(IFA_ADDRESS) or b"\0\0\0\0"
    return f"{ipaddress.ip_address(raw)}/{prefix}"
