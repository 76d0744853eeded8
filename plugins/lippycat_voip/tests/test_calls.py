"""Results, states and times of calls, sentence by sentence of docs/output.md (Calls), as written conversations."""

from __future__ import annotations

import pytest
from conversations import PLAIN_CALL, ns, one_call, run

CHALLENGED_CALL = """
0     A>B INVITE sdp=A:10000
20    B>A 401 tag=x
30    A>B ACK tag=x
100   A>B INVITE cseq=2 sdp=A:10000
110   B>A 100 cseq=2
400   B>A 183 cseq=2 tag=b
1100  B>A 200 cseq=2 tag=b sdp=B:20000
1110  A>B ACK cseq=2 tag=b
6100  B>A BYE cseq=1 ftag=b tag=a
6110  A>B 200 cseq=1 of=BYE ftag=b tag=a
"""


def facts(record: dict[str, object], *names: str) -> dict[str, object]:
    return {name: record[name] for name in names}


def test_a_plain_call() -> None:
    call = one_call(PLAIN_CALL)
    assert facts(call, "method", "state", "code", "reason", "hops", "transport", "messages", "ended_by") == {
        "method": "INVITE",
        "state": "ended",
        "code": 200,
        "reason": "OK",
        "hops": 1,
        "transport": ["udp"],
        "messages": 7,
        "ended_by": "caller",
    }
    assert facts(call, "first_ns", "ringing_ns", "answer_ns", "end_ns", "last_ns") == {
        "first_ns": ns(0),
        "ringing_ns": ns(200),
        "answer_ns": ns(2000),
        "end_ns": ns(9000),
        "last_ns": ns(9010),
    }
    assert facts(call, "pdd_ms", "setup_ms", "duration_ms") == {"pdd_ms": 200.0, "setup_ms": 2000.0, "duration_ms": 7000.0}


def test_times_start_at_the_invite_that_was_answered() -> None:
    call = one_call(CHALLENGED_CALL)
    assert facts(call, "state", "code", "pdd_ms", "setup_ms", "duration_ms", "ended_by") == {
        "state": "ended",
        "code": 200,
        "pdd_ms": 300.0,
        "setup_ms": 1000.0,
        "duration_ms": 5000.0,
        "ended_by": "callee",
    }


@pytest.mark.parametrize(
    ("codes", "code", "state"),
    [
        ([], None, "trying"),
        ([100], None, "trying"),
        ([100, 180], None, "ringing"),
        ([181], None, "ringing"),
        ([182], None, "ringing"),
        ([180, 183], None, "progress"),
        ([183, 180], None, "progress"),
        ([401], 401, "challenged"),
        ([407], 407, "challenged"),
        ([180, 486], 486, "busy"),
        ([600], 600, "busy"),
        ([302], 302, "redirected"),
        ([404], 404, "failed"),
        ([603], 603, "failed"),
        ([487], 487, "cancelled"),
        ([486, 404], 404, "busy"),
        ([404, 401], 404, "failed"),
        ([503, 200], 200, "active"),
        ([200, 503], 200, "active"),
    ],
)
def test_answers_to_the_initial_invite(codes: list[int], code: int | None, state: str) -> None:
    answers = "".join(f"{100 * i} B>A {answer} tag=t{i}\n" for i, answer in enumerate(codes, 1))
    call = one_call("0 A>B INVITE\n" + answers)
    assert (call["code"], call["state"]) == (code, state)


def test_a_challenge_that_is_taken_up_is_no_result_yet() -> None:
    call = one_call("0 A>B INVITE\n10 B>A 407 tag=x\n20 A>B ACK tag=x\n30 A>B INVITE cseq=2")
    assert (call["state"], call["code"], call["end_ns"]) == ("trying", 407, None)
    rings = one_call("0 A>B INVITE\n10 B>A 407 tag=x\n30 A>B INVITE cseq=2\n50 B>A 180 cseq=2 tag=b")
    assert (rings["state"], rings["pdd_ms"]) == ("ringing", 20.0)


def test_a_second_challenge() -> None:
    call = one_call("0 A>B INVITE\n10 B>A 401 tag=x\n30 A>B INVITE cseq=2\n50 B>A 407 cseq=2 tag=y")
    assert (call["state"], call["code"], call["end_ns"]) == ("challenged", 407, ns(50))


def test_no_answer_of_any_kind() -> None:
    quiet = "0 A>B INVITE\n{} C>D OPTIONS cid=other"
    assert one_call(quiet.format(31_999))["state"] == "trying"
    assert one_call(quiet.format(32_000))["state"] == "unanswered"
    assert one_call("0 A>B INVITE\n5 B>A 100\n60000 C>D OPTIONS cid=other")["state"] == "trying"


