"""The framer: the same messages whatever the segments, and bounded whatever the bytes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.batch import Batch
from lippycat_core.builtin.buffers import FixedBuffer, Strategy
from lippycat_core.interfaces.dissect import Run
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.streambuffers import StreamBuffers
from lippycat_voip.columns import SP_LEN, SP_OFF, SP_ROW, SP_SEGMENTS, SP_TRANSPORT, SP_WIDTH, SP_WIRE_LEN
from lippycat_voip.framer import Framer, claim_stream


def message(start: str, *fields: str, body: str = "", length: str | None = "Content-Length") -> bytes:
    lines = [start, *fields]
    if length:
        lines.append(f"{length}: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


INVITE = message("INVITE sip:bob@example.com SIP/2.0", "Call-ID: 1@a", "CSeq: 1 INVITE", body="v=0\r\ns=-\r\n")
OK = message("SIP/2.0 200 OK", "Call-ID: 1@a", "CSeq: 1 INVITE", body="v=0\r\n\r\nm=audio 1 RTP/AVP 0\r\n", length="l")
ACK = message("ACK sip:bob@example.com SIP/2.0", "Call-ID: 1@a", "Subject: folded\r\n  twice\r\n\tover", length="CONTENT-LENGTH ")
BYE = message("BYE sip:bob@example.com SIP/2.0", "Call-ID: 1@a").replace(b"\r\n", b"\n")


@dataclass
class Connection:
    owner: object = None
    state: list[Any] = field(default_factory=lambda: [None, None])
    ends: list[Any] = field(default_factory=list)


@dataclass
class Direction:
    """One direction of a connection, fed segment by segment; keeps what came out of it."""

    framer: Framer
    kernels: KernelSet
    connection: Connection = field(default_factory=Connection)
    messages: list[bytes] = field(default_factory=list)
    spans: list[tuple[int, ...]] = field(default_factory=list)

    def feed(self, *segments: bytes, gap: int = 0, side: int = 0, last: bool = False) -> None:
        batch = Batch(self.kernels, capacity=max(len(segments), 1))
        spans: list[int] = []
        off = 0
        for row, data in enumerate(segments):
            batch.mem[off : off + len(data)] = data
            self.framer.feed(batch, Run(row, 0, self.connection, side, off, len(data), 1, gap, last), spans)
            off += len(data)
            gap = 0
        for base in range(0, len(spans), SP_WIDTH):
            span = tuple(spans[base : base + SP_WIDTH])
            self.spans.append(span)
            self.messages.append(bytes(batch.mem[span[SP_OFF] : span[SP_OFF] + span[SP_LEN]]))


def direction(kernels: KernelSet, **limits: int) -> Direction:
    framer = Framer(**limits)
    framer.bind(kernels)
    return Direction(framer, kernels)


CONVERSATION = b"\r\n\r\n" + INVITE + OK + b"\r\n\r\n" + ACK + b"\0\0" + BYE
WANTED = [INVITE, OK, ACK, BYE]


def test_messages_in_one_segment(kernels: KernelSet) -> None:
    d = direction(kernels)
    d.feed(CONVERSATION)
    assert d.messages == WANTED
    assert {(s[SP_ROW], s[SP_TRANSPORT], s[SP_SEGMENTS]) for s in d.spans} == {(0, 6, 1)}
    assert (d.framer.junk, d.framer.dropped, d.framer.unfinished) == (0, 0, 0)


def test_cut_at_every_byte(kernels: KernelSet) -> None:
    for cut in range(len(CONVERSATION) + 1):
        d = direction(kernels)
        d.feed(CONVERSATION[:cut])
        d.feed(CONVERSATION[cut:])
        assert d.messages == WANTED, cut
        assert d.framer.junk == 0


def test_byte_by_byte(kernels: KernelSet) -> None:
    d = direction(kernels)
    d.feed(*(CONVERSATION[i : i + 1] for i in range(len(CONVERSATION))))
    assert d.messages == WANTED
    assert [s[SP_SEGMENTS] for s in d.spans] == [len(m) for m in WANTED]
    assert d.framer.unfinished == 0


JUNK = [
    b"",
    b"junk\r\n",
    b"\x80\x00\xff\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"INVITE sip:x SIP/3.0\r\n\r\n",
    b"a: b\n\n\n",
]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_segmentation_does_not_matter(data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.sampled_from([*WANTED, b"\r\n\r\n", b"\r\n", *JUNK]), max_size=8))
    stream = b"".join(parts)
    whole = direction(Interpreted())
    whole.feed(stream)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    cut = direction(Interpreted())
    for piece in pieces:
        cut.feed(piece)
    assert cut.messages == whole.messages == [part for part in parts if part in WANTED]
    assert cut.framer.unfinished == whole.framer.unfinished
    if not whole.framer.unfinished:
        assert cut.framer.junk == whole.framer.junk


@pytest.mark.parametrize("cut", [1, 64, 8000, 9000, 20_000])
def test_lines_without_end(kernels: KernelSet, cut: int) -> None:
    stream = b"x" * 20_000 + b" INVITE sip:x SIP/2.0\r\n" + INVITE
    d = direction(kernels)
    d.feed(*(stream[i : i + cut] for i in range(0, len(stream), cut)))
    assert d.messages == [INVITE]
    assert d.framer.junk == 20_023


def test_start_line_inside_a_header_section(kernels: KernelSet) -> None:
    d = direction(kernels)
    lost = b"BYE sip:x SIP/2.0\r\nSubject : a SIP/2.0\r\n INVITE sip:x SIP/2.0\r\nnothing here\r\n"
    d.feed(lost + INVITE)
    assert d.messages == [INVITE]
    assert d.framer.junk == len(lost)


def test_start_lines_without_end_cost_no_more_than_others() -> None:
    d = direction(Interpreted())
    stream = b"A a: SIP/2.0\r\n" * 5000
    began = time.process_time()
    d.feed(stream)
    assert time.process_time() - began < 5
    assert d.framer.junk == len(stream) - 14


@pytest.mark.parametrize("cut", [512, 60_000, 200_000])
def test_header_section_that_never_ends(kernels: KernelSet, cut: int) -> None:
    stream = b"INVITE sip:x SIP/2.0\r\n" + b"A: b\r\n" * 20_000 + b"\r\n" + INVITE
    d = direction(kernels)
    d.feed(*(stream[i : i + cut] for i in range(0, len(stream), cut)))
    assert d.messages == [INVITE]
    assert d.framer.junk == 22 + 6 * 20_000


@pytest.mark.parametrize(
    ("length", "body"),
    [
        pytest.param("Content-Length: 99999999", b"", id="absurd"),
        pytest.param("Content-Length: 184467440737095516160", b"", id="longer than any integer"),
        pytest.param("Content-Length: -5", INVITE, id="negative"),
        pytest.param("Content-Length: five", INVITE, id="no number"),
        pytest.param("Subject: none", INVITE, id="absent"),
    ],
)
def test_length_that_cannot_be_used(kernels: KernelSet, length: str, body: bytes) -> None:
    first = f"OPTIONS sip:x SIP/2.0\r\n{length}\r\n\r\n".encode()
    d = direction(kernels)
    d.feed(first + b"v=0\r\n" + INVITE)
    assert d.messages == ([first, INVITE] if body else [INVITE])
    assert d.framer.oversized == (0 if body else 1)
    assert d.framer.junk == 5 + (0 if body else len(first))


def test_first_length_counts(kernels: KernelSet) -> None:
    d = direction(kernels)
    first = b"OPTIONS sip:x SIP/2.0\r\nl: 3\r\nContent-Length: 9\r\n\r\nabc"
    d.feed(first + INVITE)
    assert d.messages == [first, INVITE]


def test_body_over_many_segments_is_copied_once_whole(kernels: KernelSet) -> None:
    big = message("MESSAGE sip:x SIP/2.0", body="x" * 65_000)
    d = direction(kernels)
    d.feed(*(big[i : i + 1400] for i in range(0, len(big), 1400)), ACK)
    assert d.messages == [big, ACK]
    assert d.spans[0][SP_SEGMENTS] == -(-len(big) // 1400)
    assert d.spans[0][SP_WIRE_LEN] == len(big)


def test_gap_in_a_body_gives_the_message_cut_short(kernels: KernelSet) -> None:
    big = message("MESSAGE sip:x SIP/2.0", body="x" * 3000)
    d = direction(kernels)
    d.feed(big[:1500])
    d.feed(big[2500:] + ACK, gap=1000)
    assert d.messages == [big[:1500], ACK]
    assert d.spans[0][SP_WIRE_LEN] == len(big)
    assert d.framer.junk == 0


def test_gap_over_the_end_of_a_body(kernels: KernelSet) -> None:
    big = message("MESSAGE sip:x SIP/2.0", body="x" * 3000)
    d = direction(kernels)
    d.feed(big[:1500])
    d.feed(b"to: x\r\n\r\n" + ACK, gap=2000)
    assert d.messages == [big[:1500], ACK]
    assert d.framer.junk == 7


def test_two_gaps_in_a_body(kernels: KernelSet) -> None:
    big = message("MESSAGE sip:x SIP/2.0", body="x" * 3000)
    d = direction(kernels)
    d.feed(big[:1500])
    d.feed(big[1600:1700], gap=100)
    d.feed(big[2700:] + ACK, gap=1000)
    assert d.messages == [big[:1500], ACK]


def test_gap_without_bytes(kernels: KernelSet) -> None:
    d = direction(kernels)
    d.feed(INVITE[:-4])
    d.feed(b"", gap=4, last=True)
    assert d.messages == [INVITE[:-4]]
    assert (d.spans[0][SP_LEN], d.spans[0][SP_WIRE_LEN]) == (len(INVITE) - 4, len(INVITE))
    assert d.framer.unfinished == 0


@pytest.mark.parametrize("cut", [30, -4])
def test_what_is_unfinished_at_the_end_is_no_message(kernels: KernelSet, cut: int) -> None:
    d = direction(kernels)
    d.feed(OK + INVITE[:cut], last=True)
    assert d.messages == [OK]
    assert (d.framer.dropped, d.framer.unfinished) == (1, 0)


def test_gap_in_a_header_section_drops_it(kernels: KernelSet) -> None:
    d = direction(kernels)
    d.feed(INVITE[:40])
    d.feed(b"ranch=x\r\nCall-ID: 1\r\n\r\n" + ACK, gap=100)
    assert d.messages == [ACK]
    assert (d.framer.dropped, d.framer.unfinished) == (1, 0)


def test_sides_do_not_mix(kernels: KernelSet) -> None:
    d = direction(kernels)
    d.feed(INVITE[:50], side=0)
    d.feed(OK, side=1)
    d.feed(INVITE[50:], side=0)
    assert d.messages == [OK, INVITE]


def test_what_is_held_is_bounded(kernels: KernelSet) -> None:
    framer = Framer(buffers=StreamBuffers(Strategy("fixed", FixedBuffer), max_bytes=9 << 11))
    framer.bind(kernels)
    directions = [Direction(framer, kernels) for _ in range(30)]
    for d in directions:
        d.feed(INVITE[:60] + b"X: " + b"y" * 1000)
    assert framer.dropped == 21
    assert framer.unfinished == 9
    directions[-1].feed(b"\r\n\r\n")
    assert len(directions[-1].messages) == 1


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=200) | st.sampled_from([*WANTED, INVITE[:100], b"SIP/2.0 ", b"\n\r\r\n"]), max_size=6))
def test_any_bytes(pieces: list[bytes]) -> None:
    d = direction(Interpreted())
    for piece in pieces:
        d.feed(piece)
    for got in d.messages:
        assert got.split(b"\n")[0].upper().find(b"SIP/2.0") >= 0


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (INVITE, True),
        (b"\r\n\r\n" + OK, True),
        (INVITE[:14], True),
        (b"SIP/2.0 200", True),
        (b"sip/2.0 200 OK", True),
        (b"FOO bar:baz SIP/2.0\r\n", True),
        (b"SUBSCRIBE urn:service:sos SIP/2.0", True),
        (b"INV", None),
        (b"SIP/2.", None),
        (b"xxxxx", False),
        (b"INVITEx", False),
        (b"\r\n", None),
        (b"", None),
        (b"FOO bar:baz SIP/", None),
        (b"Via: SIP/2.0/TCP x\r\nFrom: y", False),
        (b"a=rtpmap:0 PCMU/8000\r\n" + ACK, True),
        (b"0 PCMU/8000\r\n" + OK, True),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", False),
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"NOTIFY * HTTP/1.1\r\n", False),
        (b"\x16\x03\x01\x02\x00", False),
        (b"220 mail.example.com ESMTP\r\n", False),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False),
        (b"Via: \x00\x01", False),
    ],
)
def test_claim(head: bytes, answer: bool | None) -> None:
    assert claim_stream(memoryview(head)) is answer


def test_claim_never_changes_its_mind() -> None:
    for cut in range(len(CONVERSATION)):
        assert claim_stream(memoryview(CONVERSATION[:cut])) is not False
