"""SIP messages: what the table says of them, written message by message."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from message_table import TCP, Message, read

from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_simd.kernels import CompiledKernels
from lippycat_voip.columns import (
    M_BODY,
    M_BRANCH,
    M_CALL_ID,
    M_CONTACT,
    M_CONTENT_TYPE,
    M_CSEQ_TEXT,
    M_DIVERSION,
    M_FROM,
    M_FROM_TAG,
    M_METHOD_TEXT,
    M_PAI,
    M_PPI,
    M_REASON,
    M_REASON_HEADER,
    M_REFER_TO,
    M_REPLACES,
    M_ROW,
    M_SDP,
    M_SEGMENTS,
    M_SERVER,
    M_TO,
    M_TO_TAG,
    M_TRANSPORT,
    M_URI,
    M_USER_AGENT,
    M_WIDTH,
    METHODS,
)
from lippycat_voip.kernels.sip import parse
from lippycat_voip.sip import Address, address, q850_cause, text, unfold

MANDATORY = {
    "Via": "SIP/2.0/UDP a.example.com;branch=z9hG4bK1",
    "From": "<sip:a@example.com>;tag=f1",
    "To": "<sip:b@example.com>",
    "Call-ID": "1@a",
    "CSeq": "1 INVITE",
}


def invite(
    *more: str, body: bytes = b"", without: str = "", start: str = "INVITE sip:b@example.com SIP/2.0", end: str = "\r\n"
) -> bytes:
    """A good INVITE with more header lines, or without one of the mandatory ones."""
    lines = [start] + [f"{name}: {value}" for name, value in MANDATORY.items() if name != without]
    return end.join([*lines, *more, "", ""]).encode() + body


def one(kernels: KernelSet, data: bytes, **how: int) -> Message:
    (message,) = read(kernels, data, **how)
    return message


def test_request(kernels: KernelSet) -> None:
    body = b"v=0\r\nm=audio 1 RTP/AVP 0\r\n"
    data = invite(
        "Contact: <sip:a@10.0.0.1>",
        "User-Agent: Phone 1.0 (a, b)",
        "P-Asserted-Identity: <sip:c@example.com>, <tel:+1>",
        "P-Preferred-Identity: <sip:d@example.com>",
        'Diversion: "x, y" <sip:e@example.com>;reason=busy , <sip:f@example.com>',
        "Refer-To: <sip:g@example.com?Replaces=1,2>",
        "Replaces: 9@z;to-tag=1;from-tag=2",
        "Content-Type: application/sdp",
        f"Content-Length: {len(body)}",
        body=body,
    )
    m = one(kernels, data)
    assert (m.method, m.status, m.malformed, m.truncated, m.has_sdp) == ("INVITE", 0, False, False, True)
    assert m.whole == data
    assert (m.row[M_ROW], m.row[M_TRANSPORT], m.row[M_SEGMENTS]) == (0, 17, 1)
    assert m.cseq == (1, "INVITE")
    assert m.content_length == len(body)
    assert {field: m.span(field) for field in (M_METHOD_TEXT, M_URI, M_CALL_ID, M_FROM, M_FROM_TAG, M_TO, M_TO_TAG)} == {
        M_METHOD_TEXT: b"INVITE",
        M_URI: b"sip:b@example.com",
        M_CALL_ID: b"1@a",
        M_FROM: b"<sip:a@example.com>;tag=f1",
        M_FROM_TAG: b"f1",
        M_TO: b"<sip:b@example.com>",
        M_TO_TAG: None,
    }
    assert m.span(M_CSEQ_TEXT) == b"INVITE"
    assert m.span(M_BRANCH) == b"z9hG4bK1"
    assert m.span(M_CONTACT) == b"<sip:a@10.0.0.1>"
    assert m.span(M_USER_AGENT) == b"Phone 1.0 (a, b)"
    assert m.span(M_PAI) == b"<sip:c@example.com>"
    assert m.span(M_PPI) == b"<sip:d@example.com>"
    assert m.span(M_DIVERSION) == b'"x, y" <sip:e@example.com>;reason=busy'
    assert m.span(M_REFER_TO) == b"<sip:g@example.com?Replaces=1,2>"
    assert m.span(M_REPLACES) == b"9@z;to-tag=1;from-tag=2"
    assert m.span(M_CONTENT_TYPE) == b"application/sdp"
    assert m.span(M_BODY) == m.span(M_SDP) == body
    for absent in (M_REASON, M_SERVER, M_REASON_HEADER):
        assert m.span(absent) is None


def test_response(kernels: KernelSet) -> None:
    data = invite("Server: x", start="SIP/2.0 486 Busy Here")
    m = one(kernels, data)
    assert (m.method, m.status, m.span(M_REASON), m.malformed) == ("", 486, b"Busy Here", False)
    assert m.span(M_URI) is None
    assert m.span(M_SERVER) == b"x"
    assert m.span(M_BODY) == b""


@pytest.mark.parametrize("start", ["SIP/2.0 200", "SIP/2.0 200 ", "sip/2.0 200 \t"])
def test_response_without_reason(kernels: KernelSet, start: str) -> None:
    m = one(kernels, invite(start=start))
    assert (m.status, m.span(M_REASON), m.malformed) == (200, b"", False)


@pytest.mark.parametrize("method", METHODS[1:-1])
def test_methods(kernels: KernelSet, method: str) -> None:
    m = one(kernels, invite(f"CSeq: 7 {method}", start=f"{method} sip:b@example.com SIP/2.0", without="CSeq"))
    assert (m.method, m.cseq, m.malformed) == (method, (7, method), False)


@pytest.mark.parametrize(
    "method",
    [
        "invite",
        "INVITEX",
        "INVIT",
        "A",
        "FOO-BAR.1",
        "X" * 64,
        "BYE2",
        "ABC",
        "ABCD",
        "ABCDE",
        "A234567",
        "A2345678",
        "A23456789",
    ],
)
def test_unknown_methods(kernels: KernelSet, method: str) -> None:
    m = one(kernels, invite(f"CSeq: 7 {method}", start=f"{method} sip:b@example.com SIP/2.0", without="CSeq"))
    assert (m.method, m.span(M_METHOD_TEXT), m.cseq, m.malformed) == ("OTHER", method.encode(), (7, "OTHER"), False)


def test_methods_that_differ_only_in_text(kernels: KernelSet) -> None:
    m = one(kernels, invite("CSeq: 7 FOO", start="BAR sip:b@example.com SIP/2.0", without="CSeq"))
    assert m.malformed


@pytest.mark.parametrize(
    "start",
    [
        "INVITE  sip:b SIP/2.0",
        "INVITE sip:b  SIP/2.0",
        "INVITE sip:b SIP/2.0 ",
        "INVITE sip:b; lr SIP/2.0",
        "INVITE sip:b SIP/3.0",
        "INVITE sip:b",
        "INVITE SIP/2.0",
        "INV\0TE sip:b SIP/2.0",
        "INV:TE sip:b SIP/2.0",
        "INVITE bob SIP/2.0",
        "INVITE :b SIP/2.0",
        "INVITE sip:\0b SIP/2.0",
        "SIP/2.0 200 O\0K",
        "NOTIFY * HTTP/1.1",
        "SIP/2.0 20 OK",
        "SIP/2.0 2000 OK",
        "SIP/2.0  200 OK",
        "SIP/2.0 abc OK",
        "SIP/2.0",
        "X" * 65 + " sip:b SIP/2.0",
        "INVITE sip:" + "b" * 8200 + " SIP/2.0",
        "",
    ],
)
def test_no_start_line(kernels: KernelSet, start: str) -> None:
    m = one(kernels, invite(start=start))
    assert (m.method, m.status, m.malformed, m.span(M_CALL_ID)) == ("", 0, True, None)


@pytest.mark.parametrize(
    "start", ["INV@TE sip:b SIP/2.0", "INV\xe4TE sip:b SIP/2.0", "INVITE sip:\x17b SIP/2.0", "INVITE sip:\tb SIP/2.0"]
)
def test_damaged_request_line(kernels: KernelSet, start: str) -> None:
    m = one(kernels, invite(start=start))
    assert (m.malformed, m.span(M_URI), m.span(M_CALL_ID)) == (True, start.split(" ")[1].encode(), b"1@a")


@pytest.mark.parametrize("name", MANDATORY)
def test_mandatory_header_missing(kernels: KernelSet, name: str) -> None:
    assert one(kernels, invite(without=name)).malformed
    assert not one(kernels, invite()).malformed


@pytest.mark.parametrize(
    ("line", "replaces"),
    [
        ("CSeq: x INVITE", "CSeq"),
        ("CSeq: 1", "CSeq"),
        ("CSeq: 2147483648 INVITE", "CSeq"),
        ("CSeq: 36893488147419103232 INVITE", "CSeq"),
        ("CSeq: 1 BYE", "CSeq"),
        ("Call-ID:", "Call-ID"),
        ("To:", "To"),
        ('To: "unbalanced <sip:x@y>', "To"),
        ("Content-Length: -1", ""),
        ("Content-Length: 1 2", ""),
        ("Content-Length: 0\r\nContent-Length: 3", ""),
        ("Content-Length: 1", ""),
        ("CSeq: 1 INVITE", ""),
        ("Call-ID: 2@b", ""),
        ("From: <sip:other@example.com>", ""),
    ],
)
def test_unusable(kernels: KernelSet, line: str, replaces: str) -> None:
    m = one(kernels, invite(line, without=replaces))
    assert m.malformed
    assert m.method == "INVITE"


def test_first_of_repeated_headers_counts(kernels: KernelSet) -> None:
    more = ["Call-ID: 2@b", "CSeq: 2 INVITE", "From: x", "To: y", "Via: SIP/2.0/UDP b;branch=other", "Contact: a", "Contact: b"]
    m = one(kernels, invite(*more))
    assert (m.span(M_CALL_ID), m.cseq, m.span(M_FROM_TAG), m.span(M_BRANCH), m.span(M_CONTACT)) == (
        b"1@a",
        (1, "INVITE"),
        b"f1",
        b"z9hG4bK1",
        b"a",
    )


def test_a_via_without_branch_is_the_topmost_all_the_same(kernels: KernelSet) -> None:
    m = one(kernels, invite("Via: SIP/2.0/UDP a", "Via: SIP/2.0/UDP b;branch=lower", without="Via"))
    assert m.span(M_BRANCH) is None
    assert not m.malformed


def test_compact_forms_case_and_white_space(kernels: KernelSet) -> None:
    lines = [
        "INVITE sip:b@example.com SIP/2.0",
        "v:SIP/2.0/UDP h ; BRANCH = z9 ;x",
        "F : Ann<sip:a@example.com>  ;\r\n\tTag =\r\n f9  ",
        "t:sip:b@example.com;tag=t9",
        "I\t:  id-1 ",
        "cSEQ:\r\n  0009\r\n  INVITE",
        "m: *",
        "c: Application/SDP ; charset=x",
        "r: <sip:r@example.com>",
        "L : 3",
    ]
    m = one(kernels, ("\r\n".join(lines) + "\r\n\r\nv=0and more").encode())
    assert not m.malformed
    assert m.span(M_BRANCH) == b"z9"
    assert m.span(M_FROM) == b"Ann<sip:a@example.com>  ;\r\n\tTag =\r\n f9"
    assert (m.span(M_FROM_TAG), m.span(M_TO_TAG), m.span(M_CALL_ID)) == (b"f9", b"t9", b"id-1")
    assert m.cseq == (9, "INVITE")
    assert (m.span(M_CONTACT), m.span(M_REFER_TO)) == (b"*", b"<sip:r@example.com>")
    assert (m.span(M_BODY), m.has_sdp) == (b"v=0", True)
    assert m.whole.endswith(b"v=0")


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        (r'"a \" ;tag=no \\" <sip:x@y;tag=no>;tag=yes', b"yes"),
        ("<sip:x@y;tag=no>", None),
        ("sip:x@y;tag=yes;other", b"yes"),
        ("<sip:x@y>;other=1;tag=yes", b"yes"),
        ("<sip:x@y>;mytag=no;TAG=yes", b"yes"),
        ("<sip:x@y>;tagged=no;tag", None),
        ("<sip:x@y>;;; tag = yes ;", b"yes"),
        ('"," <sip:x@y>;tag=yes', b"yes"),
        ("<sip:x@[2001:db8::1]:5060>;tag=yes", b"yes"),
        ("<sip:x@y>;tag=", b""),
        (r"\"back\" <sip:x@y>;tag=yes", b"yes"),
        ('<sip:x@y>;p="tag=no;tag=no";tag=yes', b"yes"),
    ],
)
def test_tag(kernels: KernelSet, value: str, tag: bytes | None) -> None:
    m = one(kernels, invite(f"To: {value}", without="To"))
    assert m.span(M_TO_TAG) == tag


def test_reason_of_q850_wins(kernels: KernelSet) -> None:
    m = one(kernels, invite("Reason: SIP;cause=480", "Reason: q.850;cause=16", "Reason: X;cause=1"))
    assert m.span(M_REASON_HEADER) == b"q.850;cause=16"


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r\r\n"])
def test_line_ends(kernels: KernelSet, end: str) -> None:
    m = one(kernels, invite("Content-Length: 2", body=b"ab", end=end))
    assert (m.malformed, m.span(M_BODY), m.span(M_CALL_ID), m.span(M_TO)) == (False, b"ab", b"1@a", b"<sip:b@example.com>")
    r = one(kernels, invite(start="SIP/2.0 200 OK", end=end))
    assert r.span(M_REASON) == b"OK"


def test_padding_in_front(kernels: KernelSet) -> None:
    m = one(kernels, b"\r\n\r\n\0\0 " + invite())
    assert (m.method, m.malformed, m.whole) == ("INVITE", False, invite())
    assert one(kernels, b"\r\n" * 200 + invite()).method == ""


def test_hostile_quotes_cost_no_more_than_others() -> None:
    data = invite('To: "' + '\\"' * 20_000 + "<sip:x@y>;tag=t", without="To")
    began = time.process_time()
    m = one(Interpreted(), data)
    assert time.process_time() - began < 5
    assert (m.malformed, m.span(M_TO_TAG)) == (True, b"t")


def test_lines_that_are_no_header(kernels: KernelSet) -> None:
    m = one(kernels, invite("no colon here", ": no name", "X-\xe4: y", "Via-x: no"))
    assert (m.malformed, m.span(M_BRANCH)) == (False, b"z9hG4bK1")


def test_no_empty_line_at_the_end(kernels: KernelSet) -> None:
    m = one(kernels, invite()[:-2])
    assert (m.malformed, m.cseq, m.span(M_BODY)) == (False, (1, "INVITE"), None)
    assert one(kernels, invite()[:-4]).cseq == (1, "INVITE")


def test_body_rules_of_udp_and_tcp(kernels: KernelSet) -> None:
    no_length = invite("Content-Type: text/plain", body=b"hello")
    assert one(kernels, no_length).span(M_BODY) == b"hello"
    assert not one(kernels, no_length).malformed
    on_tcp = one(kernels, no_length[:-5], transport=TCP)
    assert (on_tcp.span(M_BODY), on_tcp.malformed) == (b"", True)
    assert not one(kernels, invite(), transport=TCP).malformed


def test_cut_by_the_snap_length(kernels: KernelSet) -> None:
    data = invite("Content-Type: application/sdp", "Content-Length: 40", body=b"v=0\r\nm=audio 4000 RTP/AVP 0\r\n")
    m = one(kernels, data, wire_len=len(data) + 11)
    assert (m.truncated, m.malformed, m.has_sdp) == (True, False, True)
    whole = one(kernels, invite("Content-Length: 0", body=b"rest"), wire_len=2000)
    assert not whole.truncated
    at = data.index(b"1@a") + 2
    cut = one(kernels, data[:at], wire_len=len(data))
    assert (cut.truncated, cut.malformed, cut.span(M_CALL_ID), cut.span(M_TO)) == (True, False, None, b"<sip:b@example.com>")


def test_limits(kernels: KernelSet) -> None:
    many = one(kernels, invite(*["X: y"] * 300, without="CSeq"))
    assert (many.malformed, many.span(M_CALL_ID), many.span(M_BODY)) == (True, b"1@a", None)
    long = one(kernels, invite("X: " + "y" * 70_000, "Contact: a"))
    assert (long.malformed, long.span(M_CALL_ID), long.span(M_CONTACT)) == (True, b"1@a", None)
    assert not one(kernels, invite(*["X: y"] * 240)).malformed


SDP = b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n"


@pytest.mark.parametrize(
    ("content_type", "body", "sdp"),
    [
        ("application/sdp", SDP, SDP),
        ("APPLICATION/SDP;x=y", SDP, SDP),
        ("application/sdpx", SDP, None),
        ("application/isup", SDP, None),
        ("text/plain", SDP, None),
        ("", SDP, SDP),
        ("", b"hello", None),
        ("multipart/mixed;boundary=q", b"--q\r\nContent-Type: application/sdp\r\n\r\n" + SDP + b"\r\n--q--\r\n", SDP + b"\r\n"),
        (
            "multipart/mixed",
            b"pre\r\n--q\r\nc:text/plain\r\n\r\nv=0\r\n--q\r\nX: y\r\nC : application/SDP\r\nZ: z\r\n\r\n" + SDP + b"--q--",
            SDP,
        ),
        ("multipart/mixed", b"--q\nContent-Type: application/sdp\n\n" + SDP, SDP),
        ("multipart/mixed", b"--q\r\nContent-Type: application/sdp", b""),
        ("multipart/mixed", b"--q\r\nContent-Type: text/plain\r\n\r\nv=0\r\n", None),
    ],
)
def test_where_the_description_lies(kernels: KernelSet, content_type: str, body: bytes, sdp: bytes | None) -> None:
    m = one(kernels, invite(*([f"Content-Type: {content_type}"] if content_type else []), body=body))
    assert (m.span(M_SDP), m.has_sdp) == (sdp, sdp is not None)


def test_many_messages(kernels: KernelSet) -> None:
    datagrams = [invite("Subject: " + "x" * n, start=f"SIP/2.0 {100 + n} R{n}") for n in range(40)]
    rows = read(kernels, *datagrams)
    assert [(m.row[M_ROW], m.status, m.span(M_REASON)) for m in rows] == [(n, 100 + n, b"R%d" % n) for n in range(40)]


FRAGMENTS = st.sampled_from(
    [
        b"INVITE sip:b SIP/2.0\r\n",
        b"SIP/2.0 200 OK\r\n",
        b"Via: ",
        b"v:",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b";",
        b",",
        b"<",
        b">",
        b'"',
        b"\\",
        b"=",
        b"branch=",
        b"tag=",
        b"From: ",
        b"To:",
        b"CSeq: 1 INVITE",
        b"Content-Length: ",
        b"99",
        b"Content-Type: ",
        b"multipart/mixed",
        b"application/sdp",
        b"--x",
        b"v=0",
        b"Reason: Q.850",
        b"\0",
        b"\xff",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(FRAGMENTS | st.binary(max_size=8), max_size=40), st.sampled_from([6, 17]), st.sampled_from([0, 5]))
def test_any_bytes_mean_the_same_interpreted_and_compiled(parts: list[bytes], transport: int, missing: int) -> None:
    data = b"".join(parts)
    slab = np.frombuffer(data + b"\r\n", np.uint8).copy()
    spans = np.array([4, transport, 0, len(data), len(data) + missing, 2], np.int32)
    pure, simd = np.zeros(M_WIDTH, np.int32), np.zeros(M_WIDTH, np.int32)
    view = Interpreted().view
    parse(view(slab), view(spans), 1, view(pure))
    COMPILED[parse](slab, spans, 1, simd)
    assert pure.tolist() == simd.tolist()
    for field in SPANS:
        off, length = pure[field], pure[field + 1]
        assert length < 0 or (off >= 0 and off + length <= len(data))


COMPILED = CompiledKernels()
SPANS = (
    M_METHOD_TEXT,
    M_REASON,
    M_URI,
    M_CALL_ID,
    M_FROM,
    M_FROM_TAG,
    M_TO,
    M_TO_TAG,
    M_CSEQ_TEXT,
    M_BRANCH,
    M_CONTACT,
    M_REASON_HEADER,
    M_BODY,
    M_SDP,
)


def test_every_cut(kernels: KernelSet) -> None:
    body = b"--q\r\nContent-Type: application/sdp\r\n\r\nv=0\r\nm=audio 4 RTP/AVP 0\r\n--q--"
    data = invite("m: <sip:x@y>", "Content-Type: multipart/mixed", f"l: {len(body)}", body=body)
    for m in read(kernels, *(data[:n] for n in range(len(data)))):
        assert m.method in ("", "INVITE")
    for m in read(kernels, *(data[:n] for n in range(40, len(data))), wire_len=len(data)):
        assert m.truncated
        assert not m.malformed


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (
            b'"Alice \\"A\\" Smith" <sip:alice@example.com;p=1>;tag=x',
            Address("sip:alice@example.com;p=1", "alice", 'Alice "A" Smith', "x"),
        ),
        (
            b"Bob  Jones <sips:bob:secret@[2001:db8::1]:5061>",
            Address("sips:bob:secret@[2001:db8::1]:5061", "bob", "Bob  Jones", None),
        ),
        (b"sip:carol@example.com;tag=y", Address("sip:carol@example.com", "carol", None, "y")),
        (b"<tel:+1-201-555-0123;phone-context=x>", Address("tel:+1-201-555-0123;phone-context=x", "+1-201-555-0123", None, None)),
        (b"<sip:example.com>;Tag = z ", Address("sip:example.com", None, None, "z")),
        (
            b"<sip:sips%3Auser%40example.com@example.net>",
            Address("sip:sips%3Auser%40example.com@example.net", "sips:user@example.com", None, None),
        ),
        (b"caller<SIP:caller@example.com>;tag=1", Address("SIP:caller@example.com", "caller", "caller", "1")),
        (b'"" <sip:x@y>', Address("sip:x@y", "x", None, None)),
        (b"A\r\n  B <sip:x@y>\r\n ;tag=1", Address("sip:x@y", "x", "A B", "1")),
        (b'"open <sip:x@y>', Address("sip:x@y", "x", "open", None)),
        (b"<http://www.example.com>;tag=1", Address("http://www.example.com", None, None, "1")),
        (b"anonymous", Address("anonymous", None, None, None)),
        (b"\xff<sip:\xe4@x>", Address("sip:\ufffd@x", "\ufffd", "\ufffd", None)),
        (b"", Address("", None, None, None)),
    ],
)
def test_address(value: bytes, wanted: Address) -> None:
    assert address(value) == wanted


@given(st.binary(max_size=60))
def test_address_never_raises(value: bytes) -> None:
    assert isinstance(address(value).uri, str)


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (b'Q.850;cause=16;text="Terminated"', 16),
        (b'SIP;cause=600;text="Q.850;cause=9", q.850 ; cause = 31', 31),
        (b"SIP;cause=480", None),
        (b"Q.850", None),
        (b"Q.850;cause=x", None),
        (b'Q.850;text="a;cause=7";cause=17', 17),
        (b"", None),
    ],
)
def test_q850_cause(value: bytes, cause: int | None) -> None:
    assert q850_cause(value) == cause


def test_text_keeps_what_is_utf8() -> None:
    assert text("h\u00e9".encode() + b"\xff") == "h\u00e9\ufffd"
    assert unfold(b"a\r\n  b\n\tc") == b"a b c"
