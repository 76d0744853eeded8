"""The dialog table: copies and retransmissions, the order of records, room, and what the user asked for."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from conversations import PLAIN_CALL, Conversation, ns, one_call, run
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.errors import FilterError, InputError

SECOND = 1000


def at(text: str, ms: float, cid: str) -> str:
    """A conversation later and under another Call-ID."""
    moved = []
    for line in text.strip().splitlines():
        when, rest = line.split(maxsplit=1)
        moved.append(f"{float(when) + ms} {rest} cid={cid}" if "rtp=" not in rest else f"{float(when) + ms} {rest}")
    return "\n".join(moved) + "\n"


# -- copies and retransmissions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "copies", "retransmissions"),
    [
        ("0.1 A>B INVITE", 1, 0),
        ("100 A>B INVITE", 1, 0),
        ("100.001 A>B INVITE", 0, 1),
        ("500 A>B INVITE", 0, 1),
        ("1 P>B INVITE", 0, 0),  # another hop: other source
        ("1 A>P INVITE", 0, 0),  # other destination
        ("1 A>B INVITE branch=other", 0, 0),
        ("1 A>B INVITE cseq=2", 0, 0),
        ("1 A>B INVITE tag=b", 0, 0),
        ("1 A>B INVITE uri=sip:carol@example.org", 0, 0),
    ],
)
def test_what_is_a_copy(second: str, copies: int, retransmissions: int) -> None:
    call = one_call("0 A>B INVITE\n" + second)
    assert (call["messages"], call["copies"], call["retransmissions"]) == (2, copies, retransmissions)


def test_a_copy_of_a_retransmission_is_a_copy() -> None:
    call = one_call("0 A>B INVITE\n0.1 A>B INVITE\n500 A>B INVITE\n500.1 A>B INVITE")
    assert (call["messages"], call["copies"], call["retransmissions"]) == (4, 2, 1)


def test_copies_of_copies_are_copies() -> None:
    call = one_call("0 A>B INVITE\n60 A>B INVITE\n120 A>B INVITE")
    assert (call["copies"], call["retransmissions"], call["first_ns"]) == (2, 0, ns(0))


def test_times_are_those_of_the_earliest_copy_wherever_it_stands() -> None:
    """Two interfaces of one capture, the second a little ahead in time but behind in the file."""
    lines = PLAIN_CALL.strip().splitlines()
    ahead = [f"{float(line.split(maxsplit=1)[0]) - 3} {line.split(maxsplit=1)[1]}" for line in lines]
    call = one_call("\n".join(line for pair in zip(lines, ahead, strict=True) for line in pair))
    assert (call["messages"], call["copies"], call["retransmissions"]) == (14, 7, 0)
    assert (call["first_ns"], call["ringing_ns"], call["answer_ns"], call["end_ns"]) == (ns(-3), ns(197), ns(1997), ns(8997))
    assert (call["pdd_ms"], call["setup_ms"], call["duration_ms"]) == (200.0, 2000.0, 7000.0)
    refused = one_call("0 A>B INVITE\n10 B>A 404 tag=b\n8 B>A 404 tag=b")
    assert (refused["end_ns"], refused["copies"]) == (ns(8), 1)


def test_repeated_answers_change_nothing() -> None:
    call = one_call("0 A>B INVITE\n10 B>A 486 tag=b\n20 B>A 404 tag=c\n600 B>A 486 tag=b")
    assert (call["code"], call["end_ns"], call["retransmissions"]) == (404, ns(20), 1)


def test_hops_count_pairs_of_the_initial_invite() -> None:
    call = one_call("0 A>P INVITE\n1 P>B INVITE branch=p\n2 B>P 180 tag=b branch=p\n3 P>A 180 tag=b\n9 A>C INVITE cseq=2 tag=b")
    assert call["hops"] == 2
    assert (call["src"], call["dst"]) == ("10.0.0.1:5060", "10.0.0.16:5060")


# -- other dialogs ----------------------------------------------------------------------------------------------------


def test_a_registration() -> None:
    found = run("""
        0  A>B REGISTER h=User-Agent:phone/1.0 uri=sip:example.org
        9  B>A 401 of=REGISTER tag=x h=Server:registrar
        20 A>B REGISTER cseq=2 h=User-Agent:phone/1.0 uri=sip:example.org
        29 B>A 200 cseq=2 of=REGISTER tag=y
    """)
    (dialog,) = found.records("dialog")
    assert (dialog["method"], dialog["code"], dialog["state"], dialog["messages"]) == ("REGISTER", 200, "answered", 4)
    assert (dialog["user_agent"], dialog["server"], dialog["to"]["tag"]) == ("phone/1.0", "registrar", "y")
    assert found.table.summary()["dialogs"] == 1
    assert found.table.summary()["calls"] == 0


@pytest.mark.parametrize(
    ("text", "method", "code", "state"),
    [
        ("0 A>B OPTIONS\n9 B>A 200 of=OPTIONS", "OPTIONS", 200, "answered"),
        ("0 A>B MESSAGE\n9 B>A 404 of=MESSAGE", "MESSAGE", 404, "failed"),
        ("0 A>B SUBSCRIBE\n9 B>A 407 of=SUBSCRIBE", "SUBSCRIBE", 407, "challenged"),
        ("0 A>B BYE cseq=2 tag=b\n9 B>A 200 cseq=2 of=BYE tag=b", "BYE", 200, "answered"),
        ("0 A>B ACK tag=b", "ACK", None, "trying"),
        ("0 B>A 200 of=OPTIONS", "OPTIONS", 200, "answered"),
        ("0 A>B JUMP\n9 B>A 501 of=JUMP", "JUMP", 501, "failed"),
    ],
)
def test_other_dialogs(text: str, method: str, code: int | None, state: str) -> None:
    (dialog,) = run(text).records("dialog")
    assert (dialog["method"], dialog["code"], dialog["state"]) == (method, code, state)


def test_a_registration_that_becomes_a_call() -> None:
    """SIPp's branch scenario: REGISTER and INVITE under one Call-ID."""
    call = one_call("""
        0  A>B REGISTER from=<sip:reg@example.org>
        9  B>A 200 of=REGISTER tag=r
        20 A>B INVITE cseq=2
        30 B>A 403 cseq=2 tag=b
    """)
    assert (call["method"], call["state"], call["code"], call["messages"]) == ("INVITE", "failed", 403, 4)
    assert (call["from"]["user"], call["first_ns"], call["pdd_ms"]) == ("alice", ns(0), None)


