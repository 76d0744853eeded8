"""Walking the records of capture files: from bytes in a slab to rows of `Frame`. Nothing here reads a file or keeps data.

The classic format is libpcap's (draft-ietf-opsawg-pcap), the block format pcapng (draft-ietf-opsawg-pcapng). A walk goes
on until its rows are full, its bytes end, or something comes up that Python handles; `state` then says which and where.
"""

from __future__ import annotations

from lippycat_core.columns import I32, I64, U8, Frame
from lippycat_core.kernels.load import be16, be32, le16, le32

# -- state of a walk: one int64 array, fields below ------------------------------------------------------------------
W_POS = 0  # first unread byte in the slab
W_END = 1  # end of the bytes that were read
W_STOP = 2  # written by the walk: why it ended, one of the codes below
W_VALUE = 3  # written by the walk: the number that a fault is about
W_BIG = 4  # 1 where the file's numbers are big-endian
W_UNIT_NS = 5  # pcap: nanoseconds in one unit of the sub-second field
W_LINK = 6  # pcap: link type of all records
W_HEADER = 7  # pcap: bytes of a record's header
W_INTERFACES = 8  # pcapng: interfaces of this section
W_LAST_NS = 9  # pcapng: time of the record in front, for blocks that carry none
W_NOTES = 10  # pcapng: packet comments found by this walk
W_WIDTH = 11

# -- why a walk ended ------------------------------------------------------------------------------------------------
NEED = 0  # the next record is not whole yet
FULL = 1  # all rows are used
BLOCK = 2  # the next block is for Python
BAD_CAPLEN = 8  # W_VALUE captured bytes: more than any file may hold
BAD_LENGTH = 9  # W_VALUE bytes of block: cannot be
BAD_TRAILER = 10  # W_VALUE at the block's end where its length should be repeated
BAD_INTERFACE = 11  # W_VALUE names an interface that was not described
BAD_CONTENT = 12  # W_VALUE captured bytes: more than the block holds

# -- one described interface of a pcapng section: int64 ---------------------------------------------------------------
I_LINK = 0
I_SNAPLEN = 1  # 0 for no limit
I_MUL = 2  # nanoseconds in a time unit, 0 where that is no whole number
I_LIMIT = 3  # highest count of units that I_MUL may be used with
I_PRE = 4  # else: divide by this first (units finer than can be told apart)
I_PER = 5  # and take what is left as this many units a second
I_OFFSET_NS = 6
I_WIDTH = 7

# -- one packet comment: int32 ---------------------------------------------------------------------------------------
N_ROW = 0
N_OFF = 1
N_LEN = 2
N_WIDTH = 3

LARGEST_CAPLEN = 262144  # libpcap's MAXIMUM_SNAPLEN
LARGEST_PACKET_BLOCK = LARGEST_CAPLEN + 1024  # what a slab is sure to hold
LARGEST_BLOCK = 16 * 1024 * 1024  # of any type; Wireshark's bound too
LARGEST_I32 = 2**31 - 1
LARGEST_TS_NS = 2**62 - 1  # the year 2116: leaves room for every sum with a duration

# Block types that the walk itself reads
PACKET_BLOCK, SIMPLE_PACKET_BLOCK, ENHANCED_PACKET_BLOCK = 2, 3, 6
# and those that it stops at
SECTION_HEADER, INTERFACE_DESCRIPTION, DECRYPTION_SECRETS = 0x0A0D0D0A, 1, 10

OPT_END, OPT_COMMENT = 0, 1


def word(slab: U8, i: int, big: int) -> int:
    """The 32-bit number at `i` in the file's byte order."""
    if big:
        return be32(slab, i)
    return le32(slab, i)


def half(slab: U8, i: int, big: int) -> int:
    """The 16-bit number at `i` in the file's byte order."""
    if big:
        return be16(slab, i)
    return le16(slab, i)


def walk_pcap(slab: U8, state: I64, frame: Frame, row: int, rows: int) -> int:
    """Fill rows from `row` up to `rows` with classic pcap records and return the row behind the last one filled.

    A captured length above the wire length (a lie that some writers tell) raises the wire length; wire lengths above
    2**31 - 1 are cut to that. Sub-second fields beyond a second count as they stand.
    """
    pos = int(state[W_POS])
    end = int(state[W_END])
    big = int(state[W_BIG])
    unit_ns = int(state[W_UNIT_NS])
    link = int(state[W_LINK])
    header = int(state[W_HEADER])
    stop = FULL
    while row < rows:
        if end - pos < header:
            stop = NEED
            break
        caplen = word(slab, pos + 8, big)
        if caplen > LARGEST_CAPLEN:
            stop = BAD_CAPLEN
            state[W_VALUE] = caplen
            break
        if end - pos - header < caplen:
            stop = NEED
            break
        frame.ts_ns[row] = word(slab, pos, big) * 1000000000 + word(slab, pos + 4, big) * unit_ns
        frame.off[row] = pos + header
        frame.caplen[row] = caplen
        frame.wirelen[row] = min(max(word(slab, pos + 12, big), caplen), LARGEST_I32)
        frame.link[row] = link
        pos += header + caplen
        row += 1
    state[W_POS] = pos
    state[W_STOP] = stop
    return row


