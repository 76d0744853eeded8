"""The RTP kernels against a slow reference, in any slicing, over random impairments and random bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rtp_batches import BASE, START_NS, Datagram, follow, records, rtp, segment
from stream_reference import Packet, Reference

from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_voip.columns import K_RTCP, K_RTP
from lippycat_voip.kernels.cells import pair, rtp_payload
from lippycat_voip.stream_records import unpair
from lippycat_voip.streams import StreamTable

CODECS = ((96, "opus", 48000), (101, "telephone-event", 8000))
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# What happens to the next packet: most often nothing, else one of the impairments of the rules.
STEPS = st.sampled_from([1] * 30 + [0, 0, 2, 3, -1, -2, 50, -50, -100, -101, 62, 124, 3000, 3001, 20000, -20000])
TYPES = st.sampled_from([0] * 20 + [8, 9, 13, 13, 34, 96, 101, 101])
TICKS = st.sampled_from([160] * 20 + [0, 320, 960, -160, 40000, 40001, 65535, 2**31, 10**6])
WAITS = st.integers(-5_000_000, 60_000_000)
EVENTS = st.sampled_from(
    [b"\x01\x0a\x00\xa0", b"\x0b\x8a\x00\xa0", b"\x10\x0a\x00\xa0", b"\xc2\x00\x00\x00", b"\x01", b"\x05\x00\x00\x00\x00"]
)


@st.composite
def impaired(draw: st.DrawFn) -> list[Packet]:
    seq, ts, ns = draw(st.sampled_from([0, 1, 100, 65530, 30000])), draw(st.sampled_from([0, 2**32 - 500, 7])), START_NS
    packets = []
    for step, pt, tick, wait in draw(st.lists(st.tuples(STEPS, TYPES, TICKS, WAITS), min_size=1, max_size=60)):
        payload = draw(EVENTS) if pt == 101 else b"\xff" * draw(st.sampled_from([0, 1, 4, 160]))
        packets.append(Packet(seq % 65536, ts % 2**32, ns, pt, payload))
        seq, ts, ns = seq + step, ts + tick, ns + wait
    return packets


def written(packets: list[Packet]) -> list[Datagram]:
    return [rtp(p.seq, p.ts, 0, p.pt, payload=p.payload)._replace(ns=p.ns) for p in packets]


def table_for_sdp() -> StreamTable:
    table = StreamTable(on_new=lambda slot: table.announce(slot, table.codec_map(CODECS)))
    return table


@SETTINGS
@given(packets=impaired())
def test_kernel_equals_reference(kernels: KernelSet, packets: list[Packet]) -> None:
    reference = Reference()
    for packet in packets:
        reference.feed(packet)
    table = table_for_sdp()
    follow(table, written(packets), kernels)
    (record,) = records(table)
    expected = reference.record()
    most = expected.pop("most")
    figures, wanted = record.pop("jitter_ms"), expected.pop("jitter_ms")
    assert isinstance(figures, dict)
    assert figures == pytest.approx(wanted, abs=2e-6)
    assert {name: record[name] for name in expected} == expected
    assert (record["codec"] is None) == (most == 0)


@SETTINGS
@given(packets=impaired(), other=impaired(), cut=st.integers(1, 20), slices=st.lists(st.integers(0, 120), max_size=8))
def test_any_slicing_gives_the_same(
    kernels: KernelSet, packets: list[Packet], other: list[Packet], cut: int, slices: list[int]
) -> None:
    """Two streams in one capture: whole, interpreted, against any batch size with `advance` called at any records."""
    datagrams = written(packets) + [datagram._replace(dst=datagram.src) for datagram in written(other)]
    datagrams.sort(key=lambda datagram: datagram.ns)
    whole, sliced = table_for_sdp(), table_for_sdp()
    follow(whole, datagrams, Interpreted())
    follow(sliced, datagrams, kernels, cut, sorted(slices))
    assert records(sliced) == records(whole)


@SETTINGS
@given(payload=st.binary(max_size=40), wire=st.integers(0, 60), kind=st.sampled_from([K_RTP, K_RTCP]))
def test_random_bytes(kernels: KernelSet, payload: bytes, wire: int, kind: int) -> None:
    """Whatever is called RTP or RTCP gives a stream or nothing, the same in both forms, and never reads past its bytes."""
    for head in (b"", b"\x80", b"\xb1\x80", b"\x81\xc8", b"\x81\xc9\x00\x07"):
        datagram = Datagram(head + payload, START_NS, kind=kind, wirelen=max(wire, len(head + payload)))
        plain, table = StreamTable(), StreamTable()
        follow(plain, [datagram] * 2, Interpreted())
        follow(table, [datagram] * 2, kernels)
        assert records(table) == records(plain)
        assert table.rtcp_packets == plain.rtcp_packets <= (2 if kind == K_RTCP else 0)


@SETTINGS
@given(payload=st.binary(min_size=1, max_size=60))
def test_payload_lies_in_the_datagram(payload: bytes) -> None:
    for first in (0x80, 0x8F, 0x90, 0xA0, 0xB3):
        data = np.frombuffer(bytes([first]) + payload, np.uint8)
        start, length = rtp_payload(Interpreted().view(data), 0, len(data), len(data))
        assert start == -1 or (start >= 12 and length >= 0 and start + length <= len(data))


@given(high=st.integers(0, 2**32 - 1), low=st.integers(0, 2**32 - 1))
def test_two_words_in_one(high: int, low: int) -> None:
    assert -(2**63) <= pair(high, low) < 2**63
    assert unpair(pair(high, low)) == (high, low)


def test_rows_of_others_are_left_alone(kernels: KernelSet) -> None:
    table = StreamTable()
    table.bind(kernels)
    made = segment([rtp(1, 0, 0)._replace(kind=kind) for kind in (-1, -2, -3, 0, 3, 5, K_RTP)], kernels)
    assert table.load(made, BASE) == 1
    table.advance()
    assert [record["id"] for record in records(table)] == [7]


def test_a_stream_outlives_growth_of_every_table(kernels: KernelSet) -> None:
    """3,000 streams, two packets each: rows and index grow more than once in between."""
    table = StreamTable()
    follow(table, [rtp(n, 160 * n, 20 * n, ssrc=ssrc) for n in range(2) for ssrc in range(3000)], kernels, cut=700)
    assert {table.packets(slot) for slot in table.live()} == {2}
    assert len(table) == 3000
