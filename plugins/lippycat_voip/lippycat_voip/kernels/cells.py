"""From a segment's rows to compact cells: the RTP header (RFC 3550, 5.1), and what the stream table needs of each packet."""

from __future__ import annotations

from lippycat_core.columns import I64, U8, Frame, Net, Route, Transport
from lippycat_core.kernels.load import be16, be32, u8
from lippycat_voip.columns import K_RTCP, K_RTP
from lippycat_voip.stream_columns import (
    C_CAPLEN,
    C_HASH,
    C_KEY,
    C_KIND,
    C_LEAD,
    C_NOW_NS,
    C_OFF,
    C_RECORD,
    C_RTP_TS,
    C_SEQ,
    C_SIZE,
    C_TS_NS,
    C_TYPE,
    C_WIDTH,
    C_WIRELEN,
    CELL_RTCP,
    CELL_RTP,
)

HEADER = 12  # fixed header (RFC 3550, 5.1)


def rtp_payload(slab: U8, off: int, caplen: int, wirelen: int) -> tuple[int, int]:
    """Offset (from `off`) and length of an RTP packet's payload by the wire length; (-1, 0) where header, CSRC,
    extension and padding do not fit (RFC 3550, 5.1 and 5.3.1). What was not captured is taken as absent."""
    if caplen < HEADER or wirelen < HEADER:
        return -1, 0
    first = u8(slab, off)
    if first >> 6 != 2:
        return -1, 0
    start = HEADER + 4 * (first & 15)
    if first & 0x10:
        if wirelen < start + 4:
            return -1, 0
        if caplen >= start + 4:
            start += 4 * be16(slab, off + start + 2)
        start += 4
    length = wirelen - start
    if length < 0:
        return -1, 0
    if first & 0x20 and caplen >= wirelen:
        padding = u8(slab, off + wirelen - 1)
        if padding == 0 or padding > length:
            return -1, 0
        length -= padding
    return start, length


def mix(seed: int, word: int) -> int:
    """One round of a 32-bit hash; both arguments are below 2**32, the product below 2**63."""
    h = ((seed ^ word) * 0x5BD1E995) & 0xFFFFFFFF
    return h ^ (h >> 15)


def pair(high: int, low: int) -> int:
    """Two 32-bit words as one int64, one to one."""
    return (high - 0x80000000) * 0x100000000 + low


def gather(
    slab: U8,
    frame: Frame,
    net: Net,
    transport: Transport,
    route: Route,
    begin: int,
    end: int,
    first_record: int,
    base: int,
    seed: int,
    cells: I64,
) -> int:
    """Copy what `advance` needs of the rows whose kind is `base + K_RTP` or `base + K_RTCP` and return the number of cells.

    `cells` has room for `end - begin`. A row that is no valid RTP packet, or of payload type 64 to 95 (RFC 5761, 4), gets none.
    """
    count = 0
    for row in range(begin, end):
        kind = route.kind[row] - base
        if kind not in (K_RTP, K_RTCP):
            continue
        off = transport.pay_off[row] + 0
        caplen = transport.pay_len[row] + 0
        c = count * C_WIDTH
        ssrc = 0
        if kind == K_RTP:
            start, size = rtp_payload(slab, off, caplen, transport.pay_wire[row] + 0)
            if start < 0:
                continue
            payload_type = u8(slab, off + 1) & 127
            if 64 <= payload_type <= 95:
                continue
            ssrc = be32(slab, off + 8)
            cells[c + C_KIND] = CELL_RTP
            cells[c + C_SEQ] = be16(slab, off + 2)
            cells[c + C_RTP_TS] = be32(slab, off + 4)
            cells[c + C_TYPE] = payload_type
            cells[c + C_SIZE] = size
            if size >= 4 and start + 4 <= caplen:
                cells[c + C_LEAD] = be32(slab, off + start)
            else:
                cells[c + C_LEAD] = -1
        else:
            cells[c + C_KIND] = CELL_RTCP
            cells[c + C_OFF] = off
            cells[c + C_CAPLEN] = caplen
            cells[c + C_WIRELEN] = transport.pay_wire[row]
        src2 = net.src2[row] + 0
        src3 = net.src3[row] + 0
        dst2 = net.dst2[row] + 0
        dst3 = net.dst3[row] + 0
        ports = (transport.sport[row] + 0) * 0x10000 + transport.dport[row]
        src01 = pair(net.src0[row] + 0, net.src1[row] + 0)
        dst01 = pair(net.dst0[row] + 0, net.dst1[row] + 0)
        cells[c + C_RECORD] = first_record + row
        cells[c + C_TS_NS] = frame.ts_ns[row]
        cells[c + C_NOW_NS] = route.now_ns[row]
        cells[c + C_KEY] = src3 * 0x10000 + (ports >> 16)
        cells[c + C_KEY + 1] = dst3 * 0x10000 + (ports & 0xFFFF)
        cells[c + C_KEY + 2] = src01
        cells[c + C_KEY + 3] = dst01
        cells[c + C_KEY + 4] = pair(src2, dst2)
        cells[c + C_KEY + 5] = ssrc
        h = mix(seed, src3 ^ ((((src01 ^ (src01 >> 32)) & 0xFFFFFFFF) + 3 * src2) & 0xFFFFFFFF))
        h = mix(h, dst3 ^ ((((dst01 ^ (dst01 >> 32)) & 0xFFFFFFFF) + 3 * dst2) & 0xFFFFFFFF))
        h = mix(h, ports)
        cells[c + C_HASH] = mix(h, ssrc)
        count += 1
    return count
