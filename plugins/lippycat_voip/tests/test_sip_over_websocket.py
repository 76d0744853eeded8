"""SIP over WebSocket (RFC 7118) says what the same SIP over TCP says, however it is framed, cut and compressed."""

from __future__ import annotations

import zlib
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wrapped import call, facts, framed, over

from lippycat_core.builtin.pcapwriter import PcapWriter
from lippycat_core.builtin.websocket import WebSocket
from lippycat_core.testing.packets import write_pcap
from lippycat_core.testing.runs import run
from lippycat_core.testing.streams import frame, tcp_conversation, upgrade, upgraded
from lippycat_voip.dissector import VoipDissector, VoipOptions
from lippycat_voip.ladder import draw
from lippycat_voip.selection import Filters

CONVERSATION = [*call(1), *call(2)]
HANDSHAKE = [(0, upgrade("Cookie: " + "c" * 3000)), (1, upgraded())]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """What the same messages say over TCP, as they would over WebSocket."""
    path = tmp_path_factory.mktemp("plain") / "tcp.pcap"
    return list(over(facts(path, tcp_conversation(CONVERSATION, segment=1 << 14)), "ws"))


@pytest.mark.parametrize("batch_packets", [1, 2, 4096])
@pytest.mark.parametrize("length", [True, False])
def test_the_same_calls_as_over_tcp(tmp_path: Path, plain: list[object], length: bool, batch_packets: int) -> None:
    conversation = [*call(1, length=length), *call(2, length=length)]
    records = tcp_conversation([*HANDSHAKE, *framed(conversation)])
    assert facts(tmp_path / "ws.pcap", records, WebSocket(), batch_packets=batch_packets) == plain


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(segment=st.integers(1, 300))
def test_segments_may_be_of_any_length(tmp_path: Path, plain: list[object], segment: int) -> None:
    records = tcp_conversation([*HANDSHAKE, *framed(CONVERSATION)], segment=segment)
    assert facts(tmp_path / "ws.pcap", records, WebSocket()) == plain


def test_compressed_and_in_fragments_with_keep_alives(tmp_path: Path, plain: list[object]) -> None:
    senders = [zlib.compressobj(wbits=-15) for _ in range(2)]
    pieces = [(0, upgrade()), (1, upgraded("Sec-WebSocket-Extensions: permessage-deflate"))]
    random = Random(1)
    for side, data in CONVERSATION:
        packed = senders[side].compress(data) + senders[side].flush(zlib.Z_SYNC_FLUSH)
        packed, mask = packed.removesuffix(b"\0\0\xff\xff"), b"" if side else random.randbytes(4)
        at = random.randrange(1, len(packed))
        pieces += [
            (side, frame(packed[:at], mask=mask, compressed=True, final=False)),
            (side, frame(b"", 9, mask=mask)),
            (side, frame(packed[at:], 0, mask=mask)),
            (side, frame(b"\r\n\r\n", mask=mask)),
        ]
    assert facts(tmp_path / "ws.pcap", tcp_conversation(pieces, segment=333), WebSocket()) == plain


def test_a_capture_that_begins_behind_the_upgrade(tmp_path: Path, plain: list[object]) -> None:
    records = tcp_conversation(framed(CONVERSATION))[2:]
    assert facts(tmp_path / "ws.pcap", records, WebSocket()) == plain


def test_a_lost_segment_costs_the_messages_that_were_in_it(tmp_path: Path) -> None:
    records = tcp_conversation([*HANDSHAKE, *framed([*call(1), *call(2), *call(3)])])
    lost = [record for number, record in enumerate(records) if number != 13]  # inside call 2
    messages = [fact for fact in facts(tmp_path / "ws.pcap", lost, WebSocket()) if fact.get("record") == "message"]
    assert len(messages) == 17
    assert sum(message["call_id"] == "call-3@example.org" for message in messages) == 6


def test_web_traffic_beside_it_is_let_go(tmp_path: Path, plain: list[object]) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000)
    web = tcp_conversation(
        [(0, b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), (1, page)] * 3, ends=(("192.0.2.9", 1), ("192.0.2.10", 80))
    )
    records = sorted([*web, *tcp_conversation([*HANDSHAKE, *framed(CONVERSATION)])], key=lambda record: record.ts_ns)
    assert facts(tmp_path / "ws.pcap", records, WebSocket()) == plain


@pytest.mark.parametrize("batch_packets", [1, 4096])
def test_the_packets_of_a_call_are_those_that_its_messages_came_in(tmp_path: Path, batch_packets: int) -> None:
    before = [*HANDSHAKE, *framed(call(1)), (0, frame(b"ping", 9, mask=b"abcd"))]
    records = tcp_conversation([*before, *framed(call(2))], segment=200)
    path = write_pcap(tmp_path / "ws.pcap", records)
    dissector = VoipDissector(VoipOptions(packets=True, filters=Filters(call_ids=("call-2@example.org",))))
    out = tmp_path / "out.pcap"
    sink = dissector.packets(PcapWriter(str(out), [str(path)]))
    said = run(path, dissector, layers=[WebSocket()], sinks=[sink], batch_packets=batch_packets)
    assert [record["call_id"] for record in said.named("call")] == ["call-2@example.org"]
    theirs = records[len(tcp_conversation(before, segment=200)) :]
    written = run(out).summary
    assert (written["packets"], written["bytes"]) == (len(theirs), sum(len(record.data) for record in theirs))


def test_the_ladder_is_drawn(tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "ws.pcap", tcp_conversation([*HANDSHAKE, *framed(call(1))]))
    messages = run(path, VoipDissector(VoipOptions(messages=True)), layers=[WebSocket()]).named("message")
    drawn = draw(messages, [], 100)[1:]
    words = ("INVITE (SDP)", "180 Ringing", "200 OK (SDP)", "ACK", "BYE", "200 OK")
    assert all(word in line for word, line in zip(words, drawn, strict=True))
