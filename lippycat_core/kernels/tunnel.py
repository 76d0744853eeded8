"""Tunnels: from the header behind IP or UDP to the packet inside, as an EtherType and its place (see `link`).

A port is only a hint: a tunnel over UDP is entered where its header is valid and an IP packet begins inside, else the
datagram stays what it is.
"""

from __future__ import annotations

from lippycat_core.columns import BAD_HEADER, OTHER, TRUNCATED_HEADER, U8
from lippycat_core.kernels.link import ETHERNET_FRAME, IPV4, IPV6, MPLS, PPP, raw_ip, unwrap
from lippycat_core.kernels.load import be16, u8

# IP protocol numbers that hold another packet (IANA)
IP_IN_IP, IPV6_IN_IP, GRE, ETHER_IP, MPLS_IN_IP = 4, 41, 47, 97, 137

ERSPAN_II, ERSPAN_III = 0x88BE, 0x22EB  # GRE protocol types
VXLAN_PORT, VXLAN_GPE_PORT, VXLAN_LINUX_PORT, GENEVE_PORT, GTP_U_PORT = 4789, 4790, 8472, 6081, 2152
SCTP_OVER_UDP = 9899  # RFC 6951
SCTP_HEADER = 12
G_PDU = 255  # GTP-U message type of a user's packet (3GPP TS 29.281, section 7.1)
MAX_GTP_EXTENSIONS = 8
NO_TUNNEL = 0  # an EtherType that is none


def ip_tunnel(slab: U8, protocol: int, pos: int, end: int) -> tuple[int, int]:
    """The packet that IP carries directly, or NO_TUNNEL for a protocol that holds none."""
    if protocol == IP_IN_IP:
        return IPV4, pos
    if protocol == IPV6_IN_IP:
        return IPV6, pos
    if protocol == GRE:
        return gre(slab, pos, end)
    if protocol == MPLS_IN_IP:  # RFC 4023
        return MPLS, pos
    if protocol == ETHER_IP:  # RFC 3378: a header of 2 bytes, version 3
        return ETHERNET_FRAME, pos + 2
    return NO_TUNNEL, pos


def gre(slab: U8, pos: int, end: int) -> tuple[int, int]:
    """Behind a GRE header: version 0 (RFC 2784, 2890) or 1 (PPTP, RFC 2637)."""
    if pos + 4 > end:
        return -TRUNCATED_HEADER, pos
    flags = be16(slab, pos)
    protocol = be16(slab, pos + 2)
    version = flags & 7
    if version > 1 or (version == 1 and protocol != PPP):
        return -BAD_HEADER, pos
    if version == 0 and flags & 0x4000:  # source routes (RFC 1701), long gone
        return -OTHER, pos
    if version == 1 and flags & 0x1000 == 0:  # an acknowledgement alone: what carries PPP is numbered
        return -OTHER, pos
    pos += 4
    if flags & 0x8000:  # checksum
        pos += 4
    if flags & 0x2000:  # key
        pos += 4
    if flags & 0x1000:  # sequence number
        pos += 4
    if version == 1 and flags & 0x0080:  # acknowledgement number
        pos += 4
    if pos > end:
        return -TRUNCATED_HEADER, pos
    if protocol == ERSPAN_II:
        if flags & 0x1000:  # type I has neither a sequence number nor a header
            pos += 8
        return ETHERNET_FRAME, pos
    if protocol == ERSPAN_III:
        return erspan_iii(slab, pos, end)
    return protocol, pos


def erspan_iii(slab: U8, pos: int, end: int) -> tuple[int, int]:
    """Behind an ERSPAN type III header (draft-foschiano-erspan, section 4.3): 12 bytes, 8 more with the O bit."""
    if pos + 12 > end:
        return -TRUNCATED_HEADER, pos
    flags = be16(slab, pos + 10)
    frame_type = flags >> 10 & 31
    pos += 12
    if flags & 1:
        pos += 8
    if frame_type == 0:
        return ETHERNET_FRAME, pos
    if frame_type == 2:
        return raw_ip(slab, pos, end)
    return -OTHER, pos


def is_tunnel_port(sport: int, dport: int) -> bool:
    """Whether a look into the UDP payload can find a tunnel or SCTP at all; GTP-U and SCTP may answer from their port to any."""
    if dport in (VXLAN_PORT, VXLAN_GPE_PORT, VXLAN_LINUX_PORT, GENEVE_PORT, GTP_U_PORT, SCTP_OVER_UDP):
        return True
    return sport in (GTP_U_PORT, SCTP_OVER_UDP)


