"""SCTP associations: written packets, and which messages a dissector gets of them, whatever became of the packets."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lippycat_core.builtin.files import open_source
from lippycat_core.events import Event
from lippycat_core.flows import FlowTable
from lippycat_core.fragments import FragmentTable
from lippycat_core.interfaces.dissect import Segment
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.pipeline import Pace, Parts, Pipeline, Speed
from lippycat_core.reassembly import TcpReassembly
from lippycat_core.sctp import IN_VAIN, LARGEST_MESSAGE, SctpAssociations
from lippycat_core.testing.packets import Record, write_pcap
from lippycat_core.testing.quiet import QuietDissector
from lippycat_core.testing.sctp import BEGIN, END, UNORDERED, WHOLE, chunk, data, forward, i_data, init, packet, sack

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
MS = 1_000_000
KINDS = [0, 1, 2, 3, 6, 14, 64, 192]


class Listener(QuietDissector):
    """Wants messages that begin with `HI`, and keeps what it gets."""

    name = "listener"
    kinds = ("message",)

    def __init__(self) -> None:
        self.said: list[tuple[int, bytes]] = []
        self.records: list[tuple[int, ...]] = []
        self.kept: set[int] = set()
        self.ended = 0

    def claim_stream(self, head: memoryview) -> bool | None:
        return bytes(head[:2]) == b"HI"

    def rows(self, segment: Segment) -> Iterable[Event]:
        self.kept.update(segment.kept)
        for run in segment.runs:
            assert run.connection.owner is self
            assert run.connection.transport == "sctp"
            self.ended += run.last
            if run.length:
                assert run.whole
                self.said.append((run.side, bytes(segment.batch.mem[run.off : run.off + run.length])))
                self.records.append(tuple(run.records))
        return ()


class Seen(Listener):
    def __init__(
        self,
        path: Path,
        packets: Sequence[bytes | Record],
        batch_packets: int = 4096,
        kernels: KernelSet | None = None,
        **limits: int,
    ) -> None:
        super().__init__()
        kernels = kernels or Interpreted()
        records = [one if isinstance(one, Record) else Record(n * MS, one) for n, one in enumerate(packets)]
        source = open_source([str(write_pcap(path / "x.pcap", records))], kernels)
        flows = FlowTable(kernels)
        self.sctp = SctpAssociations([self], **limits)
        parts = Parts(source, [self], [], flows, FragmentTable(), TcpReassembly(flows, [self]), sctp=self.sctp)
        self.summary = Pipeline(parts, Pace(batch_packets=batch_packets), Speed(kernels)).run().summary

    @property
    def texts(self) -> list[bytes]:
        return [text for _, text in self.said]


def sent(*chunks: bytes, side: int = 0, tag: int = 7, over_udp: bool = False) -> bytes:
    return packet(*((A, B) if side == 0 else (B, A)), *chunks, tag=tag + side, over_udp=over_udp)


def test_messages_of_both_directions_with_their_packets(tmp_path: Path, kernels: KernelSet) -> None:
    packets = [
        sent(init(100), tag=0),
        sent(init(500, ack=True), side=1),
        sent(data(100, b"HI one")),
        sent(sack(100), data(500, b"HI two"), data(501, b"three"), side=1),
        sent(data(101, b"begin ", BEGIN), data(102, b"middle ", 0)),
        sent(data(103, b"end", END)),
    ]
    for batch_packets in (1, 2, 4096):
        seen = Seen(tmp_path, packets, batch_packets, kernels)
        assert seen.said == [(0, b"HI one"), (1, b"HI two"), (1, b"three"), (0, b"begin middle end")]
        assert seen.records == [(3,), (4,), (4,), (5, 6)]
        assert seen.kept == {5}
        assert seen.summary["evicted"] == {}
        assert seen.summary["accounting"]["undecodable"] == {}
        assert seen.sctp.held_bytes == 0


def test_order_duplicates_and_wrap(tmp_path: Path) -> None:
    first = 2**32 - 2
    numbers = [0, 2, 1, 1, 4, 3, 3, 0, 5]
    packets = [sent(init(first), tag=0), *(sent(data(first + n, b"HI %d" % n, number=n)) for n in numbers)]
    for batch_packets in (1, 3, 4096):
        seen = Seen(tmp_path, packets, batch_packets)
        assert seen.texts == [b"HI %d" % n for n in range(6)]


def test_over_udp_ipv6_and_damaged_headers(tmp_path: Path, kernels: KernelSet) -> None:
    six = ("2001:db8::1", 5060), ("2001:db8::2", 5061)
    packets = [
        sent(data(1, b"HI udp"), over_udp=True),
        packet(*six, data(1, b"HI six")),
        packet(*six)[:-6],
        sent(chunk(0, WHOLE, b"short")),
        sent(b"\0\3\0\2"),
        sent(data(3, b"HI cut")[:-3]),
    ]
    seen = Seen(tmp_path, packets, kernels=kernels)
    assert seen.texts == [b"HI udp", b"HI six"]
    assert seen.summary["accounting"]["undecodable"] == {"truncated_header": 1}


def test_what_only_looks_like_sctp_in_udp_stays_udp(tmp_path: Path) -> None:
    from lippycat_core.testing.packets import ethernet, udp

    rtp = ethernet(udp("192.0.2.1", 9899, "192.0.2.2", 4000, b"\x80\0\0\1" + bytes(8) + b"\xd5" * 160))
    assert Seen(tmp_path, [rtp]).said == []


def test_streams_unordered_messages_and_i_data(tmp_path: Path) -> None:
    packets = [
        sent(data(1, b"HI", stream=1), data(2, b"other", stream=2)),
        sent(data(3, b"un", BEGIN | UNORDERED), data(4, b"ordered", END | UNORDERED)),
        sent(i_data(5, b"a", BEGIN, stream=1, number=9), i_data(6, b"x", BEGIN, stream=2, number=9)),
        sent(i_data(7, b"b", END, stream=1, number=9, fragment=1), i_data(8, b"y", END, stream=2, number=9, fragment=1)),
    ]
    assert Seen(tmp_path, packets).texts == [b"HI", b"other", b"unordered", b"ab", b"xy"]


@pytest.mark.parametrize("how", ["sack", "forward", "timeout", "end", "abort"])
def test_what_will_not_come_is_not_waited_for(tmp_path: Path, how: str) -> None:
    lost = [sent(data(1, b"HI")), sent(data(2, b"par", BEGIN)), sent(data(4, b"after")), sent(data(6, b"last"))]
    then = {
        "sack": [sent(sack(6), side=1)],
        "forward": [sent(forward(5))],
        "timeout": [Record((100_000 + n * 100) * MS, sent(sack(0), side=1)) for n in range(1500)],
        "end": [],
        "abort": [sent(chunk(6, 0, b""))],
    }[how]
    for batch_packets in (1, 4096):
        seen = Seen(tmp_path, [*lost, *then], batch_packets)
        assert seen.texts == [b"HI", b"after", b"last"]
        assert seen.summary["evicted"] == ({"sctp_timeout": 2} if how == "timeout" else {})
        assert seen.ended == (how == "abort")
        assert seen.sctp.held_bytes == 0


def test_an_acknowledgement_seen_before_what_lies_behind_the_hole(tmp_path: Path) -> None:
    packets = [sent(data(1, b"HI")), sent(sack(2), side=1), sent(data(3, b"after"))]
    assert Seen(tmp_path, packets).texts == [b"HI", b"after"]


def test_a_new_association_on_the_same_ends(tmp_path: Path) -> None:
    packets = [
        sent(data(10, b"HI old")),
        sent(init(5), tag=0),
        sent(init(5), tag=0),
        sent(data(5, b"HI new"), tag=50),
        sent(data(9, b"stranger"), tag=99),
        sent(data(6, b"more"), tag=50),
    ]
    seen = Seen(tmp_path, packets)
    assert seen.texts == [b"HI old", b"HI new", b"more"]
    assert seen.ended == 1
    strangers = [sent(data(10, b"HI old")), *(sent(data(n, b"HI %d" % n), tag=99) for n in range(70, 76))]
    assert Seen(tmp_path, strangers).texts == [b"HI old", b"HI 72", b"HI 73", b"HI 74", b"HI 75"]


def test_what_nobody_wants_is_let_go(tmp_path: Path) -> None:
    packets = [sent(data(n, b"diameter")) for n in range(IN_VAIN + 20)]
    seen = Seen(tmp_path, [*packets, sent(data(99, b"HI too late")), sent(init(7), tag=0), sent(data(7, b"HI anew"))])
    assert seen.texts == [b"HI anew"]
    assert seen.sctp.held_bytes == 0


def test_bounds_hold_with_any_input(tmp_path: Path) -> None:
    packets = []
    for number in range(600):
        ends = (f"10.0.{number >> 8}.{number & 255}", 5060), B
        packets.append(packet(*ends, data(1, b"HI"), data(2, b"begin" * 100, BEGIN), data(4, bytes(1000))))
        packets.append(packet(*ends, *(data(10 + 2 * n, bytes(100)) for n in range(10))))
    results = []
    for batch_packets in (7, 4096):
        seen = Seen(tmp_path, packets, batch_packets, max_bytes=100_000, max_associations=500)
        assert seen.sctp.peak_bytes < 100_000 + 4000
        assert len(seen.sctp) == 500
        assert seen.summary["evicted"]["sctp_associations"] == 100
        assert seen.summary["evicted"]["sctp_bytes"] > 100
        results.append((seen.said, seen.summary["evicted"]))
    assert results[0] == results[1]


def test_messages_without_end_are_given_up(tmp_path: Path) -> None:
    part = bytes(1300)
    packets = [sent(data(1, b"HI")), sent(data(2, part, BEGIN)), *(sent(data(3 + n, part, 0)) for n in range(1000))]
    seen = Seen(tmp_path, [*packets, sent(data(1003, part, END)), sent(data(1004, b"next"))])
    assert seen.texts == [b"HI", b"next"]
    assert seen.sctp.peak_bytes <= LARGEST_MESSAGE + 2000


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), lengths=st.lists(st.integers(1, 300), min_size=1, max_size=12))
def test_packets_in_any_order_give_the_same_messages(tmp_path: Path, seed: int, lengths: list[int]) -> None:
    draw = random.Random(seed)
    messages = [b"HI" + draw.randbytes(length) for length in lengths]
    first, chunks = draw.choice((0, 2**32 - 3)), list[bytes]()
    for number, text in enumerate(messages):
        size = draw.choice((7, 50, 400))
        parts = [text[at : at + size] for at in range(0, len(text), size)]
        for index, part in enumerate(parts):
            flags = (BEGIN if index == 0 else 0) | (END if index == len(parts) - 1 else 0)
            chunks.append(data(first + len(chunks), part, flags, number=number))
    packets = []
    while chunks:
        count = draw.randrange(1, 5)
        packets.append(sent(*chunks[:count]))
        del chunks[:count]
    packets += draw.sample(packets, len(packets) // 3)
    placed = sorted(range(len(packets)), key=lambda index: index + draw.uniform(0, 8))
    seen = Seen(tmp_path, [sent(init(first), tag=0), *(packets[index] for index in placed)], draw.choice((1, 5, 4096)))
    assert seen.texts == messages
    assert seen.sctp.held_bytes == 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=60), st.sampled_from(KINDS)), max_size=10))
def test_hostile_chunks_raise_nothing(tmp_path: Path, bodies: list[tuple[int, bytes, int]]) -> None:
    packets = [sent(data(1, b"HI"))]
    for side, body, kind in bodies:
        packets.append(sent(chunk(kind, body[0] if body else 0, body), body, side=side))
    seen = Seen(tmp_path, packets)
    assert seen.sctp.held_bytes >= 0
    assert seen.texts[0] == b"HI"
