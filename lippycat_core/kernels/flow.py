"""The flow table in kernels: which directional flow a row belongs to, and the packet clock.

A flow is one direction of a UDP or TCP conversation: source, destination, both ports, protocol. Its state is one row of a
flat int64 table, found through an open-addressing index (linear probing, at most half full, power-of-two size). Nothing
is deleted from the index: slots are freed many at a time and the index is built again.
"""

from __future__ import annotations

from lippycat_core.columns import DECODED, I32, I64, TCP, UDP, Frame, Net, Route, Transport

# -- one flow: int64 each -----------------------------------------------------------------------------------------------
WIDTH = 16
SRC_HI = 0  # key: address words in pairs, see `pair`
SRC_LO = 1
DST_HI = 2
DST_LO = 3
PORTS = 4  # key: source port << 24 | destination port << 8 | protocol; -1 in a slot that is free
LAST_NS = 5  # packet clock at the last packet
PACKETS = 6
TCP_STATE = 7  # T_ code below; up to here lies what every packet touches: one cache line
PEER = 8  # slot of the other direction, -1 where it was not seen
SIDE = 9  # 0 for the direction that was seen first, 1 for its answer
FIRST_NS = 10  # packet clock at the first packet
TCP_BASE = 11  # the number that the direction's next byte has, where a SYN or an ended connection tells; -1 where nothing does
TCP_ACK = 12  # highest acknowledgement number this direction has sent, -1 before one
TCP_TRIES = 13  # segments that dissectors will still be shown before the direction is refused, 0 before the first
TCP_OWNER = TCP_TRIES  # of a direction that somebody has claimed: the number of who did
NEXT_FREE = 14  # free slot: the next one, -1 at the end
TCP_TOUCHED = NEXT_FREE  # from T_OPEN on: record number of the direction's last row
TCP_NEXT = 15  # T_RUNNING: position of the next byte, which is its sequence number modulo 2**32

# What TCP_STATE says, to `kernels.tcp` and to `reassembly`. `track` runs ahead of both: whatever they do to a direction must
# be right also where its peer has no slot yet, so they read the peer's row and write to it only what a new row holds.
T_FRESH = 0  # nothing is kept of this direction
T_REFUSED = 1  # no dissector wants it: rows are skipped until a SYN with another number begins a new connection
T_OPEN = 2  # reassembly keeps state: it sees all but bare acknowledgements
T_WAITING = 3  # and a segment is missing: it sees the peer's acknowledgements too
T_RUNNING = 4  # claimed, and nothing waits: the kernel itself gives the bytes that come in order

# -- the table's own state: int64 each ----------------------------------------------------------------------------------
STATE_WIDTH = 8
NOW_NS = 0  # the packet clock; it starts at 0, so that differences of times fit in 63 bits
TICK_NS = 1  # clock and record number of the last tick, -1 before the first row
TICK_RECORD = 2
LIVE = 3  # flows in the table
HIGH = 4  # slots from here on were never used
FREE = 5  # first slot of the free list, -1 when empty
STOP = 6  # why `track` stopped: S_ code
WITH_UDP = 7  # 1 where UDP flows are tracked too: only dissectors with a session a conversation look at them

S_END = 0  # all rows are done
S_TICK = 1  # a tick is due in front of the row
S_FULL = 2  # the row begins a flow and there is no slot left

TICK_AFTER_NS = 1_000_000_000
TICK_AFTER_RECORDS = 256


def pair(high: int, low: int) -> int:
    """Two 32-bit words as one signed 64-bit number, one to one, without a product of 2**63."""
    return (high - 0x80000000) * 0x100000000 + low


def place(src_hi: int, src_lo: int, dst_hi: int, dst_lo: int, ports: int, mask: int) -> int:
    """Where in the index the search for a key begins. Factors have 31 bits, what they meet 32: products stay below 2**63."""
    mix = (src_lo & 0xFFFFFFFF) * 0x2545F491 ^ (dst_lo & 0xFFFFFFFF) * 0x3C6EF372 ^ (ports >> 8) * 0x27D4EB2F
    mix ^= ((src_lo >> 32 ^ src_hi ^ src_hi >> 35) & 0xFFFFFFFF) * 0x165667B1
    mix ^= ((dst_lo >> 32 ^ dst_hi ^ dst_hi >> 35) & 0xFFFFFFFF) * 0x1B873593
    mix = (mix ^ mix >> 32 ^ ports << 24) & 0xFFFFFFFF
    mix = (mix ^ mix >> 15) * 0x2C1B3C6D & 0xFFFFFFFF
    return (mix ^ mix >> 16) & mask


def find(table: I64, index: I32, src_hi: int, src_lo: int, dst_hi: int, dst_lo: int, ports: int) -> int:
    """The slot of a key; -1 - position for a key that is not there, position being its place in the index.

    The index is never full (`track` sees to it); the search is bounded by its size all the same.
    """
    size = len(index)
    at = place(src_hi, src_lo, dst_hi, dst_lo, ports, size - 1)
    for _ in range(size):
        slot = int(index[at]) + 0
        if slot < 0:
            return -1 - at
        cell = slot * WIDTH
        if (
            table[cell + PORTS] == ports
            and table[cell + SRC_LO] == src_lo
            and table[cell + DST_LO] == dst_lo
            and table[cell + SRC_HI] == src_hi
            and table[cell + DST_HI] == dst_hi
        ):
            return slot
        at = (at + 1) & (size - 1)
    return -1 - at


