"""The layer stage through the whole pipeline, with toy layers: what comes out, in which order, and what it may cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lippycat_core.builtin.files import open_source
from lippycat_core.builtin.websocket import WebSocket
from lippycat_core.events import Event
from lippycat_core.flows import FlowTable
from lippycat_core.fragments import FragmentTable
from lippycat_core.interfaces.dissect import Claim, FlowInfo, Segment
from lippycat_core.interfaces.layer import StreamLayer, Unreadable, Unwanted
from lippycat_core.kernelset import Interpreted
from lippycat_core.layers import EARLY_RECORDS, Layers
from lippycat_core.pipeline import Pace, Parts, Pipeline, Speed
from lippycat_core.reassembly import TcpReassembly
from lippycat_core.testing.packets import Record, write_pcap
from lippycat_core.testing.quiet import QuietDissector
from lippycat_core.testing.streams import frame, tcp_conversation, upgrade, upgraded

HELLO = b"HELLO sip:world "


class Boxes:
    """A layer: `BOX:` once a direction, then records of a length byte and so many inverted bytes. 0 ends all; 255 breaks it."""

    name: ClassVar[str] = "boxes"
    over: ClassVar[Mapping[str, str]] = {"tcp": "boxed"}
    messages: ClassVar[bool] = False

    def claim_stream(self, head: memoryview) -> bool | None:
        start = bytes(head[:4])
        return start == b"BOX:" or (None if b"BOX:".startswith(start) else False)

    def open(self) -> BoxSession:
        return BoxSession()


class BoxSession:
    def __init__(self) -> None:
        self.buffers = [bytearray(), bytearray()]
        self.begun = [False, False]
        self.lost = [0, 0]

    def feed(self, side: int, data: bytes, ts_ns: int) -> Iterator[tuple[int, bytes]]:
        buffer = self.buffers[side]
        buffer += data
        if not self.begun[side]:
            if len(buffer) < 4:
                return
            self.begun[side] = True
            del buffer[:4]
        while buffer and len(buffer) > buffer[0]:
            size = buffer[0]
            if size == 0:
                raise Unwanted
            if size == 255:
                raise Unreadable("broken")
            if size == 254:
                raise KeyError("a bug")
            yield side, bytes(255 - byte for byte in buffer[1 : size + 1])
            del buffer[: size + 1]

    def gap(self, side: int, missing: int) -> None:
        self.lost[side] += missing
        self.buffers[side].clear()

    def held(self, side: int) -> int:
        return len(self.buffers[side])

    def cost(self) -> int:
        return len(self.buffers[0]) + len(self.buffers[1])


def box(*parts: bytes, begin: bool = True) -> bytes:
    return (b"BOX:" if begin else b"") + b"".join(bytes([len(part)]) + bytes(255 - byte for byte in part) for part in parts)


@dataclass(frozen=True)
class Got:
    data: bytes
    side: int
    transport: str
    whole: bool
    gap: int
    records: tuple[int, ...]
    segments: int
    record: int
    last: bool


class Greeter(QuietDissector):
    """Wants streams that begin with HELLO, and keeps their runs."""

    name = "greeter"
    kinds = ("greeting",)

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.kept: set[int] = set()

    def claim_stream(self, head: memoryview) -> bool | None:
        start = bytes(head[: len(HELLO)])
        return start == HELLO or (None if HELLO.startswith(start) else False)

    def rows(self, segment: Segment) -> Iterable[Event]:
        batch = segment.batch
        self.kept.update(segment.kept)
        for run in segment.runs:
            if run.connection.owner is self:
                data = bytes(batch.mem[run.off : run.off + run.length])
                run_of = (data, run.side, run.connection.transport, run.whole, run.gap, tuple(run.records), run.segments)
                self.got.append(Got(*run_of, batch.first_record + run.row, run.last))
        return ()


class Seen:
    """A run's dissector, stages and what was told of layers that raised."""

    def __init__(self, path: Path, layers: Sequence[StreamLayer], batch_packets: int = 4096, **limits: int) -> None:
        kernels = Interpreted()
        self.greeter, self.raised = Greeter(), list[str]()
        self.layers = Layers(layers, lambda name, error: self.raised.append(f"{name}: {error!r}"), **limits)
        flows = FlowTable(kernels)
        self.tcp = TcpReassembly(flows, [*self.layers.owners, self.greeter])
        self.layers.attach(self.tcp)
        parts = Parts(open_source([str(path)], kernels), [self.greeter], [], flows, FragmentTable(), self.tcp)
        parts.layers = self.layers
        self.summary = Pipeline(parts, Pace(batch_packets=batch_packets), Speed(kernels)).run().summary

    @property
    def got(self) -> list[Got]:
        return self.greeter.got

    def said(self, side: int) -> bytes:
        return b"".join(got.data for got in self.got if got.side == side)


