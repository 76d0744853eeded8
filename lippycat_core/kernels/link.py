"""Link layers: from a record's first byte to the IP header, through tags, labels and sessions.

Everything here speaks in EtherTypes: a helper returns the type of what comes next and where it begins. A negative type
ends the way: minus the row's status (`columns`). IP headers and what they carry live in `network` and `tunnel`.
"""

from __future__ import annotations

from lippycat_core.columns import BAD_HEADER, LINK_TYPE, OTHER, TRUNCATED_HEADER, TUNNEL_DEPTH, U8
from lippycat_core.kernels.load import be16, be24, be32, le32, u8

# Link types (the LINKTYPE_ numbers of pcap files)
LINKTYPE_NULL, LINKTYPE_ETHERNET, LINKTYPE_LOOP = 0, 1, 108
LINKTYPE_RAW, LINKTYPE_RAW_12, LINKTYPE_RAW_14 = 101, 12, 14  # two were some systems' DLT_RAW, and still are in files
LINKTYPE_IPV4, LINKTYPE_IPV6 = 228, 229
LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2 = 113, 276

# EtherTypes (IEEE 802 numbers)
IPV4, IPV6 = 0x0800, 0x86DD
VLAN, QINQ, QINQ_9100, QINQ_9200 = 0x8100, 0x88A8, 0x9100, 0x9200
PPPOE_SESSION = 0x8864
PPP = 0x880B
MPLS, MPLS_MULTICAST = 0x8847, 0x8848
ETHERNET_FRAME = 0x6558  # transparent Ethernet bridging: a whole frame follows
FIRST_ETHERTYPE = 0x0600  # smaller numbers are the length of an 802.3 frame

# PPP protocol numbers (RFC 1661, 5072, 3032)
PPP_IPV4, PPP_IPV6, PPP_MPLS, PPP_MPLS_MULTICAST = 0x0021, 0x0057, 0x0281, 0x0283

SLL_LLC = 4  # Linux cooked: "protocol" number of a frame that goes on with an LLC header
ARPHRD_NETLINK = 824  # Linux cooked: the protocol field is a netlink family, no EtherType

MAX_TAGS = 16  # tags, labels and sessions in front of one IP header


def link_header(slab: U8, link: int, pos: int, end: int) -> tuple[int, int]:
    """EtherType and place of what follows the header of link type `link` at `pos` (captured up to `end`)."""
    if link == LINKTYPE_ETHERNET:
        return ethernet(slab, pos, end)
    if link == LINKTYPE_LINUX_SLL:
        return cooked(slab, pos, end, 16, 14, 2)
    if link == LINKTYPE_LINUX_SLL2:
        return cooked(slab, pos, end, 20, 0, 8)
    if link in (LINKTYPE_RAW, LINKTYPE_RAW_12, LINKTYPE_RAW_14):
        return raw_ip(slab, pos, end)
    if link == LINKTYPE_IPV4:
        return IPV4, pos
    if link == LINKTYPE_IPV6:
        return IPV6, pos
    if link in (LINKTYPE_NULL, LINKTYPE_LOOP):
        return loopback(slab, pos, end)
    return -LINK_TYPE, pos


def ethernet(slab: U8, pos: int, end: int) -> tuple[int, int]:
    """Behind an Ethernet header, or an 802.3 one with LLC."""
    if pos + 14 > end:
        return -TRUNCATED_HEADER, pos
    ethertype = be16(slab, pos + 12)
    if ethertype < FIRST_ETHERTYPE:
        return llc(slab, pos + 14, end)
    return ethertype, pos + 14


def llc(slab: U8, pos: int, end: int) -> tuple[int, int]:
    """Behind an LLC header: SNAP with an EtherType (RFC 1042), or OTHER (spanning tree, IS-IS, ...)."""
    if pos + 3 > end:
        return -TRUNCATED_HEADER, pos
    if be24(slab, pos) != 0xAAAA03:
        return -OTHER, pos
    if pos + 8 > end:
        return -TRUNCATED_HEADER, pos
    organisation = be24(slab, pos + 3)
    if organisation != 0 and organisation != 0x0000F8:  # RFC 1042; 802.1H bridge tunnel
        return -OTHER, pos
    return be16(slab, pos + 6), pos + 8


def cooked(slab: U8, pos: int, end: int, length: int, protocol_at: int, hardware_at: int) -> tuple[int, int]:
    """Behind a Linux cooked header of `length` bytes with its protocol and ARPHRD fields at the given offsets."""
    if pos + length > end:
        return -TRUNCATED_HEADER, pos
    protocol = be16(slab, pos + protocol_at)
    if be16(slab, pos + hardware_at) == ARPHRD_NETLINK:
        return -OTHER, pos + length
    if protocol == SLL_LLC:
        return llc(slab, pos + length, end)
    return protocol, pos + length


