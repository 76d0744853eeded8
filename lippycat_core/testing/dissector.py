"""Conformance of dissectors: derive, name your class and a conversation, and run pytest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.events import Event
from lippycat_core.interfaces.dissect import Claim, Dissector, FlowInfo
from lippycat_core.testing.packets import SYN, Record, ethernet, tcp, udp, write_pcap
from lippycat_core.testing.runs import run

Said = tuple[str, Mapping[str, object]]

CLIENT, SERVER = ("192.0.2.1", 40000), "198.51.100.1"


class DissectorSuite:
    """Holds a `Dissector` to its contract.

    Set `dissector` (the class), `conversation` (what was sent as (side, bytes); side 0 is the client), `port` (the server's),
    `transport`, and `expected` (what it says as (name, fields), in order).
    """

    dissector: ClassVar[type[Dissector]]
    conversation: ClassVar[Sequence[tuple[int, bytes]]]
    expected: ClassVar[Sequence[Said]]
    port: ClassVar[int]
    transport: ClassVar[Literal["udp", "tcp"]] = "udp"

    def _flow(self) -> FlowInfo:
        return FlowInfo(self.transport, *CLIENT, SERVER, self.port)

    def _feed(self, pieces: Sequence[tuple[int, bytes]]) -> list[Said]:
        session = self.dissector().open(self._flow())
        said: list[Said] = []
        for number, (side, data) in enumerate(pieces):
            for item in session.feed(side, data, number):
                said.append((item.name, item.fields) if isinstance(item, Event) else item)
        return said

    def test_class_names_itself_and_its_claims(self) -> None:
        assert self.dissector.name
        assert all(isinstance(claim, Claim) for claim in self.dissector.claims)
        ports = [claim.ports for claim in self.dissector.claims if claim.transport == self.transport]
        assert any(not p or self.port in p for p in ports), f"no {self.transport} claim takes port {self.port}"

    def test_conversation_says_what_is_expected(self) -> None:
        assert self._feed(self.conversation) == list(self.expected)

    def test_what_it_says_is_json(self) -> None:
        for name, fields in self._feed(self.conversation):
            assert json.loads(json.dumps(fields)) == fields, f"{name} changes when it is written as JSON"

    def test_stream_may_be_cut_anywhere(self) -> None:
        if self.transport != "tcp":
            assert self._feed(self.conversation) == list(self.expected)
            return
        for index, (side, data) in enumerate(self.conversation):
            for at in range(1, len(data)):
                pieces = [*self.conversation[:index], (side, data[:at]), (side, data[at:]), *self.conversation[index + 1 :]]
                assert self._feed(pieces) == list(self.expected), f"cut at byte {at} of message {index}"

    def test_hostile_bytes_never_raise(self) -> None:
        whole = b"".join(part for _, part in self.conversation)

        @settings(max_examples=200, deadline=None)
        @given(data=st.binary(max_size=300), side=st.integers(0, 1), cut=st.integers(0, len(whole)))
        def never_raise(data: bytes, side: int, cut: int) -> None:
            for hostile in (data, whole[:cut], whole[:cut] + data):
                for name, _ in self._feed([(side, hostile)]):
                    assert name

        never_raise()

    @pytest.mark.parametrize("batch_packets", [1, 2, 4096])
    def test_runs_in_the_pipeline(self, tmp_path: Path, batch_packets: int) -> None:
        capture = write_pcap(tmp_path / "conversation.pcap", self._packets())
        result = run(capture, self.dissector(), batch_packets=batch_packets)
        records: list[dict[str, Any]] = [dict(record) for record in result.records[:-1]]
        for record in records:
            del record["schema"]
        assert records == [{"record": name, **fields} for name, fields in self.expected]
        assert result.summary["accounting"] == {
            "captured": len(self._packets()),
            "delivered": len(self._packets()),
            "filtered": 0,
            "dropped": {},
            "undecodable": {},
        }

    def _packets(self) -> list[Record]:
        ends = [CLIENT, (SERVER, self.port)]
        if self.transport == "udp":
            return [
                Record(number * 1_000_000, ethernet(udp(*ends[side], *ends[1 - side], data)))
                for number, (side, data) in enumerate(self.conversation)
            ]
        seq = [1000, 5000]
        records = [Record(0, ethernet(tcp(*ends[0], *ends[1], seq[0] - 1, flags=SYN)))]
        for number, (side, data) in enumerate(self.conversation, 1):
            packet = tcp(*ends[side], *ends[1 - side], seq[side], data, ack=seq[1 - side])
            records.append(Record(number * 1_000_000, ethernet(packet)))
            seq[side] += len(data)
        return records