@pytest.mark.parametrize(("method", "every_s"), [("REGISTER", 3700), ("OPTIONS", 60), ("MESSAGE", 600), ("SUBSCRIBE", 7200)])
def test_what_goes_on_under_one_call_id_is_one_dialog(method: str, every_s: int) -> None:
    times = [every_s * SECOND * i for i in range(1, 6)]
    text = "".join(f"{ms} A>B {method} cseq={i}\n{ms + 5} B>A 200 cseq={i} of={method} tag=b\n" for i, ms in enumerate(times, 1))
    (dialog,) = run(text, tick=True).records("dialog")
    assert (dialog["messages"], dialog["code"]) == (10, 200)


def test_a_dialog_is_written_a_day_after_its_last_message() -> None:
    text = "0 A>B OPTIONS cid=old\n9 B>A 200 of=OPTIONS cid=old\n{} C>D OPTIONS cid=new"
    day = 24 * 3600 * SECOND
    assert Conversation().say(text.format(day + 9), tick=True).order == []
    assert Conversation().say(text.format(day + 9.001), tick=True).order == [("dialog", "old")]


def test_an_ack_in_front_names_no_dialog() -> None:
    """A capture that begins behind the 2xx and sees no other INVITE."""
    (dialog,) = run("0 A>B ACK tag=b\n900 B>A BYE cseq=7 ftag=b tag=a\n905 A>B 200 cseq=7 of=BYE ftag=b tag=a").records("dialog")
    assert (dialog["method"], dialog["code"], dialog["from"]["tag"], dialog["messages"]) == ("BYE", 200, "b", 3)


def test_messages_without_call_id_belong_to_nothing() -> None:
    found = run("0 A>B OPTIONS cid=none")
    assert found.order == []
    assert found.table.summary()["sip"]["malformed"] == 1
    assert found.table.summary()["sip"]["requests"] == {"OPTIONS": 1}


# -- when, and in which order -----------------------------------------------------------------------------------------


def test_a_call_is_written_32_seconds_after_its_end() -> None:
    talk = Conversation().say(PLAIN_CALL + "41000 C>D OPTIONS cid=x")
    talk.tick()
    assert talk.order == []
    talk.say("41000.001 C>D OPTIONS cid=y")
    talk.tick()
    assert talk.order == [("call", "call-1")]


def test_late_messages_of_a_written_call_make_no_new_one() -> None:
    found = run(PLAIN_CALL + "50000 A>B BYE cseq=2 tag=b\n50010 B>A 200 cseq=2 of=BYE tag=b", tick=True)
    assert found.order == [("call", "call-1")]
    assert found.table.summary()["sip"]["late"] == 2
    assert found.table.summary()["sip"]["messages"] == 9


def test_a_new_invite_under_a_written_call_id_is_a_new_call() -> None:
    found = run(PLAIN_CALL + at(PLAIN_CALL, 60_000, "call-1"), tick=True)
    assert found.order == [("call", "call-1")] * 2


