"""Collecting rows of one kind, and who sent them to whom."""

from __future__ import annotations

from lippycat_core.columns import I32, I64, UDP, Frame, Net, Route, Transport
from lippycat_voip.columns import SP_LEN, SP_OFF, SP_ROW, SP_SEGMENTS, SP_TRANSPORT, SP_WIDTH, SP_WIRE_LEN

# One message's ends and times: int64
E_SRC = 0  # four address words and the port
E_DST = 5
E_TS_NS = 10
E_NOW_NS = 11
E_WIDTH = 12


def messages(transport: Transport, route: Route, begin: int, end: int, kind: int, spans: I32) -> int:
    """Write a span for each row of [begin, end) whose kind is `kind`; returns how many. `spans` has room for all rows."""
    count = 0
    for i in range(begin, end):
        if route.kind[i] == kind:
            base = count * SP_WIDTH
            spans[base + SP_ROW] = i
            spans[base + SP_TRANSPORT] = UDP
            spans[base + SP_OFF] = transport.pay_off[i]
            spans[base + SP_LEN] = transport.pay_len[i]
            spans[base + SP_WIRE_LEN] = transport.pay_wire[i]
            spans[base + SP_SEGMENTS] = 1
            count += 1
    return count


def ends(frame: Frame, net: Net, transport: Transport, route: Route, spans: I32, count: int, out: I64) -> None:
    """Write ends and times of the rows that `count` spans name (the E_ fields)."""
    for m in range(count):
        i = int(spans[m * SP_WIDTH])
        base = m * E_WIDTH
        out[base] = net.src0[i]
        out[base + 1] = net.src1[i]
        out[base + 2] = net.src2[i]
        out[base + 3] = net.src3[i]
        out[base + 4] = transport.sport[i]
        out[base + 5] = net.dst0[i]
        out[base + 6] = net.dst1[i]
        out[base + 7] = net.dst2[i]
        out[base + 8] = net.dst3[i]
        out[base + 9] = transport.dport[i]
        out[base + E_TS_NS] = frame.ts_ns[i]
        out[base + E_NOW_NS] = route.now_ns[i]


def between(route: Route, begin: int, end: int, first: int, last: int, rows: I32) -> int:
    """Write the rows of [begin, end) whose kind is `first` to `last` into `rows`; returns how many."""
    count = 0
    for i in range(begin, end):
        kind = int(route.kind[i])
        if first <= kind <= last:
            rows[count] = i
            count += 1
    return count
