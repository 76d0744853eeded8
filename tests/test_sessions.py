"""Simple dissectors: what their sessions see, say and break."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from lippycat_core.columns import ACK, FIN, SYN
from lippycat_core.errors import PluginError
from lippycat_core.events import Event
from lippycat_core.flows import FlowTable
from lippycat_core.interfaces.dissect import BulkDissector, Claim, Dissector, FlowInfo, Segment
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.reassembly import TcpReassembly
from lippycat_core.routing import Router
from lippycat_core.sessions import Sessions
from lippycat_core.testing.conversation import Sent, batches, tcp, udp

A, B, C = "10.0.0.1:4000", "10.0.0.2:514", "10.0.0.3:4000"
Said = Iterable[Event | tuple[str, Mapping[str, object]]]


class Echo:
    """Says what it hears."""

    name: ClassVar[str] = "echo"
    claims: ClassVar[tuple[Claim, ...]] = (Claim("udp", (514,)), Claim("tcp", (514,)))

    def open(self, flow: FlowInfo) -> EchoSession:
        return EchoSession(flow)


class EchoSession:
    def __init__(self, flow: FlowInfo) -> None:
        self._ends = f"{flow.src}:{flow.sport}", f"{flow.dst}:{flow.dport}"
        self._heard = 0

    def feed(self, side: int, data: bytes, ts_ns: int) -> Said:
        self._heard += 1
        yield "echo", {"from": self._ends[side], "text": data.decode(), "ns": ts_ns}

    def gap(self, side: int, missing: int) -> Said:
        return [("gap", {"side": side, "missing": missing})]

    def close(self, ts_ns: int) -> Said:
        return [("close", {"heard": self._heard, "ns": ts_ns})]


class Bare:
    """Has neither gap nor close."""

    name: ClassVar[str] = "bare"
    claims: ClassVar[tuple[Claim, ...]] = (Claim("udp", (99,)), Claim("tcp", (), (b"BARE",)))

    def open(self, flow: FlowInfo) -> BareSession:
        return BareSession()


class BareSession:
    def feed(self, side: int, data: bytes, ts_ns: int) -> Said:
        return [Event("bare", 7, 7, {"size": len(data)})]


def run(
    dissectors: Sequence[Dissector],
    packets: Sequence[Sent],
    kernels: KernelSet | None = None,
    capacity: int = 4096,
    **limits: Any,
) -> tuple[list[Event], list[str], Sessions]:
    """Events, errors, and the sessions, as a pipeline would run them."""
    kernels = kernels or Interpreted()
    errors: list[str] = []
    flows = FlowTable(kernels, max_flows=limits.pop("max_flows", 1 << 20))
    sessions = Sessions(dissectors, flows, lambda name, error: errors.append(f"{name}: {error}"), **limits)
    router, reassembly = Router([sessions]), TcpReassembly(flows, [sessions])
    for stage in (sessions, reassembly):
        stage.bind(kernels)
    events: list[Event] = []
    now_ns = 0
    for batch in batches(kernels, packets, capacity):
        begin = 0
        while begin < batch.rows or flows.tick_due:
            end = flows.track(batch, begin)
            router.route(batch, begin, end)
            events += sessions.rows(Segment(batch, begin, end, reassembly.segment(batch, begin, end)))
            if due := flows.tick_due:
                events += sessions.tick(*due)
                reassembly.tick(due[0])
                flows.tick(*due)
            begin = end
        now_ns = flows.now_ns
    if packets:
        events += sessions.rows(Segment(batch, batch.rows, batch.rows, reassembly.finish(batch)))
    events += sessions.finish(now_ns)
    return events, errors, sessions


def lines(events: Iterable[Event]) -> Iterator[tuple[object, ...]]:
    for event in events:
        yield event.name, event.frame, *(value for key, value in event.fields.items() if key != "ns")


def test_sessions_is_a_bulk_dissector() -> None:
    assert isinstance(Sessions([], FlowTable(Interpreted()), lambda name, error: None), BulkDissector)


def test_one_session_hears_both_directions_of_a_conversation(kernels: KernelSet) -> None:
    packets = [udp(A, B, b"one"), udp(B, A, b"two"), udp(C, B, b"three"), udp(A, C, b"not claimed"), udp(A, B, b"four")]
    events, errors, sessions = run([Echo()], packets, kernels)
    assert list(lines(events)) == [
        ("echo", 1, "10.0.0.1:4000", "one"),
        ("echo", 2, "10.0.0.2:514", "two"),
        ("echo", 3, "10.0.0.3:4000", "three"),
        ("echo", 5, "10.0.0.1:4000", "four"),
        ("close", 3, 1),
        ("close", 5, 3),
    ]
    assert [event.ts_ns for event in events] == [1_000_000 * n for n in (1, 2, 3, 5, 3, 5)]
    assert errors == []
    assert sessions.summary() == {"events": 6}


def test_streams_come_in_order_with_their_gaps_and_ends(kernels: KernelSet) -> None:
    packets = [
        tcp(A, B, 0, flags=SYN),
        tcp(A, B, 1, b"one "),
        udp(C, B, b"between"),
        tcp(A, B, 9, b"three"),
        tcp(A, B, 5, b"two "),
        tcp(A, B, 24, b"four", FIN | ACK),
        tcp(B, A, 1, b"ok", FIN | ACK, ack=28),
    ]
    events, errors, _ = run([Echo()], packets, kernels)
    assert list(lines(events)) == [
        ("echo", 2, "10.0.0.1:4000", "one "),
        ("echo", 3, "10.0.0.3:4000", "between"),
        ("echo", 5, "10.0.0.1:4000", "two "),
        ("echo", 5, "10.0.0.1:4000", "three"),
        ("gap", 7, 0, 10),
        ("echo", 7, "10.0.0.1:4000", "four"),
        ("echo", 7, "10.0.0.2:514", "ok"),
        ("close", 7, 5),
        ("close", 3, 1),
    ]
    assert errors == []


def test_sessions_without_gap_and_close_are_whole_sessions(kernels: KernelSet) -> None:
    packets = [
        tcp(A, "10.0.0.2:1", 1, b"BA"),
        tcp(A, "10.0.0.2:1", 3, b"RE"),
        tcp(A, "10.0.0.2:1", 15, b"!"),
        udp(A, "10.0.0.2:99", b"datagram"),
    ]
    events, errors, _ = run([Echo(), Bare()], packets, kernels)
    assert [(event.name, event.ts_ns, event.fields["size"]) for event in events] == [
        ("bare", 7, 4),
        ("bare", 7, 8),
        ("bare", 7, 1),
    ]
    assert errors == []


@pytest.mark.parametrize("capacity", [1, 2, 3, 5])
def test_where_a_batch_ends_changes_nothing(capacity: int) -> None:
    packets: list[Sent] = []
    for n in range(40):
        packets += [udp(f"10.1.0.{n}:1", B, b"%d" % n), tcp(A, B, 1 + 2 * n, b"%02d" % n), udp(B, f"10.1.0.{n // 2}:1", b"re")]
    whole = run([Echo(), Bare()], packets, max_flows=16, max_sessions=5)
    parts = run([Echo(), Bare()], packets, capacity=capacity, max_flows=16, max_sessions=5)
    assert parts[:2] == whole[:2]
    assert parts[2].evicted() == whole[2].evicted()
    assert whole[2].evicted()["sessions"] > 0


def test_the_session_silent_longest_is_closed_for_a_new_one(kernels: KernelSet) -> None:
    events, _, sessions = run(
        [Echo()], [udp(A, B, b"1"), udp(C, B, b"2"), udp(A, B, b"3"), udp("10.0.0.9:1", B, b"4")], kernels, max_sessions=2
    )
    assert [line[:2] for line in lines(events)] == [
        ("echo", 1),
        ("echo", 2),
        ("echo", 3),
        ("close", 2),
        ("echo", 4),
        ("close", 3),
        ("close", 4),
    ]
    assert sessions.evicted() == {"sessions": 1}


def test_a_session_ends_with_its_flow(kernels: KernelSet) -> None:
    later = [udp("10.9.9.9:1", "10.9.9.9:2", ts_ns=n * 2_000_000_000) for n in range(1, 600)]
    events, _, _ = run([Echo()], [udp(A, B, b"1"), *later, udp(A, B, b"2", ts_ns=1_300_000_000_000)], kernels)
    assert [line[:2] for line in lines(events)] == [("echo", 1), ("close", 1), ("echo", 601), ("close", 601)]


class Broken(Echo):
    """Raises where it is told to."""

    name: ClassVar[str] = "broken"

    def __init__(self, where: str) -> None:
        self._where = where

    def open(self, flow: FlowInfo) -> EchoSession:
        if self._where == "open":
            raise RuntimeError("no open")
        return BrokenSession(self._where, flow)


class BrokenSession(EchoSession):
    def __init__(self, where: str, flow: FlowInfo) -> None:
        super().__init__(flow)
        self._where = where

    def feed(self, side: int, data: bytes, ts_ns: int) -> Said:
        if self._where == "later":
            yield "first", {}
            raise KeyError("no more")
        if self._where == "feed":
            raise ZeroDivisionError("no feed")
        if self._where == "junk":
            yield "only a name"
        yield from super().feed(side, data, ts_ns)

    def close(self, ts_ns: int) -> Said:
        if self._where == "close":
            raise RuntimeError("no close")
        return ()


@pytest.mark.parametrize(
    ("where", "message", "names"),
    [
        ("open", "no open", []),
        ("feed", "no feed", []),
        ("later", "'no more'", ["first"]),
        ("junk", "a session gives events or (name, fields) pairs, not 'only a name'", []),
        ("close", "no close", ["echo"] * 4),
    ],
)
def test_a_dissector_that_raises_is_told_once_and_off_and_the_others_go_on(where: str, message: str, names: list[str]) -> None:
    packets = [udp(A, B, b"1"), udp(C, B, b"2"), tcp(A, B, 1, b"3"), udp(A, "10.0.0.2:99", b"4"), udp(A, B, b"5")]
    events, errors, sessions = run([Broken(where), Bare()], packets)
    assert errors == [f"broken: {message}"]
    assert [event.name for event in events if event.name != "bare"] == names
    assert [event.name for event in events].count("bare") == 1
    assert isinstance(sessions, BulkDissector)


def test_what_is_no_event_is_the_plugins_error() -> None:
    kinds: list[type] = []
    flows = FlowTable(Interpreted())
    sessions = Sessions([Broken("junk")], flows, lambda name, error: kinds.append(type(error)))
    router = Router([sessions])
    sessions.bind(Interpreted())
    for batch in batches(Interpreted(), [udp(A, B, b"1")]):
        router.route(batch, 0, flows.track(batch, 0))
        assert list(sessions.rows(Segment(batch, 0, 1, []))) == []
    assert kinds == [PluginError]
    assert sessions.claim_stream(memoryview(b"BARE")) is False
    assert sessions.wanted() is None
