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
    "emiago-sipgo__rfc4475-torture.pcap": "tshark misses six of the fifty (badvers, bigcode, lwsruri, lwsstart, test, trws); test_sip_torture has the table",
    "aboutsip-pkts__fragmented_udp_sip.pcap": "",
}

CALLS = {
    "emiago-sipgo__rfc4475-torture.pcap": "as for the messages; test_sip_torture has the table",
    "zeek-zeek__sip-junk-before-request.pcap": "a REGISTER without Call-ID belongs to no dialog",
}


def truth_files() -> list[str]:
    import os

    root = Path(__file__).resolve().parents[3]
    folder = Path(os.environ.get("LIPPYCAT_CAPTURES", root.parent / "shared" / "captures"))
    return sorted(path.name.removesuffix(".truth.json") for path in folder.glob("*.truth.json")) or ["no captures here"]


@pytest.fixture(params=truth_files())
def capture(request: pytest.FixtureRequest, captures: Path) -> Path:
    return captures / request.param


def truth_of(capture: Path) -> dict[str, Any]:
    return json.loads(Path(f"{capture}.truth.json").read_text())


def analysed(capture: Path) -> Run:
    return run(capture, VoipDissector())


def test_every_packet_is_counted_once(capture: Path) -> None:
    summary = analysed(capture).summary
    accounting: Any = summary["accounting"]
    assert summary["packets"] == truth_of(capture)["capture"]["packets"]
    parts = [
        accounting["delivered"],
        accounting["filtered"],
        *accounting["dropped"].values(),
        *accounting["undecodable"].values(),
    ]
    assert accounting["captured"] == sum(parts) == summary["packets"]


def test_messages(capture: Path) -> None:
    sip: Any = analysed(capture).summary["sip"]
    truth = truth_of(capture)["sip"] or {"messages": 0, "requests": {}, "responses": {}}
    assert sip["messages"] == sum(sip["requests"].values()) + sum(sip["responses"].values())
    if capture.name in MESSAGES and MESSAGES[capture.name]:
        assert sip["messages"] >= truth["messages"]
        return
    assert sip["requests"] == (truth["requests"] or {})
    assert sip["responses"] == (truth["responses"] or {})


def test_calls(capture: Path) -> None:
    result = analysed(capture)
    truth = truth_of(capture)["calls"]
    if truth is None or capture.name in CALLS:
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


def test_streams(capture: Path) -> None:
    result = analysed(capture)
    truth = truth_of(capture)["rtp"] or {}
    wanted = truth.get("per_stream_payload_types_heuristic") or []
    ours = {(record["ssrc"], record["src"], record["dst"]): record for record in result.named("stream")}
    theirs = {(s["ssrc"], end(s["src"], s["sport"]), end(s["dst"], s["dport"])): s for s in wanted}
    assert set(ours) == set(theirs)
    assert result.summary["streams"] == len(ours)
    for key, stream in theirs.items():
        record = ours[key]
        assert record["payload_types"] == sorted(int(number) for number in stream["payload_types"])
        if stream["largest_forward_jump"] <= 3000:
            assert record["packets"] == stream["unique_seq"], key
            assert record["lost"] == stream["missing_seq"], key
            assert record["duplicates"] == stream["duplicate_seq"], key


def end(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def test_digits(capture: Path) -> None:
    events = (truth_of(capture)["dtmf_rfc4733"] or {}).get("heuristic") or (truth_of(capture)["dtmf_rfc4733"] or {}).get(
        "default"
    )
    wanted: dict[tuple[str, str], str] = {}
    for event in (events or {}).get("list", []):
        key = (event["ssrc"], end(event["src"], int(event["sport"])))
        if event["event"] <= 15:
            wanted[key] = wanted.get(key, "") + "0123456789*#ABCD"[event["event"]]
    ours = {(str(r["ssrc"]), str(r["src"])): r["dtmf"] for r in analysed(capture).named("stream") if r["dtmf"]}
    assert ours == wanted
