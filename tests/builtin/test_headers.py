"""Header fields by the pure backend: written cases, the definition line by line, and hostile text."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.builtin.match import PureProvider
from lippycat_core.errors import ContractError
from lippycat_core.interfaces.match import Spans

NAMES = (b"call-id", b"i")


def values(messages: list[bytes | None], names: tuple[bytes, ...] = NAMES) -> list[tuple[int, int]]:
    """(offset, length) of each message's field."""
    lengths = [-1 if message is None else len(message) for message in messages]
    begins = np.cumsum([0, *(max(length, 0) for length in lengths)])[: len(lengths)]
    extractor = PureProvider().open().extractor(names)
    slab = np.frombuffer(b"".join(message or b"" for message in messages), np.uint8)
    extractor.submit(Spans(slab, begins.astype(np.int32), np.array(lengths, np.int32)))
    fields = extractor.collect()
    assert {column.dtype for column in fields} == {np.dtype(np.int32)}
    return list(zip(fields.offset.tolist(), fields.length.tolist(), strict=True))


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (b"INVITE sip:b@c SIP/2.0\r\nCall-ID: abc\r\n\r\n", b"abc"),
        (b"Call-ID: abc\r\n\r\n", b"abc"),
        (b"X: 1\ni: abc\n\n", b"abc"),
        (b"X: 1\r\r\ncall-id \t:\t abc \t\r\r\n\r\r\n", b"abc"),
        (b"\r\n\n\r\r\nX: 1\r\nI:abc\r\n\r\n", b"abc"),
        (b"X: 1\r\nCall-ID: a\r\nCall-ID: b\r\n\r\n", b"a"),
        (b"Call-ID:\r\nCall-ID: b\r\n\r\n", b""),
        (b"Call-ID: \r\n\t a\r\n b\r\n \r\nX: 1\r\n\r\n", b"a\r\n b"),
        (b"Call-ID: a:b\r\n", b"a:b"),
        (b"Call-ID: a\rb\r\n", b"a\rb"),
        (b"X: 1\r\nCall-ID: ab", b"ab"),
        (b"X: 1\r\nCall-ID:", b""),
        (b"X: 1\r\nCall-ID", None),
        (b"X: 1\r\n\r\nCall-ID: body\r\n", None),
        (b"X: 1\r\n\nCall-ID: body\r\n", None),
        (b"X: 1\r\n \r\nCall-ID: not the body\r\n", b"not the body"),
        (b"X: 1\r\n Call-ID: folded\r\n\r\n", None),
        (b" Call-ID: folded into nothing\r\n\r\n", None),
        (b" \r\n\r\nCall-ID: body\r\n\r\n", None),
        (b"X: i: 1\r\nXi: 1\r\niX: 1\r\ni\r\n: 1\r\n\r\n", None),
        (b"Call-ID\r: x\r\n\r\n", None),
        (b"\rCall-ID: x\r\n\r\n", b"x"),
        (b"X: 1\r\n\rCall-ID: x\r\n\r\n", None),
        (b"", None),
        (b"\r\n\r\n", None),
        (None, None),
    ],
)
def test_which_value_a_message_has(message: bytes | None, value: bytes | None) -> None:
    ((offset, length),) = values([message])
    assert (length < 0) == (offset < 0) == (value is None)
    if message is not None and value is not None:
        assert message[offset : offset + length] == value


def test_an_empty_value_lies_where_the_field_ends() -> None:
    assert values([b"Call-ID : \r\n\t\r\n\r\n", b"i: ", b"i:", b"i:\n"]) == [(14, 0), (3, 0), (2, 0), (2, 0)]


def test_fields_are_aligned_with_the_messages() -> None:
    assert values([b"i: a", None, b"", b"X: 1", b"i:bc"]) == [(3, 1), (-1, -1), (-1, -1), (-1, -1), (2, 2)]
    assert values([]) == []


@pytest.mark.parametrize("names", [(), (b"",), (b"a:",), (b"a b",), (b"a\n",), (b"\ta",), (b"a" * 65,), (b"a",) * 9])
def test_names_that_no_field_has_are_refused(names: tuple[bytes, ...]) -> None:
    with pytest.raises(ContractError):
        PureProvider().open().extractor(names)


def test_names_are_not_expressions() -> None:
    assert values([b"xyz: 1\n", b"x.z: 1\n"], (b"X.Z",)) == [(-1, -1), (5, 1)]


def test_two_submissions_may_be_open() -> None:
    extractor = PureProvider().open().extractor(NAMES)
    with pytest.raises(ContractError):
        extractor.collect()
    for text in (b"i: a", b"i: bc"):
        extractor.submit(Spans(np.frombuffer(text, np.uint8), np.zeros(1, np.int32), np.array([len(text)], np.int32)))
    with pytest.raises(ContractError):
        extractor.submit(Spans(np.zeros(0, np.uint8), np.zeros(0, np.int32), np.zeros(0, np.int32)))
    assert [extractor.collect().length.tolist() for _ in range(2)] == [[1], [2]]


@pytest.mark.parametrize("unit", [b"i", b"i ", b"\n", b"\r", b"\r\n", b"\ni", b"\ni \t", b"\n i:", b"i: \n ", b"\n\r", b"i:\n\r"])
@pytest.mark.parametrize("begin", [b"", b"x\n", b"i:"])
def test_hostile_messages_cost_their_length(begin: bytes, unit: bytes) -> None:
    before = time.process_time()
    values([begin + unit * 500_000])
    assert time.process_time() - before < 2


def by_lines(message: bytes) -> tuple[int, int]:
    """The interface's definition, a line at a time."""
    at = len(message) - len(message.lstrip(b"\r\n"))
    found = None
    for line in message[at:].split(b"\n"):
        behind = min(at + len(line) + 1, len(message))  # the last line has no LF
        if not line.strip(b"\r") and behind == at + len(line) + 1:
            break
        if found is not None:
            if line[:1] not in (b" ", b"\t"):
                break
            found[1] = at + len(line)
        elif line[:1] not in (b" ", b"\t"):
            name, colon, _ = line.partition(b":")
            if colon and name.rstrip(b" \t").lower() in NAMES:
                found = [at + len(name) + 1, at + len(line)]
        at = behind
    if found is None:
        return -1, -1
    value = message[found[0] : found[1]].lstrip(b" \t\r\n")
    return found[1] - len(value), len(value.rstrip(b" \t\r\n"))


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from([b"i", b"Call-ID", b":", b" ", b"\t", b"\r\n", b"\n", b"\r", b"x"]), max_size=16).map(b"".join))
def test_values_are_those_of_the_definition(message: bytes) -> None:
    assert values([message]) == [by_lines(message)]
