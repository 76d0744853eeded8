"""The pure match backend: written cases, and a naive oracle over random patterns and texts."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.builtin.match import PureProvider
from lippycat_core.errors import ContractError, FilterError
from lippycat_core.interfaces.match import MOST_PATTERNS, Algorithm, Anchor, Pattern, PatternSet, Spans
from lippycat_core.matching.wildcards import fold

EXACT, PREFIX, SUFFIX, CONTAINS = Anchor.EXACT, Anchor.PREFIX, Anchor.SUFFIX, Anchor.CONTAINS


def spans_of(texts: list[bytes | None]) -> Spans:
    """The texts side by side in one slab, so that a match across spans would show."""
    slab = b"".join(text or b"" for text in texts)
    lengths = [-1 if text is None else len(text) for text in texts]
    offsets = np.cumsum([0, *(max(length, 0) for length in lengths)])[: len(texts)]
    return Spans(np.frombuffer(slab, np.uint8), offsets.astype(np.int32), np.array(lengths, np.int32))


def hits(
    patterns: list[Pattern],
    texts: list[bytes | None],
    *,
    ignore_case: bool = False,
    first_only: bool = False,
    algorithm: Algorithm = Algorithm.AUTO,
) -> list[tuple[int, ...]]:
    matcher = PureProvider().open().compile(PatternSet(patterns, ignore_case, algorithm))
    matcher.submit(spans_of(texts), first_only=first_only)
    found = matcher.collect()
    assert {column.dtype for column in found} == {np.dtype(np.int32)}
    return list(zip(*(column.tolist() for column in found), strict=True))


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize(
    ("pattern", "text", "offsets"),
    [
        (Pattern(b"alice"), b"alice", [0]),
        (Pattern(b"alice"), b"alice2", []),
        (Pattern(b""), b"", [0]),
        (Pattern(b"al", PREFIX), b"alice", [0]),
        (Pattern(b"ice", SUFFIX), b"alice", [2]),
        (Pattern(b"alice!", PREFIX), b"alice", []),
        (Pattern(b"!alice", SUFFIX), b"alice", []),
        (Pattern(b"aa", CONTAINS), b"aaaa", [0, 1, 2]),
        (Pattern(b"a", CONTAINS), b"", []),
        (Pattern(b"a*e", wildcards=True), b"alice", [0]),
        (Pattern(b"a*e", wildcards=True), b"alice2", []),
        (Pattern(b"a*e"), b"alice", []),
        (Pattern(b"a*e"), b"a*e", [0]),
        (Pattern(rb"a\*e", wildcards=True), b"a*e", [0]),
        (Pattern(rb"a\*e", wildcards=True), b"abe", []),
        (Pattern(rb"a\?", wildcards=True), b"a?", [0]),
        (Pattern(rb"a\\", wildcards=True), b"a\\", [0]),
        (Pattern(b"a\\", wildcards=True), b"a\\", [0]),
        (Pattern(rb"\a", wildcards=True), b"a", [0]),
        (Pattern(b"?", wildcards=True), b"\n", [0]),
        (Pattern(b"?", wildcards=True), b"", []),
        (Pattern(b"*", wildcards=True), b"", [0]),
        (Pattern(b"*", CONTAINS, wildcards=True), b"abc", [0]),
        (Pattern(b"b?", CONTAINS, wildcards=True), b"abab", [1]),
        (Pattern(b"b*", CONTAINS, wildcards=True), b"abab", [1]),
        (Pattern(b"ab", CONTAINS, wildcards=True), b"abab", [0]),
        (Pattern(b"*b", SUFFIX, wildcards=True), b"abab", [0]),
        (Pattern(b"b*b", SUFFIX, wildcards=True), b"abab", [1]),
        (Pattern(b"?b", SUFFIX, wildcards=True), b"abab", [2]),
        (Pattern(b"a*a", wildcards=True), b"a", []),
        (Pattern(b"*b*", wildcards=True), b"aba", [0]),
        (Pattern(b"*ba", wildcards=True), b"aba", [0]),
        (Pattern(b"ab*", PREFIX, wildcards=True), b"aba", [0]),
        (Pattern(b"*b", PREFIX, wildcards=True), b"aba", [0]),
        (Pattern(b"b*", SUFFIX, wildcards=True), b"abab", [1]),
        (Pattern(b"b*", SUFFIX, wildcards=True), b"a", []),
        (Pattern(b"", wildcards=True), b"", [0]),
        (Pattern(b"", wildcards=True), b"a", []),
        (Pattern(b"?b*", PREFIX, wildcards=True), b"abab", [0]),
        (Pattern(b"[a-z].(", CONTAINS), b"x[a-z].(", [1]),
        (Pattern(b"[a]*", wildcards=True), b"[a]bc", [0]),
    ],
)
def test_where_a_pattern_hits(pattern: Pattern, text: bytes, offsets: list[int], algorithm: Algorithm) -> None:
    assert hits([pattern], [text], algorithm=algorithm) == [(0, 0, offset) for offset in offsets]


def test_case_is_folded_for_ascii_letters_only() -> None:
    patterns = [Pattern(b"AlicE"), Pattern("Ä".encode(), CONTAINS), Pattern(b"@[", CONTAINS)]
    texts: list[bytes | None] = [b"aLICe", "ä".encode(), "Ä".encode(), b"`{", b"@["]
    assert hits(patterns, texts, ignore_case=True) == [(0, 0, 0), (2, 1, 0), (4, 2, 0)]
    assert hits(patterns, [b"aLICe"]) == []


def test_hits_come_by_row_then_pattern_then_offset() -> None:
    patterns = [Pattern(b"b", CONTAINS), Pattern(b"bb"), Pattern(b"*", wildcards=True), Pattern(b"bb"), Pattern(b"b", PREFIX)]
    assert hits(patterns, [b"bb", b"c"]) == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 2, 0), (0, 3, 0), (0, 4, 0), (1, 2, 0)]
    assert hits(patterns, [b"bb", b"c", b"abb"], first_only=True) == [(0, 0, 0), (1, 2, 0), (2, 0, 1)]


def test_nothing_matches_across_spans_or_where_there_is_no_span() -> None:
    patterns = [Pattern(b"ab", CONTAINS), Pattern(b""), Pattern(b"*", wildcards=True)]
    assert hits(patterns, [b"a", b"b"]) == [(0, 2, 0), (1, 2, 0)]
    assert hits(patterns, [None]) == []
    assert hits(patterns, [b""]) == [(0, 1, 0), (0, 2, 0)]
    assert hits(patterns, []) == []
    assert hits([], [b"a"]) == []


@pytest.mark.parametrize("anchor", [PREFIX, SUFFIX, CONTAINS])
def test_an_empty_pattern_that_would_hit_everywhere_is_refused(anchor: Anchor) -> None:
    with pytest.raises(FilterError, match="empty"):
        PureProvider().open().compile(PatternSet([Pattern(b"x"), Pattern(b"", anchor)]))


def test_more_patterns_than_a_set_may_hold_are_refused() -> None:
    with pytest.raises(FilterError, match="1,000,000"):
        PureProvider().open().compile(PatternSet([Pattern(b"x")] * (MOST_PATTERNS + 1)))


def test_submissions_are_collected_once_and_in_order() -> None:
    matcher = PureProvider().open().compile(PatternSet([Pattern(b"a")]))
    with pytest.raises(ContractError):
        matcher.collect()
    matcher.submit(spans_of([b"a"]))
    matcher.submit(spans_of([b"b", b"a"]))
    with pytest.raises(ContractError):
        matcher.submit(spans_of([b"a"]))
    assert matcher.collect().row.tolist() == [0]
    assert matcher.collect().row.tolist() == [1]
    with pytest.raises(ContractError):
        matcher.collect()


@pytest.mark.parametrize("anchor", [EXACT, PREFIX, SUFFIX])
@pytest.mark.parametrize("wildcards", [False, True])
def test_a_hundred_thousand_users_cost_no_more_than_one(anchor: Anchor, wildcards: bool) -> None:
    text = b"%s" if not wildcards else {EXACT: b"%s", PREFIX: b"%s*", SUFFIX: b"*%s"}[anchor]
    users = [Pattern(text % b"user%05d" % number, anchor, wildcards) for number in range(100_000)]
    begin = time.process_time()
    matcher = PureProvider().open().compile(PatternSet(users))
    assert time.process_time() - begin < (3 if wildcards else 1)
    texts: list[bytes | None] = [b"user%05d" % (number * 37) for number in range(2_000)]
    begin = time.process_time()
    matcher.submit(spans_of(texts))
    assert matcher.collect().pattern.tolist() == [number * 37 for number in range(2_000)]
    assert time.process_time() - begin < 1, "looked at every pattern for every span"


@pytest.mark.parametrize("length", [1, 20, 3000])
def test_many_literals_anywhere_are_found_in_short_and_long_texts(length: int) -> None:
    patterns = [Pattern(b"%d" % number, CONTAINS) for number in range(10, 80)]
    text = b"12345678" + b"x" * length
    assert hits(patterns, [text]) == hits(patterns, [text], algorithm=Algorithm.LINEAR)
    assert hits(patterns, [text]) == [(0, number - 10, at) for at, number in enumerate((12, 23, 34, 45, 56, 67, 78))]


def test_many_literals_anywhere_cost_one_pass() -> None:
    numbers = [Pattern(b"%07d" % (number * 89), CONTAINS) for number in range(20_000)]
    matcher = PureProvider().open().compile(PatternSet(numbers))
    texts: list[bytes | None] = [b"+49%07d*" % (number * 89) for number in range(2_000)]
    begin = time.process_time()
    matcher.submit(spans_of(texts))
    found = matcher.collect()
    assert time.process_time() - begin < 2, "looked for every literal in every span"
    assert set(zip(found.row.tolist(), found.pattern.tolist(), found.offset.tolist(), strict=True)) >= {
        (number, number, 3) for number in range(2_000)
    }


def test_hostile_text_does_not_make_wildcards_slow() -> None:
    begin = time.process_time()
    assert hits([Pattern(b"*a" * 30 + b"b", CONTAINS, wildcards=True)], [b"a" * 5000]) == []
    assert time.process_time() - begin < 1


def matches(pattern: bytes, text: bytes) -> bool:
    """The definition of wildcards, tried out in every way."""

    @cache
    def rest(i: int, j: int) -> bool:
        if i == len(pattern):
            return j == len(text)
        byte = pattern[i : i + 1]
        if byte == b"*":
            return rest(i + 1, j) or (j < len(text) and rest(i, j + 1))
        if byte == b"?":
            return j < len(text) and rest(i + 1, j + 1)
        if byte == b"\\" and i + 1 < len(pattern):
            i += 1
        return j < len(text) and pattern[i] == text[j] and rest(i + 1, j + 1)

    return rest(0, 0)


def oracle(pattern: Pattern, text: bytes) -> list[int]:
    """The interface's definition of a hit, by brute force."""
    whole = pattern.text
    if not pattern.wildcards:
        whole = b"".join(b"\\" + bytes([byte]) for byte in whole)
    ends = {EXACT: (0, 0), PREFIX: (0, None), SUFFIX: (None, 0), CONTAINS: (None, None)}[pattern.anchor]
    begins = [0] if ends[0] == 0 else range(len(text) + 1)
    found = [
        begin
        for begin in begins
        if any(matches(whole, text[begin:end]) for end in ([len(text)] if ends[1] == 0 else range(begin, len(text) + 1)))
    ]
    return found[:1] if pattern.wildcards else found


texts = st.lists(st.none() | st.text("aAb*\\", max_size=7).map(str.encode), max_size=4)
made_patterns = st.lists(
    st.builds(Pattern, st.text("aAb*?\\", min_size=1, max_size=6).map(str.encode), st.sampled_from(Anchor), st.booleans()),
    max_size=4,
)


@settings(max_examples=400, deadline=None)
@given(made_patterns, texts, st.booleans(), st.booleans(), st.sampled_from(Algorithm))
def test_hits_are_those_of_the_definition(
    patterns: list[Pattern], texts: list[bytes | None], ignore_case: bool, first_only: bool, algorithm: Algorithm
) -> None:
    expected = []
    for row, text in enumerate(texts):
        if text is None:
            continue
        seen = [
            (row, number, offset)
            for number, pattern in enumerate(patterns)
            for offset in (
                oracle(Pattern(fold(pattern.text), pattern.anchor, pattern.wildcards), fold(text))
                if ignore_case
                else oracle(pattern, text)
            )
        ]
        expected += seen[:1] if first_only else seen
    assert hits(patterns, texts, ignore_case=ignore_case, first_only=first_only, algorithm=algorithm) == expected
