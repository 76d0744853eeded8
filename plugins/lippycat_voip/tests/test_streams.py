"""Streams as docs/output.md defines them: one written conversation a rule, and a plain reference held against the kernel."""

from __future__ import annotations

import pytest
from rtp_batches import ALICE, BOB, START_NS, Datagram, end, follow, one_stream, records, rtp, segment, speech

from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_voip.streams import StreamTable

EVENT_101 = ((101, "telephone-event", 8000),)


def picked(record: dict[str, object], *names: str) -> tuple[object, ...]:
    return tuple(record[name] for name in names)


LOSS = ("packets", "expected", "lost", "duplicates", "reordered", "restarts", "stray")


def sequence(numbers: list[int]) -> list[Datagram]:
    """Packets of these sequence numbers, 20 ms apart, with timestamps that follow the numbers."""
    return [rtp(n, 160 * n, 20 * i) for i, n in enumerate(numbers)]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        pytest.param([7], (1, 1, 0, 0, 0, 0, 0), id="one packet"),
        pytest.param([1, 2, 4, 5], (4, 5, 1, 0, 0, 0, 0), id="one lost"),
        pytest.param([1, 2, 2, 3, 3, 3], (3, 3, 0, 3, 0, 0, 0), id="duplicates are no packets"),
        pytest.param([1, 3, 2, 4], (4, 4, 0, 0, 1, 0, 0), id="reordered"),
        pytest.param([1, 3, 2, 2], (3, 3, 0, 1, 1, 0, 0), id="a duplicate of a reordered one is no reordering"),
        pytest.param([65534, 65535, 0, 1], (4, 4, 0, 0, 0, 0, 0), id="wrap"),
        pytest.param([0, 65535, 1, 2], (4, 4, 0, 0, 1, 0, 0), id="a packet from before the first, over the wrap"),
        pytest.param([0, 65534, 2], (3, 5, 2, 0, 1, 0, 0), id="lowest below the first"),
        pytest.param([10, 11, 12, 5012, 13, 14], (5, 5, 0, 0, 0, 0, 1), id="a stray packet ahead"),
        pytest.param([10, 11, 12, 5012, 5013, 5014], (6, 6, 0, 0, 0, 1, 0), id="a restart ahead"),
        pytest.param([500, 501, 502, 10, 11, 13], (6, 7, 1, 0, 0, 1, 0), id="a restart behind, with a loss in the new run"),
        pytest.param([500, 501, 502, 10, 503], (4, 4, 0, 1, 0, 0, 0), id="a held one behind is a duplicate"),
        pytest.param([10, 11, 5012], (2, 2, 0, 0, 0, 0, 1), id="held at the end, ahead"),
        pytest.param([500, 501, 10], (2, 2, 0, 1, 0, 0, 0), id="held at the end, behind"),
        pytest.param([10, 11, 5012, 9000, 9001], (4, 4, 0, 0, 0, 1, 1), id="a held one gives way to the next"),
        pytest.param([10, 11, 5012, 5012, 5013], (4, 4, 0, 0, 0, 1, 1), id="only the very next packet proves a restart"),
        pytest.param([0, 3000, 3001], (3, 3002, 2999, 0, 0, 0, 0), id="3,000 ahead is loss"),
        pytest.param([0, 3001, 1], (2, 2, 0, 0, 0, 0, 1), id="3,001 ahead is held"),
        pytest.param([*range(200, 302), 201], (102, 102, 0, 1, 0, 0, 0), id="100 behind is looked up"),
        pytest.param([*range(200, 250), *range(251, 351), 250], (151, 151, 0, 0, 1, 0, 0), id="100 behind and missing is late"),
        pytest.param([*range(200, 250), *range(251, 352), 250, 352], (152, 153, 1, 1, 0, 0, 0), id="101 behind is a duplicate"),
    ],
)
def test_sequence_numbers(kernels: KernelSet, numbers: list[int], expected: tuple[int, ...]) -> None:
    assert picked(one_stream(sequence(numbers), kernels), *LOSS) == expected


