"""RFC 4475, the torture tests: the thirteen valid messages to the letter, the invalid ones without harm."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from message_table import Message, read

from lippycat_core.kernelset import KernelSet
from lippycat_voip.columns import (
    M_BODY,
    M_BRANCH,
    M_CALL_ID,
    M_CONTACT,
    M_CONTENT_TYPE,
    M_CSEQ_TEXT,
    M_FROM,
    M_FROM_TAG,
    M_METHOD_TEXT,
    M_REASON,
    M_TO,
    M_TO_TAG,
    M_URI,
)
from lippycat_voip.sip import address

NAME = "emiago-sipgo__rfc4475-torture.pcap"


@pytest.fixture(scope="module")
def datagrams(captures: Path) -> dict[str, bytes]:
    """UDP payloads by the RFC's name of the test: Ethernet, IPv4 without options and UDP lie in front of each."""
    data = (captures / NAME).read_bytes()
    index = json.loads((captures / f"{NAME}.index.json").read_text())
    found: dict[str, bytes] = {}
    off = 24
    for entry in index:
        (caplen,) = struct.unpack_from("<I", data, off + 8)
        found[entry["test"]] = data[off + 16 + 42 : off + 16 + caplen]
        off += 16 + caplen
    assert [len(payload) for payload in found.values()] == [entry["bytes"] for entry in index]
    return found


def test_thirteen_are_valid(captures: Path) -> None:
    index = json.loads((captures / f"{NAME}.index.json").read_text())
    assert {entry["test"] for entry in index if entry["sipgo_folder"] == "valid"} == set(VALID)


RUSSIAN = (  # "no sto devyanosto devyat - prostoe"
    "\u043d\u043e \u0441\u0442\u043e \u0434\u0435\u0432\u044f\u043d\u043e\u0441\u0442\u043e "
    "\u0434\u0435\u0432\u044f\u0442\u044c - \u043f\u0440\u043e\u0441\u0442\u043e\u0435"
).encode()

# Section 3.1.1: what each message says. None: not there.
VALID: dict[str, dict[str, object]] = {
    "dblreq": {
        "start": ("REGISTER", 0),
        "cseq": (8, "REGISTER"),
        "call_id": b"dblreq.0ha0isndaksdj99sdfafnl3lk233412",
        "to": ("sip:j.user@example.com", "j.user", None, None),
        "from": ("sip:j.user@example.com", "j.user", None, "43251j3j324"),
        "branch": b"z9hG4bKkdjuw23492",
        "contact": b"sip:j.user@host.example.com",
        "body": b"",
    },
    "esc01": {
        "start": ("INVITE", 0),
        "uri": b"sip:sips%3Auser%40example.com@example.net",
        "cseq": (234234, "INVITE"),
        "to": ("sip:%75se%72@example.com", "user", None, None),
        "from": ("sip:I%20have%20spaces@example.net", "I have spaces", None, "938"),
        "contact": b"<sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>",
        "content_type": b"application/sdp",
        "sdp": True,
    },
    "esc02": {
        "start": ("OTHER", 0),
        "method_text": b"RE%47IST%45R",
        "cseq": (29344, "OTHER"),
        "cseq_text": b"RE%47IST%45R",
        "to": ("sip:resource@example.com", "resource", "%Z%45", None),
        "branch": b"z9hG4bK209%fzsnel234",
        "contact": b"<sip:alias1@host1.example.com>",
    },
    "escnull": {
        "start": ("REGISTER", 0),
        "cseq": (14398234, "REGISTER"),
        "to": ("sip:null-%00-null@example.com", "null-\0-null", None, None),
        "from": ("sip:null-%00-null@example.com", "null-\0-null", None, "839923423"),
        "contact": b"<sip:%00@host5.example.com>",
        "body": b"",
    },
    "intmeth": {
        "start": ("OTHER", 0),
        "method_text": b"!interesting-Method0123456789_*+`.%indeed'~",
        "uri": b"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        "cseq": (139122385, "OTHER"),
        "cseq_text": b"!interesting-Method0123456789_*+`.%indeed'~",
        "call_id": b"intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
        "branch": b"z9hG4bK-.!%66*_+`'~",
        "from": ("sip:mundane@example.com", "mundane", "token1~` token2'+_ token3*%!.-", "_token~1'+`*%!-."),
    },
    "longreq": {
        "start": ("INVITE", 0),
        "cseq": (3882340, "INVITE"),
        "call_id": b"longreq.one" + b"really" * 20 + b"longcallid",
        "branch": None,
        "from_tag": b"12" + b"982" * 50 + b"424",
        "contact": b"<sip:" + b"amazinglylongcallername" * 5 + b"@host5.example.net>",
        "sdp": True,
    },
    "lwsdisp": {
        "start": ("OPTIONS", 0),
        "cseq": (60, "OPTIONS"),
        "from": ("sip:caller@example.com", "caller", "caller", "323"),
    },
    "mpart01": {
        "start": ("MESSAGE", 0),
        "cseq": (1, "MESSAGE"),
        "branch": b"z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-",
        "content_type": b"multipart/mixed;boundary=7a9cbec02ceef655",
        "sdp": False,
    },
    "noreason": {
        "start": ("", 100),
        "reason": b"",
        "cseq": (35, "INVITE"),
        "to_tag": b"902jndnke3",
        "contact": b"<sip:user@host105.example.com>",
    },
    "semiuri": {
        "start": ("OPTIONS", 0),
        "uri": b"sip:user;par=u%40example.net@example.com",
        "cseq": (8, "OPTIONS"),
        "branch": b"z9hG4bKkdjuw",
        "from_tag": b"33242",
    },
    "transports": {
        "start": ("OPTIONS", 0),
        "call_id": b"transports.kijh4akdnaqjkwendsasfdj",
        "cseq": (60, "OPTIONS"),
        "branch": b"z9hG4bKkdjuw",
    },
    "unreason": {
        "start": ("", 200),
        "reason": b"= 2**3 * 5**2 " + RUSSIAN,
        "cseq": (35, "INVITE"),
        "to_tag": b"2229",
        "sdp": True,
    },
    "wsinv": {
        "start": ("INVITE", 0),
        "uri": b"sip:vivekg@chair-dnrc.example.com;unknownparam",
        "cseq": (9, "INVITE"),
        "call_id": b"wsinv.ndaksdj@192.0.2.1",
        "to": ("sip:vivekg@chair-dnrc.example.com", "vivekg", None, "1918181833n"),
        "from": ("sip:jdrosen@example.com", "jdrosen", 'J Rosenberg \\"', "98asjd8"),
        "to_tag": b"1918181833n",
        "from_tag": b"98asjd8",
        "branch": b"390skdjuw",
        "contact": b'"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;'
        b"\r\n  secondparam ; q = 0.33",
        "sdp": True,
    },
}

