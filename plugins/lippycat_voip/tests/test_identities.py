"""Kernels `addresses` and `identities` against the reference: what filters are given to look at."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_reference import split, uri_numbers, uri_text, uri_users, users_of, value_addresses
from message_table import read

from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_voip.columns import AD_WIDTH
from lippycat_voip.kernels.addresses import FIELD_LIMIT, MESSAGE_LIMIT, addresses
from lippycat_voip.kernels.identities import (
    ADDRESS_BYTES,
    ADDRESS_TEXTS,
    NUMBERS,
    TEXT_LIMIT,
    URIS,
    USERS,
    Texts,
    identities,
)
from lippycat_voip.patterns import Dialling
from lippycat_voip.selection import _numbering

GERMANY = Dialling(("00",), "49", "0")


def message(*headers: bytes, start: bytes = b"SIP/2.0 200 OK") -> bytes:
    return b"\r\n".join(
        [start, b"Via: SIP/2.0/UDP a;branch=z9hG4bK1", b"Call-ID: 1", b"CSeq: 1 INVITE", *headers, b"", b"body <sip:x@y>"]
    )


def found(kernels: KernelSet, *datagrams: bytes, wire_len: int | None = None) -> list[list[bytes]]:
    """The addresses of each message."""
    messages = read(kernels, *datagrams, wire_len=wire_len)
    table = np.array([message.row for message in messages], np.int32).reshape(-1)
    out = np.full((len(messages) * MESSAGE_LIMIT + 1) * AD_WIDTH, -77, np.int32)
    slab = np.frombuffer(messages[0].data, np.uint8).copy()
    view = kernels.view
    used = kernels[addresses](view(slab), view(table), len(messages), view(out))
    assert set(out[used * AD_WIDTH :].tolist()) == {-77}
    lists: list[list[bytes]] = [[] for _ in messages]
    for number, off, length in out[: used * AD_WIDTH].reshape(-1, AD_WIDTH).tolist():
        lists[number].append(messages[0].data[off : off + length])
    return lists


def texts(
    kernels: KernelSet, uris: list[bytes], wanted: int, dialling: Dialling = GERMANY, room: int = 0
) -> list[list[set[bytes]]]:
    """Users, numbers and URIs of each URI; `room` is what `out` has behind what one address needs."""
    slab = np.frombuffer(b"".join(uris) + b"x", np.uint8).copy()
    ends = np.cumsum([0, *map(len, uris)]).tolist()
    rows = [[number, ends[number], len(uri)] for number, uri in enumerate(uris)]
    table = np.array(rows, np.int32).reshape(-1)
    out = np.zeros(ADDRESS_BYTES + room, np.uint8)
    lists = [Texts(*(np.zeros(len(uris) * ADDRESS_TEXTS, np.int32) for _ in Texts._fields)) for _ in range(3)]
    view, numbering = kernels.view, kernels.view_all(_numbering(dialling))
    views = [kernels.view_all(list_) for list_ in lists]
    kinds: list[list[set[bytes]]] = [[set() for _ in uris] for _ in range(3)]
    done = 0
    while done < len(uris):
        before = done
        done, used, *counts = kernels[identities](view(slab), view(table), done, len(uris), wanted, numbering, view(out), *views)
        assert before < done
        assert used <= len(out)
        for kind, list_, count in zip(kinds, lists, counts, strict=True):
            for off, length, number in zip(*(column[:count].tolist() for column in list_), strict=True):
                assert 0 <= off <= off + length <= used
                kind[number].add(out[off : off + length].tobytes())
    return kinds


def one(kernels: KernelSet, uri: bytes, dialling: Dialling = GERMANY) -> tuple[set[bytes], set[bytes], set[bytes]]:
    users, numbers, uris = texts(kernels, [uri], USERS | NUMBERS | URIS, dialling)
    return users[0], numbers[0], uris[0]


# -- addresses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "uris"),
    [
        (b"<sip:alice@example.org>;tag=1", [b"sip:alice@example.org"]),
        (b"sip:alice@example.org;tag=1", [b"sip:alice@example.org"]),
        (b'"Alice" <sip:alice@example.org;x=y>;tag=1', [b"sip:alice@example.org;x=y"]),
        (b'"<sip:eve@x>" <sip:alice@y>', [b"sip:alice@y"]),
        (b'"never closed <sip:alice@y>', [b"sip:alice@y"]),
        (b'"Alice" sip:alice@y;tag=1', [b"sip:alice@y"]),
        (b"Alice <sip:alice@y", [b"sip:alice@y"]),
        (b"< sip:alice@y >", [b"sip:alice@y"]),
        (b"<<sip:alice@y>>", [b"sip:alice@y"]),
        (b"<>;tag=1", []),
        (b"", []),
    ],
)
def test_addresses_of_one_value(kernels: KernelSet, value: bytes, uris: list[bytes]) -> None:
    assert value_addresses(value) == uris
    assert found(kernels, message(b"From: " + value, b"To: <sip:bob@x>")) == [[*uris, b"sip:bob@x"]]


def test_the_order_is_request_uri_from_to_and_identities(kernels: KernelSet) -> None:
    headers = [b"P-Preferred-Identity: <sip:d@x>", b"t: <sip:c@x>", b"f: <sip:b@x>", b"P-Asserted-Identity: <sip:e@x>"]
    assert found(kernels, message(*headers, start=b"INVITE sip:a;day=monday@x SIP/2.0")) == [
        [b"sip:a;day=monday@x", b"sip:b@x", b"sip:c@x", b"sip:d@x", b"sip:e@x"]
    ]


def test_asserted_identities_in_one_line_in_two_and_folded(kernels: KernelSet) -> None:
    headers = [
        b'P-Asserted-Identity: "Cullen, Jennings" <sip:fluffy@example.com>, tel:+14085264000',
        b"Subject: <sip:no@x>",
        b"p-asserted-identity : <sip:a@x>",
        b"no header field, P-Asserted-Identity <sip:no@x>",
        b"P-Asserted-Identity: <sip:b@x>,\r\n <sip:c@x>",
        b"P-Preferred-Identity:",
        b"P-Preferred-Identity: ,,<sip:d@x>;x=y,",
    ]
    assert found(kernels, message(*headers)) == [
        [b"sip:fluffy@example.com", b"tel:+14085264000", *(b"sip:%c@x" % c for c in b"abcd")]
    ]


def test_each_message_has_its_own(kernels: KernelSet) -> None:
    assert found(kernels, message(b"From: <sip:a@x>"), b"\0\0", message(b"P-Asserted-Identity: <sip:b@x>", b"To: <sip:c@x>")) == [
        [b"sip:a@x"],
        [],
        [b"sip:c@x", b"sip:b@x"],
    ]


def test_what_the_snap_length_cut_is_not_guessed(kernels: KernelSet) -> None:
    whole = message(b"P-Asserted-Identity: <sip:a@x>", b"P-Asserted-Identity: <sip:b@x>")
    cut = whole[: whole.index(b"b@x") + 3]
    assert found(kernels, cut + b">\r\n", wire_len=900) == [[b"sip:a@x", b"sip:b@x"]]
    assert found(kernels, cut, wire_len=900) == [[b"sip:a@x"]]


def test_what_a_field_may_have_is_bounded_by_itself(kernels: KernelSet) -> None:
    many = b"".join(b"<sip:%d@x>" % number for number in range(20))
    lists = b",".join(b"<sip:%d@x>" % number for number in range(20))
    headers = [b"From: " + many, b"To: <sip:bob@x>", b"P-Asserted-Identity: " + lists, b"P-Preferred-Identity: <sip:late@x>"]
    (uris,) = found(kernels, message(*headers, start=b"INVITE sip:a@x SIP/2.0"))
    eight = [b"sip:%d@x" % number for number in range(FIELD_LIMIT)]
    assert uris == [b"sip:a@x", *eight, b"sip:bob@x", *eight]


pieces = st.sampled_from([b"<", b">", b'"', b"\\", b",", b";", b" ", b"\r\n ", b"sip:a@b", b"tel:+1-2", b"x", b"<sip:c@d>", b":"])
_CLOSED = re.compile(rb'[^<>"]*(<[^<>"]*>[^<>"]*)*')
hostile = st.lists(pieces, max_size=12).map(b"".join)


@given(hostile)
def test_hostile_values(kernels: KernelSet, value: bytes) -> None:
    folded = value.strip(b" \t\r\n")
    (uris,) = found(kernels, message(b"To: x:y", b"From: " + value))
    assert uris == [*value_addresses(folded), b"x:y"]


@given(st.lists(st.tuples(st.sampled_from([b"From", b"To", b"P-Asserted-Identity", b"i"]), st.binary(max_size=40)), max_size=6))
def test_random_bytes_stay_in_bounds(kernels: KernelSet, headers: list[tuple[bytes, bytes]]) -> None:
    data = message(*(name + b": " + value for name, value in headers))
    for uris in found(kernels, data, data[: len(data) // 2], data[:30]):
        assert all(0 < len(uri) <= len(data) for uri in uris)


@given(st.lists(hostile.filter(lambda value: b"\n" not in value), max_size=5))
def test_identity_lines_are_looked_at_as_one_list(kernels: KernelSet, values: list[bytes]) -> None:
    """Where quotes and brackets close, two lines mean what one with a comma means (RFC 3261, 7.3.1)."""
    closed = [value for value in values if all(_CLOSED.fullmatch(part) for part in value.split(b","))]
    lines = found(kernels, message(*(b"P-Asserted-Identity: " + value for value in closed)))
    assert lines == found(kernels, message(b"P-Asserted-Identity: " + b",".join(closed)))
    assert lines[0] == [uri for value in closed for part in value.split(b",") for uri in value_addresses(part)][:FIELD_LIMIT]


# -- users --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "users"),
    [
        (b"<sip:alice@example.org>;tag=1", [b"alice"]),
        (b'"sip:eve@x" <sips:alice:secret@[2001:db8::1]:5061;transport=tcp>', [b"alice"]),
        (b"sip:alice@example.org;tag=1", [b"alice"]),
        (b"sip:al%69ce@example.org", [b"alice"]),
        (b"<sip:example.org>", []),
        (b"<tel:+49-30-1234>;tag=x", [b"+49-30-1234", b"+49301234"]),
        (b"tel:7042;phone-context=example.com", [b"7042"]),
        (b'"Bob" <sip:bob@x>, <tel:+4930>', [b"bob", b"+4930"]),
        (b"<sip:%00%fF%zz%4@x>", [b"\0\xff%zz%4"]),
        (b"<SIP:alice@x>", [b"alice"]),
        (b"<im:alice@x>", []),
        (b"", []),
        (b"<<<>>>;;;", []),
        (b"\xff\xfe", []),
    ],
)
def test_users(kernels: KernelSet, value: bytes, users: list[bytes]) -> None:
    uris = value_addresses(value)
    got = texts(kernels, uris, USERS)[0] if uris else []
    assert set().union(*got) == set(users)
    if b"\xff" not in b"".join(users):
        assert set(users_of(value)) == set(users)


user_part = st.lists(
    st.sampled_from([b"alice", b"+49", b"-", b"(0)", b"%61", b"%40", b"%", b"%2", b".", b"~", b"7", b";x=y"]), max_size=5
)
sane_uri = st.builds(
    lambda scheme, user, host, rest: scheme + b":" + b"".join(user) + host + rest,
    st.sampled_from([b"sip", b"SIPS", b"tel", b"Tel", b"urn"]),
    user_part,
    st.sampled_from([b"@example.org", b":secret@[2001:db8::1]:5061", b"", b"@"]),
    st.sampled_from([b"", b";transport=tcp", b"?subject=x"]),
)


@given(
    st.lists(sane_uri, min_size=1, max_size=4),
    st.sampled_from([b"", b"Bob ", b'"Bob \\" x" ']),
    st.sampled_from([b"", b";tag=x"]),
)
def test_users_are_those_of_the_reference(kernels: KernelSet, uris: list[bytes], name: bytes, tag: bytes) -> None:
    value = b", ".join(name + b"<" + uri + b">" + tag for uri in uris)
    (got,) = found(kernels, message(b"P-Asserted-Identity: " + value))
    assert got == uris
    assert set().union(*texts(kernels, uris, USERS)[0]) == {user for user in users_of(value) if user}


# -- numbers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "numbers"),
    [
        (b"sip:+49301234@x", ["49301234"]),
        (b"tel:+49-(30)-12.34", ["49301234"]),
        (b"sip:%2B49%20(30)1234@x", ["49301234"]),
        (b"sip:0049301234@x;user=phone", ["0049301234", "49301234"]),
        (b"sip:49301234@x", ["49301234"]),
        (b"sip:0301234@x", ["0301234", "49301234"]),
        (b"sip:1234@x", ["1234"]),
        (b"tel:30-1234;phone-context=+49", ["301234", "49301234"]),
        (b"tel:1234;isub=1;Phone-Context=+49-30", ["1234", "49301234"]),
        (b"sip:1234;phone-context=+4930:pw@x;user=phone", ["1234", "49301234"]),
        (b"tel:7042;phone-context=example.com", ["7042"]),
        (b"tel:0301;phone-context=example.com", ["0301", "49301"]),
        (b"sip:1234@x;phone-context=+49", ["1234"]),
        (b"sip:**620@x", ["**620"]),
        (b"sip:%2331%230301@x", ["#31#0301"]),
        (b"sip:00@x", ["00", "490"]),
        (b"sip:0@x", ["0"]),
        (b"sip:+@x", []),
        (b"sip:*@x", []),
        (b"sip:alice@x", []),
        (b"sip:1a@x", []),
        (b"sip:++49@x", []),
        (b"sip:4+9@x", []),
        (b"sip:x@1234", []),
        (b"sip:" + b"1" * 64 + b"@x", ["1" * 64]),
        (b"sip:" + b"1" * 65 + b"@x", []),
    ],
)
def test_numbers(kernels: KernelSet, uri: bytes, numbers: list[str]) -> None:
    assert one(kernels, uri)[1] == {number.encode() for number in numbers}
    assert set(uri_numbers(uri, GERMANY)) == {number.encode() for number in numbers}


@pytest.mark.parametrize(
    ("dialling", "number", "numbers"),
    [
        (Dialling(), b"0301234", [b"0301234"]),
        (Dialling((), "49", "0"), b"0049301234", [b"0049301234", b"49049301234"]),
        (Dialling(("0011", "00"), "61", "0"), b"001149301", [b"001149301", b"49301"]),
        (Dialling(("00",), "45", ""), b"32101234", [b"32101234", b"4532101234"]),
        (Dialling(("011",), "1", "1"), b"19145550100", [b"19145550100"]),
    ],
)
def test_how_numbers_are_dialled_elsewhere(kernels: KernelSet, dialling: Dialling, number: bytes, numbers: list[bytes]) -> None:
    assert one(kernels, b"sip:" + number + b"@x", dialling)[1] == set(numbers)


# -- URIs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        (b"SIP:Alice@Example.ORG;transport=TCP", b"sip:Alice@example.org"),
        (b"sips:Alice:Secret@[2001:DB8::1]:5061?subject=x", b"sips:Alice:Secret@[2001:db8::1]:5061"),
        (b"sip:al%69ce%2fx@example.org", b"sip:alice%2Fx@example.org"),
        (b"sip:a;day=Tuesday@Example.org", b"sip:a;day=Tuesday@example.org"),
        (b"sip:Example.org;lr", b"sip:example.org"),
        (b"TEL:+49-30-(1);x=y", b"tel:+49301"),
        (b"urn:Service:SOS;x", b"urn:Service:SOS"),
    ],
)
def test_uris(kernels: KernelSet, uri: bytes, text: bytes) -> None:
    assert one(kernels, uri)[2] == {text} == {uri_text(uri)}


# -- all of it ----------------------------------------------------------------------------------------------------------

shards = [
    b"sip",
    b"tel",
    b":",
    b"@",
    b";",
    b"?",
    b"%",
    b"%4a",
    b"%c3",
    b"A",
    b"+",
    b"00",
    b"0",
    b"-",
    b".",
    b";phone-context=",
    b"=+49",
    b"\xff",
]
wild_uri = st.one_of(st.binary(max_size=30), st.lists(st.sampled_from(shards), max_size=14).map(b"".join), sane_uri)


@given(
    st.lists(wild_uri, min_size=1, max_size=6), st.integers(0, 7), st.sampled_from([GERMANY, Dialling(), Dialling((), "45", "")])
)
def test_texts_are_those_of_the_reference(kernels: KernelSet, uris: list[bytes], wanted: int, dialling: Dialling) -> None:
    users, numbers, whole = texts(kernels, uris, wanted, dialling)
    for number, uri in enumerate(uris):
        named = split(uri) is not None
        assert users[number] == (set(uri_users(uri)) if named and wanted & USERS else set())
        assert numbers[number] == (set(uri_numbers(uri, dialling)) if named and wanted & NUMBERS else set())
        assert whole[number] == ({uri_text(uri)} if named and wanted & URIS else set())


def test_long_texts_are_nobodys_and_need_no_more_room(kernels: KernelSet) -> None:
    longest = b"tel:" + b"1-" * (TEXT_LIMIT // 2)
    users, numbers, uris = one(kernels, longest)
    assert {len(user) for user in users} == {TEXT_LIMIT, TEXT_LIMIT // 2}
    assert (numbers, uris) == (set(), set())
    assert one(kernels, longest + b"1") == (set(), set(), set())
    host = b"sip:a@" + b"h" * (TEXT_LIMIT - 6)
    assert one(kernels, host + b";x=" + b"y" * 2000)[2] == {host}
    assert one(kernels, host + b"h") == ({b"a"}, set(), set())


@pytest.mark.parametrize("room", [0, 1, 40, 5000])
def test_a_full_slab_only_means_another_round(kernels: KernelSet, room: int) -> None:
    uris = [b"sip:+4930%d@example.org" % number for number in range(50)]
    assert texts(kernels, uris, 7, room=room) == texts(Interpreted(), uris, 7, room=100_000)
