"""Two calls as messages of both sides, and what they become inside other protocols: for tests of what carries SIP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lippycat_core.interfaces.layer import StreamLayer
from lippycat_core.testing.packets import Record, write_pcap
from lippycat_core.testing.runs import run
from lippycat_core.testing.streams import TEXT, frame
from lippycat_voip.dissector import VoipDissector, VoipOptions

Said = tuple[int, bytes]

SDP = "\r\n".join(["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0", "m=audio 30000 RTP/AVP 0", ""])


def message(start: str, call: int, cseq: str, *, length: bool, body: str = "", to_tag: str = "") -> bytes:
    """A message; without `length` it has no Content-Length, as RFC 7118 and RFC 4168 allow."""
    lines = [
        start,
        f"Via: SIP/2.0/WS 192.0.2.1;branch=z9hG4bK{call}{cseq.replace(' ', '')}",
        f"From: <sip:alice@example.org>;tag=a{call}",
        "To: <sip:bob@example.org>" + (f";tag={to_tag}" if to_tag else ""),
        f"Call-ID: call-{call}@example.org",
        f"CSeq: {cseq}",
        *(["Content-Type: application/sdp"] if body else []),
        *([f"Content-Length: {len(body)}"] if length else []),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def call(number: int, *, length: bool = True) -> list[Said]:
    """A call from the client with an early answer, ended by the server."""
    tag = f"b{number}"

    def said(start: str, cseq: str, body: str = "", to_tag: str = tag) -> bytes:
        return message(start, number, cseq, length=length, body=body, to_tag=to_tag)

    return [
        (0, said("INVITE sip:bob@example.org SIP/2.0", "1 INVITE", SDP, "")),
        (1, said("SIP/2.0 180 Ringing", "1 INVITE")),
        (1, said("SIP/2.0 200 OK", "1 INVITE", SDP)),
        (0, said("ACK sip:bob@example.org SIP/2.0", "1 ACK")),
        (1, said("BYE sip:alice@example.org SIP/2.0", "2 BYE")),
        (0, said("SIP/2.0 200 OK", "2 BYE")),
    ]


def framed(conversation: Sequence[Said]) -> list[Said]:
    """Each message as a WebSocket message; the client's are masked."""
    return [(side, frame(data, TEXT, mask=b"" if side else b"\x01\x7f\x80\xff")) for side, data in conversation]


def facts(
    path: Path, records: Sequence[Record], *layers: StreamLayer, batch_packets: int = 4096, **how: Any
) -> list[Mapping[str, object]]:
    """What the calls and messages of a capture say, without what depends on how they were carried."""
    result = run(
        write_pcap(path, records),
        VoipDissector(VoipOptions(messages=True)),
        layers=layers,
        batch_packets=batch_packets,
        **how,
    )
    kept = ("record", "call_id", "method", "code", "reason", "state", "cseq", "kind", "sdp", "messages", "ended_by", "transport")
    said = [{key: record[key] for key in kept if key in record} for record in result.records[:-1]]
    return [*said, {"sip": result.summary["sip"], "evicted": result.summary["evicted"]}]


def over(facts_of_tcp: Sequence[Mapping[str, object]], transport: str) -> list[Mapping[str, object]]:
    """The same facts, had they come over another transport."""
    changed: list[Mapping[str, object]] = []
    for record in facts_of_tcp:
        has = record.get("transport")
        changed.append({**record, "transport": [transport] if isinstance(has, list) else transport} if has else record)
    return changed
