"""SIP of the real captures: as many messages of each kind as the independent tools count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from message_table import Message

from lippycat_core.batch import Batch
from lippycat_core.events import Event
from lippycat_core.interfaces.dissect import Segment
from lippycat_core.kernelset import Interpreted, Kernel, KernelSet
from lippycat_core.testing.runs import run
from lippycat_voip.columns import K_SIP, KINDS, M_CALL_ID, M_CSEQ_TEXT, M_METHOD_TEXT, M_SERVER, M_USER_AGENT, M_WIDTH, SP_WIDTH
from lippycat_voip.framer import Framer, claim_stream
from lippycat_voip.kernels.classify import classify
from lippycat_voip.kernels.frame import frame
from lippycat_voip.kernels.sdp import describe
from lippycat_voip.kernels.sip import parse
from lippycat_voip.sdp import Descriptions


class SipCounter:
    """A bulk dissector that does nothing but count: the text side of the VoIP dissector on its own."""

    name: ClassVar[str] = "sip-counter"
    kinds: ClassVar[tuple[str, ...]] = KINDS
    kernels: ClassVar[tuple[Kernel, ...]] = (classify, parse, frame, describe)

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.responses: Counter[str] = Counter()
        self.malformed: list[str] = []
        self.call_ids: set[bytes] = set()
        self.responses_by_cseq_method: Counter[str] = Counter()
        self.user_agents: Counter[str] = Counter()
        self.media: Counter[tuple[str, int, str, tuple[int, ...]]] = Counter()
        self.messages_with_sdp = 0
        self.framer = Framer()
        self.descriptions = Descriptions()
        self._base = 0

    def bind(self, kernels: KernelSet) -> None:
        self._kernels = kernels
        self.framer.bind(kernels)
        self.descriptions.bind(kernels)

    def route(self, batch: Batch, begin: int, end: int, base: int) -> None:
        v = batch.views
        self._base = base
        self._kernels[classify](v.slab, v.transport, v.net, v.route, begin, end, base)

    def claim_stream(self, head: memoryview) -> bool | None:
        return claim_stream(head)

    def rows(self, segment: Segment) -> Iterable[Event]:
        batch = segment.batch
        spans: list[int] = []
        for row in range(segment.begin, segment.end):
            if batch.route.kind[row] == self._base + K_SIP:
                t = batch.transport
                spans += [row, 17, int(t.pay_off[row]), int(t.pay_len[row]), int(t.pay_wire[row]), 1]
        for tcp_run in segment.runs:
            self.framer.feed(batch, tcp_run, spans)
        if spans:
            self._count(batch, spans)
        return ()

    def _count(self, batch: Batch, spans: list[int]) -> None:
        count = len(spans) // SP_WIDTH
        table = np.zeros(count * M_WIDTH, np.int32)
        view = self._kernels.view
        self._kernels[parse](batch.views.slab, view(np.array(spans, np.int32)), count, view(table))
        data = bytes(batch.mem)
        for m in range(count):
            message = Message(data, table[m * M_WIDTH : (m + 1) * M_WIDTH].tolist())
            method = message.span(M_METHOD_TEXT)
            if method is None:
                self.responses[str(message.status)] += 1
                self.responses_by_cseq_method[f"{message.status} {(message.span(M_CSEQ_TEXT) or b'').decode()}"] += 1
            else:
                self.requests[method.decode()] += 1
            if message.malformed:
                self.malformed.append(message.whole.decode("latin-1"))
            user_agent = message.span(M_USER_AGENT) or message.span(M_SERVER)
            if user_agent is not None:
                self.user_agents[user_agent.decode()] += 1
            call_id = message.span(M_CALL_ID)
            if call_id is not None:
                self.call_ids.add(call_id)
        descriptions = self.descriptions.read(batch.views.slab, batch.mem, view(table), count)
        self.messages_with_sdp += len(descriptions)
        for description in descriptions.values():
            self.media.update((one.type, one.port, one.proto, one.formats) for one in description.media)

    def tick(self, now_ns: int, record: int) -> Iterable[Event]:
        return ()

    def finish(self, now_ns: int) -> Iterable[Event]:
        return ()

    def summary(self) -> Mapping[str, object]:
        return {}

    def evicted(self) -> Mapping[str, int]:
        return {}

    def wanted(self) -> int | None:
        return None


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
