"""RTCP: what is a compound packet, what reports say, and to which stream they belong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtp_batches import (
    ALICE,
    ALICE_RTCP,
    BOB,
    BOB_RTCP,
    RECEIVER_REPORT,
    SENDER_REPORT,
    Datagram,
    end,
    follow,
    report_block,
    rtcp,
    rtcp_packet,
    rtp,
    speech,
)

from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_voip.kernels.rtcp import compound, reports
from lippycat_voip.stream_columns import R_WIDTH
from lippycat_voip.streams import StreamTable

SSRC = 0x1A2B3C4D
SDES = b"\x81\xca\x00\x03" + b"\x1a\x2b\x3c\x4d" + b"\x01\x03a@b\x00\x00\x00"
BYE = b"\x81\xcb\x00\x01" + b"\x1a\x2b\x3c\x4d"
SR = rtcp_packet(SENDER_REPORT, SSRC, report_block(7), ntp=0x11112222)
RR = rtcp_packet(RECEIVER_REPORT, 7, report_block(SSRC))


def count(data: bytes, caplen: int | None = None) -> int:
    slab = Interpreted().view(np.frombuffer(data + bytes(1), np.uint8))
    return compound(slab, 0, len(data) if caplen is None else caplen, len(data))


def test_compound_packets() -> None:
    assert count(SR) == 1
    assert count(RR) == 1
    assert count(SR + SDES + BYE) == 3
    assert count(rtcp_packet(RECEIVER_REPORT, 7)) == 1


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(SR[:-4], id="cut"),
        pytest.param(SR + b"\0\0\0\0", id="four bytes too many"),
        pytest.param(SR + b"\x81", id="one byte too many"),
        pytest.param(b"\x41" + SR[1:], id="version 1"),
        pytest.param(SDES + SR, id="SDES first"),
        pytest.param(BYE, id="BYE alone"),
        pytest.param(SR + b"\x80\xc7\x00\x00", id="type 199"),
        pytest.param(b"\xa1" + SR[1:] + SDES, id="padding before the end"),
        pytest.param(b"\x9f" + SR[1:], id="31 blocks do not fit"),
    ],
)
def test_no_compound_packet(data: bytes) -> None:
    assert count(data) == 0


def test_snap_length() -> None:
    assert count(SR + SDES, caplen=len(SR) + 2) == 1
    assert count(SR + SDES, caplen=20) == 1


def test_reports_of_a_datagram(kernels: KernelSet) -> None:
    blocks = [report_block(5, fraction=64, lost=-3, highest=70000, jitter=80, lsr=0x1234, dlsr=65536), report_block(6)]
    data = rtcp_packet(SENDER_REPORT, 9, *blocks, ntp=0xAABBCCDD) + SDES + RR
    out = np.zeros(8 * R_WIDTH, np.int64)
    slab = kernels.view(np.frombuffer(data, np.uint8).copy())
    assert kernels[reports](slab, 0, len(data), kernels.view(out)) == 4
    assert out.reshape(-1, R_WIDTH)[:4].tolist() == [
        [0, 9, 9, 0xAABBCCDD, 0, 0, 0, 0, 0, 0],
        [1, 9, 5, 0, -3, 70000, 80, 0x1234, 65536, 64],
        [1, 9, 6, 0, 0, 0, 0, 0, 0, 0],
        [1, 7, SSRC, 0, 0, 0, 0, 0, 0, 0],
    ]
    assert kernels[reports](slab, 0, len(data) - 1, kernels.view(out)) == 3
    assert kernels[reports](slab, 0, len(data), kernels.view(out[: 2 * R_WIDTH])) == 2


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=120), head=st.sampled_from([b"", b"\x82\xc8\x00\x0c", b"\x9f\xc9\x00\x20", SR]))
def test_random_reports_stay_inside(data: bytes, head: bytes) -> None:
    slab = Interpreted().view(np.frombuffer(head + data + b"\0", np.uint8))
    out = np.zeros(4 * R_WIDTH, np.int64)
    assert 0 <= reports(slab, 0, len(head + data), Interpreted().view(out)) <= 4
    assert compound(slab, 0, len(head + data), len(head + data)) >= 0


def both_ways(kernels: KernelSet, reports_after: list[Datagram], codecs: tuple[tuple[int, str, int], ...] = ()) -> StreamTable:
    """Alice's stream (slot 0) and Bob's with SSRC 7 (slot 1), 100 packets each from sequence number 1000, then RTCP."""
    table = StreamTable(on_new=lambda slot: table.announce(slot, table.codec_map(codecs)) if codecs else None)
    media = [d for i in range(100) for d in (speech(100)[i], rtp(1000 + i, 160 * i, 20 * i, ssrc=7, src=BOB, dst=ALICE))]
    follow(table, media + reports_after, kernels)
    return table


def test_reports_find_their_streams(kernels: KernelSet) -> None:
    block = report_block(SSRC, fraction=26, lost=5, highest=1099, jitter=40)
    table = both_ways(kernels, [rtcp(SR + SDES, 2000), rtcp(rtcp_packet(RECEIVER_REPORT, 7, block), 2100, BOB_RTCP, ALICE_RTCP)])
    assert table.record(0)["rtcp"] == {
        "sr": 1,
        "rr": 1,
        "reported_lost": 5,
        "reported_loss_pct": 5.0,
        "reported_jitter_ms": 5.0,
        "rtt_ms": None,
    }
    # SR carried a block about SSRC 7 as well: that is Bob's stream, seen by Alice
    assert table.record(1)["rtcp"] == {
        "sr": 0,
        "rr": 1,
        "reported_lost": 0,
        "reported_loss_pct": 0.0,
        "reported_jitter_ms": 0.0,
        "rtt_ms": None,
    }
    assert table.rtcp_packets == 2


def test_no_reports_is_none(kernels: KernelSet) -> None:
    table = both_ways(kernels, [rtcp(rtcp_packet(RECEIVER_REPORT, 3, report_block(4)), 2000)])
    assert table.record(0)["rtcp"] is None
    assert table.rtcp_packets == 1


def test_every_datagram_is_told(kernels: KernelSet) -> None:
    told: list[tuple[object, object]] = []
    table = StreamTable(on_rtcp=lambda src, dst: told.append((src, dst)))
    follow(table, [rtcp(SR, 0), rtcp(RR + BYE, 1, BOB_RTCP, ALICE_RTCP)], kernels)
    assert told == [(ALICE_RTCP, BOB_RTCP), (BOB_RTCP, ALICE_RTCP)]


def test_only_sdp_makes_rtcp_of_what_does_not_add_up(kernels: KernelSet) -> None:
    """Two bytes too many, a reduced-size packet (RFC 5506), SRTCP: RTCP where SDP announced it, else nothing known."""
    odd = [rtcp(SR + b"\0\0", 0), rtcp(BYE, 1), rtcp(SR + b"\x80\0\0\x01" + b"a" * 10, 2)]
    table = StreamTable()
    follow(table, [*speech(4), *odd, rtcp(SR, 3)], kernels)
    assert table.rtcp_packets == 1
    asked: list[tuple[object, object]] = []
    table = StreamTable(rtcp_announced=lambda src, dst: asked.append((src, dst)) is None)
    follow(table, [*speech(4), *odd, rtcp(SR, 3)], kernels)
    assert table.rtcp_packets == 4
    assert asked == [(ALICE_RTCP, BOB_RTCP)] * 3
    reported = table.record(0)["rtcp"]
    assert isinstance(reported, dict)
    assert reported["sr"] == 3


def test_round_trip_from_the_probe(kernels: KernelSet) -> None:
    """SR passes at 2000 ms, Bob holds it for 50 ms, his answer passes at 2080 ms: 30 ms to Bob and back."""
    answer = rtcp_packet(RECEIVER_REPORT, 7, report_block(SSRC, lsr=0x11112222, dlsr=65536 // 20))
    table = both_ways(kernels, [rtcp(SR, 2000), rtcp(answer, 2080, BOB_RTCP, ALICE_RTCP)])
    reported = table.record(0)["rtcp"]
    assert isinstance(reported, dict)
    assert reported["rtt_ms"] == pytest.approx(30, abs=0.02)


def test_a_round_trip_that_would_be_negative_is_none(kernels: KernelSet) -> None:
    answer = rtcp_packet(RECEIVER_REPORT, 7, report_block(SSRC, lsr=0x11112222, dlsr=65536))
    table = both_ways(kernels, [rtcp(SR, 2000), rtcp(answer, 2080, BOB_RTCP, ALICE_RTCP)])
    reported = table.record(0)["rtcp"]
    assert isinstance(reported, dict)
    assert reported["rtt_ms"] is None


def test_multiplexed_and_unusual_ports(kernels: KernelSet) -> None:
    """RTCP on the RTP ports (RFC 5761), and between the right addresses on ports that tell nothing."""
    for src, dst in ((BOB, ALICE), (end("10.0.0.2", 40001), end("10.0.0.1", 50001))):
        table = both_ways(kernels, [rtcp(RR, 2000, src, dst)])
        assert isinstance(table.record(0)["rtcp"], dict)
    table = both_ways(kernels, [rtcp(RR, 2000, end("10.0.0.3", 20001), ALICE_RTCP), rtcp(RR, 2000, ALICE_RTCP, BOB_RTCP)])
    assert table.record(0)["rtcp"] is None


def test_ports_tell_streams_of_one_ssrc_apart(kernels: KernelSet) -> None:
    table = StreamTable()
    moved = end("10.0.0.1", 12000)
    streams = [rtp(i, 160 * i, 20 * i, src=src) for src in (ALICE, moved, end("10.0.0.1", 14000)) for i in range(4)]
    follow(table, [*streams, rtcp(RR, 200, BOB_RTCP, ALICE_RTCP), rtcp(RR, 300, BOB_RTCP, end("10.0.0.1", 12001))], kernels)
    assert [table.record(slot)["rtcp"] is not None for slot in range(3)] == [True, True, False]
    table.release(1)
    table.release(0)
    follow(table, [rtcp(RR, 400, BOB_RTCP, ALICE_RTCP)], kernels)
    assert table.record(2)["rtcp"] is not None


def test_signed_loss_and_a_receiver_that_counts_from_elsewhere(kernels: KernelSet) -> None:
    more_than_sent = report_block(SSRC, lost=-4, highest=1099)
    table = both_ways(kernels, [rtcp(rtcp_packet(RECEIVER_REPORT, 7, more_than_sent), 2000, BOB_RTCP, ALICE_RTCP)])
    reported = table.record(0)["rtcp"]
    assert isinstance(reported, dict)
    assert (reported["reported_lost"], reported["reported_loss_pct"]) == (-4, 0.0)
    elsewhere = report_block(SSRC, lost=40, highest=900, fraction=64)
    table = both_ways(kernels, [rtcp(rtcp_packet(RECEIVER_REPORT, 7, elsewhere), 2000, BOB_RTCP, ALICE_RTCP)])
    reported = table.record(0)["rtcp"]
    assert isinstance(reported, dict)
    assert (reported["reported_lost"], reported["reported_loss_pct"]) == (40, 25.0)


def test_reported_jitter_needs_a_clock(kernels: KernelSet) -> None:
    table = StreamTable()
    block = report_block(SSRC, jitter=40)
    follow(table, [*speech(5, pt=96), rtcp(rtcp_packet(RECEIVER_REPORT, 7, block), 2000, BOB_RTCP, ALICE_RTCP)], kernels)
    reported = table.record(0)["rtcp"]
    assert isinstance(reported, dict)
    assert reported["reported_jitter_ms"] is None
    table.announce(0, table.codec_map(((96, "opus", 48000),)))
    reported = table.record(0)["rtcp"]
    assert isinstance(reported, dict)
    assert reported["reported_jitter_ms"] == round(40 / 48, 6)
