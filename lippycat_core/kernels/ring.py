"""Walking a block of the kernel's packet ring (TPACKET_V3, linux/if_packet.h): from its records to rows of `Frame`.

Bytes are copied, for the block goes back to the kernel long before a batch is done with. Numbers in the ring are in the
host's byte order. Nothing here waits, or says to the kernel that a block is free: that is `builtin.packetsocket`'s.
"""

from __future__ import annotations

from lippycat_core.columns import I32, I64, U8, Frame
from lippycat_core.kernels.copy import copy_bytes
from lippycat_core.kernels.link import VLAN
from lippycat_core.kernels.load import be16, u8
from lippycat_core.kernels.walk import LARGEST_CAPLEN, half, word

# -- state: int64 ----------------------------------------------------------------------------------------------------
R_BLOCK = 0  # where the block begins in the ring
R_SIZE = 1  # bytes of a block
R_POS = 2  # the next record's header; -1 where the block's own was not read yet
R_LEFT = 3  # records left in the block
R_STOP = 4  # written by the walk: why it ended
R_BIG = 5  # 1 on big-endian hosts
R_COOKED = 6  # 1 where records begin behind the link header, which an SLL2 header takes the place of
R_SNAPLEN = 7  # most bytes of a record
R_ROOM = 8  # bytes of the slab used so far
R_DOUBLED = 9  # counted: what loopback sent, passed over because it comes again as received
R_DAMAGED = 10  # counted: records given up because the block cannot be believed
R_TAKEN = 11  # counted: rows filled
R_BYTES = 12  # counted: bytes copied into the slab
R_HARD = 13  # counted: rows whose time is the network card's
R_WIDTH = 14

# -- why a walk ended ------------------------------------------------------------------------------------------------
DONE = 0  # the block is used up
FULL = 1  # rows or bytes of the batch are

# -- struct tpacket_block_desc ---------------------------------------------------------------------------------------
B_STATUS, B_PACKETS, B_FIRST = 8, 12, 16
BLOCK_HEADER_BYTES = 48

# -- struct tpacket3_hdr, and the sockaddr_ll that follows it -------------------------------------------------------------
P_NEXT, P_SEC, P_NSEC, P_CAPLEN, P_WIRELEN, P_STATUS, P_MAC, P_VLAN_TCI, P_VLAN_TPID = 0, 4, 8, 12, 16, 20, 24, 32, 36
PACKET_HEADER_BYTES = 48
A_PROTOCOL, A_INDEX, A_HATYPE, A_PKTTYPE, A_HALEN, A_ADDRESS = 50, 52, 56, 58, 59, 60
RECORD_HEADER_BYTES = 68

VLAN_VALID, VLAN_TPID_VALID = 0x10, 0x40  # bits of tp_status
TS_RAW_HARDWARE = 0x80000000
PACKET_OUTGOING = 4
ARPHRD_LOOPBACK = 772
SLL2_BYTES = 20
TAG_BYTES = 4
ETHERNET_ADDRESSES = 12
LINKTYPE_LINUX_SLL2 = 276
LARGEST_I32 = 2**31 - 1


def link_type(links: I32, hatype: int) -> int:
    """The link type of an ARPHRD_ number by pairs (ARPHRD_, LINKTYPE_); -1 where none is known."""
    for i in range(0, len(links) - 1, 2):
        if int(links[i]) == hatype:
            return int(links[i + 1]) + 0
    return -1


def put16(slab: U8, at: int, number: int) -> int:
    """Write a big-endian 16-bit number; returns the place behind it."""
    slab[at] = number >> 8 & 0xFF
    slab[at + 1] = number & 0xFF
    return at + 2


