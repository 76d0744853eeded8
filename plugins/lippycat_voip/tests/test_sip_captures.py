"""SIP of the real captures: as many messages of each kind as the independent tools count."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sip_counter import SipCounter

from lippycat_core.kernelset import Interpreted
from lippycat_core.testing.runs import run

# Where our count is the right one, and why.
OURS: dict[str, dict[str, Any]] = {
    # tshark gives up on the description of the message whose Content-Length is -999 (ncl); it is there all the same.
    "emiago-sipgo__rfc4475-torture.pcap": {
        "messages_with_sdp": 17,
        "malformed": 10,
        "sdp_media_lines": {
            ("audio", 49217, "RTP/AVP", (0,)): 1,
            ("audio", 49217, "RTP/AVP", (0, 12)): 16,
            ("video", 3227, "RTP/AVP", (31,)): 16,
        },
    },
    # From: \\"arik\\" with backslashes, and a body shorter than its Content-Length.
    "OISF-suricata-verify__sip_compact_form.pcap": {"malformed": 1},
    # A REGISTER without Call-ID, From and To.
    "zeek-zeek__sip-junk-before-request.pcap": {"malformed": 1},
}


@pytest.fixture(scope="module")
def with_sip(captures: Path) -> dict[str, dict[str, Any]]:
    """Truth of each capture with SIP in it, by file name."""
    truths = {
        path.name.removesuffix(".truth.json"): json.loads(path.read_text()) for path in sorted(captures.glob("*.truth.json"))
    }
    return {name: truth["sip"] for name, truth in truths.items() if truth.get("sip")}


def media_lines(lines: dict[str, int]) -> dict[tuple[str, int, str, tuple[int, ...]], int]:
    """The truth's m= lines as the fields that we read of them."""
    found: Counter[tuple[str, int, str, tuple[int, ...]]] = Counter()
    for line, count in lines.items():
        kind, port, proto, *formats = line.split()
        found[kind, int(port), proto, tuple(int(word) for word in formats if word.isdigit())] += count
    return dict(found)


def test_messages_of_all_captures(captures: Path, with_sip: dict[str, dict[str, Any]]) -> None:
    differences = {}
    for name, truth in with_sip.items():
        counter = SipCounter()
        run(captures / name, counter, kernels=Interpreted())
        got = {
            "requests": dict(counter.requests),
            "responses": dict(counter.responses),
            "responses_by_cseq_method": dict(counter.responses_by_cseq_method),
            "user_agents": dict(counter.user_agents),
            "sdp_media_lines": dict(counter.media),
            "distinct_call_ids": len(counter.call_ids),
            "messages_with_sdp": counter.messages_with_sdp,
            "malformed": len(counter.malformed),
        }
        wanted = {key: truth.get(key, 0) for key in got}
        wanted["user_agents"] = {agent.strip(): count for agent, count in truth["user_agents"].items()}
        wanted["sdp_media_lines"] = media_lines(truth["sdp_media_lines"])
        wanted |= OURS.get(name, {})
        if got != wanted:
            differences[name] = {key: (got[key], wanted[key]) for key in got if got[key] != wanted[key]}
    assert differences == {}
