"""Durations, sizes and other values as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lippycat_core.host import units


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("300s", 300 * 10**9),
        ("2m", 120 * 10**9),
        ("100ms", 10**8),
        ("1.5s", 1_500_000_000),
        ("0.000000001s", 1),
        ("7", 7 * 10**9),
        (7, 7 * 10**9),
        (0.5, 5 * 10**8),
        (" 1 h ", 3600 * 10**9),
        ("0s", 0),
    ],
)
def test_durations(text: object, ns: int) -> None:
    assert units.duration_ns(text) == ns


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [
        ("25MB", 25_000_000),
        ("2GiB", 2 << 30),
        ("512KiB", 512 << 10),
        ("1kB", 1000),
        ("9", 9),
        (9, 9),
        ("1.5KiB", 1536),
        ("3B", 3),
    ],
)
def test_sizes(text: object, nbytes: int) -> None:
    assert units.size_bytes(text) == nbytes


@pytest.mark.parametrize(
    "wrong", ["", "s", "-1s", "1e3s", "1 fortnight", "1.s", "\N{ARABIC-INDIC DIGIT ONE}s", True, None, [1], "nan", float("nan")]
)
def test_what_is_no_duration_or_size(wrong: object) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        units.duration_ns(wrong)
    with pytest.raises(ValueError, match="not a size"):
        units.size_bytes(wrong)


@given(st.integers(0, 10**18))
def test_what_is_shown_reads_back(number: int) -> None:
    assert units.duration_ns(units.show_duration(number)) == number
    assert units.size_bytes(units.show_size(number)) == number


def test_truth_words_and_numbers() -> None:
    assert [units.truth(text) for text in (True, "YES", " on ", 1, False, "no", "Off", "0")] == [True] * 4 + [False] * 4
    assert units.words("a, b,,c ") == units.words(["a", "b", "c"]) == ("a", "b", "c")
    assert (units.number("1.5"), units.number(2), units.text(5), units.text("x")) == (1.5, 2.0, "5", "x")
    assert [units.whole_number(text) for text in (5, "5", " -5 ")] == [5, 5, -5]
    for reader, wrong in (
        (units.truth, 2),
        (units.words, 5),
        (units.words, [None]),
        (units.words, [24, "b"]),  # what YAML makes of 030
        (units.whole_number, True),
        (units.whole_number, 1.5),
        (units.whole_number, "9" * 30),
        (units.number, "1,5"),
        (units.number, True),
        (units.number, 10**400),
        (units.number, "nan"),
        (units.text, 1.5),
    ):
        with pytest.raises(ValueError, match=r"write|whole number|not a"):
            reader(wrong)
