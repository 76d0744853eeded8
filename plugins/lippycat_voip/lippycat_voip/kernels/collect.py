"""Collecting the rows that Python looks at, and who sent them to whom."""

from __future__ import annotations

from lippycat_core.columns import I32, I64, UDP, Frame, Net, Route, Transport
from lippycat_voip.columns import K_DTLS, K_SIP, K_ZRTP, SP_LEN, SP_OFF, SP_ROW, SP_SEGMENTS, SP_TRANSPORT, SP_WIDTH, SP_WIRE_LEN

# One message's ends and times: int64
E_SRC = 0  # four address words and the port
E_DST = 5
E_TS_NS = 10
E_NOW_NS = 11
E_WIDTH = 12


def collect(transport: Transport, route: Route, begin: int, end: int, base: int, spans: I32, secured: I32) -> tuple[int, int]:
    """Write a span for each SIP row of [begin, end) and the number of each DTLS or ZRTP row; returns how many of each.

    `spans` and `secured` have room for all rows; kinds count from `base`.
    """
    count = 0
    keys = 0
    for i in range(begin, end):
        kind = int(route.kind[i]) - base
        if kind == K_SIP:
            at = count * SP_WIDTH
            spans[at + SP_ROW] = i
            spans[at + SP_TRANSPORT] = UDP
            spans[at + SP_OFF] = transport.pay_off[i]
            spans[at + SP_LEN] = transport.pay_len[i]
            spans[at + SP_WIRE_LEN] = transport.pay_wire[i]
            spans[at + SP_SEGMENTS] = 1
            count += 1
        elif K_DTLS <= kind <= K_ZRTP:
            secured[keys] = i
            keys += 1
    return count, keys


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