def test_calls_are_written_in_order_of_their_end_then_by_record() -> None:
    long, short = PLAIN_CALL.replace("9000", "19000").replace("9010", "19010"), PLAIN_CALL
    text = at(long, 0, "long") + at(short, 100, "short")
    lines = sorted(text.strip().splitlines(), key=lambda line: float(line.split()[0]))
    found = run("\n".join([*lines, "90000 C>D OPTIONS cid=x"]), tick=True)
    assert found.order == [("call", "short"), ("call", "long"), ("dialog", "x")]
    together = run(at(short, 0, "b") + at(short, 0, "a") + "90000 C>D OPTIONS cid=x", tick=True)
    assert together.order[:2] == [("call", "b"), ("call", "a")]


def test_what_is_left_at_the_end_goes_by_record() -> None:
    found = run("0 A>B INVITE cid=1\n1 A>B INVITE cid=2\n2 B>A 486 cid=2 tag=b\n3 A>B OPTIONS cid=3")
    assert found.order == [("call", "1"), ("call", "2"), ("dialog", "3")]


MIXED = (
    at(PLAIN_CALL + "2100 A:10000>B:20000 rtp=9\n2110 B:20000>A:10000 rtp=9 ssrc=2", 0, "one")
    + at(PLAIN_CALL + "2100 A:10000>B:20000 rtp=9 ssrc=3", 30_000, "two")
    + "39900 A:10000>B:20000 rtp=4 ssrc=9\n"
    + "41005 C>D OPTIONS cid=three\n"
    + at("0 A>B INVITE sdp=C:10000\n10 B>A 486 tag=b", 80_000, "four")
    + at("0 A>B INVITE sdp=A:10000\n10 B>A 200 tag=b", 113_000, "five")
    + "113500 B:20000>A:10000 rtp=5 ssrc=5\n200000 C>D OPTIONS cid=six\n"
)


@given(st.sets(st.integers(0, 60)))
@settings(max_examples=60, deadline=None)
def test_the_order_does_not_depend_on_ticks(places: set[int]) -> None:
    expected = run(MIXED)
    talk = Conversation()
    for number, line in enumerate(MIXED.strip().splitlines()):
        talk.say(line)
        if number in places:
            talk.tick()
    talk.finish()
    assert [event.as_record() for event in talk.events] == [event.as_record() for event in expected.events]
    assert talk.table.summary() == expected.table.summary()


# -- room -------------------------------------------------------------------------------------------------------------


def test_the_call_that_ended_first_makes_room_then_the_oldest() -> None:
    lines = ["0 A>B INVITE cid=1", "1 A>B INVITE cid=2", "2 A>B INVITE cid=3"]
    lines += ["3 B>A 486 cid=3 tag=b", "4 B>A 486 cid=2 tag=b", *(f"{n} A>B INVITE cid={n}" for n in range(5, 9))]
    talk = Conversation(max_calls=3).say("\n".join(lines))
    assert [cid for _, cid in talk.order] == ["3", "2", "1", "5"]
    assert talk.table.evicted() == {"calls": 4}
    assert len(talk.finish().records("call")) == 7


def test_a_flood_of_dialogs_stays_within_bounds() -> None:
    talk = Conversation(max_calls=50)
    for number in range(2000):
        talk.say(f"{number} A>B OPTIONS cid=o{number}")
    assert talk.table.evicted() == {"dialogs": 1950}
    assert [cid for _, cid in talk.order] == [f"o{number}" for number in range(1950)]


def test_a_flood_of_dialogs_puts_no_call_out() -> None:
    text = at(PLAIN_CALL, 0, "ended") + "9500 A>B INVITE cid=ringing\n9501 A>B OPTIONS cid=first"
    talk = Conversation(max_calls=10).say(text)
    for number in range(100):
        ms = 10000 + number
        answer = f"{ms} B>A 200 of=OPTIONS cid=o{number}" if number % 2 else ""
        talk.say(f"{ms} A>B OPTIONS cid=o{number}\n{answer}\n{ms} A>B OPTIONS cid=first cseq={number + 2}")
    assert talk.table.evicted() == {"dialogs": 93}
    assert [cid for _, cid in talk.order] == [f"o{number}" for number in range(93)]


def test_a_call_evicted_with_its_stream() -> None:
    talk = Conversation(max_calls=1).say("0 A>B INVITE sdp=A:10000 cid=1\n5 B:9>A:10000 rtp=3\n99 A>B INVITE cid=2")
    assert talk.order == [("stream", 2), ("call", "1")]
    assert talk.records("call")[0]["streams"] == [2]


def test_a_stream_evicted_before_its_call() -> None:
    sockets = "\n".join(f"{10 + n} B:{9 + n}>A:10000 rtp=1 ssrc={n}" for n in range(1, 40))
    talk = Conversation(max_streams=16).say("0 A>B INVITE sdp=A:10000 cid=1\n" + sockets).finish()
    ids = [record["id"] for record in talk.records("stream")]
    assert len(ids) == 39
    assert talk.records("call")[0]["streams"] == sorted(ids)
    assert talk.table.evicted()["streams"] > 0


