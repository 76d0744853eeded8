"""Which TCP rows reassembly has to look at. All that nobody wants passes here, at a few nanoseconds a row, and so do bytes of
claimed directions that come in order, which are most: they become runs without anybody looking at them."""

from __future__ import annotations

from lippycat_core.columns import ACK, FIN, I32, I64, RST, SYN, TCP, Route, Transport
from lippycat_core.kernels.flow import (
    PEER,
    PORTS,
    T_FRESH,
    T_OPEN,
    T_REFUSED,
    T_RUNNING,
    T_WAITING,
    TCP_ACK,
    TCP_BASE,
    TCP_NEXT,
    TCP_OWNER,
    TCP_STATE,
    TCP_TOUCHED,
    TCP_TRIES,
    WIDTH,
)

# One run of bytes in order, as `scan` writes it: int32 each. It came in one segment, whole, with no gap in front of it.
R_ROW = 0
R_FLOW = 1  # flow slot of the direction
R_OWNER = 2  # number of who claimed it
R_OFF = 3  # of its bytes in the slab
R_LEN = 4
R_WIDTH = 5

MASK = 0xFFFFFFFF
HALF = 0x80000000


def ahead(a: int, b: int) -> int:
    """How far sequence number `a` lies behind (negative) or ahead of `b`, modulo 2**32 (RFC 9293, section 3.4)."""
    distance = (a - b) & MASK
    return distance if distance < HALF else distance - MASK - 1


def begin_direction(table: I64, cell: int, peer: int, first: int, flags: int, ack: int) -> None:
    """A SYN: the direction at `cell` begins anew at number `first`, and what is known of its peer (at `peer`, -1 for none)
    holds no more, unless this SYN acknowledges just that (RFC 9293, section 3.5)."""
    table[cell + TCP_STATE] = T_FRESH
    table[cell + TCP_BASE] = first
    table[cell + TCP_ACK] = -1
    table[cell + TCP_TRIES] = 0
    if peer >= 0 and ((flags & ACK) == 0 or table[peer + TCP_BASE] != ack):
        table[peer + TCP_STATE] = T_FRESH
        table[peer + TCP_BASE] = -1
        table[peer + TCP_ACK] = -1
        table[peer + TCP_TRIES] = 0


def scan(
    transport: Transport, route: Route, table: I64, begin: int, end: int, first_record: int, runs: I32, count: int
) -> tuple[int, int]:
    """The first row from `begin` that reassembly must see, or `end`; and how many runs there are with those that the rows in
    front of it gave (`runs` has `count` before, and room for one a row).

    Of the rows it passes over it keeps what matters later: where a SYN says that the stream begins, and the highest
    acknowledgement. A SYN with a new number on a direction that nobody wanted makes it fresh again (the same ports, used
    by a new connection). Payload that lies before the known base is a late copy of an older connection's, and payload that
    lies before the next byte a late copy of its own: passed over.
    """
    room = len(runs) // R_WIDTH
    for row in range(begin, end):
        slot = int(route.flow[row]) + 0
        if slot < 0 or slot * WIDTH + WIDTH > len(table):
            continue
        cell = slot * WIDTH
        if (table[cell + PORTS] & 0xFF) != TCP:
            continue
        state = int(table[cell + TCP_STATE]) + 0
        flags = int(transport.tcp_flags[row]) + 0
        if state == T_REFUSED and (flags & SYN) == 0:
            continue
        length = int(transport.pay_wire[row]) + 0
        peer = int(table[cell + PEER]) * WIDTH
        if peer < 0 or peer + WIDTH > len(table):
            peer = -1
        peer_state = int(table[peer + TCP_STATE]) + 0 if peer >= 0 else T_FRESH
        if state >= T_OPEN:
            table[cell + TCP_TOUCHED] = first_record + row
        if peer_state == T_WAITING:
            return row, count
        if state >= T_OPEN:
            if (flags & (FIN | SYN | RST)) != 0:
                return row, count
            if length > 0:
                if state != T_RUNNING:
                    return row, count
                position = int(table[cell + TCP_NEXT]) + 0
                distance = ahead(int(transport.seq[row]) + 0, position & MASK)
                if distance + length > 0:
                    if distance != 0 or transport.pay_len[row] < length or count >= room:
                        return row, count
                    at = count * R_WIDTH
                    runs[at + R_ROW] = row
                    runs[at + R_FLOW] = slot
                    runs[at + R_OWNER] = table[cell + TCP_OWNER]
                    runs[at + R_OFF] = transport.pay_off[row]
                    runs[at + R_LEN] = length
                    count += 1
                    table[cell + TCP_NEXT] = position + length
        else:
            base = int(table[cell + TCP_BASE]) + 0
            seq = int(transport.seq[row]) + 0
            if (flags & SYN) != 0:
                seq = (seq + 1) & MASK
                if seq != base:
                    if peer_state >= T_OPEN:
                        return row, count
                    begin_direction(table, cell, peer, seq, flags, int(transport.ack[row]) + 0)
                    base = seq
                elif state == T_REFUSED:
                    continue
            if length > 0 and (base < 0 or ahead((seq + length) & MASK, base) > 0):
                return row, count
            if (flags & (FIN | RST)) != 0 and peer_state >= T_OPEN:
                return row, count
        if (flags & ACK) != 0:
            ack = int(transport.ack[row]) + 0
            known = int(table[cell + TCP_ACK]) + 0
            if known < 0 or ahead(ack, known) > 0:
                table[cell + TCP_ACK] = ack
    return end, count