@pytest.fixture
def capture(tmp_path: Path) -> Any:
    def write(pieces: Iterable[tuple[int, bytes]], **how: Any) -> Path:
        return write_pcap(tmp_path / "x.pcap", tcp_conversation(pieces, **how))

    return write


def test_what_is_inside_goes_to_who_claims_it(capture: Any) -> None:
    path = capture([(0, box(HELLO, b"and more")), (1, box(b"answer")), (0, box(b"the end", begin=False))], close=True)
    for batch_packets in (1, 2, 3, 4096):
        seen = Seen(path, [Boxes()], batch_packets)
        said = [(got.data, got.side, got.transport, got.record, got.records) for got in seen.got]
        assert said == [
            (HELLO + b"and more", 0, "boxed", 3, (3,)),
            (b"answer", 1, "boxed", 4, (4,)),
            (b"the end", 0, "boxed", 5, (5,)),
            (b"", 1, "boxed", 7, ()),
        ]
        assert seen.got[-1].last
        assert seen.summary["evicted"] == {}
        assert len(seen.layers) == seen.layers.held_bytes == 0


def test_layers_lie_inside_each_other(capture: Any) -> None:
    inside = [(0, upgrade()), (1, upgraded()), (0, frame(HELLO, mask=b"abcd")), (0, frame(HELLO)), (1, frame(b"yes"))]
    begun, pieces = set[int](), list[tuple[int, bytes]]()
    for side, data in inside:
        parts = [data[at : at + 50] for at in range(0, len(data), 50)]
        pieces.append((side, box(*parts, begin=side not in begun)))
        begun.add(side)
    for segment in (7, 1400):
        seen = Seen(capture(pieces, segment=segment), [Boxes(), WebSocket()])
        assert [(got.data, got.side, got.whole) for got in seen.got] == [(HELLO, 0, True), (HELLO, 0, True), (b"yes", 1, True)]
        assert {got.transport for got in seen.got} == {"websocket"}  # over boxes it has no name of its own


def test_a_run_names_the_packets_that_its_bytes_came_in(capture: Any) -> None:
    path = capture([(0, box(HELLO)), (0, box(b"x" * 100, begin=False)), (1, box(b"y"))], segment=25)
    for batch_packets in (1, 2, 4096):
        seen = Seen(path, [Boxes()], batch_packets)
        assert [(got.records, got.segments) for got in seen.got] == [((3,), 1), ((4, 5, 6, 7, 8), 5), ((9,), 1)]
        assert seen.greeter.kept == {4, 5, 6, 7}


def test_a_gap_is_told_with_the_next_bytes_inside(capture: Any) -> None:
    path = capture([(0, box(HELLO)), (0, box(b"lost")[4:]), (0, box(b"found")[4:])])
    whole = write_pcap(
        path.with_name("y.pcap"),
        [
            r
            for n, r in enumerate(
                tcp_conversation([(0, box(HELLO)), (0, box(b"lost", begin=False)), (0, box(b"found", begin=False))])
            )
            if n != 3
        ],
    )
    seen = Seen(whole, [Boxes()])
    assert [(got.data, got.gap) for got in seen.got] == [(HELLO, 0), (b"found", 5)]


