from __future__ import annotations

from typing import Any

import pytest
from made_up import HOSTILE, call, message, party, stream, summary

from lippycat_core.events import Event
from lippycat_core.printable import printable, width
from lippycat_voip import render
from lippycat_voip.screen import CallScreen


def screen(records: list[dict[str, Any]], total: int = 120, *, ladders: bool = False) -> list[str]:
    lines: list[str] = []
    shown = CallScreen(lambda texts: lines.extend(text.plain for text in texts), total, ladders=ladders)
    for record in records:
        fields = {key: value for key, value in record.items() if key not in ("record", "schema")}
        shown.emit([Event(record["record"], 0, 1, fields)])
    return lines


def test_a_call_its_streams_and_the_summary() -> None:
    assert screen([stream(), call(), summary()]) == [
        "STATE      CODE START     DURATION FROM                                        TO",
        "ended      200  22:13:20    12.3 s alice@example.org                         → bob@example.org",
        "   10.0.0.1:5060 → 10.0.0.2:5060 udp, 7 messages, ringing after 320 ms, answered after 2.1 s, ended by callee,",
        "   Call-ID a84b4c76e66710@pc33.example.org",
        "   #5 PCMU/8000, 10.0.0.1:10000 → 10.0.0.2:10002, 490 packets, loss 2.00 % (10), jitter 0.1 ms (max 0.4), 1 reordered",
        "",
        "Packets     510, 108,000 bytes, 2023-11-14 22:13:20 to 2023-11-14 22:13:40 UTC",
        "SIP         7 messages, ACK: 1, BYE: 1, INVITE: 1, 200: 2, 180: 1",
        "Calls       1, ended: 1",
        "Streams     1, 490 RTP packets, 0 RTCP packets, 10 lost (2.00 %)",
        "Undecodable 3, link_type: 3",
        "Time        0.40 s, pure",
    ]


def test_streams_stand_under_the_call_that_lists_them() -> None:
    first, second = call(call_id="one", streams=[5]), call(call_id="two", streams=[9])
    lines = screen([stream(id=9, call_id="two"), stream(id=5, call_id="one"), first, second])
    order = [line.split()[0] if "#" in line else line.split()[-1] for line in lines if "#" in line or "Call-ID" in line]
    assert order == ["one", "#5", "two", "#9"]


def test_a_stream_of_two_calls_stands_under_both() -> None:
    shared = stream(call_id="one", call_ids=["one", "two"])
    lines = screen([shared, call(call_id="two"), call(call_id="one")])
    assert sum("#5" in line for line in lines) == 2


def test_streams_without_a_call_are_shown_as_such() -> None:
    lines = screen([stream(call_id=None, call_ids=[], found_by="heuristic")])
    assert lines[0] == "RTP without its call"
    assert "found without SDP" in " ".join(lines)


def test_a_stream_whose_call_never_comes_is_shown_at_the_end() -> None:
    lines = screen([stream(call_id="lost"), summary(calls=0)])
    assert lines[0] == "RTP without its call"


def test_other_dialogs_are_one_line() -> None:
    lines = screen([call(record="dialog", method="REGISTER", state="ok", duration_ms=None, streams=[])])
    assert len(lines) == 2
    assert lines[1].startswith("REGISTER   200  22:13:20         -")


def test_ladders_are_drawn_of_the_messages_that_came_before() -> None:
    lines = screen([message(0, "INVITE"), message(1, 200, reason="OK"), stream(), call()], ladders=True)
    assert any("INVITE" in line and "▶" in line for line in lines)
    assert any("═" in line for line in lines)


def test_what_waits_for_a_call_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lippycat_voip.screen.HELD_STREAMS", 2)
    monkeypatch.setattr("lippycat_voip.screen.HELD_MESSAGES", 2)
    waiting = [stream(id=number, call_id="one") for number in (1, 2, 3)]
    assert screen(waiting)[1].startswith("   #1 ")
    messages = [message(n, "INVITE", call_id=name) for n, name in enumerate(("one", "two", "three"))]
    lines = screen([*messages, call(call_id="one"), call(call_id="three")], ladders=True)
    assert sum("no ladder" in line for line in lines) == 1
    assert sum("INVITE" in line for line in lines) == 1


def test_what_went_wrong_stands_out() -> None:
    line = render.call_line(call(state="failed", code=503), 100)
    assert line.style == "bold red"
    details = render.call_details(call(state="failed", code=503, reason="Service\nUnavailable", one_way=True), 200)
    assert "Service\\nUnavailable" in details[0].plain
    assert "one-way media" in details[0].plain


def test_the_summary_says_what_was_left_out() -> None:
    accounting = {"captured": 10, "delivered": 4, "filtered": 2, "dropped": {"kernel": 1}, "undecodable": {"link_type": 3}}
    sip = {"messages": 3, "malformed": 2, "retransmissions": 1, "copies": 4}
    text = "\n".join(
        line.plain for line in render.summary_lines(summary(accounting=accounting, evicted={"calls": 7}, sip=sip), 0, 0, 80)
    )
    for line in ("Filtered    2", "Dropped     1, kernel: 1", "Undecodable 3, link_type: 3", "Evicted     7, calls: 7"):
        assert line in text
    assert "3 messages, 1 retransmission, 4 copies, 2 malformed" in text


def test_an_empty_input_has_a_summary_too() -> None:
    lines = render.summary_lines(summary(packets=0, bytes=0, first=None, last=None, sip={}, calls=0, call_states={}), 0, 0, 80)
    assert lines[0].plain == "Packets     0, 0 bytes"


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, None),
        (0.0, "0 ms"),
        (999.4, "999 ms"),
        (1000, "1.0 s"),
        (59_900, "59.9 s"),
        (245_000, "4:05"),
        (3_723_000, "1:02:03"),
    ],
)
def test_durations_are_as_short_as_can_be(ms: float | None, text: str | None) -> None:
    assert render.milliseconds(ms) == text


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (None, "-"),
        ({"uri": "sips:a@x", "display": "A"}, "a@x"),
        ({"uri": "sip:a;n=1@x;transport=UDP?h=v", "display": "A"}, "a;n=1@x"),
        ({"uri": "tel:+491234", "display": None}, "+491234"),
        ({"uri": "urn:service:sos", "display": None}, "urn:service:sos"),
        ({"uri": None, "display": "Anna"}, "Anna"),
    ],
)
def test_a_party_is_its_uri_without_the_scheme(end: dict[str, Any] | None, text: str) -> None:
    assert render.party(end) == text


@pytest.mark.parametrize("total", [40, 80, 120, 200])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_fits_the_width_and_does_nothing(text: str, total: int) -> None:
    records = [
        stream(codec=text, src=text, dtmf=text, call_id=text),
        stream(id=6, call_id=None, codec=None, loss_pct=None, lost=None, jitter_ms=None),
        call(
            call_id=text,
            state=text,
            reason=text,
            code=999,
            src=text,
            ended_by=text,
            **{"from": party(text), "to": {"uri": None, "display": text}},
        ),
    ]
    for line in screen(records, total):
        assert width(line) <= max(total, 57)
        assert printable(line) == line