def test_window_over_all_shifts(kernels: KernelSet) -> None:
    """Whatever a packet's step ahead, what was received up to 100 behind stays known."""
    for step in (1, 2, 31, 61, 62, 63, 64, 99, 100):
        record = one_stream(sequence([1000, 1001, 1001 + step, 1001, 1000 + step - (step == 1)]), kernels)
        assert record["duplicates"] == (2 if step == 1 else 1), step


def test_a_perfect_stream(kernels: KernelSet) -> None:
    record = one_stream(speech(50), kernels)
    assert record == {
        "id": 1,
        "ssrc": "0x1a2b3c4d",
        "src": "10.0.0.1:10000",
        "dst": "10.0.0.2:20000",
        "transport": "udp",
        "payload_types": [0],
        "codec": "PCMU",
        "clock_rate": 8000,
        "ptime_ms": 20,
        "media": "audio",
        "packets": 50,
        "bytes": 8000,
        "expected": 50,
        "lost": 0,
        "loss_pct": 0.0,
        "duplicates": 0,
        "reordered": 0,
        "restarts": 0,
        "stray": 0,
        "ts_jumps": 0,
        "jitter_ms": {"last": 0.0, "mean": 0.0, "max": 0.0},
        "max_gap_ms": 20.0,
        "first": "2023-11-14T22:13:20.000000000Z",
        "last": "2023-11-14T22:13:20.980000000Z",
        "first_ns": START_NS,
        "last_ns": START_NS + 980_000_000,
        "dtmf": None,
        "rtcp": None,
    }


# -- jitter (RFC 3550, A.8) ------------------------------------------------------------------------------------------


def jitter(record: dict[str, object]) -> tuple[float | None, float | None, float | None]:
    figures = record["jitter_ms"]
    assert isinstance(figures, dict)
    return figures["last"], figures["mean"], figures["max"]


def test_jitter_by_hand(kernels: KernelSet) -> None:
    """Late by 16 ms once: J rises by 16/16, the packet after it is early by as much."""
    record = one_stream([rtp(0, 0, 0), rtp(1, 160, 36), rtp(2, 320, 40), rtp(3, 480, 60)], kernels)
    j1 = 16 / 16
    j2 = j1 + (16 - j1) / 16
    j3 = j2 - j2 / 16
    assert jitter(record) == (round(j3, 6), round((j1 + j2 + j3) / 3, 6), round(j2, 6))