def take(ring: U8, state: I64, links: I32, slab: U8, frame: Frame, row: int, rows: int, nbytes: int) -> int:
    """Copy the block's next records into rows from `row` up to `rows` and the first `nbytes` of `slab`, and return the row
    behind the last one filled; a call with FULL is gone on with by the next.

    VLAN tags that the kernel took out are put back where they were. What loopback sends is passed over: it comes again as
    received. `links` are pairs of ARPHRD_ and LINKTYPE_ numbers. Records that lie outside their block end it and are counted.
    """
    begin = int(state[R_BLOCK])
    end = min(begin + int(state[R_SIZE]), len(ring))
    pos = int(state[R_POS])
    left = int(state[R_LEFT])
    big = int(state[R_BIG])
    cooked = int(state[R_COOKED])
    snaplen = int(state[R_SNAPLEN])
    room = int(state[R_ROOM])
    used = room
    first = row
    hard = 0
    stop = DONE
    if pos < 0:
        left = 0
        if end - begin >= BLOCK_HEADER_BYTES:
            left = word(ring, begin + B_PACKETS, big)
            pos = begin + word(ring, begin + B_FIRST, big)
    while left > 0:
        if pos < begin + BLOCK_HEADER_BYTES or pos + RECORD_HEADER_BYTES > end:
            state[R_DAMAGED] += left
            left = 0
            break
        caplen = word(ring, pos + P_CAPLEN, big)
        source = pos + half(ring, pos + P_MAC, big)
        if source < pos + PACKET_HEADER_BYTES or caplen > min(end - source, LARGEST_CAPLEN):
            state[R_DAMAGED] += left
            left = 0
            break
        hatype = half(ring, pos + A_HATYPE, big)
        kind = u8(ring, pos + A_PKTTYPE)
        if hatype == ARPHRD_LOOPBACK and kind == PACKET_OUTGOING:
            state[R_DOUBLED] += 1
        else:
            status = word(ring, pos + P_STATUS, big)
            wirelen = word(ring, pos + P_WIRELEN, big)
            link = LINKTYPE_LINUX_SLL2 if cooked else link_type(links, hatype)
            tagged = status & VLAN_VALID != 0 and (cooked != 0 or caplen >= ETHERNET_ADDRESSES)
            grows = (SLL2_BYTES if cooked else 0) + (TAG_BYTES if tagged else 0)
            kept = min(caplen + grows, snaplen)
            if row >= rows or caplen + grows > nbytes - room:
                stop = FULL
                break
            tci = 0
            tpid = VLAN
            if tagged:
                tci = half(ring, pos + P_VLAN_TCI, big)
                if status & VLAN_TPID_VALID:
                    tpid = half(ring, pos + P_VLAN_TPID, big)
            at = room
            behind = source
            if cooked:
                protocol = be16(ring, pos + A_PROTOCOL)
                put16(slab, at, tpid if tagged else protocol)
                put16(slab, at + 2, 0)
                index = word(ring, pos + A_INDEX, big)
                put16(slab, at + 4, index >> 16)
                put16(slab, at + 6, index & 0xFFFF)
                put16(slab, at + 8, hatype)
                slab[at + 10] = kind
                slab[at + 11] = u8(ring, pos + A_HALEN)
                copy_bytes(slab, at + 12, ring, pos + A_ADDRESS, 8)
                at += SLL2_BYTES
                if tagged:
                    at = put16(slab, put16(slab, at, tci), protocol)
            elif tagged:
                copy_bytes(slab, at, ring, source, ETHERNET_ADDRESSES)
                at = put16(slab, put16(slab, at + ETHERNET_ADDRESSES, tpid), tci)
                behind = source + ETHERNET_ADDRESSES
            copy_bytes(slab, at, ring, behind, caplen - (behind - source))
            frame.ts_ns[row] = word(ring, pos + P_SEC, big) * 1000000000 + word(ring, pos + P_NSEC, big)
            frame.off[row] = room
            frame.caplen[row] = kept
            frame.wirelen[row] = min(max(wirelen, caplen) + grows, LARGEST_I32)
            frame.link[row] = link
            room += kept
            row += 1
            if status & TS_RAW_HARDWARE != 0:
                hard += 1
        left -= 1
        step = word(ring, pos + P_NEXT, big)
        if left > 0 and step < RECORD_HEADER_BYTES:
            state[R_DAMAGED] += left
            left = 0
            break
        pos += step
    state[R_POS] = pos
    state[R_LEFT] = left
    state[R_ROOM] = room
    state[R_STOP] = stop
    state[R_TAKEN] += row - first
    state[R_HARD] += hard
    state[R_BYTES] += room - used
    return row