SPANS = {
    "method_text": M_METHOD_TEXT,
    "uri": M_URI,
    "reason": M_REASON,
    "call_id": M_CALL_ID,
    "from_tag": M_FROM_TAG,
    "to_tag": M_TO_TAG,
    "cseq_text": M_CSEQ_TEXT,
    "branch": M_BRANCH,
    "contact": M_CONTACT,
    "content_type": M_CONTENT_TYPE,
    "body": M_BODY,
}


def said(message: Message, what: str) -> object:
    if what in SPANS:
        return message.span(SPANS[what])
    if what in ("from", "to"):
        return tuple(address(message.span(M_FROM if what == "from" else M_TO) or b""))
    return {"start": (message.method, message.status), "cseq": message.cseq, "sdp": message.has_sdp}[what]


@pytest.mark.parametrize("name", VALID)
def test_valid(kernels: KernelSet, datagrams: dict[str, bytes], name: str) -> None:
    (message,) = read(kernels, datagrams[name])
    assert {what: said(message, what) for what in VALID[name]} == VALID[name]
    assert not message.malformed
    assert message.span(M_BODY) == datagrams[name][datagrams[name].index(b"\r\n\r\n") + 4 :][: max(message.content_length, 0)]


# What becomes of the others (sections 3.1.2 to 3.4): no message by their start line, malformed, or a message like any other.
NO_MESSAGE = {"badvers", "bigcode", "lwsruri", "lwsstart", "test", "trws"}
MALFORMED = {
    "clerr": "Content-Length larger than the body",
    "insuf": "no Call-ID, From or To",
    "mcl01": "two Content-Lengths",
    "mismatch01": "CSeq of another method",
    "mismatch02": "CSeq of another unknown method",
    "multi01": "two of each",
    "ncl": "negative Content-Length",
    "quotbal": "quotes that do not balance",
    "scalar02": "CSeq beyond 2**31",
    "scalarlg": "CSeq beyond 2**31",
}


def test_invalid(kernels: KernelSet, datagrams: dict[str, bytes]) -> None:
    names = [name for name in datagrams if name not in VALID]
    rows = dict(zip(names, read(kernels, *(datagrams[name] for name in names)), strict=True))
    assert {name for name, m in rows.items() if not m.method and not m.status} == NO_MESSAGE
    assert {name for name, m in rows.items() if m.malformed} == set(MALFORMED) | NO_MESSAGE


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("multi01", "call_id", b"multi01.98asdh@192.0.2.1"),
        ("multi01", "cseq", (5, "INVITE")),
        ("scalar02", "cseq", (-1, "REGISTER")),
        ("quotbal", "to", ("sip:j.user@example.com", "j.user", "Mr. J. User", None)),
        ("inv2543", "branch", None),
        ("unksm2", "to", ("isbn:2983792873", None, None, None)),
        ("mismatch02", "method_text", b"NEWMETHOD"),
        ("baddn", "call_id", b"baddn.31415@c.example.com"),
    ],
)
def test_what_can_still_be_read(kernels: KernelSet, datagrams: dict[str, bytes], name: str, field: str, value: object) -> None:
    (message,) = read(kernels, datagrams[name])
    assert said(message, field) == value


def test_every_cut_of_every_message(kernels: KernelSet, datagrams: dict[str, bytes]) -> None:
    for payload in datagrams.values():
        step = max(1, len(payload) // 60)
        for message in read(kernels, *(payload[:n] for n in range(0, len(payload), step)), wire_len=len(payload)):
            assert len(message.whole) <= len(payload)
