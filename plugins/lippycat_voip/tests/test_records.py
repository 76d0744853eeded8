"""The shape of records: fields in the order of docs/output.md, nulls, text of any bytes, and the captures' calls."""

from __future__ import annotations

import json

import pytest
from conversations import PLAIN_CALL, Conversation, one_call, place, run, streams
from hypothesis import example, given
from hypothesis import strategies as st

from lippycat_voip.losses import LossLog
from lippycat_voip.sip import _any_address, address

CALL_FIELDS = [
    "call_id",
    "method",
    "state",
    "code",
    "reason",
    "src",
    "dst",
    "hops",
    "transport",
    "from",
    "to",
    "request_uri",
    "user_agent",
    "server",
    "p_asserted_identity",
    "diversion",
    "q850_cause",
    "refer_to",
    "replaces",
    "first",
    "last",
    "first_ns",
    "ringing_ns",
    "answer_ns",
    "end_ns",
    "last_ns",
    "pdd_ms",
    "setup_ms",
    "duration_ms",
    "ended_by",
    "one_way",
    "dtmf_info",
    "messages",
    "retransmissions",
    "copies",
    "streams",
]

STREAM_FIELDS = [
    "id",
    "call_id",
    "call_ids",
    "ssrc",
    "src",
    "dst",
    "transport",
    "found_by",
    "payload_types",
    "codec",
    "clock_rate",
    "ptime_ms",
    "media",
    "packets",
    "bytes",
    "expected",
    "lost",
    "loss_pct",
    "duplicates",
    "reordered",
    "restarts",
    "stray",
    "ts_jumps",
    "jitter_ms",
    "max_gap_ms",
    "first",
    "last",
    "first_ns",
    "last_ns",
    "dtmf",
    "srtp",
    "nat",
    "continues",
    "capture_loss",
    "rtcp",
]


def test_fields_in_their_order() -> None:
    found = run(PLAIN_CALL + "2100 A:10000>B:20000 rtp=5\n9990 A>B OPTIONS cid=x")
    assert list(found.records("call")[0]) == CALL_FIELDS
    assert list(found.records("stream")[0]) == STREAM_FIELDS
    head = CALL_FIELDS[: CALL_FIELDS.index("ringing_ns")]
    assert list(found.records("dialog")[0]) == [*head, "last_ns", "messages", "retransmissions", "copies"]
    assert list(found.table.summary()) == ["sip", "calls", "call_states", "dialogs", "streams", "rtp_packets", "rtcp_packets"]


def test_what_was_not_seen_is_null() -> None:
    call = one_call("0 A>B INVITE")
    empty = [name for name in CALL_FIELDS if call[name] is None]
    assert empty == [
        "code",
        "reason",
        "user_agent",
        "server",
        "p_asserted_identity",
        "diversion",
        "q850_cause",
        "refer_to",
        "replaces",
        "ringing_ns",
        "answer_ns",
        "end_ns",
        "pdd_ms",
        "setup_ms",
        "duration_ms",
        "ended_by",
        "one_way",
        "dtmf_info",
    ]
    assert call["to"]["tag"] is None
    assert call["streams"] == []


def test_headers_of_the_call() -> None:
    call = one_call("""
        0  A>B INVITE from="A_\\"l\\""_<sip:alice@x;user=phone> to=<tel:+49-30-1> uri=sip:bob@192.0.2.1 h=User-Agent:soft/1 \
h=P-Asserted-Identity:"A"_<sip:+49@x> h=Diversion:<sip:carol@x>;reason=busy h=Replaces:c@x;to-tag=1;from-tag=2
        9  B>A 100 h=Server:proxy
        10 B>A 180 tag=b h=User-Agent:desk/2
        20 B>A 200 tag=b h=User-Agent:desk/3
        30 A>B REFER cseq=2 tag=b h=Refer-To:<sip:dave@x?Replaces=1>
    """)
    assert call["from"] == {"uri": "sip:alice@x;user=phone", "user": "alice", "display": 'A "l"', "tag": "a"}
    assert call["to"] == {"uri": "tel:+49-30-1", "user": "+49-30-1", "display": None, "tag": "b"}
    assert {name: call[name] for name in CALL_FIELDS[11:19]} == {
        "request_uri": "sip:bob@192.0.2.1",
        "user_agent": "soft/1",
        "server": "desk/3",
        "p_asserted_identity": "sip:+49@x",
        "diversion": "sip:carol@x",
        "q850_cause": None,
        "refer_to": "sip:dave@x?Replaces=1",
        "replaces": "c@x;to-tag=1;from-tag=2",
    }