def since_epoch(interfaces: I64, base: int, high: int, low: int) -> int:
    """Nanoseconds since the epoch of a 64-bit count of an interface's time units, kept within 0 and LARGEST_TS_NS."""
    if high >= 0x80000000:
        return LARGEST_TS_NS
    units = high * 0x100000000 + low
    mul = int(interfaces[base + I_MUL])
    if mul > 0:
        ts_ns = LARGEST_TS_NS if units > int(interfaces[base + I_LIMIT]) else units * mul
    else:
        units = units // int(interfaces[base + I_PRE])
        per = int(interfaces[base + I_PER])
        seconds = units // per
        ts_ns = LARGEST_TS_NS if seconds >= 4611686018 else seconds * 1000000000 + (units - seconds * per) * 1000000000 // per
    return min(max(ts_ns + int(interfaces[base + I_OFFSET_NS]), 0), LARGEST_TS_NS)


def comment_at(slab: U8, i: int, end: int, big: int) -> int:
    """The offset of the first comment option among the options from `i` to `end`, or -1."""
    while end - i >= 4:
        code = half(slab, i, big)
        if code == OPT_END:
            return -1
        length = half(slab, i + 2, big)
        if length > end - i - 4:
            return -1
        if code == OPT_COMMENT:
            return i
        i += 4 + (length + 3) // 4 * 4
    return -1


def walk_pcapng(slab: U8, state: I64, interfaces: I64, frame: Frame, notes: I32, row: int, rows: int) -> int:
    """Fill rows from `row` up to `rows` with a section's packet blocks and return the row behind the last one filled.

    Stops with BLOCK at blocks that describe something (section, interface, secrets) and at unknown ones that are not whole
    in the slab; whole ones are passed over. Where packet blocks carry a comment, the first one's place goes into `notes`
    (N_ fields) while there is room. A Simple Packet Block has no time and takes that of the record in front.
    """
    pos = int(state[W_POS])
    end = int(state[W_END])
    big = int(state[W_BIG])
    known = int(state[W_INTERFACES])
    ts_ns = int(state[W_LAST_NS])
    noted = 0
    stop = FULL
    while row < rows:
        if end - pos < 12:
            stop = NEED
            break
        kind = word(slab, pos, big)
        packet = kind == ENHANCED_PACKET_BLOCK
        shortest = 32
        if not packet:
            if kind in (SECTION_HEADER, INTERFACE_DESCRIPTION, DECRYPTION_SECRETS):
                stop = BLOCK
                break
            packet = kind in (SIMPLE_PACKET_BLOCK, PACKET_BLOCK)
            if kind != PACKET_BLOCK:
                shortest = 16 if packet else 12
        total = word(slab, pos + 4, big)
        padded = (total + 3) // 4 * 4  # some writers leave the padding out of the length
        if total < shortest or total > (LARGEST_PACKET_BLOCK if packet else LARGEST_BLOCK):
            stop = BAD_LENGTH
            state[W_VALUE] = total
            break
        if end - pos < padded:
            stop = NEED if packet else BLOCK
            break
        trailer = word(slab, pos + padded - 4, big)
        if trailer != total:
            stop = BAD_TRAILER
            state[W_VALUE] = trailer
            break
        if not packet:
            pos += padded
            continue
        interface = 0
        if kind == ENHANCED_PACKET_BLOCK:
            interface = word(slab, pos + 8, big)
        elif kind == PACKET_BLOCK:
            interface = half(slab, pos + 8, big)
        if interface >= known:
            stop = BAD_INTERFACE
            state[W_VALUE] = interface
            break
        base = interface * I_WIDTH
        if kind == SIMPLE_PACKET_BLOCK:
            off = pos + 12
            wirelen = word(slab, pos + 8, big)
            caplen = min(wirelen, padded - 16)
            snaplen = int(interfaces[base + I_SNAPLEN])
            if snaplen > 0:
                caplen = min(caplen, snaplen)
        else:
            off = pos + 28
            caplen = word(slab, pos + 20, big)
            wirelen = word(slab, pos + 24, big)
            if caplen > padded - 32:
                stop = BAD_CONTENT
                state[W_VALUE] = caplen
                break
        if caplen > LARGEST_CAPLEN:
            stop = BAD_CAPLEN
            state[W_VALUE] = caplen
            break
        if kind != SIMPLE_PACKET_BLOCK:
            ts_ns = since_epoch(interfaces, base, word(slab, pos + 12, big), word(slab, pos + 16, big))
            options = off + (caplen + 3) // 4 * 4
            if options < pos + padded - 4 and (noted + 1) * N_WIDTH <= len(notes):
                at = comment_at(slab, options, pos + padded - 4, big)
                if at >= 0:
                    notes[noted * N_WIDTH + N_ROW] = row
                    notes[noted * N_WIDTH + N_OFF] = at + 4
                    notes[noted * N_WIDTH + N_LEN] = half(slab, at + 2, big)
                    noted += 1
        frame.ts_ns[row] = ts_ns
        frame.off[row] = off
        frame.caplen[row] = caplen
        frame.wirelen[row] = min(max(wirelen, caplen), LARGEST_I32)
        frame.link[row] = int(interfaces[base + I_LINK])
        pos += padded
        row += 1
    state[W_POS] = pos
    state[W_STOP] = stop
    state[W_LAST_NS] = ts_ns
    state[W_NOTES] = noted
    return row
