"""Every public capture against what independent tools say of it. Where ours differs on purpose, a line says why."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lippycat_core.testing.runs import Run, run
from lippycat_voip.dissector import VoipDissector

STATES = {
    "completed": {"ended"},
    "answered (no BYE seen)": {"active"},
    "rejected": {"failed"},
    "cancelled": {"cancelled"},
    "busy": {"busy"},
    "auth required": {"challenged"},
    "redirected": {"redirected"},
    "ringing/early (no final)": {"ringing", "progress"},
    "trying (no final)": {"trying"},
    "no response": {"unanswered", "trying"},  # unanswered once 32 s have passed without any answer
}

MESSAGES = {
    "emiago-sipgo__rfc4475-torture.pcap": "tshark misses six of the fifty; test_sip_torture has the table",
}

CALLS = {
    "emiago-sipgo__rfc4475-torture.pcap": "as for the messages; test_sip_torture has the table",
    "zeek-zeek__sip-junk-before-request.pcap": "a REGISTER without Call-ID belongs to no dialog",
}


STREAMS = {
    (
        "ntop-nDPI__FAX-Call-t38-CA-TDM-SIP-FB-1.pcap",
        "0x0eaf0eaf",
    ): "159, not 132: tshark takes 27 packets for T.38, which was refused",
}


def truth_of(capture: Path) -> dict[str, Any]:
    return json.loads(Path(f"{capture}.truth.json").read_text())


def analysed(capture: Path) -> Run:
    return run(capture, VoipDissector())


def test_every_packet_is_counted_once(truth_capture: Path) -> None:
    summary = analysed(truth_capture).summary
    accounting: Any = summary["accounting"]
    assert summary["packets"] == truth_of(truth_capture)["capture"]["packets"]
    parts = [
        accounting["delivered"],
        accounting["filtered"],
        *accounting["dropped"].values(),
        *accounting["undecodable"].values(),
    ]
    assert accounting["captured"] == sum(parts) == summary["packets"]


def test_messages(truth_capture: Path) -> None:
    sip: Any = analysed(truth_capture).summary["sip"]
    truth = truth_of(truth_capture).get("sip") or {"messages": 0, "requests": {}, "responses": {}}
    assert sip["messages"] == sum(sip["requests"].values()) + sum(sip["responses"].values())
    if truth_capture.name in MESSAGES:
        assert sip["messages"] >= truth["messages"]
        return
    assert sip["requests"] == (truth["requests"] or {})
    assert sip["responses"] == (truth["responses"] or {})


def test_calls(truth_capture: Path) -> None:
    result = analysed(truth_capture)
    truth = truth_of(truth_capture).get("calls")
    if truth is None or truth_capture.name in CALLS:
        assert result.summary["calls"] == len(result.named("call"))
        return
    ours = {str(record["call_id"]): record for record in result.named("call")}
    assert len(ours) == truth["count"] == result.summary["calls"]
    assert Counter(result.summary["call_states"]) == Counter(record["state"] for record in ours.values())
    for call in truth["list"]:
        record = ours[call["call_id"]]
        assert record["state"] in STATES[call["state"]], call["call_id"]
        assert record["messages"] == call["messages"]
        if call["talk_s"] is not None and record["duration_ms"] is not None:
            assert record["duration_ms"] == pytest.approx(call["talk_s"] * 1000, abs=0.01)


def test_streams(truth_capture: Path) -> None:
    result = analysed(truth_capture)
    truth = truth_of(truth_capture).get("rtp") or {}
    wanted = truth.get("per_stream_payload_types_heuristic") or []
    ours = {(record["ssrc"], record["src"], record["dst"]): record for record in result.named("stream")}
    theirs = {(s["ssrc"], end(s["src"], s["sport"]), end(s["dst"], s["dport"])): s for s in wanted}
    assert set(ours) == set(theirs)
    assert result.summary["streams"] == len(ours)
    for key, stream in theirs.items():
        record = ours[key]
        assert record["payload_types"] == sorted(int(number) for number in stream["payload_types"])
        if (truth_capture.name, key[0]) in STREAMS:
            assert record["packets"] == 159
        elif stream["largest_forward_jump"] <= 3000:
            assert record["packets"] == stream["unique_seq"], key
            assert record["lost"] == stream["missing_seq"], key
            assert record["duplicates"] == stream["duplicate_seq"], key


def end(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def test_digits(truth_capture: Path) -> None:
    truth = truth_of(truth_capture).get("dtmf_rfc4733") or {}
    events = truth.get("heuristic") or truth.get("default")
    wanted: dict[tuple[str, str], str] = {}
    for event in (events or {}).get("list", []):
        key = (event["ssrc"], end(event["src"], int(event["sport"])))
        if event["event"] <= 15:
            wanted[key] = wanted.get(key, "") + "0123456789*#ABCD"[event["event"]]
    ours = {(str(r["ssrc"]), str(r["src"])): r["dtmf"] for r in analysed(truth_capture).named("stream") if r["dtmf"]}
    assert ours == wanted
