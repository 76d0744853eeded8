"""Records of made-up calls, in the shape of docs/output.md, for the tests of what people read."""

from __future__ import annotations

from typing import Any

SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND  # 2023-11-14T22:13:20Z


def party(user: str = "alice", **fields: Any) -> dict[str, Any]:
    return {"uri": f"sip:{user}@example.org", "user": user, "display": None, "tag": "t1", **fields}


def call(**fields: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "record": "call",
        "schema": 1,
        "call_id": "a84b4c76e66710@pc33.example.org",
        "method": "INVITE",
        "state": "ended",
        "code": 200,
        "reason": "OK",
        "src": "10.0.0.1:5060",
        "dst": "10.0.0.2:5060",
        "hops": 1,
        "transport": ["udp"],
        "from": party("alice"),
        "to": party("bob"),
        "first": "2023-11-14T22:13:20.000000000Z",
        "first_ns": BEGIN,
        "pdd_ms": 320.0,
        "setup_ms": 2100.0,
        "duration_ms": 12_345.0,
        "ended_by": "callee",
        "one_way": False,
        "q850_cause": None,
        "refer_to": None,
        "dtmf_info": None,
        "messages": 7,
        "retransmissions": 0,
        "copies": 0,
        "streams": [5],
    }
    return {**record, **fields}


def stream(**fields: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "record": "stream",
        "schema": 1,
        "id": 5,
        "call_id": "a84b4c76e66710@pc33.example.org",
        "call_ids": ["a84b4c76e66710@pc33.example.org"],
        "ssrc": "0x1a2b3c4d",
        "src": "10.0.0.1:10000",
        "dst": "10.0.0.2:10002",
        "found_by": "sdp",
        "codec": "PCMU",
        "clock_rate": 8000,
        "packets": 490,
        "expected": 500,
        "lost": 10,
        "loss_pct": 2.0,
        "duplicates": 0,
        "reordered": 1,
        "restarts": 0,
        "stray": 0,
        "jitter_ms": {"last": 0.1, "mean": 0.1, "max": 0.4},
        "first_ns": BEGIN + 2 * SECOND,
        "dtmf": None,
        "srtp": False,
        "nat": False,
        "continues": None,
        "rtcp": None,
    }
    return {**record, **fields}


def message(ns: float, what: str | int, src: str = "10.0.0.1:5060", dst: str = "10.0.0.2:5060", **fields: Any) -> dict[str, Any]:
    """A message `ns` seconds after the begin: a method, or a code with its reason in `fields`."""
    record: dict[str, Any] = {
        "record": "message",
        "schema": 1,
        "call_id": "a84b4c76e66710@pc33.example.org",
        "ns": BEGIN + round(ns * SECOND),
        "frame": 1 + round(ns * 1000),
        "src": src,
        "dst": dst,
        "transport": "udp",
        "kind": "new",
        "sdp": [],
    }
    record["code" if isinstance(what, int) else "method"] = what
    return {**record, **fields}


def summary(**fields: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "record": "summary",
        "schema": 1,
        "first": "2023-11-14T22:13:20.000000000Z",
        "last": "2023-11-14T22:13:40.000000000Z",
        "packets": 510,
        "bytes": 108_000,
        "sip": {
            "messages": 7,
            "requests": {"INVITE": 1, "ACK": 1, "BYE": 1},
            "responses": {"200": 2, "180": 1},
            "malformed": 0,
            "retransmissions": 0,
            "copies": 0,
        },
        "calls": 1,
        "call_states": {"ended": 1},
        "dialogs": 0,
        "streams": 1,
        "rtp_packets": 490,
        "rtcp_packets": 0,
        "accounting": {"captured": 510, "delivered": 507, "filtered": 0, "dropped": {}, "undecodable": {"link_type": 3}},
        "evicted": {},
        "backend": "pure",
        "seconds": 0.4,
    }
    return {**record, **fields}


HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07",
    "a" * 10_000,
    "日本語" * 500,
    "\u202eevil\u200b",
    "line\r\nbreak\t\x00",
    "é" + "\u0301" * 300,
    "[bold red]markup[/]",
]
