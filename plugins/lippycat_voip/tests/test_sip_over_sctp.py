"""SIP over SCTP (RFC 4168) says what the same SIP over TCP says; each user message is one SIP message."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from wrapped import call, facts, over

from lippycat_core.builtin.pcapwriter import PcapWriter
from lippycat_core.testing.packets import Record, write_pcap
from lippycat_core.testing.runs import run
from lippycat_core.testing.sctp import BEGIN, END, WHOLE, data, init, packet, sack
from lippycat_core.testing.streams import tcp_conversation
from lippycat_voip.dissector import VoipDissector, VoipOptions
from lippycat_voip.selection import Filters

CONVERSATION = [*call(1), *call(2)]
ENDS = (("192.0.2.1", 5060), ("198.51.100.1", 5060))


def association(conversation: list[tuple[int, bytes]], *, size: int = 1400, over_udp: bool = False) -> list[Record]:
    """The conversation in DATA chunks of at most `size` bytes, each packet acknowledged."""
    tsn = [1000, 5000]
    packets = [
        packet(*ENDS, init(tsn[0]), tag=0, over_udp=over_udp),
        packet(ENDS[1], ENDS[0], init(tsn[1], ack=True), tag=8, over_udp=over_udp),
    ]
    for number, (side, text) in enumerate(conversation):
        ends = ENDS if side == 0 else (ENDS[1], ENDS[0])
        parts = [text[at : at + size] for at in range(0, len(text), size)]
        for index, part in enumerate(parts):
            flags = (BEGIN if index == 0 else 0) | (END if index == len(parts) - 1 else 0)
            packets.append(packet(*ends, data(tsn[side], part, flags, number=number), tag=7 + side, over_udp=over_udp))
            packets.append(packet(*ends[::-1], sack(tsn[side]), tag=8 - side, over_udp=over_udp))
            tsn[side] += 1
    return [Record(number * 1_000_000, one) for number, one in enumerate(packets)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("plain") / "tcp.pcap"
    return over(facts(path, tcp_conversation(CONVERSATION)), "sctp")


@pytest.mark.parametrize("batch_packets", [1, 4096])
@pytest.mark.parametrize("size", [1400, 70])
@pytest.mark.parametrize("length", [True, False])
def test_the_same_calls_as_over_tcp(tmp_path: Path, plain: Any, size: int, length: bool, batch_packets: int) -> None:
    records = association([*call(1, length=length), *call(2, length=length)], size=size)
    assert facts(tmp_path / "sctp.pcap", records, batch_packets=batch_packets) == plain


def test_in_udp(tmp_path: Path, plain: Any) -> None:
    assert facts(tmp_path / "sctp.pcap", association(CONVERSATION, over_udp=True)) == plain


def test_bundled_and_with_a_keep_alive(tmp_path: Path, plain: Any) -> None:
    """All that a side says in a row lies in one packet."""
    packets: list[bytes] = []
    tsn = [1, 1]
    for side, text in CONVERSATION:
        ends = ENDS if side == 0 else ENDS[::-1]
        chunks = [data(tsn[side], b"\r\n\r\n", WHOLE), data(tsn[side] + 1, text, WHOLE)]
        packets.append(packet(*ends, *chunks, tag=7 + side))
        tsn[side] += 2
    records = [Record(number * 1_000_000, one) for number, one in enumerate(packets)]
    assert facts(tmp_path / "sctp.pcap", records) == plain


@pytest.mark.parametrize("batch_packets", [1, 4096])
def test_the_packets_of_a_call_are_those_that_its_messages_came_in(tmp_path: Path, batch_packets: int) -> None:
    records = association(CONVERSATION, size=100)
    path = write_pcap(tmp_path / "sctp.pcap", records)
    dissector = VoipDissector(VoipOptions(packets=True, filters=Filters(call_ids=("call-2@example.org",))))
    sink = dissector.packets(PcapWriter(str(tmp_path / "out.pcap"), [str(path)]))
    run(path, dissector, sinks=[sink], batch_packets=batch_packets)
    theirs = [record.data for record in records[len(association(call(1), size=100)) :]][::2]  # without what acknowledges
    written = run(tmp_path / "out.pcap").summary
    assert (written["packets"], written["bytes"]) == (len(theirs), sum(map(len, theirs)))


def test_the_command_with_a_filter(tmp_path: Path) -> None:
    pytest.importorskip("pcapy", reason="pcapy-ng is not installed: -f not tested")
    lc = Path(sys.executable).with_name("lc")
    if not lc.exists():
        pytest.skip("no lc beside the interpreter: install lippycat-core")
    path = write_pcap(tmp_path / "sctp.pcap", association(CONVERSATION))
    for expression, count in (("sctp port 5060", 2), ("sctp", 2), ("sctp port 5061", 0), ("udp", 0)):
        command = [str(lc), "sniff", "voip", "-r", str(path), "-f", expression]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        calls = [record for line in done.stdout.splitlines() if (record := json.loads(line))["record"] == "call"]
        assert [record["transport"] for record in calls] == [["sctp"]] * count
