"""TCP reassembly: conversations written as segments, and what a dissector gets of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.batch import Batch
from lippycat_core.columns import ACK, FIN, PSH, RST, SYN
from lippycat_core.connections import Connection
from lippycat_core.flows import FlowTable
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.reassembly import TcpReassembly
from lippycat_core.testing.conversation import Sent, batches, tcp, udp
from lippycat_core.testing.quiet import QuietDissector

SECOND = 1_000_000_000
A, B = "10.0.0.1:40000", "10.0.0.2:5060"
MAGIC = b"HELLO"


class Greeter(QuietDissector):
    """Wants streams that begin with HELLO."""

    name = "greeter"
    kinds = ("greeting",)

    def claim_stream(self, head: memoryview) -> bool | None:
        if MAGIC.startswith(bytes(head[: len(MAGIC)])):
            return None if len(head) < len(MAGIC) else True
        return False


@dataclass(frozen=True)
class Got:
    """A run, with what a dissector reads through it."""

    record: int
    connection: int
    side: int
    data: bytes
    segments: int
    gap: int
    closed: bool


class Heard(list[Got]):
    """All runs of an input, and how reassembly stood at its end."""

    tcp: TcpReassembly
    flows: FlowTable
    kept: list[int]
    records: list[tuple[int, ...]]

    def said(self, side: int, connection: int = 0) -> bytes:
        """The bytes of one direction; `[n]` stands where n are missing."""
        runs = [run for run in self if (run.side, run.connection) == (side, connection)]
        return b"".join((b"[%d]" % run.gap if run.gap else b"") + run.data for run in runs)

    @property
    def ends(self) -> list[int]:
        return [run.connection for run in self if run.closed]


def listen(packets: Sequence[Sent], kernels: KernelSet | None = None, capacity: int = 4096, **limits: Any) -> Heard:
    """Run packets through flows and reassembly, ticks included."""
    kernels = kernels or Interpreted()
    heard = Heard()
    heard.kept, heard.records = [], []
    flows = FlowTable(kernels, max_flows=limits.pop("max_flows", 1 << 20))
    reassembly = TcpReassembly(flows, [Greeter()], **limits)
    reassembly.bind(kernels)
    known: dict[int, int] = {}
    keep: list[object] = []

    def note(batch: Batch, runs: Iterable[Any]) -> None:
        for run in runs:
            assert isinstance(run.connection, Connection)
            keep.append(run.connection)
            heard.records.append(tuple(run.records))
            number = known.setdefault(id(run.connection), len(known))
            data = bytes(batch.mem[run.off : run.off + run.length])
            heard.append(Got(batch.first_record + run.row, number, run.side, data, run.segments, run.gap, run.last))

    for batch in batches(kernels, packets, capacity):
        begin = 0
        while begin < batch.rows or flows.tick_due:
            end = flows.track(batch, begin)
            note(batch, reassembly.segment(batch, begin, end))
            heard.kept += reassembly.kept
            if due := flows.tick_due:
                reassembly.tick(due[0])
                flows.tick(*due)
            begin = end
    if packets:
        note(batch, reassembly.finish(batch))
    heard.tcp, heard.flows = reassembly, flows
    return heard


def a(seq: int, payload: bytes = b"", flags: int = ACK | PSH, **more: Any) -> Sent:
    return tcp(A, B, seq, payload, flags, **more)


def b(seq: int, payload: bytes = b"", flags: int = ACK, **more: Any) -> Sent:
    return tcp(B, A, seq, payload, flags, **more)


def shake(isn: int = 1000, answer: int = 5000) -> list[Sent]:
    return [a(isn, flags=SYN), b(answer, flags=SYN | ACK, ack=isn + 1), a(isn + 1, flags=ACK, ack=answer + 1)]


def test_bytes_in_order_are_spans_of_the_slab(kernels: KernelSet) -> None:
    heard = listen([*shake(), a(1001, b"HELLO you"), b(5001, b"hi", ack=1010), a(1010, b" there")], kernels)
    assert [(run.record, run.side, run.data, run.segments, run.gap) for run in heard] == [
        (4, 0, b"HELLO you", 1, 0),
        (5, 1, b"hi", 1, 0),
        (6, 0, b" there", 1, 0),
    ]


def test_both_directions_share_a_connection_and_sides_follow_the_first_packet(kernels: KernelSet) -> None:
    heard = listen([*shake(), b(5001, b"HELLO from the server"), a(1001, b"and back")], kernels)
    assert [(run.connection, run.side, run.data) for run in heard] == [(0, 1, b"HELLO from the server"), (0, 0, b"and back")]


def test_a_stream_that_nobody_wants_gives_nothing_and_costs_the_kernel_only(kernels: KernelSet) -> None:
    web = [*shake(), *(a(1001 + 10 * n, b"GET / HTTP") for n in range(3)), *(b(5001 + 10 * n, b"0123456789") for n in range(3))]
    heard = listen([*web, a(1031, b"HELLO now")], kernels)
    assert heard == []
    assert not heard.tcp._streams
    assert not heard.tcp._connections


def test_a_capture_that_begins_inside_a_message_finds_the_next_one(kernels: KernelSet) -> None:
    heard = listen(
        [a(1, b"rest of a message"), a(18, b"more of it"), b(900, b"x" * 30), a(28, b"HELLO again"), b(930, b"ok")], kernels
    )
    assert heard.said(0) == b"HELLO again"
    assert heard.said(1) == b"ok"


def test_an_answer_that_nobody_wanted_is_followed_once_the_request_is(kernels: KernelSet) -> None:
    heard = listen(
        [*(b(10 * n, b"0123456789") for n in range(40)), a(1, b"HELLO"), b(400, b"more"), b(404, b" and more")], kernels
    )
    assert heard.said(0 if heard[0].side == 0 else 1) != b""
    assert heard.said(0) == b"more and more"  # the first packet seen was b's


def test_a_short_beginning_waits_for_more(kernels: KernelSet) -> None:
    heard = listen([*shake(), a(1001, b"H"), a(1002, b"EL"), b(5001, b"HE"), a(1004, b"LO!"), b(5003, b"y")], kernels)
    assert [(run.side, run.data, run.segments) for run in heard] == [(1, b"HE", 1), (0, b"HELLO!", 3), (1, b"y", 1)]


def test_segments_out_of_order_wait_for_the_missing_one(kernels: KernelSet) -> None:
    heard = listen([*shake(), a(1001, b"HELLO"), a(1009, b"cd"), a(1007, b"b"), a(1008, b"b"), a(1006, b"a")], kernels)
    assert [(run.record, run.data, run.segments) for run in heard] == [(4, b"HELLO", 1), (8, b"a", 1), (8, b"bbcd", 3)]


@pytest.mark.parametrize("capacity", [1, 4096])
def test_records_behind_a_run_are_told_and_those_that_wait(kernels: KernelSet, capacity: int) -> None:
    late = [*shake(), a(1001, b"HELLO"), a(1009, b"cd"), a(1007, b"b"), a(1008, b"b"), a(1006, b"a"), a(1006, b"a")]
    heard = listen(late, kernels, capacity)
    assert (heard.records, heard.kept) == ([(4,), (8,), (6, 7, 5)], [5, 6, 7])
    short = [*shake(), a(1001, b"H"), a(1002, b"EL"), b(5001, b"HE"), a(1004, b"LO!"), b(5003, b"y")]
    heard = listen(short, kernels, capacity)
    assert (heard.records, heard.kept) == ([(6,), (4, 5, 7), (8,)], [4, 5, 6])


def test_the_first_copy_of_a_byte_wins(kernels: KernelSet) -> None:
    heard = listen([*shake(), a(1001, b"HELLO"), a(1008, b"CD"), a(1004, b"xxABxxEF"), a(1001, b"????????????")], kernels)
    assert heard.said(0) == b"HELLOABCDEF?"[:12]
    assert heard.said(0) == b"HELLO" + b"AB" + b"CD" + b"EF" + b"?"


def test_copies_keep_alives_and_probes_give_no_bytes(kernels: KernelSet) -> None:
    heard = listen(
        [
            *shake(),
            a(1001, b"HELLO"),
            a(1001, b"HELLO"),
            a(1005, b"\0"),
            a(1005),
            a(1006, b"w"),
            a(1006, b"wor"),
            a(1008, b"rld"),
            b(5001, b""),
        ],
        kernels,
    )
    assert heard.said(0) == b"HELLOworld"
    assert sum(run.segments for run in heard) == 4


def test_numbers_wrap(kernels: KernelSet) -> None:
    isn = 2**32 - 4
    heard = listen([*shake(isn), a(isn + 1, b"HELLO"), a(isn + 10, b"56"), a(isn + 6, b"1234"), b(5001, b"ok")], kernels)
    assert heard.said(0) == b"HELLO123456"


def test_a_hole_that_the_receiver_acknowledged_is_given_up_at_once(kernels: KernelSet) -> None:
    heard = listen([*shake(), a(1001, b"HELLO"), a(1016, b"after"), b(5001, ack=1016), b(5001, ack=1021), a(1021, b"!")], kernels)
    assert [(run.record, run.data, run.gap) for run in heard] == [(4, b"HELLO", 0), (6, b"after", 10), (8, b"!", 0)]
    heard = listen([*shake(), a(1001, b"HELLO"), b(5001, ack=1016), a(1016, b"after")], kernels)
    assert [(run.record, run.data, run.gap) for run in heard] == [(4, b"HELLO", 0), (6, b"after", 10)]


def test_an_acknowledgement_short_of_the_hole_changes_nothing(kernels: KernelSet) -> None:
    heard = listen(
        [*shake(), a(1001, b"HELLO"), a(1016, b"after"), b(5001, ack=1006), b(5001, ack=1006), a(1006, b"0123456789")], kernels
    )
    assert heard.said(0) == b"HELLO0123456789after"


def test_a_hole_is_given_up_after_the_timeout(kernels: KernelSet) -> None:
    noise = [udp("10.9.9.9:1", "10.9.9.8:2", ts_ns=SECOND * n) for n in range(1, 700)]
    heard = listen([*shake(), a(1001, b"HELLO"), a(1016, b"after"), *noise], kernels)
    assert [(run.data, run.gap) for run in heard] == [(b"HELLO", 0), (b"after", 10)]
    assert heard[1].record == 513  # the second tick, the first that is 300 s later
    assert heard.tcp.evicted() == {"tcp_timeout": 1}


def test_what_waits_at_the_end_of_the_input_is_given(kernels: KernelSet) -> None:
    heard = listen([*shake(), a(1001, b"HELLO"), a(1016, b"after"), a(1030, b"last")], kernels)
    assert heard.said(0) == b"HELLO[10]after[9]last"
    assert heard[-1].record == 6


def test_pages_of_one_stream_are_bounded(kernels: KernelSet) -> None:
    heard = listen([*shake(), a(1001, b"HELLO"), *(a(1010 + 2 * n, b"x") for n in range(12))], kernels, max_pages=10)
    assert heard.tcp.evicted() == {"tcp_stream_pages": 2}
    assert heard.said(0).startswith(b"HELLO[4]x[1]x[1]x")


def test_bytes_of_all_streams_are_bounded_and_the_oldest_hole_goes_first(kernels: KernelSet) -> None:
    packets = []
    for n in range(6):
        end = f"10.0.1.{n}:4000"
        packets += [tcp(end, B, 0, b"HELLO", SYN), tcp(end, B, 10, b"late", ACK)]
    heard = listen(packets, kernels, max_bytes=5 * 4096)
    assert heard.tcp.evicted() == {"tcp_bytes": 2}
    assert [(run.connection, run.record) for run in heard if run.gap][:2] == [(0, 10), (1, 12)]


def test_connections_are_bounded_and_the_one_silent_longest_goes(kernels: KernelSet) -> None:
    packets = [tcp(f"10.0.1.{n}:4000", B, 0, b"HELLO", SYN) for n in range(4)]
    heard = listen([*packets, tcp("10.0.1.0:4000", B, 6, b"lost")], kernels, max_connections=3)
    assert heard.tcp.evicted() == {"tcp_connections": 1}
    assert [run.data for run in heard if run.data] == [b"HELLO"] * 4
    assert [(run.connection, run.record) for run in heard if run.closed] == [(0, 4)]


def test_a_connection_ends_when_both_sides_have_said_so(kernels: KernelSet) -> None:
    heard = listen(
        [
            *shake(),
            a(1001, b"HELLO", FIN | ACK),
            b(5001, b"bye", ack=1007),
            b(5004, flags=FIN | ACK, ack=1007),
            a(1007, ack=5005),
        ],
        kernels,
    )
    assert [(run.data, run.closed) for run in heard] == [(b"HELLO", False), (b"bye", False), (b"", True)]
    assert not heard.tcp._streams


def test_a_fin_waits_for_what_is_missing_in_front_of_it(kernels: KernelSet) -> None:
    closing = [a(1010, b"end", FIN | ACK), b(5001, flags=FIN | ACK, ack=1006)]
    heard = listen([*shake(), a(1001, b"HELLO"), *closing, a(1006, b"the ")], kernels)
    assert [(run.data, run.closed) for run in heard] == [(b"HELLO", False), (b"the ", False), (b"end", False), (b"", True)]


def test_a_reset_ends_the_connection_with_what_it_had(kernels: KernelSet) -> None:
    heard = listen([*shake(), a(1001, b"HELLO"), a(1008, b"late"), a(1012, flags=RST)], kernels)
    assert heard.said(0) == b"HELLO[2]late"
    assert heard.ends == [0]


def test_a_reset_with_an_old_number_is_nothing(kernels: KernelSet) -> None:
    heard = listen([*shake(), a(1001, b"HELLO"), a(3, flags=RST), a(1006, b" on")], kernels)
    assert heard.said(0) == b"HELLO on"
    assert heard.ends == []


def test_copies_after_the_end_are_nothing(kernels: KernelSet) -> None:
    ending = [a(1001, b"HELLO", FIN | ACK), b(5001, flags=FIN | ACK)]
    assert listen([*shake(), *ending, a(1001, b"HELLO", FIN | ACK)], kernels) == listen([*shake(), *ending], kernels)


@pytest.mark.parametrize("closed", [True, False])
def test_the_same_ports_can_carry_a_new_connection(kernels: KernelSet, closed: bool) -> None:
    first = [*shake(), a(1001, b"HELLO one"), b(5001, b"yes")]
    ending = [a(1010, flags=FIN | ACK), b(5004, flags=FIN | ACK)] if closed else []
    second = [*shake(77, 900), a(78, b"HELLO two"), b(901, b"no")]
    heard = listen([*first, *ending, *second], kernels)
    assert (heard.said(0, 0), heard.said(1, 0)) == (b"HELLO one", b"yes")
    assert (heard.said(0, 1), heard.said(1, 1)) == (b"HELLO two", b"no")
    assert heard.ends == [0]


def test_ports_that_nobody_wanted_can_carry_something_wanted_later(kernels: KernelSet) -> None:
    web = [*shake(), *(a(1001 + 3 * n, b"GET") for n in range(4)), *(b(5001 + 3 * n, b"200") for n in range(4))]
    for greeting in (
        [*shake(50000, 60000), a(50001, b"HELLO"), b(60001, b"hi")],
        [b(60000, flags=SYN | ACK, ack=50001), a(50001, b"HELLO"), b(60001, b"hi")],
    ):
        heard = listen([*web, *greeting], kernels)
        assert (heard.said(0), heard.said(1)) == (b"HELLO", b"hi")


def test_a_repeated_syn_changes_nothing(kernels: KernelSet) -> None:
    heard = listen([a(1000, flags=SYN), *shake(), a(1001, b"HELLO"), a(1000, flags=SYN), a(1006, b" you")], kernels)
    assert heard.said(0) == b"HELLO you"
    assert heard.ends == []


def test_payload_on_the_syn_counts(kernels: KernelSet) -> None:
    heard = listen([a(1000, b"HELLO", SYN), a(1006, b" fast")], kernels)
    assert heard.said(0) == b"HELLO fast"


def test_a_segment_cut_by_the_snap_length_is_a_gap(kernels: KernelSet) -> None:
    heard = listen([*shake(), a(1001, b"HELLO cut", wire=20), a(1021, b"next"), a(1025, b"", wire=7), a(1032, b"last")], kernels)
    assert heard.said(0) == b"HELLO cut[11]next[7]last"
    heard = listen([*shake(), a(1001, b"HELLO"), a(1026, b"last"), a(1016, b"c", wire=10), a(1006, b"b", wire=10)], kernels)
    assert heard.said(0) == b"HELLOb[9]c[9]last"


def test_a_cut_is_told_at_once_also_at_the_end_of_the_input(kernels: KernelSet) -> None:
    heard = listen([*shake(), a(1001, b"HELLO cut", wire=20), b(5001, b"ok")], kernels)
    assert [(run.record, run.side, run.data, run.gap, run.closed) for run in heard] == [
        (4, 0, b"HELLO cut", 0, False),
        (4, 0, b"", 11, False),
        (5, 1, b"ok", 0, False),
    ]


def test_a_stray_number_ahead_does_not_take_a_live_stream_along(kernels: KernelSet) -> None:
    talk = [a(1006 + n, b"%d" % (n % 10), ts_ns=SECOND * n) for n in range(700)]
    heard = listen([*shake(), a(1001, b"HELLO"), a(900_000, b"stray"), *talk], kernels)
    assert b"".join(run.data for run in heard) == b"HELLO" + b"0123456789" * 70 + b"stray"
    assert heard.tcp.evicted() == {}


def test_a_fin_with_an_old_number_ends_nothing(kernels: KernelSet) -> None:
    heard = listen([*shake(), a(1001, b"HELLO"), a(900, flags=FIN | ACK), b(5001, flags=FIN | ACK), a(1006, b" on")], kernels)
    assert heard.said(0) == b"HELLO on"
    assert heard.ends == []


def test_a_connection_that_was_given_up_is_looked_at_again(kernels: KernelSet) -> None:
    other = [tcp("10.0.1.1:4000", B, 0, b"HELLO", SYN)]
    again = [a(1006 + 4 * n, b"rest") for n in range(8)]
    heard = listen([*shake(), a(1001, b"HELLO"), *other, *again, a(1038, b"HELLO again")], kernels, max_connections=1)
    assert heard.ends == [0, 1]
    assert [run.data for run in heard if run.data] == [b"HELLO", b"HELLO", b"HELLO again"]


def test_an_idle_connection_is_forgotten(kernels: KernelSet) -> None:
    noise = [udp("10.9.9.9:1", "10.9.9.8:2", ts_ns=10 * SECOND * n) for n in range(1, 700)]
    heard = listen([*shake(), a(1001, b"HELLO"), *noise], kernels)
    assert [(run.record, run.closed) for run in heard] == [(4, False), (513, True)]


def test_a_number_beyond_every_window_is_not_kept(kernels: KernelSet) -> None:
    heard = listen([*shake(), a(1001, b"HELLO"), a(1001 + (3 << 29), b"far"), a(1006, b" on")], kernels)
    assert heard.said(0) == b"HELLO on"
    assert heard.tcp.evicted() == {"tcp_out_of_window": 1}


def test_a_flow_that_is_evicted_ends_its_connection(kernels: KernelSet) -> None:
    other = [udp(f"10.3.0.{n}:1", "10.3.1.1:2") for n in range(40)]
    heard = listen([*shake(), a(1001, b"HELLO"), *other, a(1006, b" HELLO")], kernels, max_flows=16)
    assert heard.ends == [0]
    assert heard.flows.evicted()["flows"] > 2
    assert not heard.tcp._waiting


def test_without_dissectors_nothing_is_kept(kernels: KernelSet) -> None:
    flows = FlowTable(kernels)
    reassembly = TcpReassembly(flows, [])
    reassembly.bind(kernels)
    for batch in batches(kernels, [*shake(), a(1001, b"HELLO")]):
        assert not reassembly.segment(batch, 0, flows.track(batch, 0))


# -- properties -----------------------------------------------------------------------------------------------------------


def cut(data: bytes, isn: int, places: Iterable[int], end: str = A, peer: str = B) -> list[Sent]:
    """`data` as segments, cut at `places`."""
    edges = sorted({0, len(data), *(place for place in places if 0 < place < len(data))})
    return [tcp(end, peer, isn + 1 + i, data[i:j], ACK | PSH) for i, j in pairwise(edges)]


MESSAGE = b"HELLO, this is a message of some length.\r\n"


def test_every_split_of_a_message_in_two_and_three(kernels: KernelSet) -> None:
    for first in range(1, len(MESSAGE)):
        for second in (0, first // 2, (first + len(MESSAGE)) // 2):
            heard = listen([*shake(), *cut(MESSAGE, 1000, (first, second))], kernels)
            assert heard.said(0) == MESSAGE
            assert sum(run.segments for run in heard) == len(cut(MESSAGE, 1000, (first, second)))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[bytes], list[Sent]]:
    """Some streams cut, reordered within 8, partly sent again, and interleaved."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    streams, queues = [], []
    for n in range(draw(st.integers(1, 4))):
        data = MAGIC + draw(st.binary(max_size=300))
        isn = draw(st.sampled_from([0, 1000, 2**31 - 20, 2**32 - 30, 2**32 - 1]))
        end = f"10.0.2.{n}:4000"
        segments = cut(data, isn, draw(st.lists(st.integers(1, len(data)), max_size=20)), end)
        segments += [
            tcp(end, B, isn + 1 + i, data[i : i + rng.randrange(1, 60)])
            for i in rng.choices(range(len(data)), k=rng.randrange(4))
        ]
        order = sorted(range(len(segments)), key=lambda i: i + rng.uniform(0, 8))
        queues.append([tcp(end, B, isn, flags=SYN), *(segments[i] for i in order)])
        streams.append(data)
    packets = []
    while any(queues):
        queue = rng.choice([queue for queue in queues if queue])
        packets.append(queue.pop(0))
    return streams, packets