def test_what_nobody_wants_inside_is_let_go_early(capture: Any) -> None:
    pieces = [(n % 2, box(b"nothing for anybody", begin=n < 2)) for n in range(1500)]
    seen = Seen(capture(pieces), [Boxes()], batch_packets=20)
    assert seen.got == []
    assert seen.summary["evicted"] == {}
    assert (len(seen.layers), seen.tcp.connections, seen.layers.held_bytes) == (0, 0, 0)


def test_what_a_layer_cannot_read_is_counted_and_over(capture: Any) -> None:
    seen = Seen(capture([(0, box(HELLO) + b"\xff" + bytes(255)), (0, box(b"more"))]), [Boxes()])
    assert [(got.data, got.last) for got in seen.got] == [(HELLO, False), (b"", True)]
    assert seen.summary["evicted"] == {"layer_unreadable": 1}


def test_what_a_layer_does_not_want_is_no_fault(capture: Any) -> None:
    seen = Seen(capture([(0, box(HELLO) + b"\0"), (0, box(b"more"))]), [Boxes()])
    assert [(got.data, got.last) for got in seen.got] == [(HELLO, False), (b"", True)]
    assert seen.summary["evicted"] == {}


def test_a_layer_that_raises_is_off_and_the_run_goes_on(tmp_path: Path) -> None:
    def conversation(number: int, *pieces: tuple[int, bytes]) -> list[Record]:
        ends = (("192.0.2.1", 40000 + number), ("198.51.100.1", 80))
        return tcp_conversation(pieces, ends=ends, ts_ns=number * 1_000_000_000)

    good = conversation(1, (0, upgrade()), (1, upgraded()), (0, frame(HELLO)))
    bad = conversation(0, (0, box(HELLO) + b"\xfe" + bytes(254)))
    bad_again = conversation(2, (0, box(HELLO) + b"\xfe" + bytes(254)))
    seen = Seen(write_pcap(tmp_path / "x.pcap", [*bad, *good, *bad_again]), [Boxes(), WebSocket()])
    assert seen.raised == ["boxes: KeyError('a bug')"]
    assert [(got.data, got.transport) for got in seen.got if got.data] == [(HELLO, "boxed"), (HELLO, "ws")]


def test_memory_is_bounded_whatever_comes(tmp_path: Path) -> None:
    """2,000 connections, each with the begin of a record that never ends, or of a claim that nobody can answer."""
    records = []
    for number in range(2000):
        ends = (("192.0.2.1", 10000 + number), ("198.51.100.1", 80))
        data = box(HELLO) + b"\xfd" + bytes(200) if number % 2 else box(HELLO[:5])
        records += tcp_conversation([(0, data)], ends=ends, ts_ns=number * 100_000_000)
    path = write_pcap(tmp_path / "x.pcap", records)
    most = 256 * 1024
    results = []
    for batch_packets in (7, 4096):
        seen = Seen(path, [Boxes()], batch_packets, max_bytes=most)
        assert seen.layers.peak_bytes <= most + 8192  # what the connection at hand brought is in it for a moment
        assert seen.layers.held_bytes <= most
        assert seen.summary["evicted"]["layer_bytes"] > 1500
        results.append(([(got.data, got.record, got.last) for got in seen.got], seen.summary["evicted"]))
    assert results[0] == results[1]


class Words:
    """A simple dissector of lines."""

    name: ClassVar[str] = "words"
    claims: ClassVar[tuple[Claim, ...]] = (Claim("tcp", prefixes=(b"HELLO",)),)

    def open(self, flow: FlowInfo) -> Words:
        return self

    def feed(self, side: int, data: bytes, ts_ns: int) -> Iterator[tuple[str, dict[str, object]]]:
        yield "words", {"side": side, "text": data.decode("latin-1")}


def test_simple_dissectors_see_what_is_inside(capture: Any) -> None:
    from lippycat_core.testing.runs import run

    path = capture([(0, box(HELLO)), (1, box(b"hello"))])
    records = run(path, Words(), layers=[Boxes()]).named("words")
    assert [(record["side"], record["text"]) for record in records] == [(0, HELLO.decode()), (1, "hello")]