@pytest.mark.parametrize(
    ("clock", "codecs", "pt"),
    [
        pytest.param(8000, (), 9, id="G.722 ticks at 8 kHz though it samples at 16"),
        pytest.param(48000, ((96, "opus", 8000),), 96, id="Opus at 48 kHz whatever rtpmap says"),
        pytest.param(8000, ((97, "G722", 16000),), 97, id="G.722 by rtpmap too"),
        pytest.param(16000, ((98, "AMR-WB", 16000),), 98, id="rtpmap's clock"),
        pytest.param(90000, (), 34, id="video"),
    ],
)
def test_jitter_clock(kernels: KernelSet, clock: int, codecs: tuple[tuple[int, str, int], ...], pt: int) -> None:
    record = one_stream(speech(10, pt=pt, step=clock // 50), kernels, codecs)
    assert jitter(record) == (0.0, 0.0, 0.0)
    assert picked(record, "clock_rate", "ptime_ms") == (clock, 20)


def test_no_jitter_without_a_clock(kernels: KernelSet) -> None:
    record = one_stream(speech(10, pt=96), kernels)
    assert jitter(record) == (None, None, None)
    assert picked(record, "codec", "clock_rate", "media", "ptime_ms", "packets") == (None, None, None, None, 10)


def samples(datagrams: list[Datagram], kernels: KernelSet, codecs: tuple[tuple[int, str, int], ...] = ()) -> tuple[float, object]:
    """How many samples there were (each 16 ms late packet alone adds the same J), and ts_jumps."""
    record = one_stream(datagrams, kernels, codecs)
    last, mean, _ = jitter(record)
    if last is None or mean is None:
        return 0, record["ts_jumps"]
    return round(last, 3), record["ts_jumps"]


def test_what_begins_a_new_reference(kernels: KernelSet) -> None:
    """After each of these a packet that is 16 ms off adds no sample and J stays what it was (1.0 from the first late one)."""
    late = [rtp(0, 0, 0), rtp(1, 160, 36)]  # J = 1.0
    dull = {
        "event": [rtp(2, 320, 60, 101, payload=b"\x01\x0a\x00\xa0"), rtp(3, 480, 500)],
        "comfort noise": [rtp(2, 320, 60, 13, payload=b"\x40"), rtp(3, 480, 500)],
        "payload type": [rtp(2, 320, 500, 8)],
        "payload type and back": [rtp(2, 320, 500, 8), rtp(3, 480, 900, 0)],
        "restart": [rtp(9000, 7, 500), rtp(9001, 167, 516 + 20 - 16 + 0)],
        "unknown type": [rtp(2, 320, 500, 96), rtp(3, 480, 900)],
    }
    for what, more in dull.items():
        expected = round(1.0 - 1.0 / 16, 3) if what == "restart" else 1.0
        assert samples(late + more, kernels, EVENT_101) == (expected, 0), what


def test_a_change_of_clock_under_one_type_is_a_new_reference(kernels: KernelSet) -> None:
    """A re-INVITE gives type 96 another clock."""
    table = StreamTable()
    slow, fast = table.codec_map(((96, "AMR", 8000),)), table.codec_map(((96, "AMR-WB", 16000),))
    datagrams = [rtp(0, 0, 0, 96), rtp(1, 160, 36, 96), rtp(2, 480, 500, 96), rtp(3, 800, 520, 96)]
    table.bind(kernels)
    table.load(segment(datagrams, kernels), 3)
    table.advance(1)
    table.advance(2)
    (slot,) = table.live()
    table.announce(slot, slow)
    table.advance(3)
    table.announce(slot, fast)
    table.advance()
    assert jitter(table.record(slot))[0] == 0.0


def test_timestamp_jumps(kernels: KernelSet) -> None:
    base = [rtp(0, 0, 0), rtp(1, 160, 36)]
    assert samples([*base, rtp(2, 160 + 40001, 60)], kernels) == (1.0, 1)
    assert samples([*base, rtp(2, 160 - 40001, 60)], kernels) == (1.0, 1)
    assert samples([*base, rtp(2, 160 + 40000, 36 + 5000)], kernels) == (round(1 - 1 / 16, 3), 0)
    wrapped = [rtp(0, 2**32 - 160, 0), rtp(1, 0, 20), rtp(2, 160, 40)]
    assert samples(wrapped, kernels) == (0.0, 0)


def test_equal_timestamps_of_video_count_and_duplicates_do_not(kernels: KernelSet) -> None:
    frame = [rtp(0, 0, 0, 34), rtp(1, 0, 16, 34)]
    assert samples(frame, kernels) == (1.0, 0)
    assert samples([*frame, rtp(1, 0, 900, 34)], kernels) == (1.0, 0)


def test_reordered_packets_are_samples_in_order_of_arrival(kernels: KernelSet) -> None:
    swapped = one_stream([rtp(0, 0, 0), rtp(2, 320, 20), rtp(1, 160, 40)], kernels)
    j1 = 20 / 16
    assert jitter(swapped)[0] == round(j1 + (40 - j1) / 16, 6)


def test_silence_between_talk_spurts_is_no_jitter(kernels: KernelSet) -> None:
    """Discontinuous transmission: 3 s without packets, timestamps go on with the clock."""
    record = one_stream([*speech(10), *speech(10, first=1010, ts=5000 + 8 * 3200, ms=3200)], kernels)
    assert jitter(record) == (0.0, 0.0, 0.0)
    assert picked(record, "max_gap_ms", "ptime_ms", "ts_jumps", "lost") == (3020.0, 20, 0, 0)


# -- payload types ---------------------------------------------------------------------------------------------------


def test_codec_is_that_of_most_packets(kernels: KernelSet) -> None:
    datagrams = [*speech(3), *speech(5, first=1003, ts=5480, ms=60, pt=8)]
    datagrams += [rtp(1008 + i, 6280, 160 + i, 101, payload=b"\x05\x0a\x00\xa0") for i in range(9)]
    datagrams += [rtp(1017 + i, 6280 + i, 170 + i, 13, payload=b"\x40") for i in range(9)]
    record = one_stream(datagrams, kernels, EVENT_101)
    assert picked(record, "payload_types", "codec", "dtmf") == ([0, 8, 13, 101], "PCMA", "5")


def test_only_events_have_no_codec(kernels: KernelSet) -> None:
    record = one_stream([rtp(i, 0, i, 101, payload=b"\x05\x0a\x00\xa0") for i in range(9)], kernels, EVENT_101)
    assert picked(record, "payload_types", "codec", "clock_rate", "media") == ([101], None, None, None)


def test_more_payload_types_than_entries(kernels: KernelSet) -> None:
    types = [*range(35), *range(96, 128)]
    datagrams = speech(3) + [rtp(1003 + i, 160 * i, 60 + 20 * i, pt) for i, pt in enumerate([*types, 50])]
    record = one_stream(datagrams, kernels)
    assert picked(record, "payload_types", "codec") == (sorted({*types, 50}), "PCMU")


def test_bytes_are_the_payload_by_the_udp_length(kernels: KernelSet) -> None:
    """CSRC, extension and padding do not count; a snap length changes nothing."""
    whole = b"\xb1\x00\x00\x05" + b"\x00" * 8 + b"CSRC" + b"\xbe\xde\x00\x01" + b"EXT." + b"payload" + b"\0\0\x03"
    cut = b"\x80\x00\x00\x06" + b"\x00" * 8
    datagrams = [Datagram(whole, START_NS), Datagram(cut, START_NS + 1, wirelen=172)]
    assert picked(one_stream(datagrams, kernels), "packets", "bytes") == (2, 7 + 160)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"\x40" + bytes(30), id="version 1"),
        pytest.param(b"\x80\x00\x00", id="shorter than a header"),
        pytest.param(b"\x8f" + bytes(30), id="15 CSRC do not fit"),
        pytest.param(b"\x90" + bytes(11), id="no room for the extension's header"),
        pytest.param(b"\x90" + bytes(13) + b"\x00\x05" + bytes(8), id="the extension does not fit"),
        pytest.param(b"\xa0" + bytes(20), id="padding of 0"),
        pytest.param(b"\xa0" + bytes(20) + b"\x20", id="padding longer than the payload"),
        pytest.param(b"\x80\x48" + bytes(20), id="type 72 is RTCP's"),
        pytest.param(b"\x80\xdf" + bytes(20), id="type 95 with a marker"),
    ],
)
def test_what_is_no_rtp_packet(kernels: KernelSet, payload: bytes) -> None:
    table = StreamTable()
    follow(table, [Datagram(payload, START_NS)], kernels)
    assert list(table.live()) == []


