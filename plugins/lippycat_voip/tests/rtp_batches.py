"""Written RTP and RTCP as batches: datagrams with their times, put where the decoder would have put them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from lippycat_core.addresses import Endpoint, words
from lippycat_core.batch import Batch
from lippycat_core.columns import DECODED
from lippycat_core.interfaces.dissect import Segment
from lippycat_core.kernelset import KernelSet
from lippycat_voip.columns import K_RTCP, K_RTP
from lippycat_voip.streams import StreamTable

BASE = 3  # where the router would let our kinds begin
START_NS = 1_700_000_000_000_000_000


def end(text: str, port: int) -> Endpoint:
    return (*words(text), port)


ALICE, BOB = end("10.0.0.1", 10000), end("10.0.0.2", 20000)
ALICE_RTCP, BOB_RTCP = end("10.0.0.1", 10001), end("10.0.0.2", 20001)


class Datagram(NamedTuple):
    payload: bytes
    ns: int  # capture time
    src: Endpoint = ALICE
    dst: Endpoint = BOB
    kind: int = K_RTP
    wirelen: int = -1


def rtp(
    seq: int,
    ts: int,
    ms: float,
    pt: int = 0,
    *,
    payload: bytes = b"\xff" * 160,
    ssrc: int = 0x1A2B3C4D,
    src: Endpoint = ALICE,
    dst: Endpoint = BOB,
    marker: bool = False,
) -> Datagram:
    head = struct.pack("!BBHII", 0x80, pt | (0x80 if marker else 0), seq & 0xFFFF, ts & 0xFFFFFFFF, ssrc)
    return Datagram(head + payload, START_NS + round(ms * 1e6), src, dst)


def speech(count: int, *, first: int = 1000, ts: int = 5000, ms: float = 0.0, pt: int = 0, step: int = 160) -> list[Datagram]:
    """`count` packets of 20 ms, in order and on time."""
    return [rtp(first + i, ts + step * i, ms + 20 * i, pt) for i in range(count)]


def segment(datagrams: Sequence[Datagram], kernels: KernelSet, first_record: int = 1, now_ns: int = 0) -> Segment:
    """A batch of these datagrams, one a row, as if decoded and routed."""
    batch = Batch(kernels, capacity=max(1, len(datagrams)))
    batch.clear(first_record)
    for row, datagram in enumerate(datagrams):
        off = batch.append(datagram.payload)
        now_ns = max(now_ns, datagram.ns)
        batch.frame.ts_ns[row] = datagram.ns
        for column, word in zip(batch.net[:8], datagram.src[:4] + datagram.dst[:4], strict=True):
            column[row] = word
        batch.transport.sport[row] = datagram.src[4]
        batch.transport.dport[row] = datagram.dst[4]
        batch.transport.pay_off[row] = off
        batch.transport.pay_len[row] = len(datagram.payload)
        batch.transport.pay_wire[row] = len(datagram.payload) if datagram.wirelen < 0 else datagram.wirelen
        batch.route.status[row] = DECODED
        batch.route.kind[row] = BASE + datagram.kind
        batch.route.now_ns[row] = now_ns
    batch.rows = len(datagrams)
    return Segment(batch, 0, len(datagrams), ())


def follow(
    table: StreamTable, datagrams: Sequence[Datagram], kernels: KernelSet, cut: int = 10_000, slices: Sequence[int] = ()
) -> None:
    """Run datagrams through a table, `cut` a segment; within each, `advance` is called up to each record of `slices` too."""
    table.bind(kernels)
    now_ns = 0
    for begin in range(0, len(datagrams), cut):
        part = datagrams[begin : begin + cut]
        table.load(segment(part, kernels, begin + 1, now_ns), BASE)
        for record in slices:
            table.advance(record)
        table.advance()
        now_ns = max(now_ns, *(datagram.ns for datagram in part))


def records(table: StreamTable) -> list[dict[str, object]]:
    return sorted((table.record(slot) for slot in table.live()), key=lambda record: str(record["id"]).rjust(12))


def one_stream(
    datagrams: Sequence[Datagram], kernels: KernelSet, codecs: tuple[tuple[int, str, int], ...] = ()
) -> dict[str, object]:
    """The record of the only stream in these datagrams; `codecs` as SDP would have announced them."""
    table = StreamTable(on_new=lambda slot: table.announce(slot, table.codec_map(codecs)) if codecs else None)
    follow(table, datagrams, kernels)
    (record,) = records(table)
    return record


SENDER_REPORT = 200
RECEIVER_REPORT = 201


def report_block(
    about: int, *, fraction: int = 0, lost: int = 0, highest: int = 0, jitter: int = 0, lsr: int = 0, dlsr: int = 0
) -> bytes:
    return struct.pack("!IIIIII", about, fraction << 24 | lost & 0xFFFFFF, highest, jitter, lsr, dlsr)


def rtcp_packet(kind: int, ssrc: int, *blocks: bytes, ntp: int = 0) -> bytes:
    """An SR (with the middle 32 bits of its NTP time in `ntp`) or RR."""
    info = struct.pack("!QIII", ntp << 16, 0, 0, 0) if kind == SENDER_REPORT else b""
    body = struct.pack("!I", ssrc) + info + b"".join(blocks)
    return struct.pack("!BBH", 0x80 | len(blocks), kind, len(body) // 4) + body


def rtcp(payload: bytes, ms: float, src: Endpoint = ALICE_RTCP, dst: Endpoint = BOB_RTCP) -> Datagram:
    return Datagram(payload, START_NS + round(ms * 1e6), src, dst, K_RTCP)