def test_what_nobody_has_claimed_inside_goes_before_what_somebody_has(tmp_path: Path) -> None:
    def ends(number: int) -> tuple[tuple[str, int], tuple[str, int]]:
        return (("192.0.2.1", 10000 + number), ("198.51.100.1", 80))

    wanted = [(0, box(HELLO)), (0, box(b"later", begin=False))]
    records = tcp_conversation(wanted, ends=ends(0))
    last = records.pop()
    for number in range(1, 200):
        records += tcp_conversation([(0, box(HELLO[:5]))], ends=ends(number), ts_ns=number * 1_000_000_000)
    records.append(Record(200_000_000_000, last.data))
    seen = Seen(write_pcap(tmp_path / "x.pcap", records), [Boxes()], max_bytes=64 * 1024)
    assert seen.said(0) == HELLO + b"later"
    assert seen.summary["evicted"]["layer_bytes"] > 150


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_no_result_depends_on_batches_whatever_becomes_of_the_packets(tmp_path: Path, seed: int) -> None:
    """Twenty connections, their packets lost, shuffled, doubled and damaged, within tight bounds."""
    draw = Random(seed)
    placed: list[tuple[float, bytes]] = []
    for number in range(20):
        inside = [(0, upgrade()), (1, upgraded()), *((draw.randrange(2), frame(HELLO * draw.randrange(1, 9))) for _ in range(8))]
        begun, pieces = set[int](), list[tuple[int, bytes]]()
        for side, data in inside if number % 2 else ((n % 2, HELLO * 3) for n in range(8)):
            pieces.append((side, box(*(data[at : at + 90] for at in range(0, len(data), 90)), begin=side not in begun)))
            begun.add(side)
        ends = (("192.0.2.1", 10000 + number), ("198.51.100.1", 80))
        for at, record in enumerate(tcp_conversation(pieces, segment=draw.choice((40, 300)), ends=ends, close=number % 3 == 0)):
            for _ in range(draw.choice((0, 1, 1, 1, 1, 1, 1, 2))):
                data = bytearray(record.data)
                if draw.random() < 0.02:
                    data[-1] ^= 255
                placed.append((at + draw.uniform(0, 3), bytes(data)))
    placed.sort()
    records = [Record(number * 50_000_000, data) for number, (_, data) in enumerate(placed)]
    path = write_pcap(tmp_path / "x.pcap", records)
    results = []
    for batch_packets in (1, 5, 4096):
        seen = Seen(path, [Boxes(), WebSocket()], batch_packets, max_bytes=90_000)
        assert seen.raised == []
        results.append((seen.got, seen.summary["evicted"]))
    assert results[0] == results[1] == results[2]


def test_packets_of_a_handshake_go_with_the_first_bytes_inside(capture: Any) -> None:
    pieces = [(0, upgrade()), (1, upgraded()), (0, frame(b"", 9)), (0, frame(HELLO)), (1, frame(b"", 10)), (1, frame(b"yes"))]
    path = capture(pieces, segment=60)
    for batch_packets in (1, 3, 4096):
        seen = Seen(path, [WebSocket()], batch_packets)
        records = [got.records for got in seen.got]
        assert len(records) == 2
        assert [*records[0], *records[1]] == list(range(min(records[0]), max(records[1]) + 1))  # all that have bytes
        assert [got.segments for got in seen.got] == [1, 1]
        assert seen.greeter.kept >= {*records[0][:-1], *records[1][:-1]}


def test_packets_of_a_handshake_without_end_are_bounded(capture: Any) -> None:
    pings = [(0, frame(b"", 9))] * (2 * EARLY_RECORDS)
    seen = Seen(capture([(0, upgrade()), *pings, (0, frame(HELLO))], segment=2000), [WebSocket()])
    assert [len(got.records) for got in seen.got] == [EARLY_RECORDS + 1]
    assert [got.data for got in seen.got] == [HELLO]