# -- DTMF (RFC 4733) -------------------------------------------------------------------------------------------------


def press(seq: int, ts: int, ms: float, event: int, pt: int = 101, *, packets: int = 4, ends: int = 3) -> list[Datagram]:
    """A key held for `packets` updates, then its end packet `ends` times under one sequence number."""
    sent = [
        rtp(seq + i, ts, ms + 20 * i, pt, payload=bytes([event, 10, (160 * i) >> 8, (160 * i) & 255]), marker=i == 0)
        for i in range(packets)
    ]
    end_packet = bytes([event, 0x8A, (160 * packets) >> 8, (160 * packets) & 255])
    return sent + [rtp(seq + packets, ts, ms + 20 * packets, pt, payload=end_packet)] * ends


def test_digits(kernels: KernelSet) -> None:
    datagrams = [*press(0, 0, 0, 1), *press(5, 2000, 300, 2), *press(10, 4000, 600, 11), *press(15, 6000, 900, 12)]
    record = one_stream(datagrams, kernels, EVENT_101)
    assert picked(record, "dtmf", "packets", "duplicates") == ("12#A", 20, 8)


def test_repeated_end_packets_that_advance_the_number_are_packets(kernels: KernelSet) -> None:
    payload = b"\x07\x8a\x03\x20"
    record = one_stream([rtp(i, 0, i, 101, payload=payload) for i in range(3)], kernels, EVENT_101)
    assert picked(record, "dtmf", "packets", "duplicates") == ("7", 3, 0)