@settings(max_examples=60, deadline=None)
@given(conversations(), st.integers(1, 40))
def test_the_runs_are_the_bytes_that_were_sent(case: tuple[list[bytes], list[Sent]], capacity: int) -> None:
    streams, packets = case
    heard = listen(packets)
    assert sorted(heard.said(0, n) for n in range(len(streams))) == sorted(streams)
    assert listen(packets, capacity=capacity) == heard
    assert not heard.tcp._waiting
    assert heard.tcp._pages == 0


@st.composite
def noise(draw: st.DrawFn) -> list[Sent]:
    """Segments of two connections with any flags and numbers near each other."""
    packets = []
    for _ in range(draw(st.integers(1, 60))):
        ends = draw(st.sampled_from([(A, B), (B, A), ("10.0.0.3:1", B), (B, "10.0.0.3:1")]))
        payload = draw(st.sampled_from([b"", MAGIC, b"x", b"H", b"0123456789"]))
        seq, ack = draw(st.integers(2**32 - 12, 2**32 + 30)), draw(st.integers(2**32 - 12, 2**32 + 30))
        flags = draw(st.sampled_from([ACK, ACK, ACK, SYN, SYN | ACK, FIN | ACK, RST, 0]))
        packets.append(tcp(*ends, seq, payload, flags, ack, wire=len(payload) + draw(st.sampled_from([0, 0, 0, 5]))))
    return packets


