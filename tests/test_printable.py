from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lippycat_core.printable import cut, fit, printable, width


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("sip:alice@example.org", "sip:alice@example.org"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("line\r\nnext\tcell", "line\\r\\nnext\\tcell"),
        ("\x7f\x9b31m", "\\x7f\\x9b31m"),
        ("evil\u202etxt", "evil\\u202etxt"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\ud800", "\\ud800"),
        ("Zoë 日本", "Zoë 日本"),
    ],
)
def test_what_a_terminal_would_act_on_is_shown_instead(raw: str, shown: str) -> None:
    assert printable(raw) == shown


def test_wide_characters_count_twice_and_combining_ones_not() -> None:
    assert width("日本") == 4
    assert width("e\u0301") == 1


@pytest.mark.parametrize(
    ("text", "room", "result"), [("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…")]
)
def test_cut_shows_that_something_is_missing(text: str, room: int, result: str) -> None:
    assert cut(text, room) == result


@given(st.text(), st.integers(0, 40))
def test_fit_takes_exactly_the_room_it_is_given(text: str, room: int) -> None:
    fitted = fit(printable(text), room)
    assert width(fitted) == room
    assert printable(fitted) == fitted