def test_the_same_key_twice_is_two_digits_and_a_segment_is_none(kernels: KernelSet) -> None:
    twice = [*press(0, 0, 0, 3), *press(5, 2000, 300, 3)]
    assert one_stream(twice, kernels, EVENT_101)["dtmf"] == "33"
    long = [*press(0, 2**32 - 10, 0, 3), *press(5, 65525, 9000, 3), *press(10, 65525 + 65535, 18000, 3)]
    assert one_stream(long, kernels, EVENT_101)["dtmf"] == "3"
    other = [*press(0, 0, 0, 3), *press(5, 65535, 9000, 4)]
    assert one_stream(other, kernels, EVENT_101)["dtmf"] == "34"


def test_a_late_packet_of_an_earlier_digit_is_no_digit(kernels: KernelSet) -> None:
    first, second = press(0, 0, 0, 1, ends=1), press(5, 2000, 300, 2, ends=1)
    swapped = [*first[:-1], second[0], first[-1], *second[1:]]
    assert one_stream(swapped, kernels, EVENT_101)["dtmf"] == "12"


def test_a_restart_may_repeat_a_digit(kernels: KernelSet) -> None:
    again = [*press(0, 0, 0, 1, ends=1), *press(20000, 0, 500, 1, ends=1)]
    record = one_stream(again, kernels, EVENT_101)
    assert picked(record, "dtmf", "restarts") == ("11", 1)


def test_events_that_are_no_keys(kernels: KernelSet) -> None:
    flash = [*press(0, 0, 0, 16), *press(5, 2000, 300, 9)]
    assert one_stream(flash, kernels, EVENT_101)["dtmf"] == "9"
    short = [rtp(0, 0, 0, 101, payload=b"\x01\x0a")]
    assert one_stream(short, kernels, EVENT_101)["dtmf"] is None


def test_digits_without_sdp(kernels: KernelSet) -> None:
    """A dynamic type whose payloads all are four bytes with an event up to 16; Cisco's NSE event 194 is none."""
    voice = speech(4, first=0, ts=0, ms=-100)
    assert one_stream([*voice, *press(4, 800, 0, 5, 96)], kernels)["dtmf"] == "5"
    assert one_stream([*voice, *press(4, 800, 0, 194, 100)], kernels)["dtmf"] is None
    mixed = [*voice, *press(4, 800, 0, 5, 96), rtp(9, 4000, 500, 96, payload=b"12345")]
    assert one_stream(mixed, kernels)["dtmf"] is None
    static = [rtp(i, 0, i, 18, payload=b"\x05\x0a\x00\xa0") for i in range(5)]
    assert one_stream(static, kernels)["dtmf"] is None


def test_sdp_that_comes_late_decides(kernels: KernelSet) -> None:
    for codecs, digits in (((96, "telephone-event", 8000),), "5"), (((96, "iLBC", 8000),), None):
        table = StreamTable()
        follow(table, press(0, 0, 0, 5, 96), kernels)
        (slot,) = table.live()
        table.announce(slot, table.codec_map(codecs))
        assert table.record(slot)["dtmf"] == digits


# -- identity --------------------------------------------------------------------------------------------------------


def confirmed(numbers: list[int], kernels: KernelSet, pt: int = 0) -> bool:
    table = StreamTable()
    follow(table, [rtp(n, 160 * n, 20 * i, pt) for i, n in enumerate(numbers)], kernels)
    (slot,) = table.live()
    return table.confirmed(slot)


def test_heuristic(kernels: KernelSet) -> None:
    assert confirmed([1, 2, 3, 4], kernels)
    assert confirmed([65534, 65535, 0, 1], kernels)
    assert confirmed([1, 1, 2, 2, 3, 3, 4], kernels)
    assert confirmed([1, 2, 3, 9, 10, 11, 12], kernels)
    assert confirmed([500, 501, 502, 9, 503], kernels)
    assert not confirmed([1, 2, 3], kernels)
    assert not confirmed([1, 2, 3, 3, 3], kernels)
    assert not confirmed([1, 2, 4, 5, 7, 8, 10], kernels)
    assert not confirmed([1, 2, 3, 9000, 4], kernels)
    assert not confirmed([1, 2, 3, 4, 5], kernels, pt=35)
    assert confirmed([1, 2, 3, 4], kernels, pt=127)