def test_cancel() -> None:
    call = one_call("""
        0    A>B INVITE sdp=A:10000
        100  B>A 180 tag=b
        5000 A>B CANCEL
        5010 B>A 200 of=CANCEL tag=b
        5020 B>A 487 tag=b
        5030 A>B ACK tag=b
    """)
    assert facts(call, "state", "code", "end_ns", "ended_by", "answer_ns", "duration_ms") == {
        "state": "cancelled",
        "code": 487,
        "end_ns": ns(5020),
        "ended_by": "caller",
        "answer_ns": None,
        "duration_ms": None,
    }


def test_cancel_without_its_487() -> None:
    call = one_call("0 A>B INVITE\n100 B>A 180 tag=b\n5000 A>B CANCEL\n5010 B>A 200 of=CANCEL tag=b")
    assert facts(call, "state", "code", "end_ns", "ended_by") == {
        "state": "cancelled",
        "code": None,
        "end_ns": ns(5000),
        "ended_by": "caller",
    }


def test_a_2xx_that_crosses_the_cancel_wins() -> None:
    text = "0 A>B INVITE\n100 B>A 180 tag=b\n500 A>B CANCEL\n505 B>A 200 tag=b\n510 B>A 200 of=CANCEL tag=b\n520 A>B ACK tag=b\n"
    assert facts(one_call(text), "state", "code", "end_ns", "ended_by") == {
        "state": "active",
        "code": 200,
        "end_ns": None,
        "ended_by": None,
    }
    ended = one_call(text + "600 A>B BYE cseq=2 tag=b")
    assert facts(ended, "state", "end_ns", "ended_by") == {"state": "ended", "end_ns": ns(600), "ended_by": "caller"}


def test_a_refused_reinvite_leaves_the_call_as_it_is() -> None:
    call = one_call(
        PLAIN_CALL.replace("9000  ", "5000 A>B INVITE cseq=2 tag=b\n5010 B>A 488 cseq=2 tag=b\n9000 ").replace(
            "BYE cseq=2", "BYE cseq=3"
        )
    )
    assert facts(call, "state", "code", "end_ns", "answer_ns") == {
        "state": "ended",
        "code": 200,
        "end_ns": ns(9000),
        "answer_ns": ns(2000),
    }


def test_the_callee_numbers_its_reinvite_as_the_caller_numbered_the_invite() -> None:
    call = one_call("""
        0    A>B INVITE
        100  B>A 180 tag=b
        2000 B>A INVITE cseq=1 ftag=b tag=a
        2010 A>B 486 cseq=1 ftag=b tag=a
        2020 B>A 200 tag=b
    """)
    assert facts(call, "state", "code", "answer_ns") == {"state": "active", "code": 200, "answer_ns": ns(2020)}


def test_forks() -> None:
    call = one_call("""
        0    A>P INVITE sdp=A:10000
        1    P>B INVITE branch=p1 sdp=A:10000
        2    P>C INVITE branch=p2 sdp=A:10000
        100  B>P 180 branch=p1 tag=b
        101  P>A 180 tag=b
        150  C>P 180 branch=p2 tag=c
        151  P>A 180 tag=c
        900  B>P 486 branch=p1 tag=b
        2000 C>P 200 branch=p2 tag=c sdp=C:30000
        2001 P>A 200 tag=c sdp=C:30000
        2010 A>C ACK tag=c
        5000 C>A BYE ftag=c tag=a
    """)
    assert facts(call, "state", "code", "hops", "ringing_ns", "answer_ns", "ended_by") == {
        "state": "ended",
        "code": 200,
        "hops": 3,
        "ringing_ns": ns(100),
        "answer_ns": ns(2000),
        "ended_by": "callee",
    }
    assert call["to"]["tag"] == "c"


def test_a_fork_that_rings_on_keeps_the_call_open() -> None:
    """The branch that is busy is not the call's end: the answer that comes 40 s later still counts."""
    text = """
        0     P>B INVITE branch=p1
        1     P>C INVITE branch=p2
        100   B>P 486 branch=p1 tag=b
        150   C>P 180 branch=p2 tag=c
        20000 D>E OPTIONS cid=other
        40000 C>P 200 branch=p2 tag=c
        50000 P>C BYE cseq=2 tag=c
    """
    (call,) = run(text, tick=True).records("call")
    assert facts(call, "state", "code", "answer_ns") == {"state": "ended", "code": 200, "answer_ns": ns(40_000)}


def test_an_invite_tried_again_elsewhere_goes_on() -> None:
    text = """
        0     A>B INVITE
        100   B>A 503 tag=b
        110   A>B ACK tag=b
        200   A>C INVITE cseq=2
        300   C>A 180 cseq=2 tag=c
        40000 C>A 200 cseq=2 tag=c
    """
    (call,) = run(text, tick=True).records("call")
    assert facts(call, "state", "code", "setup_ms", "pdd_ms", "hops") == {
        "state": "active",
        "code": 200,
        "setup_ms": 39800.0,
        "pdd_ms": 100.0,
        "hops": 2,
    }