def udp_tunnel(slab: U8, sport: int, dport: int, pos: int, end: int, wire_end: int) -> tuple[int, int]:
    """IPv4 or IPv6 and its place inside the UDP payload at `pos`, TRUNCATED_HEADER (negated) for a tunnel whose inside
    the snap length cut, else NO_TUNNEL."""
    if dport in (VXLAN_PORT, VXLAN_GPE_PORT, VXLAN_LINUX_PORT):
        ethertype, inner = vxlan(slab, pos, end)
    elif dport == GENEVE_PORT:
        ethertype, inner = geneve(slab, pos, end)
    elif dport == GTP_U_PORT or sport == GTP_U_PORT:
        ethertype, inner = gtp_u(slab, pos, end, wire_end)
    else:
        return NO_TUNNEL, pos
    if ethertype == NO_TUNNEL:
        return NO_TUNNEL, pos
    ethertype, inner = unwrap(slab, ethertype, inner, end)
    if ethertype == -TRUNCATED_HEADER and end < wire_end:
        return ethertype, inner
    if ethertype in (IPV4, IPV6) and begins_ip(slab, ethertype, inner, end, wire_end):
        return ethertype, inner
    return NO_TUNNEL, pos


def sctp_in_udp(slab: U8, pos: int, end: int) -> bool:
    """Whether the UDP datagram at `pos` carries an SCTP packet (RFC 6951): the port says so, and what is inside has ports and
    begins with a chunk that there is."""
    if be16(slab, pos) != SCTP_OVER_UDP and be16(slab, pos + 2) != SCTP_OVER_UDP:
        return False
    chunk = pos + 8 + SCTP_HEADER
    if chunk + 4 > end or be16(slab, pos + 8) == 0 or be16(slab, pos + 10) == 0:
        return False
    kind = u8(slab, chunk)
    return (kind & 0x3F) < 16 and be16(slab, chunk + 2) >= 4


def begins_ip(slab: U8, ethertype: int, pos: int, end: int, wire_end: int) -> bool:
    """Whether an IP header of that version may begin at `pos`, as far as it was captured."""
    if pos >= end:
        return pos < wire_end
    first = u8(slab, pos)
    if ethertype == IPV6:
        return first >> 4 == 6 and pos + 40 <= wire_end
    return first >> 4 == 4 and first & 15 >= 5 and pos + 20 <= wire_end


def vxlan(slab: U8, pos: int, end: int) -> tuple[int, int]:
    """Behind a VXLAN header (RFC 7348, section 5): an Ethernet frame, or with the P bit of the generic protocol extension
    what the header says. The G bit and the policy that it announces are passed over."""
    if pos + 8 > end:
        return NO_TUNNEL, pos
    flags = u8(slab, pos)
    if flags & 0x7B != 0x08 or u8(slab, pos + 7) != 0:
        return NO_TUNNEL, pos
    pos += 8
    if flags & 0x04 == 0:
        return ETHERNET_FRAME, pos
    following = u8(slab, pos - 5)
    if following == 1:
        return IPV4, pos
    if following == 2:
        return IPV6, pos
    if following == 3:
        return ETHERNET_FRAME, pos
    return NO_TUNNEL, pos


def geneve(slab: U8, pos: int, end: int) -> tuple[int, int]:
    """Behind a GENEVE header and its options (RFC 8926, section 3.4)."""
    if pos + 8 > end:
        return NO_TUNNEL, pos
    first = u8(slab, pos)
    if first >> 6 != 0 or u8(slab, pos + 1) & 0x3F != 0 or u8(slab, pos + 7) != 0:
        return NO_TUNNEL, pos
    ethertype = be16(slab, pos + 2)
    if ethertype < 0x0600:
        return NO_TUNNEL, pos
    return ethertype, pos + 8 + (first & 63) * 4


def gtp_u(slab: U8, pos: int, end: int, wire_end: int) -> tuple[int, int]:
    """Behind a GTP-U header of version 1 and its extension headers, where it carries a user's packet (TS 29.281, 5.1)."""
    if pos + 8 > end:
        return NO_TUNNEL, pos
    flags = u8(slab, pos)
    if flags & 0xF0 != 0x30 or u8(slab, pos + 1) != G_PDU or pos + 8 + be16(slab, pos + 2) > wire_end:
        return NO_TUNNEL, pos
    pos += 8
    if flags & 0x07:  # sequence number, N-PDU number and the type of the first extension: all there if one is
        if pos + 4 > end:
            return -TRUNCATED_HEADER, pos
        extension = u8(slab, pos + 3)
        if flags & 0x04 == 0:
            extension = 0
        pos += 4
        for _ in range(MAX_GTP_EXTENSIONS):
            if extension == 0:
                break
            if pos >= end:
                return -TRUNCATED_HEADER, pos
            length = u8(slab, pos) * 4
            if length == 0:
                return NO_TUNNEL, pos
            pos += length
            if pos > end:
                return -TRUNCATED_HEADER, pos
            extension = u8(slab, pos - 1)
        if extension != 0:
            return NO_TUNNEL, pos
    ethertype, pos = raw_ip(slab, pos, end)
    if ethertype == -BAD_HEADER:
        return NO_TUNNEL, pos
    return ethertype, pos