def test_one_stream_a_key(kernels: KernelSet) -> None:
    datagrams = [
        rtp(1, 0, 0),
        rtp(1, 0, 0, ssrc=2),
        rtp(1, 0, 0, src=end("10.0.0.1", 10002)),
        rtp(1, 0, 0, dst=end("10.0.0.2", 20002)),
        rtp(1, 0, 0, src=BOB, dst=ALICE),
        rtp(1, 0, 0, src=end("2001:db8::1", 10000), dst=end("2001:db8::2", 20000)),
        rtp(1, 0, 0, src=end("2001:db8:1::1", 10000), dst=end("2001:db8::2", 20000)),
        rtp(2, 0, 0),
    ]
    table = StreamTable()
    follow(table, datagrams, kernels)
    assert [record["id"] for record in records(table)] == [1, 2, 3, 4, 5, 6, 7]
    assert [table.key(slot) for slot in table.live()][5] == (datagrams[5].src, datagrams[5].dst, 0x1A2B3C4D)
    assert records(table)[5]["src"] == "[2001:db8::1]:10000"
    assert [table.packets(slot) for slot in table.live()] == [2, 1, 1, 1, 1, 1, 1]


def test_a_new_stream_is_told_before_its_packet_counts(kernels: KernelSet) -> None:
    seen: list[tuple[int, int, int, int]] = []
    table = StreamTable(on_new=lambda slot: seen.append((slot, table.packets(slot), table.record_id(slot), table.first_ns(slot))))
    follow(table, speech(5), kernels)
    assert seen == [(0, 0, 1, START_NS)]
    assert (table.packets(0), table.received(0), table.last_ns(0)) == (5, 5, START_NS + 80_000_000)


def test_packet_clock_at_a_new_stream(kernels: KernelSet) -> None:
    """It is the highest capture time so far, not the packet's own."""
    seen: list[int] = []
    table = StreamTable(on_new=lambda slot: seen.append(table.clock_ns()))
    follow(table, [rtp(1, 0, 50), rtp(1, 0, 20, ssrc=2), rtp(1, 0, 70, ssrc=3)], kernels)
    assert seen == [START_NS + 50_000_000, START_NS + 50_000_000, START_NS + 70_000_000]


def test_received_counts_everything(kernels: KernelSet) -> None:
    table = StreamTable()
    follow(table, sequence([10, 11, 11, 9000, 12, 5]), kernels)
    (slot,) = table.live()
    assert (table.packets(slot), table.received(slot)) == (4, 6)
    follow(table, sequence([9000]), kernels)
    assert table.received(slot) == 7


def test_close_and_expire_begin_a_new_stream(kernels: KernelSet) -> None:
    table = StreamTable()
    datagrams = speech(10)
    table.bind(kernels)
    table.load(segment(datagrams, kernels), 3)
    table.advance(4)
    table.close(0)
    table.advance(6)
    assert [record["packets"] for record in records(table)] == [3, 2]
    table.expire_at(1, datagrams[6].ns)
    table.advance()
    assert [(record["id"], record["packets"]) for record in records(table)] == [(1, 3), (4, 4), (8, 3)]
    assert [table.announced(slot) for slot in table.live()] == [False] * 3


def test_release_makes_room_and_keeps_others_reachable(kernels: KernelSet) -> None:
    table = StreamTable()
    datagrams = [rtp(1, 0, 0, ssrc=ssrc) for ssrc in range(2000)]
    follow(table, datagrams, kernels)
    for slot in range(0, 2000, 2):
        table.release(slot)
    assert len(table) == 1000
    follow(table, [rtp(2, 160, 20, ssrc=ssrc) for ssrc in range(2000)], kernels)
    assert len(table) == 2000
    assert sorted(table.key(slot)[2] for slot in table.live()) == list(range(2000))
    assert all(table.packets(slot) == (2 if table.key(slot)[2] % 2 else 1) for slot in table.live())