@pytest.mark.parametrize(
    ("text", "state", "code", "answer", "end"),
    [
        ("0 A>B INVITE cseq=5 tag=b\n10 B>A 200 cseq=5 tag=b", "active", None, None, None),
        ("0 A>B INVITE cseq=5 tag=b\n10 B>A 488 cseq=5 tag=b", "active", None, None, None),
        ("0 A>B INVITE cseq=5 tag=b\n10 B>A 200 cseq=5 tag=b\n99 A>B BYE cseq=6 tag=b", "ended", None, None, 99),
        ("0 B>A 180 tag=b\n10 B>A 200 tag=b\n20 A>B ACK tag=b\n99 A>B BYE cseq=2 tag=b", "ended", 200, 10, 99),
        ("0 B>A 200 tag=b", "active", 200, 0, None),
        ("0 B>A 486 tag=b", "busy", 486, None, 0),
        ("0 B>A 180 tag=b\n99 A>B BYE cseq=2 tag=b", "ended", None, None, 99),
        ("0 B>A 180 tag=b\n9 A>B INVITE cseq=2 tag=b\n99 A>B BYE cseq=3 tag=b", "ended", None, None, 99),
    ],
)
def test_captures_that_start_in_mid_call(text: str, state: str, code: int | None, answer: int | None, end: int | None) -> None:
    assert facts(one_call(text), "state", "code", "answer_ns", "end_ns") == {
        "state": state,
        "code": code,
        "answer_ns": None if answer is None else ns(answer),
        "end_ns": None if end is None else ns(end),
    }


def test_a_bye_does_not_answer_a_call() -> None:
    """The INVITE was captured, a 2xx was not: the call rings, whatever else was lost (SIPp's branch scenario)."""
    call = one_call("0 A>B INVITE\n10 B>A 180 tag=b\n500 A>B BYE cseq=2 tag=b\n510 B>A 200 cseq=2 of=BYE tag=b")
    assert facts(call, "state", "code", "end_ns", "ended_by") == {
        "state": "ringing",
        "code": None,
        "end_ns": None,
        "ended_by": None,
    }


def test_a_challenge_taken_up_after_a_minute_is_the_same_call() -> None:
    text = "0 A>B INVITE\n10 B>A 407 tag=x\n60000 A>B INVITE cseq=2\n60010 B>A 403 cseq=2 tag=y\n99000 C>D OPTIONS cid=x"
    (call,) = run(text, tick=True).records("call")
    assert facts(call, "state", "code", "messages", "end_ns") == {
        "state": "failed",
        "code": 403,
        "messages": 4,
        "end_ns": ns(60_010),
    }


def test_a_negative_duration_is_null() -> None:
    call = one_call("1000 A>B INVITE\n500 B>A 180 tag=b\n400 B>A 200 tag=b\n300 A>B BYE cseq=2 tag=b")
    assert facts(call, "pdd_ms", "setup_ms", "duration_ms", "first_ns", "last_ns") == {
        "pdd_ms": None,
        "setup_ms": None,
        "duration_ms": None,
        "first_ns": ns(300),
        "last_ns": ns(1000),
    }


def test_who_ended_a_call_whose_caller_is_unknown() -> None:
    assert one_call("0 A>B INVITE cseq=5 tag=b\n99 A>B BYE cseq=6 tag=b")["ended_by"] is None


def test_digits_in_info_bodies() -> None:
    relay = "application/dtmf-relay"
    call = one_call(f"""
        0    A>B INVITE
        10   B>A 200 tag=b
        20   A>B INFO cseq=2 tag=b type={relay} body=Signal=_1\\nDuration=_180\\n
        21   P>B INFO cseq=2 tag=b branch=p type={relay} body=Signal=_1\\nDuration=_180\\n
        500  A>B INFO cseq=2 tag=b type={relay} body=Signal=_1\\nDuration=_180\\n
        600  A>B INFO cseq=3 tag=b type={relay} body=Signal=11\\nDuration=180\\n
        700  A>B INFO cseq=4 tag=b type=application/dtmf body=7
        800  A>B INFO cseq=5 tag=b type=application/dtmf-relay body=signal=*
        900  A>B INFO cseq=6 tag=b type=text/plain body=9
    """)
    assert call["dtmf_info"] == "1#7*"
    assert call["retransmissions"] == 1


def test_reason_header() -> None:
    cause = "h=Reason:Q.850;cause=16;text=x"
    assert one_call(f"0 A>B INVITE\n10 B>A 200 tag=b\n20 A>B BYE cseq=2 tag=b {cause}")["q850_cause"] == 16
    assert one_call("0 A>B INVITE\n10 B>A 480 tag=b h=Reason:Q.850;cause=18")["q850_cause"] == 18
    assert one_call("0 A>B INVITE\n10 A>B CANCEL h=Reason:SIP;cause=200")["q850_cause"] is None
