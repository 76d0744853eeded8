"""RTCP (RFC 3550, 6): whether a datagram is a compound packet, and what its reports say."""

from __future__ import annotations

from lippycat_core.columns import I64, U8
from lippycat_core.kernels.load import be16, be24, be32, u8
from lippycat_voip.stream_columns import (
    BLOCK,
    R_ABOUT,
    R_DLSR,
    R_FRACTION,
    R_HIGHEST,
    R_JITTER,
    R_KIND,
    R_LOST,
    R_LSR,
    R_NTP,
    R_REPORTER,
    R_WIDTH,
    SENDER,
)

SR, RR = 200, 201
FIRST_TYPE, LAST_TYPE = 200, 207  # SR, RR, SDES, BYE, APP (RFC 3550), RTPFB, PSFB (RFC 4585), XR (RFC 3611)
SENDER_INFO = 20  # bytes between an SR's SSRC and its blocks (RFC 3550, 6.4.1)
BLOCK_SIZE = 24


def compound(slab: U8, off: int, caplen: int, wirelen: int) -> int:
    """The number of RTCP packets in a datagram, 0 where it is none (RFC 3550, A.2): version 2, types 200 to 207, lengths
    that add up exactly to the datagram, padding in the last one only, an SR or RR first. What the snap length cut off is
    believed."""
    at = 0
    packets = 0
    if wirelen < 8 or caplen < 8:
        return 0
    while at < wirelen:
        if at + 4 > wirelen:
            return 0
        if at + 4 > caplen:
            return packets
        first = u8(slab, off + at)
        kind = u8(slab, off + at + 1)
        if first >> 6 != 2 or kind < FIRST_TYPE or kind > LAST_TYPE:
            return 0
        if packets == 0 and kind > RR:
            return 0
        size = 4 + 4 * be16(slab, off + at + 2)
        if first & 0x20 and at + size != wirelen:
            return 0
        if kind == SR and size < 8 + SENDER_INFO + BLOCK_SIZE * (first & 31):
            return 0
        if kind == RR and size < 8 + BLOCK_SIZE * (first & 31):
            return 0
        at += size
        packets += 1
    if at != wirelen:
        return 0
    return packets


def reports(slab: U8, off: int, caplen: int, out: I64) -> int:
    """Fill a row of `out` for each SR and each report block in the captured bytes of a datagram and return how many.

    Reading ends at the first packet that does not fit what was captured, and where `out` is full.
    """
    at = 0
    count = 0
    room = len(out) // R_WIDTH
    while at + 8 <= caplen:
        first = u8(slab, off + at)
        kind = u8(slab, off + at + 1)
        size = 4 + 4 * be16(slab, off + at + 2)
        if first >> 6 != 2 or kind < FIRST_TYPE or kind > LAST_TYPE or at + size > caplen:
            break
        if SR <= kind <= RR:
            reporter = be32(slab, off + at + 4)
            block = at + 8
            if kind == SR and size >= 8 + SENDER_INFO:
                if count == room:
                    break
                r = count * R_WIDTH
                out[r + R_KIND] = SENDER
                out[r + R_REPORTER] = reporter
                out[r + R_ABOUT] = reporter
                out[r + R_NTP] = be32(slab, off + at + 10)
                count += 1
                block += SENDER_INFO
            left = first & 31
            while left > 0 and block + BLOCK_SIZE <= at + size and count < room:
                b = off + block
                r = count * R_WIDTH
                lost = be24(slab, b + 5)
                if lost >= 0x800000:
                    lost -= 0x1000000
                out[r + R_KIND] = BLOCK
                out[r + R_REPORTER] = reporter
                out[r + R_ABOUT] = be32(slab, b)
                out[r + R_FRACTION] = u8(slab, b + 4)
                out[r + R_LOST] = lost
                out[r + R_HIGHEST] = be32(slab, b + 8)
                out[r + R_JITTER] = be32(slab, b + 12)
                out[r + R_LSR] = be32(slab, b + 16)
                out[r + R_DLSR] = be32(slab, b + 20)
                count += 1
                block += BLOCK_SIZE
                left -= 1
        at += size
    return count
