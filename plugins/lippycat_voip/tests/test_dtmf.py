"""Digits from events in any order; the log of a stream that sends events for ever stays small."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lippycat_voip.dtmf import LONGEST, REMEMBERED, SEGMENT, DigitLog

ALL = frozenset(range(128))


def test_names_of_events() -> None:
    log = DigitLog()
    for event in range(16):
        log.add(0, 1000 * event, 101, event)
    assert log.text(ALL) == "0123456789*#ABCD"


def test_digits_of_other_payload_types_are_left_out() -> None:
    log = DigitLog()
    log.add(0, 0, 96, 1)
    log.add(0, 1000, 101, 2)
    assert log.text(frozenset((101,))) == "2"
    assert log.text(frozenset((8,))) is None


@given(order=st.permutations(range(5)))
def test_segments_in_any_order_are_one_digit(order: list[int]) -> None:
    """Neighbours that come one after the other join; a segment between two known ones joins both."""
    log = DigitLog()
    first = order[0]
    for segment in sorted(order, key=lambda segment: abs(segment - first)):
        log.add(0, (2**32 - 1 + SEGMENT * segment) % 2**32, 101, 7)
    assert log.text(ALL) == "7"


def test_the_log_is_bounded() -> None:
    log = DigitLog()
    for i in range(2 * LONGEST):
        log.add(0, 1000 * i, 101, i % 10)
    digits = log.text(ALL)
    assert digits is not None
    assert len(digits) == LONGEST
    log.add(0, 1000 * (2 * LONGEST - REMEMBERED), 101, 5)
    assert log.text(ALL) == digits
