"""Conformance of match backends: every backend gives the reference's hits, in the reference's order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.builtin.match import PureProvider
from lippycat_core.interfaces.match import Anchor, Hits, MatchBackend, Pattern, PatternSet, Spans

Rows = list[bytes | None]

texts = st.binary(min_size=1, max_size=6) | st.sampled_from(
    [b"a", b"ab", b"aba", b"b*", b"*", b"a?b", b"\\*", b"A", b"\xff", b"\0"]
)
patterns = st.builds(Pattern, texts, st.sampled_from(list(Anchor)), st.booleans())
rows = st.lists(st.none() | st.binary(max_size=24) | st.text("abAB*?\\", max_size=24).map(str.encode), max_size=12)


def spans(values: Rows) -> Spans:
    """Spans that lie back to back in one slab, so that a match over a border would be seen."""
    off = np.zeros(len(values), np.int32)
    length = np.full(len(values), -1, np.int32)
    slab = bytearray()
    for i, value in enumerate(values):
        off[i] = len(slab)
        if value is not None:
            length[i] = len(value)
            slab += value
    return Spans(np.frombuffer(bytes(slab) + b"ab", np.uint8).copy(), off, length)


def triples(hits: Hits) -> list[tuple[int, int, int]]:
    """Hits as tuples."""
    return list(zip(hits.row.tolist(), hits.pattern.tolist(), hits.offset.tolist(), strict=True))


class MatcherSuite:
    """Holds a match backend to the pure one: `backend` gives the one under test."""

    def backend(self) -> MatchBackend:
        """The backend under test."""
        raise AssertionError("derive from MatcherSuite and give a backend")

    def _agree(self, wanted: PatternSet, values: Rows, first_only: bool = False) -> list[tuple[int, int, int]]:
        answers = []
        for backend in (self.backend(), PureProvider().open()):
            matcher = backend.compile(wanted)
            matcher.submit(spans(values), first_only=first_only)
            answers.append(triples(matcher.collect()))
        assert answers[0] == answers[1]
        return answers[0]

    def test_gives_the_hits_of_the_reference(self) -> None:
        @settings(max_examples=300, deadline=None)
        @given(st.lists(patterns, min_size=1, max_size=6), rows, st.booleans(), st.booleans())
        def agrees(wanted: list[Pattern], values: Rows, fold: bool, first: bool) -> None:
            hits = self._agree(PatternSet(wanted, ignore_case=fold), values, first)
            assert hits == sorted(hits)

        agrees()

    @pytest.mark.parametrize(
        ("pattern", "value", "offsets"),
        [
            (Pattern(b"alice"), b"alice", [0]),
            (Pattern(b"alice"), b"alice2", []),
            (Pattern(b"a", Anchor.CONTAINS), b"banana", [1, 3, 5]),
            (Pattern(b"aa", Anchor.CONTAINS), b"aaaa", [0, 1, 2]),
            (Pattern(b"49", Anchor.PREFIX), b"4930", [0]),
            (Pattern(b"30", Anchor.SUFFIX), b"4930", [2]),
            (Pattern(b"longer than the span", Anchor.CONTAINS), b"short", []),
            (Pattern(b"al*e", wildcards=True), b"alibi came", [0]),
            (Pattern(b"al\\*e", wildcards=True), b"al*e", [0]),
            (Pattern(b"a?c", wildcards=True), b"abc", [0]),
            (Pattern(b"*"), b"anything", []),
            (Pattern(b"*", wildcards=True), b"", [0]),
        ],
    )
    def test_patterns_mean_what_they_say(self, pattern: Pattern, value: bytes, offsets: list[int]) -> None:
        assert self._agree(PatternSet([pattern]), [value]) == [(0, 0, offset) for offset in offsets]

    def test_spans_never_match_across_each_other(self) -> None:
        assert self._agree(PatternSet([Pattern(b"ab", Anchor.CONTAINS)]), [b"xa", b"bx", None, b"ab"]) == [(3, 0, 0)]

    def test_no_rows_give_no_hits(self) -> None:
        assert self._agree(PatternSet([Pattern(b"a")]), []) == []

    def test_all_byte_values(self) -> None:
        values: Rows = [bytes([i]) for i in range(256)]
        wanted = PatternSet([Pattern(bytes([i])) for i in range(256)])
        assert self._agree(wanted, values) == [(i, i, 0) for i in range(256)]

    def test_only_ascii_letters_fold(self) -> None:
        wanted = PatternSet([Pattern(b"\xe9A")], ignore_case=True)
        assert self._agree(wanted, [b"\xe9a", b"\xc9a"]) == [(0, 0, 0)]

    def test_many_rows(self) -> None:
        values: Rows = [b"user%d" % (i % 1000) for i in range(65_536)]
        hits = self._agree(PatternSet([Pattern(b"user7"), Pattern(b"user99", Anchor.PREFIX)]), values, first_only=True)
        assert len(hits) == sum(1 for value in values if value == b"user7" or (value or b"").startswith(b"user99"))