@settings(max_examples=150, deadline=None)
@given(noise(), st.integers(1, 9))
def test_noise_is_survived_the_same_in_every_batch_size(packets: list[Sent], capacity: int) -> None:
    limits: dict[str, Any] = {"max_pages": 5, "max_bytes": 8 * 4096, "max_connections": 1}
    heard = listen(packets, **limits)
    assert listen(packets, capacity=capacity, **limits) == heard
    assert heard.tcp._pages == sum(stream.order.pages for stream in heard.tcp._streams.values() if stream.order)
    assert all(stream.order and stream.order.pieces for stream in heard.tcp._waiting)


@settings(max_examples=60, deadline=None)
@given(packets=noise())
def test_noise_gives_the_same_interpreted_and_compiled(kernels: KernelSet, packets: list[Sent]) -> None:
    assert listen(packets, kernels) == listen(packets)


def test_what_is_held_can_be_seen_and_has_a_limit(kernels: KernelSet) -> None:
    flows = FlowTable(kernels)
    reassembly = TcpReassembly(flows, [Greeter()], max_bytes=10 * 4096)
    reassembly.bind(kernels)
    (batch,) = batches(kernels, [*shake(), a(1001, b"HELLO"), *(a(1010 + 10 * n, b"late") for n in range(3))], 64)
    assert flows.track(batch, 0) == batch.rows
    reassembly.segment(batch, 0, batch.rows)
    assert (reassembly.connections, reassembly.held_bytes, reassembly.bytes_limit) == (1, 3 * 4096, 10 * 4096)
    reassembly.finish(batch)
    assert reassembly.held_bytes == 0