def raw_ip(slab: U8, pos: int, end: int) -> tuple[int, int]:
    """IPv4 or IPv6 by the version field."""
    if pos >= end:
        return -TRUNCATED_HEADER, pos
    version = u8(slab, pos) >> 4
    if version == 4:
        return IPV4, pos
    if version == 6:
        return IPV6, pos
    return -BAD_HEADER, pos


def loopback(slab: U8, pos: int, end: int) -> tuple[int, int]:
    """Behind the address family of BSD loopback, in the byte order of whatever host wrote it (big-endian for LOOP)."""
    if pos + 4 > end:
        return -TRUNCATED_HEADER, pos
    family = le32(slab, pos)
    if family > 0xFFFF:
        family = be32(slab, pos)
    if family == 2:
        return IPV4, pos + 4
    if family in (24, 28, 30, 10):  # NetBSD/OpenBSD, FreeBSD, macOS, Linux
        return IPV6, pos + 4
    return -OTHER, pos + 4


def unwrap(slab: U8, ethertype: int, pos: int, end: int) -> tuple[int, int]:
    """Go through tags, labels, sessions and bridged frames to IPv4 or IPv6, or to the status that ends the way."""
    for _ in range(MAX_TAGS):
        if ethertype in (IPV4, IPV6) or ethertype < 0:
            return ethertype, pos
        if ethertype in (VLAN, QINQ, QINQ_9100, QINQ_9200):
            ethertype, pos = vlan(slab, pos, end)
        elif ethertype in (MPLS, MPLS_MULTICAST):
            ethertype, pos = mpls(slab, ethertype, pos, end)
        elif ethertype == PPPOE_SESSION:
            ethertype, pos = pppoe(slab, pos, end)
        elif ethertype == PPP:
            ethertype, pos = ppp(slab, pos, end)
        elif ethertype == ETHERNET_FRAME:
            ethertype, pos = ethernet(slab, pos, end)
        else:
            return -OTHER, pos
    return -TUNNEL_DEPTH, pos


def vlan(slab: U8, pos: int, end: int) -> tuple[int, int]:
    """Behind one 802.1Q or 802.1ad tag."""
    if pos + 4 > end:
        return -TRUNCATED_HEADER, pos
    ethertype = be16(slab, pos + 2)
    if ethertype < FIRST_ETHERTYPE:
        return llc(slab, pos + 4, end)
    return ethertype, pos + 4


def mpls(slab: U8, ethertype: int, pos: int, end: int) -> tuple[int, int]:
    """Behind one label. Behind the last the payload has no type: IP by its version, or a pseudowire by RFC 4385."""
    if pos + 4 > end:
        return -TRUNCATED_HEADER, pos
    bottom = u8(slab, pos + 2) & 1
    pos += 4
    if bottom == 0:
        return ethertype, pos
    if pos >= end:
        return -TRUNCATED_HEADER, pos
    first = u8(slab, pos)
    if first >> 4 == 4:
        return IPV4, pos
    if first >> 4 == 6:
        return IPV6, pos
    if first >> 4 == 0:  # control word in front of an Ethernet frame
        return ETHERNET_FRAME, pos + 4
    return -OTHER, pos


def pppoe(slab: U8, pos: int, end: int) -> tuple[int, int]:
    """Behind a PPPoE session header (RFC 2516, section 4)."""
    if pos + 6 > end:
        return -TRUNCATED_HEADER, pos
    if u8(slab, pos) != 0x11:
        return -BAD_HEADER, pos
    if u8(slab, pos + 1) != 0:
        return -OTHER, pos
    return PPP, pos + 6


def ppp(slab: U8, pos: int, end: int) -> tuple[int, int]:
    """Behind a PPP header, with or without address and control (RFC 1662), the protocol compressed or not (RFC 1661, 6.5)."""
    if pos + 2 <= end and be16(slab, pos) == 0xFF03:
        pos += 2
    if pos >= end or (pos + 1 == end and u8(slab, pos) == 0xFF):
        return -TRUNCATED_HEADER, pos
    protocol = u8(slab, pos)
    if protocol & 1:
        pos += 1
    else:
        if pos + 2 > end:
            return -TRUNCATED_HEADER, pos
        protocol = be16(slab, pos)
        pos += 2
    if protocol == PPP_IPV4:
        return IPV4, pos
    if protocol == PPP_IPV6:
        return IPV6, pos
    if protocol in (PPP_MPLS, PPP_MPLS_MULTICAST):
        return MPLS, pos
    return -OTHER, pos
