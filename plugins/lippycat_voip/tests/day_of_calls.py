"""A day of calls in a minute: a live source whose packets have the times of 24 hours, run as a process of its own.

    python day_of_calls.py [--bounded]

prints one JSON object a line: memory and descriptors of the process at each hour of the day, then what the tables held, and the
summary. Every 40 s a call begins: six messages and media both ways; some have one over TCP, and every fifth is
followed by a datagram of which a fragment is missing. With `--bounded` no call ever ends, and the tables are small.
"""

from __future__ import annotations

import heapq
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence

from lippycat_core import timetext
from lippycat_core.addresses import host
from lippycat_core.batch import Batch
from lippycat_core.batchqueue import QueueRules
from lippycat_core.builtin.jsonlines import JsonLines
from lippycat_core.flows import FlowTable
from lippycat_core.fragments import FragmentTable
from lippycat_core.interfaces.capture import Fault, Progress
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.pipeline import Pace, Parts, Pipeline, Speed
from lippycat_core.reassembly import TcpReassembly
from lippycat_core.testing.packets import ethernet, ip, rtp, tcp, udp
from lippycat_voip.dissector import VoipDissector, VoipOptions

SECOND = 1_000_000_000
BEGIN_NS = 1_700_000_000 * SECOND
HOURS = 24
EVERY_S = 40
CALLS = HOURS * 3600 // EVERY_S
SYN, FIN_ACK, ACK = 2, 17, 16


def text(start: str, number: int, cseq: str, to_tag: str, body: str = "") -> bytes:
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{start}\r\nVia: SIP/2.0/UDP 10.1.0.1;branch=z9hG4bK{cseq.split()[0]}{number}\r\n"
        f"From: <sip:a{number}@example.org>;tag=a{number}\r\n"
        f"To: <sip:b@example.org>{to_tag}\r\nCall-ID: day{number}@10.1.0.1\r\nCSeq: {cseq}\r\nMax-Forwards: 70\r\n{kind}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def sdp(host: str, port: int) -> str:
    return f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"


def call(number: int, *, ends: bool) -> Iterator[tuple[int, bytes]]:
    """Packets of one call, with their times from its begin on, in ns."""
    a, b = f"10.1.0.{number % 100}", f"10.2.0.{number % 100}"
    port = 10_000 + number % 20_000 * 2
    tag = f";tag=b{number}"
    talk = [
        (0, a, b, text("INVITE sip:b@example.org SIP/2.0", number, "1 INVITE", "", sdp(a, port))),
        (0.1, b, a, text("SIP/2.0 180 Ringing", number, "1 INVITE", tag)),
        (2, b, a, text("SIP/2.0 200 OK", number, "1 INVITE", tag, sdp(b, port))),
        (2.1, a, b, text("ACK sip:b@example.org SIP/2.0", number, "1 ACK", tag)),
        (60, a, b, text("BYE sip:b@example.org SIP/2.0", number, "2 BYE", tag)),
        (60.1, b, a, text("SIP/2.0 200 OK", number, "2 BYE", tag)),
    ]
    if number % 3 == 0:
        yield from over_tcp(number, a, b)
    for at, src, dst, message in talk if ends else talk[:4]:
        yield int(at * SECOND), ethernet(udp(src, 5060, dst, 5060, message))
    for n in range(8):
        for side, (src, dst) in enumerate(((a, b), (b, a))):
            packet = rtp(n, n * 160, number * 2 + side, bytes(160))
            yield 3 * SECOND + n * 20_000_000 + side, ethernet(udp(src, port, dst, port, packet))
    if number % 5 == 0:
        yield 4 * SECOND, ethernet(ip(a, b, 17, bytes(64), ident=number & 0xFFFF, fragment=0x2000))


