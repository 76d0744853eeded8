"""Conversations written as text, one line a message or a burst of RTP, run through the parser, the stream table and calls.

    0    A>B INVITE sdp=A:10000           a request: CSeq 1, From tag a, no To tag unless said
    20   B>A 180 tag=b                    an answer to INVITE 1; `cseq=2 of=BYE` for another request
    40   A:10000>B:20000 rtp=5            five packets, 20 ms apart; seq and timestamp go on where they stopped

Times are milliseconds. `A` is 10.0.0.1:5060, `B` 10.0.0.2, and so on. Keys: cid, cseq, of, ftag, tag (To), branch, from, to,
uri, reason, sdp, body, type, cut (bytes captured), and `h=Name:value` (underscores are spaces) for any header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from rtp_batches import BASE, START_NS, Datagram, rtp, segment

from lippycat_core.addresses import Endpoint, words
from lippycat_core.builtin.match import PureProvider
from lippycat_core.events import Event
from lippycat_core.kernelset import Interpreted
from lippycat_voip.columns import M_WIDTH
from lippycat_voip.dialogs import DialogOptions, DialogTable
from lippycat_voip.kernels.sip import parse
from lippycat_voip.media import Media
from lippycat_voip.sdp import Descriptions
from lippycat_voip.selection import Filters, Selection
from lippycat_voip.streams import StreamTable

MS = 1_000_000
FILTERS = {field.name for field in fields(Filters)}
PLAIN_CALL = """
0     A>B INVITE sdp=A:10000
5     B>A 100
200   B>A 180 tag=b
2000  B>A 200 tag=b sdp=B:20000
2010  A>B ACK tag=b
9000  A>B BYE cseq=2 tag=b
9010  B>A 200 cseq=2 of=BYE tag=b
"""


def place(name: str) -> Endpoint:
    """`A` or `A:10000`; small letters are IPv6."""
    host, _, port = name.partition(":")
    number = ord(host.upper()) - ord("A") + 1
    text = f"10.0.0.{number}" if host.isupper() else f"2001:db8::{number}"
    return (*words(text), int(port or 5060))


def _sdp(spec: str) -> bytes:
    """`A:10000`, then `;sendonly`, `;crypto`, `;rtcp-mux` as attributes, `;SAVP` as profile, `;pt=98/iLBC/8000`; `0` is
    an address of zeros; `|` begins another m= line."""
    lines = ["v=0", "o=- 1 1 IN IP4 10.0.0.1", "s=-", "t=0 0"]
    for part in spec.split("|"):
        at, *extras = part.split(";")
        host, _, port = at.partition(":")
        profile, types, attributes = "RTP/AVP", ["0", "8", "101"], ["a=rtpmap:101 telephone-event/8000"]
        media = "audio"
        for extra in extras:
            if extra in ("SAVP", "AVPF", "SAVPF"):
                profile = f"RTP/{extra}"
            elif extra in ("video", "audio"):
                media = extra
            elif extra.startswith("pt="):
                payload_type, _, rest = extra[3:].partition("/")
                types = [payload_type]
                attributes = [f"a=rtpmap:{payload_type} {rest}"]
            elif extra == "crypto":
                attributes.append("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj")
            else:
                attributes.append(f"a={extra}")
        address = "0.0.0.0" if host == "0" else f"10.0.0.{ord(host) - ord('A') + 1}"
        lines += [f"m={media} {port} {profile} {' '.join(types)}", f"c=IN IP4 {address}", *attributes]
    return "\r\n".join([*lines, ""]).encode()


REASONS = {100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 401: "Unauthorized", 486: "Busy Here"}


@dataclass
class Line:
    ns: int
    src: Endpoint
    dst: Endpoint
    sip: bytes | None
    packets: int = 0
    keys: dict[str, str] = field(default_factory=dict)


def read_line(text: str) -> Line:
    ms, ends, *rest = text.split()
    src, _, dst = ends.partition(">")
    words_, headers, what = [], [], ""
    for word in rest:
        if word.startswith("h="):
            headers.append(word[2:].replace("_", " ").replace(":", ": ", 1))
        elif "=" in word:
            words_.append(word.split("=", 1))
        else:
            what = word
    keys = dict(words_)
    ns = START_NS + round(float(ms) * MS)
    if not what:
        return Line(ns, place(src), place(dst), None, int(keys["rtp"]), keys)
    return Line(ns, place(src), place(dst), sip(what, src, dst, keys, headers), keys=keys)


def sip(what: str, src: str, dst: str, keys: dict[str, str], headers: Sequence[str] = ()) -> bytes:
    """The bytes of a message."""
    response = what.isdigit()
    method = keys.get("of", "INVITE") if response else what
    cseq = keys.get("cseq", "1")
    sender = dst if response else src
    branch = keys.get("branch", f"z9hG4bK-{cseq}-{'INVITE' if method == 'CANCEL' else method}-{sender}")
    if response:
        start = f"SIP/2.0 {what} {keys.get('reason', REASONS.get(int(what), 'Whatever')).replace('_', ' ')}"
    else:
        start = f"{what} {keys.get('uri', 'sip:bob@example.org')} SIP/2.0"
    tag = f";tag={keys['tag']}" if "tag" in keys else ""
    body = _sdp(keys["sdp"]) if "sdp" in keys else keys.get("body", "").replace("_", " ").replace("\\n", "\r\n").encode()
    kind = "application/sdp" if "sdp" in keys else keys.get("type", "text/plain")
    lines = [
        start,
        f"Via: SIP/2.0/UDP {sender.lower()}.example.org;branch={branch}",
        "From: " + keys.get("from", '"Alice"_<sip:alice@example.org>').replace("_", " ") + ";tag=" + keys.get("ftag", "a"),
        "To: " + keys.get("to", "<sip:bob@example.org>").replace("_", " ") + tag,
        f"CSeq: {cseq} {method}",
    ]
    if keys.get("cid") != "none":
        lines.append(f"Call-ID: {keys.get('cid', 'call-1')}")
    lines += [*headers, f"Content-Length: {len(body)}"]
    if body:
        lines.append(f"Content-Type: {kind}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Conversation:
    """Everything of a run but files: feed lines, read records. `options` are those of DialogOptions and Filters."""

    def __init__(self, max_streams: int = 1000, **options: Any) -> None:
        self.kernels = Interpreted()
        self.streams = StreamTable(max_streams, self._on_new, self._on_evict, self._on_rtcp)
        self.streams.bind(self.kernels)
        self.media = Media(self.streams)
        filters = Filters(**{name: options.pop(name) for name in FILTERS & options.keys()})
        self.selection: Selection | None = None
        if filters.any:
            self.selection = Selection(filters, PureProvider().open(), most_messages=1)
            self.selection.bind(self.kernels)
            options["complete"] = self.selection.complete
        self.table = DialogTable(self.streams, self.media, DialogOptions(**options))
        self.bodies = Descriptions()
        self.bodies.bind(self.kernels)
        self.record = 0
        self.now_ns = 0
        self.events: list[Event] = []
        self._numbers: dict[tuple[Endpoint, Endpoint, str], int] = {}

    def _on_new(self, slot: int) -> None:
        self.media.on_new(slot)

    def _on_evict(self, slot: int) -> None:
        self.table.stream_evicted(slot)

    def _on_rtcp(self, src: Endpoint, dst: Endpoint) -> None:
        self.table.rtcp(src, dst)

    def say(self, text: str, tick: bool = False) -> Conversation:
        """Run lines; with `tick`, house-keeping runs behind each."""
        for line in text.strip().splitlines():
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            said = read_line(line)
            if said.sip is not None:
                self.message(said.sip, said.ns, said.src, said.dst, int(said.keys.get("cut", len(said.sip))))
            else:
                self._burst(said)
            if tick:
                self.tick()
        return self

    def message(self, data: bytes, ns: int, src: Endpoint, dst: Endpoint, captured: int | None = None) -> None:
        wire = len(data)
        data = data[:captured]
        self.record += 1
        self.now_ns = max(self.now_ns, ns)
        slab = np.frombuffer(data, np.uint8).copy()
        spans = np.array([0, 17, 0, len(data), wire, 1], np.int32)
        row = np.zeros(M_WIDTH, np.int32)
        view = self.kernels.view
        self.kernels[parse](view(slab), view(spans), 1, view(row))
        found = self.bodies.read(view(slab), memoryview(slab.data), view(row), 1)
        mem = memoryview(slab.data)
        mask = 0
        if self.selection is not None:
            (mask,) = self.selection.masks(slab, view(slab), row, view(row), 1, np.array([*src, *dst], np.int64), found)
        self.table.message(mem, row.tolist(), self.record, ns, self.now_ns, src, dst, found.get(0), mask)
        self.events += self.table.take_events()

    def _burst(self, said: Line) -> None:
        ssrc = said.keys.get("ssrc", "1")
        key = (said.src, said.dst, ssrc)
        first = self._numbers.get(key, 100)
        self._numbers[key] = first + said.packets
        datagrams: list[Datagram] = []
        for i in range(said.packets):
            made = rtp(
                first + i,
                160 * (first + i),
                0,
                int(said.keys.get("pt", "0")),
                ssrc=int(ssrc),
                src=said.src,
                dst=said.dst,
            )
            datagrams.append(made._replace(ns=said.ns + 20 * MS * i))
        self.streams.load(segment(datagrams, self.kernels, self.record + 1, self.now_ns), BASE)
        self.streams.advance()
        self.record += said.packets
        self.now_ns = max(self.now_ns, *(datagram.ns for datagram in datagrams))

    def tick(self) -> None:
        self.events += self.table.tick(self.now_ns)

    def finish(self) -> Conversation:
        self.events += self.table.finish(self.now_ns)
        return self

    def records(self, name: str) -> list[dict[str, Any]]:
        return [dict(event.fields) for event in self.events if event.name == name]

    @property
    def order(self) -> list[tuple[str, object]]:
        """What was written, in order: stream ids and Call-IDs."""
        return [
            (event.name, event.fields["id"] if event.name == "stream" else event.fields["call_id"])
            for event in self.events
            if event.name != "message"
        ]


def run(text: str, tick: bool = False, **options: Any) -> Conversation:
    """A whole conversation, to the end of the input."""
    return Conversation(**options).say(text, tick).finish()


def one_call(text: str, **options: Any) -> dict[str, Any]:
    """The only call of a conversation."""
    (record,) = run(text, **options).records("call")
    return record


def streams(text: str, **options: Any) -> list[dict[str, Any]]:
    """The streams of a conversation, in the order written."""
    return run(text, **options).records("stream")


def ns(ms: float) -> int:
    """The time that a line with these milliseconds has."""
    return START_NS + round(ms * MS)