def track(
    frame: Frame,
    net: Net,
    transport: Transport,
    route: Route,
    table: I64,
    index: I32,
    state: I64,
    first_record: int,
    begin: int,
    end: int,
) -> int:
    """Write `flow` and `now_ns` of rows from `begin` and return the row it stopped in front of; `state[STOP]` says why.

    Packet clock, ticks and flows change in the order of the rows, so that where a batch ends changes nothing.
    """
    slots = len(table) // WIDTH
    now = int(state[NOW_NS]) + 0
    tick_ns = int(state[TICK_NS]) + 0
    tick_record = int(state[TICK_RECORD]) + 0
    with_udp = state[WITH_UDP] != 0
    ts_ns, now_ns, flow, status = frame.ts_ns, route.now_ns, route.flow, route.status
    src0, src1, src2, src3, dst0, dst1, dst2, dst3 = (
        net.src0,
        net.src1,
        net.src2,
        net.src3,
        net.dst0,
        net.dst1,
        net.dst2,
        net.dst3,
    )
    for row in range(begin, end):
        if ts_ns[row] > now:
            now = int(ts_ns[row]) + 0
        if tick_record < 0:
            tick_ns = now
            tick_record = first_record + row
            state[TICK_NS] = tick_ns
            state[TICK_RECORD] = tick_record
        elif now - tick_ns >= TICK_AFTER_NS and first_record + row - tick_record >= TICK_AFTER_RECORDS:
            state[NOW_NS] = now
            state[STOP] = S_TICK
            return row
        now_ns[row] = now
        proto = int(net.proto[row]) + 0
        if status[row] != DECODED or (proto != TCP and (proto != UDP or not with_udp)):
            flow[row] = -1
            continue
        src_hi = pair(int(src0[row]), int(src1[row]))
        src_lo = pair(int(src2[row]), int(src3[row]))
        dst_hi = pair(int(dst0[row]), int(dst1[row]))
        dst_lo = pair(int(dst2[row]), int(dst3[row]))
        sport = int(transport.sport[row]) & 0xFFFF
        dport = int(transport.dport[row]) & 0xFFFF
        ports = sport * 0x1000000 + dport * 0x100 + proto
        slot = find(table, index, src_hi, src_lo, dst_hi, dst_lo, ports)
        if slot < 0:
            at = -1 - slot
            slot = int(state[FREE]) + 0
            if slot >= 0:
                state[FREE] = table[slot * WIDTH + NEXT_FREE]
            elif state[HIGH] < slots:
                slot = int(state[HIGH]) + 0
                state[HIGH] = slot + 1
            else:
                state[NOW_NS] = now
                state[STOP] = S_FULL
                return row
            index[at] = slot
            state[LIVE] = state[LIVE] + 1
            peer = find(table, index, dst_hi, dst_lo, src_hi, src_lo, dport * 0x1000000 + sport * 0x100 + proto)
            cell = slot * WIDTH
            table[cell + SRC_HI] = src_hi
            table[cell + SRC_LO] = src_lo
            table[cell + DST_HI] = dst_hi
            table[cell + DST_LO] = dst_lo
            table[cell + PORTS] = ports
            table[cell + FIRST_NS] = now
            table[cell + PACKETS] = 0
            table[cell + TCP_STATE] = T_FRESH
            table[cell + TCP_BASE] = -1
            table[cell + TCP_ACK] = -1
            table[cell + TCP_TRIES] = 0
            if peer >= 0 and peer != slot:
                table[cell + PEER] = peer
                table[cell + SIDE] = 1 - table[peer * WIDTH + SIDE]
                table[peer * WIDTH + PEER] = slot
            else:
                table[cell + PEER] = -1
                table[cell + SIDE] = 0
        cell = slot * WIDTH
        table[cell + LAST_NS] = now
        table[cell + PACKETS] += 1
        flow[row] = slot
    state[NOW_NS] = now
    state[STOP] = S_END
    return end


def release(table: I64, state: I64, before_ns: int, open_too: bool, limit: int, freed: I32) -> int:
    """Free conversations (both directions at once) that were silent since before `before_ns`; the slots go to `freed`.

    TCP directions that reassembly keeps state of stay, unless `open_too`. Stops after `limit` slots (and one peer).
    Returns how many slots were freed; `freed` holds as many entries as the table has slots. `reindex` must follow.
    """
    count = 0
    for slot in range(int(state[HIGH]) + 0):
        cell = slot * WIDTH
        if table[cell + PORTS] < 0 or table[cell + LAST_NS] >= before_ns:
            continue
        if count >= limit:
            break
        peer = int(table[cell + PEER]) + 0
        if not open_too and table[cell + TCP_STATE] >= T_OPEN:
            continue
        if peer >= 0:
            other = peer * WIDTH
            if table[other + LAST_NS] >= before_ns or (not open_too and table[other + TCP_STATE] >= T_OPEN):
                continue
            table[other + PORTS] = -1
            table[other + NEXT_FREE] = state[FREE]
            state[FREE] = peer
            freed[count] = peer
            count += 1
        table[cell + PORTS] = -1
        table[cell + NEXT_FREE] = state[FREE]
        state[FREE] = slot
        freed[count] = slot
        count += 1
    state[LIVE] = state[LIVE] - count
    return count


def reindex(table: I64, index: I32, state: I64) -> int:
    """Build the index again from the table and return how many flows it holds."""
    for at in range(len(index)):
        index[at] = -1
    count = 0
    for slot in range(int(state[HIGH]) + 0):
        cell = slot * WIDTH
        if table[cell + PORTS] < 0:
            continue
        at = -1 - find(
            table,
            index,
            int(table[cell + SRC_HI]) + 0,
            int(table[cell + SRC_LO]) + 0,
            int(table[cell + DST_HI]) + 0,
            int(table[cell + DST_LO]) + 0,
            int(table[cell + PORTS]) + 0,
        )
        if at >= 0:
            index[at] = slot
            count += 1
    return count