def test_sweep_forgets_candidates_only(kernels: KernelSet) -> None:
    table = StreamTable(on_new=lambda slot: table.announce(slot, 0) if table.key(slot)[2] == 7 else None)
    follow(table, [*speech(5), rtp(1, 0, 0, ssrc=7), rtp(1, 0, 0, ssrc=8), rtp(1, 0, 100, ssrc=9)], kernels)
    assert table.sweep(START_NS + 32_000_000_000) == []
    assert table.sweep(START_NS + 32_000_000_001) == [2]
    assert table.sweep(START_NS + 33_000_000_000) == [3]
    assert list(table.live()) == [0, 1]


def test_a_full_table_gives_up_candidates_then_closed_then_oldest(kernels: KernelSet) -> None:
    gone: list[int] = []
    table = StreamTable(max_streams=4, on_evict=lambda slot: gone.append(table.key(slot)[2]))
    for ssrc in (1, 2, 3):
        follow(table, [rtp(n, 160 * n, 20 * n + ssrc, ssrc=ssrc) for n in range(4)], kernels)
    table.close(2)
    follow(table, [rtp(0, 0, 900, ssrc=4)], kernels)
    for ssrc in (5, 6, 7):
        follow(table, [rtp(n, 160 * n, 1000 + 20 * n + ssrc, ssrc=ssrc) for n in range(4)], kernels)
    assert gone == [4, 3, 1]
    assert table.evicted == 3
    assert sorted(table.key(slot)[2] for slot in table.live()) == [2, 5, 6, 7]


def test_lone_candidates_stay_bounded(kernels: KernelSet) -> None:
    table = StreamTable(max_streams=64)
    follow(table, [rtp(1, 0, i, ssrc=i, src=end("10.0.0.1", 1024 + i)) for i in range(3000)], kernels, cut=500)
    assert len(table) <= 64
    assert table.evicted == 3000 - len(table)
    kept = len(table)
    assert len(table.sweep(START_NS + 10**12)) == kept
    assert table.sweep(START_NS + 2 * 10**12) == []


def test_maps_are_interned_and_bounded() -> None:
    table = StreamTable()
    assert table.codec_map(()) == 0
    first = table.codec_map(((96, "opus", 48000),))
    assert table.codec_map(((96, "opus", 48000),)) == first != 0
    numbers = {table.codec_map(((96, "opus", rate),)) for rate in range(1, 5000)}
    assert len(numbers) == 4096 - 1
    assert 0 in numbers


def test_interpreted_table_can_be_bound_again(kernels: KernelSet) -> None:
    """The pipeline changes kernels between two batches."""
    table = StreamTable()
    follow(table, speech(20), Interpreted())
    follow(table, speech(20, first=1020, ts=5000 + 3200, ms=400), kernels)
    assert records(table) == [one_stream(speech(40), kernels)]


def test_sweep_looks_again_at_what_goes_on(kernels: KernelSet) -> None:
    """A candidate that speaks every 20 s stays; one whose slot was taken over by another stream is not mistaken for it."""
    table = StreamTable()
    follow(table, [rtp(1, 0, 0, ssrc=1), rtp(1, 0, 0, ssrc=2)], kernels)
    table.release(1)
    follow(table, [rtp(9, 0, 20_000, ssrc=1), rtp(1, 0, 31_000, ssrc=3)], kernels)
    assert table.key(1)[2] == 3
    assert table.sweep(START_NS + 33_000_000_000) == []
    assert table.sweep(START_NS + 53_000_000_000) == [0]
    assert table.sweep(START_NS + 64_000_000_000) == [1]
    assert len(table) == 0


def test_an_owner_may_release_more_than_is_evicted(kernels: KernelSet) -> None:
    told: list[int] = []

    def gone(slot: int) -> None:
        told.append(slot)
        for other in list(table.live()):
            table.release(other)

    table = StreamTable(max_streams=64, on_evict=gone)
    follow(table, [rtp(1, 0, i, ssrc=i) for i in range(65)], kernels)
    assert told == [0]
    assert (table.evicted, len(table)) == (1, 1)
