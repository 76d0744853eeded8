from __future__ import annotations

from itertools import pairwise

import pytest
from made_up import BEGIN, HOSTILE, message, stream

from lippycat_core.printable import printable, width
from lippycat_voip.ladder import draw

PLAIN_CALL = [
    message(0, "INVITE", sdp=["audio"]),
    message(0.1, 180, "10.0.0.2:5060", "10.0.0.1:5060", reason="Ringing"),
    message(2, 200, "10.0.0.2:5060", "10.0.0.1:5060", reason="OK", sdp=["audio"]),
    message(2.05, "ACK"),
    message(12, "BYE", "10.0.0.2:5060", "10.0.0.1:5060"),
]


def test_a_plain_call_reads_from_top_to_bottom() -> None:
    picture = draw(PLAIN_CALL, [stream(first_ns=BEGIN + 2_100_000_000)], 80)
    assert picture == [
        "                      10.0.0.1:5060                     10.0.0.2:5060",
        "     0.000                  │───────── INVITE (SDP) ─────────▶│",
        "     0.100                  │◀───────── 180 Ringing ──────────│",
        "     2.000                  │◀──────── 200 OK (SDP) ──────────│",
        "     2.050                  │────────────── ACK ─────────────▶│",
        "     2.100                  │═══ PCMU 490 packets, 10 lost ══▶│",
        "    12.000                  │◀───────────── BYE ──────────────│",
    ]


def test_copies_are_not_drawn_and_retransmissions_are_marked() -> None:
    picture = draw(
        [message(0, "INVITE"), message(0, "INVITE", kind="copy"), message(0.5, "INVITE", kind="retransmission")], [], 80
    )
    assert len(picture) == 3
    assert "INVITE (again)" in picture[2]


def test_endpoints_beyond_the_width_are_written_out() -> None:
    hops = [f"10.0.0.{n}:5060" for n in range(1, 7)]
    messages = [message(n / 10, "INVITE", a, b) for n, (a, b) in enumerate(pairwise(hops))]
    picture = draw(messages, [], 80)
    assert "10.0.0.5:5060 → 10.0.0.6:5060  INVITE" in picture[5]
    assert picture[-1].startswith("(3 more endpoints")


def test_two_endpoints_of_one_host_have_their_own_columns_for_media_too() -> None:
    messages = [message(0, "INVITE", "127.0.0.1:5060", "127.0.0.1:5061")]
    picture = draw(messages, [stream(src="127.0.0.1:6000", dst="127.0.0.1:6002")], 80)
    assert "127.0.0.1:5061" in picture[0]
    assert "▶│" in picture[2]


def test_media_from_elsewhere_gets_a_column_of_its_host() -> None:
    picture = draw(PLAIN_CALL, [stream(src="192.0.2.9:4000")], 120)
    assert "192.0.2.9" in picture[0]
    assert "192.0.2.9:4000" not in picture[0]


def test_ipv6_ends_find_their_host() -> None:
    messages = [message(0, "INVITE", "[2001:db8::1]:5060", "[2001:db8::2]:5060")]
    picture = draw(messages, [stream(src="[2001:db8::1]:4000", dst="[2001:db8::2]:4002")], 80)
    assert len(picture) == 3
    assert "═" in picture[2]


def test_an_endpoint_that_talks_to_itself_is_drawn() -> None:
    assert "⟲ OPTIONS" in draw([message(0, "OPTIONS", "10.0.0.1:5060", "10.0.0.1:5060")], [], 80)[1]


def test_nothing_gives_an_empty_picture() -> None:
    assert draw([], [], 80) == [""]


@pytest.mark.parametrize("total", [10, 80, 120, 200])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_within_its_line(text: str, total: int) -> None:
    messages = [
        message(0, text, sdp=["x"]),
        message(1, 486, "10.0.0.2:5060", "10.0.0.1:5060", reason=text),
        message(2, "BYE", text, text + "2"),
    ]
    for line in draw(messages, [stream(codec=text)], total):
        assert width(line) <= max(total, 31)
        assert printable(line) == line