def test_headers_come_from_the_invite_not_from_what_came_before() -> None:
    call = one_call("0 B>A 200 tag=b from=<sip:wrong@x>\n5 A>B INVITE uri=sip:right@x from=<sip:right@x> h=User-Agent:u/1")
    assert (call["from"]["user"], call["request_uri"], call["user_agent"], call["state"]) == (
        "right",
        "sip:right@x",
        "u/1",
        "active",
    )


def test_headers_that_were_added_on_the_way() -> None:
    identity, diverted = "h=P-Asserted-Identity:<sip:+1555@example.org>", "h=Diversion:<sip:bob@example.org>;reason=no-answer"
    call = one_call(f"0 A>P INVITE\n1 P>B INVITE branch=p {identity}\n2 B>P 180 branch=p h=P-Asserted-Identity:<sip:bob@x>")
    assert (call["p_asserted_identity"], call["diversion"]) == ("sip:+1555@example.org", None)
    redirected = f"0 A>B INVITE {identity}\n1 B>A 302 tag=b\n2 A>C INVITE cseq=2 {diverted} h=P-Asserted-Identity:<sip:other@x>"
    call = one_call(redirected)
    assert (call["p_asserted_identity"], call["diversion"]) == ("sip:+1555@example.org", "sip:bob@example.org")
    assert one_call(f"0 A>B INVITE\n1 B>A 181 {diverted}")["diversion"] == "sip:bob@example.org"
    assert one_call(f"0 B>A 181 {diverted}")["diversion"] == "sip:bob@example.org"


def test_no_tags_no_reason_phrase() -> None:
    """RFC 2543 senders had neither; who hung up is unknown then."""
    call = one_call("0 A>B INVITE ftag=\n9 B>A 200 ftag= reason=\n99 A>B BYE cseq=2 ftag=")
    assert (call["state"], call["reason"], call["ended_by"], call["from"]["tag"]) == ("ended", None, None, None)


def test_ipv6() -> None:
    call = one_call("0 a>b INVITE")
    assert (call["src"], call["dst"]) == ("[2001:db8::1]:5060", "[2001:db8::2]:5060")


def test_identity_is_by_bytes_and_text_shows_what_can_be_shown() -> None:
    talk = Conversation()
    for call_id in (b"\xff1", b"\xfe1"):
        data = b"INVITE sip:\xff@x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=1\r\nFrom: <sip:\xe9@x>;tag=\xff\r\nTo: <sip:b@x>\r\n"
        talk.message(data + b"CSeq: 1 INVITE\r\nCall-ID: " + call_id + b"\r\n\r\n", 5, place("A"), place("B"))
    first, second = talk.finish().records("call")
    assert first["call_id"] == second["call_id"] == "\ufffd1"
    assert first["from"]["user"] == "\ufffd"
    json.dumps([first, second]).encode()


@pytest.mark.parametrize("garbage", [b"From: \r\n", b"From: <\r\n", b'From: "\r\n', b"From: ;;;\r\n", b"From: \xff\r\n", b""])
def test_bad_headers_never_raise(garbage: bytes) -> None:
    talk = Conversation()
    data = b"INVITE x SIP/2.0\r\n" + garbage + garbage.replace(b"From", b"To") + garbage.replace(b"From", b"Reason")
    talk.message(data + b"Call-ID: 1\r\n\r\n", 5, place("A"), place("B"))
    talk.message(b"SIP/2.0 200 OK\r\n" + garbage + b"Call-ID: 1\r\n\r\n", 6, place("B"), place("A"))
    found = talk.finish()
    assert found.table.summary()["sip"]["malformed"] == 2
    json.dumps([event.as_record() for event in found.events])


def test_capture_loss_is_what_the_capture_says() -> None:
    text = PLAIN_CALL + "2100 A:10000>B:20000 rtp=5"
    assert [stream["capture_loss"] for stream in streams(text)] == ["unknown"]
    log = LossLog()
    log.note(0, 0)
    assert [stream["capture_loss"] for stream in streams(text, losses=log)] == ["no"]
    log.note(1, 2**62)
    assert [stream["capture_loss"] for stream in streams(text, losses=log)] == ["yes"]


PIECES = [
    '"',
    "Al ice",
    " ",
    "<",
    ">",
    "sip:",
    "sips:",
    "tel:",
    "bob",
    "@",
    "x.org",
    ";tag=",
    "t1",
    ";user=phone",
    ":",
    "%41",
    "\\",
    ",",
    "\t",
    "\r\n ",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12))
@example(['"', "Al ice", '"', " ", "<", "sip:", "bob", "@", "x.org", ";user=phone", ">", ";tag=", "t1"])
@example(["Al ice", " ", "<", "sip:", "bob", "@", "x.org", ">"])
def test_the_short_cut_for_common_addresses_reads_the_same(pieces: list[str]) -> None:
    value = "".join(pieces).encode()
    assert address(value) == _any_address(value)
