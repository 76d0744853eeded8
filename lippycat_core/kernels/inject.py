"""Packets as an interface takes them, one behind the other: Ethernet frames for a TAP device, IP packets for a TUN device."""

from __future__ import annotations

from lippycat_core.columns import BAD_HEADER, FILTERED, I32, I64, TRUNCATED_HEADER, U8, Frame
from lippycat_core.kernels.copy import copy_bytes
from lippycat_core.kernels.link import IPV4, IPV6, LINKTYPE_ETHERNET, LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2, link_header, unwrap
from lippycat_core.kernels.load import be16

# -- state: int64 ----------------------------------------------------------------------------------------------------
J_POS = 0  # bytes of `out` that are used
J_COUNT = 1  # frames in `out`
J_LINK = 2  # packets left out: no such frame can be made of their link layer
J_HEADER = 3  # packets left out: they end within a header that is needed
J_LONG = 4  # packets left out: longer than an interface's largest MTU lets through
J_WIDTH = 5

ETHERNET_HEADER = 14
MOST_MTU = 65535 - ETHERNET_HEADER
"""What the kernel allows a TAP device."""
MADE_UP_TO, MADE_UP_FROM = 0x02, 0x01
"""Last byte of the addresses 02:00:00:00:00:02 and :01 of Ethernet headers that are made up (locally administered, RFC 9542)."""


def make_up_header(out: U8, to: int, ethertype: int) -> int:
    """Write an Ethernet header with made-up addresses and return the offset behind it."""
    for i in range(ETHERNET_HEADER):
        out[to + i] = 0
    out[to] = 0x02
    out[to + 5] = MADE_UP_TO
    out[to + 6] = 0x02
    out[to + 11] = MADE_UP_FROM
    out[to + 12] = (ethertype >> 8) & 0xFF
    out[to + 13] = ethertype & 0xFF
    return to + ETHERNET_HEADER


def sender_at(slab: U8, link: int, off: int) -> int:
    """Where a Linux cooked header, which is whole, has its sender's Ethernet address; -1 where it has none."""
    if link == LINKTYPE_LINUX_SLL and be16(slab, off + 4) == 6:
        return off + 6
    if link == LINKTYPE_LINUX_SLL2 and int(slab[off + 11]) == 6:
        return off + 12
    return -1


def ip_end(slab: U8, ethertype: int, pos: int, end: int) -> int:
    """Where an IP packet ends that begins at `pos`: a short frame's padding lies behind it. `end` where it does not say."""
    if ethertype == IPV4 and pos + 4 <= end:
        length = be16(slab, pos + 2)
    elif ethertype == IPV6 and pos + 6 <= end:
        length = be16(slab, pos + 4)
        length = length + 40 if length > 0 else 0  # a jumbogram, or offload
    else:
        length = 0
    return min(pos + length, end) if length > 0 else end


def gather(
    slab: U8, frame: Frame, status: I32, bare: int, out: U8, ends: I32, times: I64, state: I64, row: int, rows: int
) -> int:
    """Append rows from `row` up to `rows` that are not FILTERED to `out` as Ethernet frames, or as IP packets where `bare` is 1:
    frame i ends at `ends[i]` and was captured at `times[i]`. Returns the row that it stopped at, for want of room. What cannot
    be put in that form is left out and counted."""
    pos = int(state[J_POS])
    count = int(state[J_COUNT])
    while row < rows:
        if status[row] == FILTERED:
            row += 1
            continue
        link = int(frame.link[row])
        off = int(frame.off[row])
        begin = off
        end = off + int(frame.caplen[row])
        ethertype = 0
        if bare == 1:
            ethertype, begin = link_header(slab, link, off, end)
            ethertype, begin = unwrap(slab, ethertype, begin, end)
            end = ip_end(slab, ethertype, begin, end)
        elif link != LINKTYPE_ETHERNET:
            ethertype, begin = link_header(slab, link, off, end)
        elif end - begin < ETHERNET_HEADER:
            state[J_HEADER] += 1
            row += 1
            continue
        if ethertype < 0:
            state[J_HEADER if ethertype in (-TRUNCATED_HEADER, -BAD_HEADER) else J_LINK] += 1
            row += 1
            continue
        header = ETHERNET_HEADER if bare == 0 and link != LINKTYPE_ETHERNET else 0
        if end - begin + header > MOST_MTU + ETHERNET_HEADER:
            state[J_LONG] += 1
            row += 1
            continue
        if count == len(ends) or end - begin + header > len(out) - pos:
            break
        if header > 0:
            make_up_header(out, pos, ethertype)
            sender = sender_at(slab, link, off)
            if sender >= 0:
                copy_bytes(out, pos + 6, slab, sender, 6)
            pos += header
        copy_bytes(out, pos, slab, begin, end - begin)
        pos += end - begin
        ends[count] = pos
        times[count] = frame.ts_ns[row]
        count += 1
        row += 1
    state[J_POS] = pos
    state[J_COUNT] = count
    return row
