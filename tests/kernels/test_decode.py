"""Each encapsulation, written with scapy, whole and cut at every byte; and bytes that are no packet at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III, ERSPAN_PlatformSpecific
from scapy.contrib.etherip import EtherIP
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.mpls import MPLS, EoMCW
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, GRE, GRE_PPTP, LLC, SNAP, STP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.ppp import PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from lippycat_core import addresses
from lippycat_core.batch import Batch
from lippycat_core.columns import (
    BAD_HEADER,
    DECODED,
    FILTERED,
    FRAGMENT,
    LINK_TYPE,
    OTHER,
    TRUNCATED_HEADER,
    TUNNEL_DEPTH,
    UNDECODABLE_REASONS,
)
from lippycat_core.kernels.decode import MAX_IP_HEADERS, decode
from lippycat_core.kernelset import Interpreted, KernelSet

MakeBatch = Callable[..., Batch]

PAYLOAD = b"OPTIONS sip:x SIP/2.0\r\n\r\n"
V4 = IP(src="10.1.2.3", dst="192.168.200.9") / UDP(sport=5060, dport=65000) / Raw(PAYLOAD)
V6 = (
    IPv6(src="2001:db8::1", dst="fe80::ffff:1")
    / TCP(sport=5061, dport=40000, seq=0xFEDCBA98, ack=7, flags="PA", options=[("NOP", None)] * 4)
    / Raw(PAYLOAD)
)
ENDS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}  # without them scapy asks the network
E4 = Ether(**ENDS)
OUTER4 = E4 / IP(src="1.1.1.1", dst="2.2.2.2")
OUTER6 = E4 / IPv6(src="2001:db8:ffff::1", dst="2001:db8:ffff::2")


ENCAPSULATIONS: dict[str, tuple[int, Callable[[Packet], Packet | bytes]]] = {
    # name: link type, wrapping of an IP packet
    "ethernet": (1, lambda p: E4 / p),
    "null_little": (0, lambda p: (b"\x02\0\0\0" if IP in p else b"\x1e\0\0\0") + bytes(p)),
    "null_big": (0, lambda p: (b"\0\0\0\x02" if IP in p else b"\0\0\0\x1c") + bytes(p)),
    "loop": (108, lambda p: (b"\0\0\0\x02" if IP in p else b"\0\0\0\x18") + bytes(p)),
    "raw_12": (12, lambda p: p),
    "raw_14": (14, lambda p: p),
    "raw_101": (101, lambda p: p),
    "sll": (113, lambda p: CookedLinux() / p),
    "sll_vlan": (113, lambda p: CookedLinux(proto=0x8100) / Dot1Q(vlan=3) / p),
    "sll2": (276, lambda p: CookedLinuxV2() / p),
    "snap": (
        1,
        lambda p: Dot3(**ENDS) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP() / p,
    ),
    "vlan": (1, lambda p: E4 / Dot1Q(vlan=5) / p),
    "vlan_snap": (1, lambda p: E4 / Dot1Q(vlan=5, type=100) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP() / p),
    "qinq_8100": (1, lambda p: E4 / Dot1Q(vlan=5) / Dot1Q(vlan=6) / p),
    "qinq_88a8": (1, lambda p: E4 / Dot1AD(vlan=5) / Dot1Q(vlan=6) / p),
    "qinq_9100": (1, lambda p: Ether(**ENDS, type=0x9100) / Dot1Q(vlan=5) / p),
    "qinq_9200": (1, lambda p: Ether(**ENDS, type=0x9200) / Dot1Q(vlan=5) / p),
    "pppoe": (1, lambda p: E4 / PPPoE(sessionid=9) / PPP() / p),
    "pppoe_vlan": (1, lambda p: E4 / Dot1Q(vlan=7) / PPPoE(sessionid=9) / PPP() / p),
    "mpls": (1, lambda p: E4 / MPLS(label=16, s=0) / MPLS(label=17, s=1) / p),
    "mpls_multicast": (1, lambda p: Ether(**ENDS, type=0x8848) / MPLS(label=16, s=1) / p),
    "mpls_ethernet": (1, lambda p: E4 / MPLS(label=16, s=1) / EoMCW() / E4 / p),
    "ip_in_ip4": (1, lambda p: OUTER4 / p),
    "ip_in_ip6": (1, lambda p: OUTER6 / p),
    "gre": (1, lambda p: OUTER4 / GRE() / p),
    "gre_all_fields": (1, lambda p: OUTER6 / GRE(chksum_present=1, key_present=1, seqnum_present=1) / p),
    "gre_ethernet": (1, lambda p: OUTER4 / GRE() / E4 / p),
    "gre_vlan": (1, lambda p: OUTER4 / GRE() / E4 / Dot1Q(vlan=2) / p),
    "gre_mpls": (1, lambda p: OUTER4 / GRE(proto=0x8847) / MPLS(s=1) / p),
    "gre_ppp": (1, lambda p: OUTER4 / GRE(proto=0x880B) / PPP() / p),
    "pptp": (1, lambda p: OUTER4 / GRE_PPTP(seqnum_present=1, acknum_present=1) / b"\xff\x03" / PPP() / p),
    "pptp_compressed": (1, lambda p: OUTER4 / GRE_PPTP(seqnum_present=1) / (b"\x21" if IP in p else b"\x57") / p),
    "erspan_1": (1, lambda p: OUTER4 / GRE(proto=0x88BE) / Raw(bytes(E4 / p))),
    "erspan_2": (1, lambda p: OUTER4 / GRE(seqnum_present=1) / ERSPAN_II() / E4 / p),
    "erspan_3": (1, lambda p: OUTER4 / GRE(seqnum_present=1) / ERSPAN_III() / E4 / p),
    "erspan_3_subheader": (
        1,
        lambda p: OUTER4 / GRE(seqnum_present=1) / ERSPAN_III(o=1) / ERSPAN_PlatformSpecific() / Raw(bytes(E4 / p)),
    ),
    "erspan_3_ip": (1, lambda p: OUTER4 / GRE(seqnum_present=1) / ERSPAN_III(ft=2) / Raw(bytes(p))),
    "vxlan": (1, lambda p: OUTER4 / UDP(sport=50000, dport=4789) / VXLAN(vni=8) / Raw(bytes(E4 / p))),
    "vxlan_gpe": (1, lambda p: OUTER4 / UDP(dport=4790) / VXLAN(vni=8) / E4 / p),
    "vxlan_gpe_ip": (1, lambda p: OUTER4 / UDP(dport=4790) / VXLAN(vni=8) / p),
    "vxlan_linux": (1, lambda p: OUTER6 / UDP(sport=50000, dport=8472) / VXLAN(vni=8) / E4 / Dot1Q(vlan=4) / p),
    "geneve": (1, lambda p: OUTER4 / UDP(dport=6081) / GENEVE(vni=1, options=[]) / E4 / p),
    "geneve_options": (1, lambda p: OUTER6 / UDP(dport=6081) / Raw(b"\x02\x00\x65\x58\0\0\1\0" + bytes(8)) / E4 / p),
    "gtp_u": (1, lambda p: OUTER4 / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=1) / p),
    "gtp_u_sequence": (1, lambda p: OUTER4 / UDP(sport=3000, dport=2152) / GTP_U_Header(teid=1, S=1, seq=9) / p),
    "gtp_u_5g": (1, lambda p: OUTER6 / UDP(dport=2152) / GTP_U_Header(teid=1) / GTPPDUSessionContainer(type=0, QFI=5) / p),
    "mpls_in_ip": (1, lambda p: E4 / IP(src="1.1.1.1", dst="2.2.2.2", proto=137) / Raw(bytes(MPLS(s=1) / p))),
    "etherip": (1, lambda p: OUTER4 / EtherIP() / E4 / p),
    "ah": (1, lambda p: E4 / with_ah(p)),
    "three_tunnels": (
        113,
        lambda p: (
            CookedLinux()
            / IP()
            / UDP(dport=2152)
            / GTP_U_Header(teid=1)
            / IP()
            / GRE()
            / IPv6()
            / UDP(dport=4789)
            / VXLAN(vni=1)
            / E4
            / p
        ),
    ),
}
IN_UDP = {name for name in ENCAPSULATIONS if name.startswith(("vxlan", "geneve", "gtp_u", "three"))}


def with_ah(packet: Packet) -> Packet:
    """`packet` with an authentication header between its IP header and the rest."""
    first = packet.copy()
    rest = first.payload.copy()
    first.remove_payload()
    protocol = 17 if UDP in packet else 6
    return first.__class__(src=first.src, dst=first.dst) / AH(nh=protocol, spi=1, seq=2, payloadlen=4, icv=bytes(12)) / rest


def span(batch: Batch, row: int) -> bytes:
    off = int(batch.transport.pay_off[row])
    return bytes(batch.mem[off : off + int(batch.transport.pay_len[row])])


def ends(batch: Batch, row: int) -> tuple[str, str]:
    words = [int(column[row]) for column in batch.net[:8]]
    return addresses.host(*words[:4]), addresses.host(*words[4:])


def check_v4(batch: Batch, row: int) -> None:
    assert batch.route.status[row] == DECODED
    assert ends(batch, row) == ("10.1.2.3", "192.168.200.9")
    assert batch.net.proto[row] == 17
    assert (batch.transport.sport[row], batch.transport.dport[row]) == (5060, 65000)
    assert (batch.transport.seq[row], batch.transport.ack[row], batch.transport.tcp_flags[row]) == (0, 0, 0)


def check_v6(batch: Batch, row: int) -> None:
    assert batch.route.status[row] == DECODED
    assert ends(batch, row) == ("2001:db8::1", "fe80::ffff:1")
    assert batch.net.proto[row] == 6
    assert (batch.transport.sport[row], batch.transport.dport[row]) == (5061, 40000)
    assert (batch.transport.seq[row], batch.transport.ack[row], batch.transport.tcp_flags[row]) == (0xFEDCBA98, 7, 24)


INNER = {"v4_udp": (V4, check_v4), "v6_tcp": (V6, check_v6)}


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("name", ENCAPSULATIONS)
def test_innermost_packet_is_found(name: str, inner: str, make_decoded: MakeBatch) -> None:
    link, wrap = ENCAPSULATIONS[name]
    packet, check = INNER[inner]
    batch = make_decoded([bytes(wrap(packet))], link)
    check(batch, 0)
    assert span(batch, 0) == PAYLOAD
    assert batch.transport.pay_wire[0] == len(PAYLOAD)
    assert batch.route.flow[0] == -1
    assert batch.route.kind[0] == 0


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("name", ENCAPSULATIONS)
def test_every_cut(name: str, inner: str, make_decoded: MakeBatch) -> None:
    """A cut header is named as such; a cut payload is delivered as far as it goes, with its length on the wire."""
    link, wrap = ENCAPSULATIONS[name]
    packet, check = INNER[inner]
    whole = bytes(wrap(packet))
    headers = len(whole) - len(PAYLOAD)
    for caplen in range(len(whole)):
        batch = make_decoded([whole[:caplen]], link, wirelens=[len(whole)])
        if caplen >= headers:
            check(batch, 0)
            assert span(batch, 0) == PAYLOAD[: caplen - headers]
            assert batch.transport.pay_wire[0] == len(PAYLOAD)
        elif batch.route.status[0] == DECODED:  # too little of a tunnel's header to tell it from any datagram
            assert name in IN_UDP
            assert batch.net.proto[0] == 17
            assert batch.transport.pay_len[0] < 40
        else:
            assert batch.route.status[0] == TRUNCATED_HEADER
            assert batch.net.proto[0] == -1
            assert batch.transport.pay_len[0] == 0


def test_many_rows_keep_to_themselves(make_decoded: MakeBatch) -> None:
    packets = [bytes(E4 / V4), bytes(E4 / ARP()), bytes(E4 / V6), bytes(E4 / V4)[:30], bytes(E4 / V4)]
    batch = make_decoded(packets)
    check_v4(batch, 0)
    assert batch.route.status[1] == OTHER
    assert batch.net.proto[1] == -1
    assert ends(batch, 1) == ("::", "::")
    check_v6(batch, 2)
    assert batch.route.status[3] == TRUNCATED_HEADER
    check_v4(batch, 4)


def test_only_fresh_rows_are_decoded(kernels: KernelSet, make_batch: MakeBatch) -> None:
    batch = make_batch([bytes(E4 / V4), bytes(E4 / V4)])
    batch.route.status[0] = FILTERED
    batch.route.flow[:] = 5
    views = batch.views
    kernels[decode](views.slab, views.frame, views.net, views.transport, views.route, 0, 2)
    assert list(batch.route.status) == [FILTERED, DECODED]
    assert list(batch.route.flow) == [-1, -1]
    assert batch.net.proto[0] == 0


IPV6_HEADERS = {
    "hop_by_hop": IPv6ExtHdrHopByHop(),
    "routing": IPv6ExtHdrRouting(addresses=["2001:db8::9", "2001:db8::8"]),
    "destination": IPv6ExtHdrDestOpt(),
    "atomic_fragment": IPv6ExtHdrFragment(id=9),
}


@pytest.mark.parametrize("name", IPV6_HEADERS)
def test_ipv6_extension_headers(name: str, make_decoded: MakeBatch) -> None:
    packet = E4 / IPv6(src="2001:db8::1", dst="fe80::ffff:1") / IPV6_HEADERS[name] / IPv6ExtHdrDestOpt() / V6.payload
    whole = bytes(packet)
    batch = make_decoded([whole])
    check_v6(batch, 0)
    assert span(batch, 0) == PAYLOAD
    for caplen in range(len(whole) - len(PAYLOAD)):
        assert make_decoded([whole[:caplen]], wirelens=[len(whole)]).route.status[0] == TRUNCATED_HEADER


def test_ipv4_options_and_ethernet_padding(make_decoded: MakeBatch) -> None:
    packet = E4 / IP(src="10.1.2.3", dst="192.168.200.9", options=[IPOption_Router_Alert()]) / V4.payload
    batch = make_decoded([bytes(packet) + bytes(9)])
    check_v4(batch, 0)
    assert span(batch, 0) == PAYLOAD
    assert batch.transport.pay_wire[0] == len(PAYLOAD)


LENGTHS = {
    # name: IPv4 total length, UDP length, bytes behind the datagram
    "segmentation_offload": (0, 0, b""),
    "udp_0": (None, 0, b""),
    "udp_shorter_than_ip": (None, 8 + len(PAYLOAD), b"more"),
    "udp_longer_than_ip": (None, 900, b""),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_lengths(name: str, make_decoded: MakeBatch) -> None:
    total, length, behind = LENGTHS[name]
    ip = IP(src="10.1.2.3", dst="192.168.200.9", len=total)
    batch = make_decoded([bytes(E4 / ip / UDP(sport=5060, dport=65000, len=length) / Raw(PAYLOAD + behind))])
    check_v4(batch, 0)
    assert span(batch, 0) == PAYLOAD
    assert batch.transport.pay_wire[0] == len(PAYLOAD)


def test_ipv6_length_of_0_means_the_rest(make_decoded: MakeBatch) -> None:
    batch = make_decoded([bytes(E4 / IPv6(src="2001:db8::1", dst="fe80::ffff:1", plen=0) / V6.payload)])
    check_v6(batch, 0)
    assert span(batch, 0) == PAYLOAD


OTHERS = {
    "arp": (1, E4 / ARP(), -1),
    "stp": (1, Dot3(**ENDS) / LLC() / STP(), -1),
    "pppoe_discovery": (1, Ether(**ENDS, type=0x8863) / Raw(bytes(20)), -1),
    "lcp": (1, E4 / PPPoE() / PPP(proto=0xC021) / Raw(b"\1\1\0\4"), -1),
    "lldp": (1, Ether(**ENDS, type=0x88CC) / Raw(bytes(40)), -1),
    "netlink": (113, CookedLinux(lladdrtype=824, proto=0x0800) / Raw(bytes(40)), -1),
    "icmp": (1, OUTER4 / ICMP(), 1),
    "icmp_error_quoting_sip": (1, OUTER4 / ICMP(type=3, code=3) / V4, 1),
    "icmpv6": (1, OUTER6 / Raw(b""), 59),
    "esp": (1, E4 / IP(proto=50) / Raw(bytes(40)), 50),
    "gre_keepalive": (1, OUTER4 / GRE(proto=0), 47),
    "gre_arp": (1, OUTER4 / GRE(proto=0x6558) / E4 / ARP(), 47),
    "null_isis": (0, b"\x36\0\0\0" + bytes(20), -1),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_protocols_are_delivered(name: str, make_decoded: MakeBatch) -> None:
    link, packet, protocol = OTHERS[name]
    batch = make_decoded([bytes(packet)], link)
    assert batch.route.status[0] == OTHER
    assert batch.net.proto[0] == protocol
    assert (batch.transport.sport[0], batch.transport.dport[0]) == (0, 0)


NONSENSE = {
    "ipv4_version": (1, bytes(E4)[:12] + b"\x08\0" + bytes(40)),
    "ipv4_header_length": (1, bytes(E4 / IP(ihl=4) / Raw(bytes(20)))),
    "ipv4_shorter_than_its_header": (1, bytes(E4 / IP(ihl=6, len=20) / Raw(bytes(20)))),
    "ipv6_version": (229, bytes(V4) + bytes(40)),
    "raw_version": (101, b"\x50" + bytes(40)),
    "udp_length": (1, bytes(OUTER4 / UDP(len=7) / Raw(bytes(20)))),
    "udp_needs_8": (1, bytes(E4 / IP(proto=17) / Raw(bytes(7))) + bytes(20)),
    "tcp_offset": (1, bytes(OUTER4 / TCP(dataofs=4))),
    "tcp_offset_behind_end": (1, bytes(OUTER4 / TCP(dataofs=15)) + bytes(60)),
    "gre_version": (1, bytes(OUTER4 / GRE(version=2) / V4)),
    "pppoe_version": (1, bytes(E4 / PPPoE(version=2) / PPP() / V4)),
    "extension_behind_end": (1, bytes(OUTER6 / IPv6ExtHdrDestOpt(len=9)) + bytes(80)),
    "extensions_without_end": (1, bytes(OUTER6 / Raw(bytes(400)))[:20] + b"\0" + bytes(OUTER6 / Raw(bytes(400)))[21:]),
    "fragment_behind_64k": (1, bytes(E4 / IP(frag=8191) / Raw(bytes(100)))),
    "fragment_not_in_eights": (1, bytes(E4 / IP(flags="MF") / Raw(bytes(100)))),
    "fragment_of_nothing": (1, bytes(OUTER6 / IPv6ExtHdrFragment(offset=8)) + bytes(60)),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_named(name: str, make_decoded: MakeBatch) -> None:
    link, packet = NONSENSE[name]
    batch = make_decoded([packet], link)
    assert batch.route.status[0] == BAD_HEADER


@pytest.mark.parametrize("link", [2, 105, 127, 147, 65535, -1])
def test_unknown_link_type(link: int, make_decoded: MakeBatch) -> None:
    assert make_decoded([bytes(E4 / V4)], link).route.status[0] == LINK_TYPE


NESTINGS: dict[str, Callable[[Packet], Packet]] = {
    "ip": lambda p: IP() / p,
    "ipv6": lambda p: IPv6() / p,
    "gre": lambda p: IP() / GRE() / E4 / p,
    "gtp_u": lambda p: IP() / UDP(dport=2152) / GTP_U_Header() / p,
}


@pytest.mark.parametrize("name", NESTINGS)
def test_depth_is_bounded(name: str, make_decoded: MakeBatch) -> None:
    wrap = NESTINGS[name]
    packet: Packet = V4
    for _ in range(MAX_IP_HEADERS - 1):
        packet = wrap(packet)
    batch = make_decoded([bytes(E4 / packet), bytes(E4 / wrap(packet))])
    check_v4(batch, 0)
    assert batch.route.status[1] == TUNNEL_DEPTH


def test_tags_are_bounded(make_decoded: MakeBatch) -> None:
    tags = Dot1Q(vlan=1)
    for _ in range(20):
        tags = tags / Dot1Q(vlan=1)
    assert make_decoded([bytes(E4 / tags / V4)]).route.status[0] == TUNNEL_DEPTH


NOT_TUNNELS = {
    "rtp_on_vxlan_port": UDP(sport=4000, dport=4789) / Raw(b"\x80\x00" + bytes(170)),
    "vxlan_without_vni": UDP(dport=4789) / Raw(bytes(8)) / E4 / V4,
    "vxlan_with_arp": UDP(dport=4789) / VXLAN(vni=1) / E4 / ARP(),
    "rtp_on_gtp_port": UDP(dport=2152) / Raw(b"\x80\x00" + bytes(170)),
    "gtp_echo": UDP(dport=2152) / Raw(b"\x32\x01\x00\x04" + bytes(8)),
    "gtp_too_long": UDP(dport=2152) / Raw(b"\x30\xff\x02\x00\0\0\0\1") / V4,
    "gtp_ppp": UDP(dport=2152) / Raw(b"\x30\xff\x00\x10\0\0\0\1") / Raw(b"\xff\x03\x00\x21" + bytes(12)),
    "gtp_extension_of_nothing": UDP(dport=2152) / Raw(b"\x34\xff\x00\x10\0\0\0\1\0\0\0\x85" + bytes(12)),
    "geneve_version": UDP(dport=6081) / Raw(b"\x40\x00\x65\x58\0\0\1\0") / E4 / V4,
    "sip_on_geneve_port": UDP(dport=6081) / Raw(PAYLOAD),
}


@pytest.mark.parametrize("name", NOT_TUNNELS)
def test_udp_that_only_uses_a_tunnels_port(name: str, make_decoded: MakeBatch) -> None:
    datagram = NOT_TUNNELS[name]
    batch = make_decoded([bytes(OUTER4 / datagram)])
    assert batch.route.status[0] == DECODED
    assert ends(batch, 0) == ("1.1.1.1", "2.2.2.2")
    assert batch.transport.dport[0] == datagram.dport
    assert span(batch, 0) == bytes(datagram.payload)


def test_fragment_columns_ipv4(make_decoded: MakeBatch) -> None:
    packet = E4 / Dot1Q() / IP(src="10.1.2.3", dst="192.168.200.9", id=0xABCD, flags="MF", frag=185, proto=17) / Raw(bytes(64))
    batch = make_decoded([bytes(packet)[:-10]], wirelens=[len(packet)])
    assert batch.route.status[0] == FRAGMENT
    assert ends(batch, 0) == ("10.1.2.3", "192.168.200.9")
    t = batch.transport
    assert (batch.net.proto[0], t.seq[0], t.ack[0], t.tcp_flags[0]) == (17, 0xABCD, 1480, 1)
    assert (t.pay_off[0], t.pay_len[0], t.pay_wire[0]) == (38, 54, 64)


def test_fragment_columns_ipv6(make_decoded: MakeBatch) -> None:
    fragment = IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(nh=17, id=0xFEDCBA98, offset=300, m=0)
    packet = E4 / IPv6(src="2001:db8::1", dst="fe80::ffff:1") / fragment / Raw(bytes(61))
    batch = make_decoded([bytes(packet)])
    assert batch.route.status[0] == FRAGMENT
    assert ends(batch, 0) == ("2001:db8::1", "fe80::ffff:1")
    t = batch.transport
    assert (batch.net.proto[0], t.seq[0], t.ack[0], t.tcp_flags[0]) == (17, 0xFEDCBA98, 2400, 0)
    assert (t.pay_off[0], t.pay_len[0], t.pay_wire[0]) == (70, 61, 61)


SEEDS = [(link, bytes(wrap(packet))) for link, wrap in ENCAPSULATIONS.values() for packet, _ in INNER.values()]
LINKS = sorted({link for link, _ in ENCAPSULATIONS.values()} | {228, 229, 7})


@st.composite
def mutated(draw: st.DrawFn) -> tuple[int, bytes]:
    """A packet with a few bytes changed and its end cut off; or no packet at all."""
    if draw(st.booleans()):
        return draw(st.sampled_from(LINKS)), draw(st.binary(max_size=120))
    link, packet = draw(st.sampled_from(SEEDS))
    data = bytearray(packet)
    for _ in range(draw(st.integers(0, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return link, bytes(data[: draw(st.integers(0, len(data)))])


@settings(max_examples=300, deadline=None)
@given(mutated(), st.integers(-5, 400))
def test_any_bytes(make_decoded: MakeBatch, record: tuple[int, bytes], beyond: int) -> None:
    """No read outside of the record, no exception, and spans that lie within it; the wire length may be anything."""
    link, data = record
    batch = make_decoded([data], link, wirelens=[max(0, len(data) + beyond)])
    status = int(batch.route.status[0])
    assert status in (DECODED, OTHER, FRAGMENT) or status in UNDECODABLE_REASONS
    t = batch.transport
    assert 0 <= t.pay_off[0] <= t.pay_off[0] + t.pay_len[0] <= len(data)
    assert t.pay_wire[0] >= t.pay_len[0] >= 0


def test_compiled_is_interpreted(kernels: KernelSet) -> None:
    """Both forms write the same columns for thousands of damaged packets."""
    rng = np.random.default_rng(1)
    records: list[tuple[int, bytes]] = []
    for _ in range(40):
        for link, packet in SEEDS:
            data = bytearray(packet)
            for _ in range(rng.integers(0, 5)):
                data[rng.integers(0, len(data))] = rng.integers(0, 256)
            records.append((link, bytes(data[: rng.integers(len(data) // 2, len(data) + 1)])))
    columns = []
    for kernel_set in (Interpreted(), kernels):
        batch = Batch(kernel_set, nbytes=1 << 20, capacity=len(records))
        off = 0
        for row, (link, data) in enumerate(records):
            batch.mem[off : off + len(data)] = data
            batch.frame.off[row] = off
            batch.frame.caplen[row] = len(data)
            batch.frame.wirelen[row] = len(data) + row % 3 * 40
            batch.frame.link[row] = link
            off += len(data)
        views = batch.views
        kernel_set[decode](views.slab, views.frame, views.net, views.transport, views.route, 0, len(records))
        columns.append((*batch.net, *batch.transport, batch.route.status))
    assert len({int(s) for s in columns[0][-1]}) >= 5
    for ours, theirs in zip(*columns, strict=True):
        np.testing.assert_array_equal(ours, theirs)
