"""Decode: from a record's bytes to its innermost addresses, ports and payload.

`locate` walks the headers and only says where things lie; the kernel's loop alone reads fields and writes columns.
"""

from __future__ import annotations

from lippycat_core.columns import (
    BAD_HEADER,
    DECODED,
    FRAGMENT,
    FRESH,
    OTHER,
    SCTP,
    TCP,
    TUNNEL_DEPTH,
    U8,
    UDP,
    Frame,
    Net,
    Route,
    Transport,
)
from lippycat_core.kernels.link import IPV4, IPV6, link_header, unwrap
from lippycat_core.kernels.load import be16, be32, u8
from lippycat_core.kernels.network import cut, ipv4, ipv6
from lippycat_core.kernels.tunnel import NO_TUNNEL, SCTP_HEADER, ip_tunnel, is_tunnel_port, sctp_in_udp, udp_tunnel

MAX_IP_HEADERS = 8  # one inside the other


def decode(slab: U8, frame: Frame, net: Net, transport: Transport, route: Route, begin: int, end: int) -> tuple[int, int]:
    """Decode the FRESH rows from `begin` to `end`: writes `Net`, `Transport` and `Route.status` of them, and sets kind 0 and
    flow -1 in every row. Returns how many are fragments, and how many TCP segments.

    Where there is no IP, and in undecodable rows, addresses are 0 and proto is -1; where there is no UDP, TCP or SCTP, ports are
    0 and the payload is what follows the last header.
    """
    off, caplen, wirelen, link = frame.off, frame.caplen, frame.wirelen, frame.link
    src0, src1, src2, src3 = net.src0, net.src1, net.src2, net.src3
    dst0, dst1, dst2, dst3, proto = net.dst0, net.dst1, net.dst2, net.dst3, net.proto
    sport, dport = transport.sport, transport.dport
    pay_off, pay_len, pay_wire = transport.pay_off, transport.pay_len, transport.pay_wire
    seq, ack, tcp_flags = transport.seq, transport.ack, transport.tcp_flags
    status, flow, kind = route.status, route.flow, route.kind
    fragments = 0
    segments = 0
    for row in range(begin, end):
        flow[row] = -1
        kind[row] = 0
        if status[row] != FRESH:
            continue
        code, ip, protocol, header, payload, stop, wire = locate(
            slab, int(link[row]) + 0, int(off[row]) + 0, int(caplen[row]) + 0, int(wirelen[row]) + 0
        )
        status[row] = code
        proto[row] = protocol
        pay_off[row] = payload
        pay_len[row] = stop - payload
        pay_wire[row] = wire - payload
        if ip < 0:
            src0[row] = 0
            src1[row] = 0
            src2[row] = 0
            src3[row] = 0
            dst0[row] = 0
            dst1[row] = 0
            dst2[row] = 0
            dst3[row] = 0
        elif u8(slab, ip) < 0x50:
            src0[row] = 0
            src1[row] = 0
            src2[row] = 0xFFFF
            src3[row] = be32(slab, ip + 12)
            dst0[row] = 0
            dst1[row] = 0
            dst2[row] = 0xFFFF
            dst3[row] = be32(slab, ip + 16)
        else:
            src0[row] = be32(slab, ip + 8)
            src1[row] = be32(slab, ip + 12)
            src2[row] = be32(slab, ip + 16)
            src3[row] = be32(slab, ip + 20)
            dst0[row] = be32(slab, ip + 24)
            dst1[row] = be32(slab, ip + 28)
            dst2[row] = be32(slab, ip + 32)
            dst3[row] = be32(slab, ip + 36)
        if code == DECODED:
            sport[row] = be16(slab, header)
            dport[row] = be16(slab, header + 2)
            if protocol == TCP:
                segments += 1
                seq[row] = be32(slab, header + 4)
                ack[row] = be32(slab, header + 8)
                tcp_flags[row] = u8(slab, header + 13) & 0x1F
                continue
            if protocol == SCTP:
                seq[row] = be32(slab, header + 4)
                ack[row] = 0
                tcp_flags[row] = 0
                continue
        else:
            sport[row] = 0
            dport[row] = 0
            if code == FRAGMENT:
                fragments += 1
                if u8(slab, ip) < 0x50:
                    flags = be16(slab, ip + 6)
                    seq[row] = be16(slab, ip + 4)
                    ack[row] = (flags & 0x1FFF) * 8
                    tcp_flags[row] = flags >> 13 & 1
                else:
                    flags = be16(slab, payload - 6)
                    seq[row] = be32(slab, payload - 4)
                    ack[row] = flags & 0xFFF8
                    tcp_flags[row] = flags & 1
                continue
        seq[row] = 0
        ack[row] = 0
        tcp_flags[row] = 0
    return fragments, segments