# -- what the user asked for ------------------------------------------------------------------------------------------

TWO = (
    at(PLAIN_CALL + "2100 A:10000>B:20000 rtp=9", 0, "one")
    + at(PLAIN_CALL, 100, "two").replace(" cid=two", " cid=two from=<tel:+49-30-1;x=y>")
    + "5000 E:7000>F:7000 rtp=30 ssrc=8\n"
)


def test_sip_user() -> None:
    found = run(TWO, sip_users=("alice,nobody",))
    assert found.order == [("stream", 8), ("call", "one")]
    assert found.table.wanted() == 16
    summary = found.table.summary()
    assert (summary["calls"], summary["streams"], summary["rtp_packets"]) == (1, 1, 9)
    assert summary["sip"]["messages"] == 7
    assert run(TWO, sip_users=("+4930*",)).order == [("call", "two")]
    assert run(TWO, sip_users=("bob",)).table.wanted() == 23
    assert run(TWO).table.wanted() is None


def test_one_call_by_its_id() -> None:
    found = run(TWO, call_id="two", messages=True)
    assert found.order == [("call", "two")]
    assert {record["call_id"] for record in found.records("message")} == {"two"}
    assert run(TWO, call_id="two", sip_users=("alice",)).order == []


def test_bad_user_lists(tmp_path: Path) -> None:
    with pytest.raises(FilterError, match="empty word"):
        run("", sip_users=("alice,,bob",))
    with pytest.raises(InputError, match="cannot read"):
        run("", sip_user_file=str(tmp_path / "none"))


def test_messages() -> None:
    found = run(PLAIN_CALL + "9010.05 B>A 200 cseq=2 of=BYE tag=b", messages=True)
    messages = found.records("message")
    assert [message["frame"] for message in messages] == list(range(1, 9))
    assert [message.get("method") or message.get("code") for message in messages] == [
        "INVITE",
        100,
        180,
        200,
        "ACK",
        "BYE",
        200,
        200,
    ]
    assert messages[0] == {
        "call_id": "call-1",
        "ns": ns(0),
        "frame": 1,
        "src": "10.0.0.1:5060",
        "dst": "10.0.0.2:5060",
        "transport": "udp",
        "method": "INVITE",
        "cseq": "1 INVITE",
        "kind": "new",
        "truncated": False,
        "sdp": [
            {
                "media": "audio",
                "address": "10.0.0.1:10000",
                "port": 10000,
                "protocol": "RTP/AVP",
                "direction": "sendrecv",
                "payload_types": [0, 8, 101],
            }
        ],
    }
    assert messages[-1]["kind"] == "copy"
    assert found.order == [("call", "call-1")]


def test_messages_of_no_dialog_are_messages_too() -> None:
    text = PLAIN_CALL + "50000 A>B BYE cseq=2 tag=b\n50001 A>B OPTIONS cid=none"
    messages = run(text, tick=True, messages=True).records("message")
    assert [(message["frame"], message["call_id"], message["kind"]) for message in messages[-2:]] == [
        (8, "call-1", "new"),
        (9, None, "new"),
    ]


def test_counts_add_up() -> None:
    found = run(TWO + "9000 A>B OPTIONS cid=none\n9001 A>B INVITE cid=one")
    sip: Any = found.table.summary()["sip"]
    assert sum(sip["requests"].values()) + sum(sip["responses"].values()) == sip["messages"] == 16
    assert sip["requests"] == {"ACK": 2, "BYE": 2, "INVITE": 3, "OPTIONS": 1}
    assert sip["retransmissions"] == 1
    assert found.table.summary()["call_states"] == {"ended": 2}


def test_what_the_snap_length_cut_is_a_message_and_truncated() -> None:
    found = run("0 A>B INVITE sdp=A:10000 cut=250\n9 B>A 200 tag=b sdp=B:20000 cut=30\n10 A>B ACK tag=b", messages=True)
    sip: Any = found.table.summary()["sip"]
    assert (sip["messages"], sip["truncated"], sip["malformed"]) == (3, 2, 0)
    assert [message["truncated"] for message in found.records("message")] == [True, True, False]


def test_every_order_of_a_short_call_is_survived() -> None:
    """Merged captures may disorder a conversation: whatever the order, there is one call and no message is lost."""
    lines = [
        "0 A>B INVITE sdp=A:10000",
        "1 B>A 180 tag=b",
        "2 B>A 200 tag=b sdp=B:20000",
        "3 A>B ACK tag=b",
        "4 A>B BYE cseq=2 tag=b",
    ]
    for order in itertools.permutations(lines):
        call = one_call("\n".join(order))
        assert call["messages"] == 5
        assert call["code"] == 200
