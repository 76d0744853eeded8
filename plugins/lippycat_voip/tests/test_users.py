"""The user filter: which header values name a wanted user."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lippycat_core.builtin.match import PureProvider
from lippycat_core.errors import FilterError, InputError
from lippycat_voip.users import UserFilter, read_names, users_of


def wanted(*names: str) -> UserFilter:
    return UserFilter(names, PureProvider().open())


@pytest.mark.parametrize(
    ("value", "users"),
    [
        (b"<sip:alice@example.org>;tag=1", [b"alice"]),
        (b'"sip:eve@x" <sips:alice:secret@[2001:db8::1]:5061;transport=tcp>', [b"alice"]),
        (b"sip:alice@example.org;tag=1", [b"alice"]),
        (b"sip:al%69ce@example.org", [b"alice"]),
        (b"<sip:example.org>", []),
        (b"<tel:+49-30-1234>;tag=x", [b"+49-30-1234", b"+49301234"]),
        (b"tel:7042;phone-context=example.com", [b"7042", b"7042"]),
        (b'"Bob" <sip:bob@x>, <tel:+4930>', [b"bob", b"+4930", b"+4930"]),
        (b"", []),
        (b"<<<>>>;;;", []),
        (b"\xff\xfe", []),
    ],
)
def test_users_of(value: bytes, users: list[bytes]) -> None:
    assert users_of(value) == users


@pytest.mark.parametrize(
    ("names", "user", "wants"),
    [
        (["alice"], "alice", True),
        (["alice"], "Alice", False),
        (["alice"], "alice2", False),
        (["alice"], "xalice", False),
        (["alice*"], "alice2", True),
        (["alice*"], "alice", True),
        (["*ice"], "alice", True),
        (["+49*30*"], "+49930123", True),
        (["*"], "anyone", True),
        (["a?c"], "abc", False),
        (["a?*"], "abc", False),
        ([r"a\*"], "a*", True),
        ([r"a\*"], "ab", False),
        (["bob", "a*"], "bob", True),
        (["bob", "a*"], "carol", False),
    ],
)
def test_names_and_wildcards(names: list[str], user: str, wants: bool) -> None:
    assert wanted(*names).wants(f"<sip:{user}@example.org>;tag=1".encode()) is wants


def test_no_user_wants_nothing() -> None:
    assert not wanted("*").wants(b"<sip:example.org>")


def test_bad_names() -> None:
    with pytest.raises(FilterError, match="empty"):
        wanted()
    with pytest.raises(FilterError, match="empty"):
        wanted("a", "")


def test_read_names(tmp_path: Path) -> None:
    listed = tmp_path / "users"
    listed.write_text("# staff\nalice, bob\n\n+4930*   # the office\nalice\n")
    assert read_names(["carol,dave", " eve "], str(listed)) == ["carol", "dave", "eve", "alice", "bob", "+4930*"]
    for bad in ("", "a,", ",", "a,,b"):
        with pytest.raises(FilterError, match="empty name"):
            read_names([bad], None)
    listed.write_text("# nobody\n\n")
    with pytest.raises(InputError, match="no SIP users"):
        read_names([], str(listed))
    listed.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read_names([], str(listed))
    with pytest.raises(InputError, match="cannot read"):
        read_names([], str(tmp_path))


def test_a_hundred_thousand_exact_names(tmp_path: Path) -> None:
    listed = tmp_path / "users"
    listed.write_text("".join(f"+4930{n:06}\n" for n in range(100_000)))
    users = wanted(*read_names([], str(listed)))
    began = time.process_time()
    found = sum(users.wants(f"<sip:+4930{n:06}@x>;tag={n}".encode()) for n in range(99_000, 101_000))
    assert found == 1000
    assert time.process_time() - began < 2, "each value is one look-up"
