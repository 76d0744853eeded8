"""What the user typed, as patterns: which texts each finds, and what is no pattern."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_reference import split, uri_text

from lippycat_core.builtin.match import PureProvider
from lippycat_core.errors import FilterError, InputError
from lippycat_core.interfaces.match import Pattern, PatternSet, Spans
from lippycat_voip.patterns import Dialling, number_patterns, read_list, text_pattern, uri_pattern

GERMANY = Dialling(("00",), "49", "0")


def finds(patterns: list[Pattern], *texts: bytes) -> list[bool]:
    """Which texts hit."""
    ends = np.cumsum([0, *map(len, texts)]).astype(np.int32)
    slab = np.frombuffer(b"".join(texts) + b"x", np.uint8)
    matcher = PureProvider().open().compile(PatternSet(patterns))
    matcher.submit(Spans(slab, ends[:-1], np.diff(ends).astype(np.int32)), first_only=True)
    rows = set(matcher.collect().row.tolist())
    return [row in rows for row in range(len(texts))]


# -- users and Call-IDs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "user", "wants"),
    [
        ("alice", "alice", True),
        ("alice", "Alice", False),
        ("alice", "alice2", False),
        ("alice", "xalice", False),
        ("alice*", "alice2", True),
        ("alice*", "alice", True),
        ("*ice", "alice", True),
        ("+49*30*", "+49930123", True),
        ("*", "anyone", True),
        ("a?c", "abc", False),
        ("a?c", "a?c", True),
        ("a?*", "abc", False),
        ("a?*", "a?bc", True),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        (r"a\\*", "a\\b", True),
        (r"a\\*", "a*", False),
        ("a\\", "a\\", True),
        ("jürgen*", "jürgen-2", True),
    ],
)
def test_texts_and_wildcards(name: str, user: str, wants: bool) -> None:
    assert finds([text_pattern(name)], user.encode()) == [wants]


@given(st.text(min_size=1, max_size=8))
def test_an_escaped_text_finds_itself_alone(text: str) -> None:
    escaped = "".join("\\" + c if c in "\\*" else c for c in text)
    assert finds([text_pattern(escaped)], text.encode(), text.encode() + b"x", b"x" + text.encode()) == [True, False, False]
    assert finds([text_pattern(escaped + "*")], text.encode(), text.encode() + b"x") == [True, True]


def test_arguments_that_are_no_text_are_bytes() -> None:
    assert finds([text_pattern("a\udcff*")], b"a\xffb", b"ab") == [True, False]


# -- numbers ------------------------------------------------------------------------------------------------------------

FORMS = [b"49301234", b"0049301234", b"0301234", b"301234", b"1234", b"4930123", b"149301234"]
"""As `kernels.identities` writes them."""


@pytest.mark.parametrize(
    ("number", "dialling", "found"),
    [
        ("+49301234", Dialling(), [b"49301234"]),
        ("+49 (30) 12-3.4", Dialling(), [b"49301234"]),
        ("+49*", Dialling(), [b"49301234", b"4930123"]),
        ("+*1234", Dialling(), [b"49301234", b"0049301234", b"0301234", b"301234", b"1234", b"149301234"]),
        ("1234", Dialling(), [b"49301234", b"0049301234", b"0301234", b"301234", b"1234", b"149301234"]),
        ("301234", Dialling(), [b"49301234", b"0049301234", b"0301234", b"301234", b"149301234"]),
        ("0301234", Dialling(), [b"0301234"]),
        ("0301234", GERMANY, [b"0301234", b"49301234"]),
        ("0049 30 1234", Dialling(), [b"0049301234", b"49301234"]),
        ("030*", Dialling(), [b"0301234"]),
        ("030*", GERMANY, [b"0301234", b"49301234", b"4930123"]),
        ("00*", GERMANY, [b"0049301234"]),
        ("0*", GERMANY, [b"0049301234", b"0301234", b"49301234", b"4930123"]),
        ("*301234", GERMANY, [b"49301234", b"0049301234", b"0301234", b"301234", b"149301234"]),
        ("*", Dialling(), FORMS),
        ("99", GERMANY, []),
    ],
)
def test_numbers(number: str, dialling: Dialling, found: list[bytes]) -> None:
    hits = finds(number_patterns(number, dialling), *FORMS)
    assert {form for form, hit in zip(FORMS, hits, strict=True) if hit} == set(found)


def test_service_codes_are_numbers() -> None:
    assert finds(number_patterns(r"\*\*620", Dialling()), b"**620", b"11620") == [True, False]
    assert finds(number_patterns("#31#*", Dialling()), b"#31#0301", b"310301") == [True, False]


@pytest.mark.parametrize("number", ["alice", "0800FLOWERS", "+", "-", "()", "++49", "4+9", "sip:+49", "1;2", "٣"])
def test_what_is_no_number(number: str) -> None:
    with pytest.raises(FilterError, match="is no telephone number: write digits"):
        number_patterns(number, GERMANY)


# -- URIs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "uri", "found"),
    [
        ("sip:alice@example.org", b"sip:alice@example.org", True),
        ("SIP:alice@EXAMPLE.org", b"Sip:alice@Example.ORG", True),
        ("sip:Alice@example.org", b"sip:alice@example.org", False),
        ("sip:alice@example.org", b"sip:alice@example.org:5060", False),
        ("sip:alice@example.org", b"sips:alice@example.org", False),
        ("sip:alice@example.org", b"sip:alice@example.org;transport=tcp", True),
        ("sip:alice@example.org", b"sip:al%69ce@example.org", True),
        ("sip:al%69ce@example.org", b"sip:alice@example.org", True),
        ("sip:a%2fb@x", b"sip:a%2Fb@x", True),
        ("sip:a%2Ab@x", b"sip:a*b@x", True),
        ("sip:a%2Ab@x", b"sip:acb@x", False),
        ("sip*:alice@example.org", b"sips:alice@example.org", True),
        ("*@EXAMPLE.org", b"sip:Bob@example.ORG", True),
        ("*Bob@example.org", b"sip:bob@example.org", False),
        ("*.Example.org", b"sip:bob@pbx.example.ORG", True),
        ("*alice@*", b"sip:alice@x", True),
        ("sip:Example.org", b"sip:EXAMPLE.org;lr", True),
        ("sip:a?c@x", b"sip:abc@x", False),
        ("sip:a?c@x", b"sip:a?c@x", True),
        ("tel:+49-30*", b"tel:+49(30)1234;x=y", True),
        ("TEL:+4930-1234", b"tel:+49301234", True),
        ("urn:service:sos", b"urn:service:sos", True),
        (r"sip:\*100@x", b"sip:*100@x", True),
        (r"sip:\*100@x", b"sip:9100@x", False),
    ],
)
def test_uris(pattern: str, uri: bytes, found: bool) -> None:
    text = uri_text(uri)
    assert text is not None
    assert finds([uri_pattern(pattern)], text) == [found]


@pytest.mark.parametrize("uri", ["alice", "alice@example.org", "", ":alice", "<sip:alice@x>", "ä:b"])
def test_what_is_no_uri(uri: str) -> None:
    with pytest.raises(FilterError, match="is no URI: begin with a scheme"):
        uri_pattern(uri)


@pytest.mark.parametrize("uri", ["sip:alice@x;transport=tcp", "sip:x;lr", "tel:+49;x=y", "*@x?subject=y"])
def test_parameters_would_never_be_found(uri: str) -> None:
    with pytest.raises(FilterError, match="has parameters"):
        uri_pattern(uri)


@given(st.text("aA%4aé.:@-/(", min_size=1, max_size=12), st.sampled_from(["sip", "TEL", "urn", "Sips"]))
def test_a_uri_finds_itself(rest: str, scheme: str) -> None:
    uri = f"{scheme}:{rest}"
    text = uri_text(uri.encode())
    assert split(uri.encode())
    assert text is not None
    assert finds([uri_pattern(uri)], text) == [True]


# -- lists --------------------------------------------------------------------------------------------------------------


def test_read_list(tmp_path: Path) -> None:
    listed = tmp_path / "users"
    listed.write_bytes("\ufeff# staff\r\nalice, bob\r\n\n+4930*   # the office\nalice\n".encode())
    assert read_list("--x", ["carol,dave", " eve "], str(listed), "users") == ["carol", "dave", "eve", "alice", "bob", "+4930*"]
    assert read_list("--x", ["a", "a"], None, "users") == ["a"]
    for bad in ("", "a,", ",", "a,,b"):
        with pytest.raises(FilterError, match=r"--x: .* empty word"):
            read_list("--x", [bad], None, "users")
    listed.write_text("# nobody\n\n")
    with pytest.raises(InputError, match="no users in it"):
        read_list("--x", [], str(listed), "users")
    listed.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read_list("--x", [], str(listed), "users")
    with pytest.raises(InputError, match="cannot read"):
        read_list("--x", [], str(tmp_path), "users")


def test_a_hundred_thousand_lines_are_read_at_once(tmp_path: Path) -> None:
    listed = tmp_path / "users"
    listed.write_text("".join(f"+4930{n:06}\n" for n in range(100_000)))
    began = time.process_time()
    numbers = read_list("--x", [], str(listed), "numbers")
    users = [text_pattern(number) for number in numbers]
    assert [pattern for number in numbers for pattern in number_patterns(number, GERMANY)][-1] == Pattern(b"4930099999")
    assert time.process_time() - began < 2, "about 0.4 s where nothing else runs"
    assert (len(users), users[0]) == (100_000, Pattern(b"+4930000000"))