def locate(slab: U8, link: int, off: int, caplen: int, wirelen: int) -> tuple[int, int, int, int, int, int, int]:
    """Walk a record's headers: (status, innermost IP header or -1, its protocol or -1, transport header, payload, end of the
    captured payload, end of the payload on the wire), places in the slab."""
    end = off + caplen
    if end > len(slab):
        end = len(slab)
    wire_end = off + wirelen
    if wire_end < end:
        wire_end = end
    ip = -1
    protocol = -1
    ethertype, pos = link_header(slab, link, off, end)
    if ethertype != IPV4:
        ethertype, pos = unwrap(slab, ethertype, pos, end)
    for _ in range(MAX_IP_HEADERS):
        if ethertype == IPV4:
            carried, payload, wire_end = ipv4(slab, pos, end, wire_end)
        elif ethertype == IPV6:
            carried, payload, wire_end = ipv6(slab, pos, end, wire_end)
        elif ethertype == -OTHER:
            if pos > end:
                pos = end
            return OTHER, ip, protocol, pos, pos, end, wire_end
        else:
            return nothing(-ethertype, off)
        if end > wire_end:
            end = wire_end
        if carried < 0:
            if carried != -FRAGMENT:
                return nothing(-carried, off)
            carried = u8(slab, pos + 9)
            if ethertype == IPV6:
                carried = u8(slab, payload - 8)
            return FRAGMENT, pos, carried, payload, payload, end, wire_end
        protocol = carried
        ip = pos
        pos = payload
        if protocol == UDP:
            if pos + 8 > end:
                return nothing(cut(pos + 8, wire_end), off)
            length = be16(slab, pos + 4)
            if length != 0:  # 0: a jumbogram (RFC 2675), or not cut into datagrams yet
                if length < 8:
                    return nothing(BAD_HEADER, off)
                if pos + length < wire_end:
                    wire_end = pos + length
                if end > wire_end:
                    end = wire_end
            if not is_tunnel_port(be16(slab, pos), be16(slab, pos + 2)):
                return DECODED, ip, UDP, pos, pos + 8, end, wire_end
            if sctp_in_udp(slab, pos, end):
                return DECODED, ip, SCTP, pos + 8, pos + 8 + SCTP_HEADER, end, wire_end
            ethertype, payload = udp_tunnel(slab, be16(slab, pos), be16(slab, pos + 2), pos + 8, end, wire_end)
            if ethertype == NO_TUNNEL:
                return DECODED, ip, UDP, pos, pos + 8, end, wire_end
            pos = payload
        elif protocol == TCP:
            if pos + 20 > end:
                return nothing(cut(pos + 20, wire_end), off)
            payload = pos + (u8(slab, pos + 12) >> 4) * 4
            if payload < pos + 20:
                return nothing(BAD_HEADER, off)
            if payload > end:
                return nothing(cut(payload, wire_end), off)
            return DECODED, ip, TCP, pos, payload, end, wire_end
        elif protocol == SCTP:
            if pos + SCTP_HEADER > end:
                return nothing(cut(pos + SCTP_HEADER, wire_end), off)
            return DECODED, ip, SCTP, pos, pos + SCTP_HEADER, end, wire_end
        else:
            ethertype, payload = ip_tunnel(slab, protocol, pos, end)
            if ethertype == NO_TUNNEL:
                return OTHER, ip, protocol, pos, pos, end, wire_end
            ethertype, pos = unwrap(slab, ethertype, payload, end)
    if ethertype < 0:
        return nothing(-ethertype, off)
    return nothing(TUNNEL_DEPTH, off)


def nothing(status: int, off: int) -> tuple[int, int, int, int, int, int, int]:
    """What `locate` says of a record in which it found no packet."""
    return status, -1, -1, off, off, off, off