def over_tcp(number: int, a: str, b: str) -> Iterator[tuple[int, bytes]]:
    """A connection with one message in two segments; every other is never closed."""
    port, data = 20_000 + number % 30_000, text("MESSAGE sip:b@example.org SIP/2.0", number + 10**6, "1 MESSAGE", "", "x" * 2000)
    yield 0, ethernet(tcp(a, port, b, 5060, 0, flags=SYN))
    yield 1, ethernet(tcp(a, port, b, 5060, 1, data[:1000], flags=ACK))
    yield 2, ethernet(tcp(a, port, b, 5060, 1001, data[1000:], flags=ACK))
    if number % 2:
        yield 3, ethernet(tcp(a, port, b, 5060, 1 + len(data), flags=FIN_ACK))


def day(*, ends: bool) -> Iterator[tuple[int, bytes]]:
    """All packets, in the order of time."""
    waiting: list[tuple[int, int, bytes]] = []
    count = 0
    for number in range(CALLS):
        begin_ns = BEGIN_NS + number * EVERY_S * SECOND
        while waiting and waiting[0][0] < begin_ns:
            ts_ns, _, frame = heapq.heappop(waiting)
            yield ts_ns, frame
        for after_ns, frame in call(number, ends=ends):
            count += 1
            heapq.heappush(waiting, (begin_ns + after_ns, count, frame))
    while waiting:
        ts_ns, _, frame = heapq.heappop(waiting)
        yield ts_ns, frame


def resources() -> tuple[int, int]:
    """Bytes of memory and open descriptors of this process."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))


class Day:
    """The live source: small batches as a slow link gives them, and a clock."""

    def __init__(self, *, ends: bool) -> None:
        self._packets = day(ends=ends)
        self._hour = 0

    def bind(self, kernels: KernelSet) -> None:
        """No kernels."""

    def fill(self, batch: Batch, timeout_ms: int) -> bool:
        rows = at = 0
        ts_ns = 0
        for ts_ns, frame in self._packets:
            size = len(frame)
            batch.mem[at : at + size] = frame
            columns = batch.frame
            columns.ts_ns[rows], columns.off[rows], columns.caplen[rows] = ts_ns, at, size
            columns.wirelen[rows], columns.link[rows] = size, 1
            at += size
            rows += 1
            if rows == min(200, batch.capacity):
                break
        batch.rows = rows
        batch.route.status[:rows] = 0
        batch.lost = (0, 0)
        batch.clock_ns = max(ts_ns - SECOND, 0)
        if rows and (hour := (ts_ns - BEGIN_NS) // (3600 * SECOND)) > self._hour:
            self._hour = hour
            host.cache_clear()  # what is remembered of texts is bounded too, but a day does not fill it
            timetext._second.cache_clear()
            memory, descriptors = resources()
            print(json.dumps({"hour": hour, "memory": memory, "descriptors": descriptors}))
        return rows > 0

    def dropped(self) -> Mapping[str, int]:
        return {"kernel": 0}

    def faults(self) -> Sequence[Fault]:
        return ()

    def progress(self) -> Progress:
        return Progress(0, None)

    def close(self) -> None:
        """Nothing is open."""


def main(bounded: bool) -> None:
    kernels = Interpreted()
    options = VoipOptions(max_calls=300, max_streams=400) if bounded else VoipOptions()
    dissector = VoipDissector(options)
    flows = FlowTable(kernels, 512 if bounded else 1 << 20)
    tcp_streams = TcpReassembly(flows, [dissector], max_connections=100 if bounded else 1 << 16)
    with open(os.devnull, "wb") as out:
        sinks = [JsonLines(out)]
        parts = Parts(Day(ends=not bounded), [dissector], sinks, flows, FragmentTable(), tcp_streams)
        pace = Pace(threads=2, batch_packets=256, queue=QueueRules(batches=4))  # always full: this source is fast
        outcome = Pipeline(parts, pace, Speed(kernels)).run()
    print(json.dumps({"held": {**dissector.held(), "flows": len(flows), "tcp_connections": tcp_streams.connections}}))
    print(json.dumps(outcome.summary))


if __name__ == "__main__":
    main("--bounded" in sys.argv)
