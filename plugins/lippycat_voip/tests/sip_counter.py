"""The text side of the VoIP dissector on its own: counts SIP messages in a run of the whole pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from message_table import Message

from lippycat_core.batch import Batch
from lippycat_core.events import Event
from lippycat_core.interfaces.dissect import Segment
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_core.testing.quiet import QuietDissector
from lippycat_voip.columns import K_SIP, KINDS, M_CALL_ID, M_CSEQ_TEXT, M_METHOD_TEXT, M_SERVER, M_USER_AGENT, M_WIDTH, SP_WIDTH
from lippycat_voip.framer import Framer, claim_stream
from lippycat_voip.kernels.classify import classify
from lippycat_voip.kernels.frame import frame
from lippycat_voip.kernels.sdp import describe
from lippycat_voip.kernels.sip import parse
from lippycat_voip.sdp import Descriptions


class SipCounter(QuietDissector):
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
