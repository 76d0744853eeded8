"""Collecting the rows that Python looks at, and who sent them to whom."""

from __future__ import annotations

from lippycat_core.columns import I32, I64, UDP, Frame, Net, Route, Transport
from lippycat_voip.columns import K_DTLS, K_SIP, K_ZRTP, SP_LEN, SP_OFF, SP_ROW, SP_SEGMENTS, SP_TRANSPORT, SP_WIDTH, SP_WIRE_LEN

# One message's ends: int64, four address words and the port of the source, then of the destination
END_WIDTH = 5
# One message's times: int64, when it was captured, and the packet clock
TIME_WIDTH = 2


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


def ends(frame: Frame, net: Net, transport: Transport, route: Route, spans: I32, count: int, who: I64, when: I64) -> None:
    """Write ends (`who`, two of END_WIDTH a message) and times (`when`, TIME_WIDTH) of the rows that `count` spans name."""
    for m in range(count):
        i = int(spans[m * SP_WIDTH])
        at = m * 2 * END_WIDTH
        who[at] = net.src0[i]
        who[at + 1] = net.src1[i]
        who[at + 2] = net.src2[i]
        who[at + 3] = net.src3[i]
        who[at + 4] = transport.sport[i]
        who[at + 5] = net.dst0[i]
        who[at + 6] = net.dst1[i]
        who[at + 7] = net.dst2[i]
        who[at + 8] = net.dst3[i]
        who[at + 9] = transport.dport[i]
        when[m * TIME_WIDTH] = frame.ts_ns[i]
        when[m * TIME_WIDTH + 1] = route.now_ns[i]
