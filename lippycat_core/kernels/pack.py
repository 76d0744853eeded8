"""Putting records together as capture files have them, little-endian with nanoseconds: the walk's counterpart."""

from __future__ import annotations

from lippycat_core.columns import FILTERED, I32, I64, U8, Frame
from lippycat_core.kernels.copy import copy_bytes
from lippycat_core.kernels.walk import ENHANCED_PACKET_BLOCK

# -- state: int64 ----------------------------------------------------------------------------------------------------
P_POS = 0  # bytes of `out` that are used
P_STOP = 1  # why it ended
P_LINK = 2  # link type that it stopped at
P_PACKETS = 3  # written so far
P_WIDTH = 4

DONE = 0
FULL = 1  # `out` has no room for the next record
NEW_LINK = 2  # the next record's link type is not among `links`

PCAP_HEADER, EPB_HEADER, EPB_TRAILER = 16, 28, 4


def put_le32(out: U8, i: int, value: int) -> int:
    """Write the lower 32 bits of `value`, which is not negative, and return the offset behind them."""
    out[i] = value & 0xFF
    out[i + 1] = (value >> 8) & 0xFF
    out[i + 2] = (value >> 16) & 0xFF
    out[i + 3] = (value >> 24) & 0xFF
    return i + 4


def place_of(links: I32, known: int, link: int) -> int:
    """Where `link` is among the first `known` of `links`, or -1."""
    for i in range(known):
        if links[i] == link:
            return i
    return -1


def pack_pcap(slab: U8, frame: Frame, status: I32, links: I32, known: int, out: U8, state: I64, row: int, rows: int) -> int:
    """Write rows from `row` up to `rows` that are not FILTERED as classic pcap records behind `state[P_POS]` of `out`;
    returns the row that it stopped at. Times before 1970 become 1970."""
    pos = int(state[P_POS])
    stop = DONE
    while row < rows:
        if status[row] == FILTERED:
            row += 1
            continue
        if place_of(links, known, int(frame.link[row])) < 0:
            stop = NEW_LINK
            state[P_LINK] = frame.link[row]
            break
        caplen = int(frame.caplen[row])
        if PCAP_HEADER + caplen > len(out) - pos:
            stop = FULL
            break
        ts_ns = max(int(frame.ts_ns[row]), 0)
        seconds = ts_ns // 1000000000
        put_le32(out, pos, seconds)
        put_le32(out, pos + 4, ts_ns - seconds * 1000000000)
        put_le32(out, pos + 8, caplen)
        put_le32(out, pos + 12, int(frame.wirelen[row]))
        copy_bytes(out, pos + PCAP_HEADER, slab, int(frame.off[row]), caplen)
        pos += PCAP_HEADER + caplen
        state[P_PACKETS] += 1
        row += 1
    state[P_POS] = pos
    state[P_STOP] = stop
    return row


def pack_pcapng(slab: U8, frame: Frame, status: I32, links: I32, known: int, out: U8, state: I64, row: int, rows: int) -> int:
    """The same as Enhanced Packet Blocks, on the interface whose number is the link type's place among `links`."""
    pos = int(state[P_POS])
    stop = DONE
    while row < rows:
        if status[row] == FILTERED:
            row += 1
            continue
        interface = place_of(links, known, int(frame.link[row]))
        if interface < 0:
            stop = NEW_LINK
            state[P_LINK] = frame.link[row]
            break
        caplen = int(frame.caplen[row])
        padded = (caplen + 3) // 4 * 4
        total = EPB_HEADER + padded + EPB_TRAILER
        if total > len(out) - pos:
            stop = FULL
            break
        ts_ns = max(int(frame.ts_ns[row]), 0)
        put_le32(out, pos, ENHANCED_PACKET_BLOCK)
        put_le32(out, pos + 4, total)
        put_le32(out, pos + 8, interface)
        put_le32(out, pos + 12, ts_ns >> 32)
        put_le32(out, pos + 16, ts_ns & 0xFFFFFFFF)
        put_le32(out, pos + 20, caplen)
        put_le32(out, pos + 24, int(frame.wirelen[row]))
        copy_bytes(out, pos + EPB_HEADER, slab, int(frame.off[row]), caplen)
        for i in range(caplen, padded):
            out[pos + EPB_HEADER + i] = 0
        put_le32(out, pos + total - EPB_TRAILER, total)
        pos += total
        state[P_PACKETS] += 1
        row += 1
    state[P_POS] = pos
    state[P_STOP] = stop
    return row
