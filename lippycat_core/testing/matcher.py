"""Conformance of match backends: every backend gives the reference's hits and fields, in the reference's order.

The reference is the pure backend, one pattern after the other. What it is asked lies in `matchcases.py`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.builtin.match import PureProvider
from lippycat_core.errors import ContractError, FilterError
from lippycat_core.interfaces.match import (
    IN_FLIGHT,
    MOST_PATTERNS,
    Algorithm,
    Anchor,
    Fields,
    Hits,
    MatchBackend,
    Pattern,
    PatternSet,
    Spans,
)
from lippycat_core.testing import matchcases as cases
from lippycat_core.testing.matchcases import Rows, Triple, spans

EXACT, PREFIX, SUFFIX, CONTAINS = Anchor.EXACT, Anchor.PREFIX, Anchor.SUFFIX, Anchor.CONTAINS


def triples(hits: Hits) -> list[Triple]:
    """Hits as tuples."""
    return list(zip(hits.row.tolist(), hits.pattern.tolist(), hits.offset.tolist(), strict=True))


def same_hits(got: Hits, wanted: Sequence[Triple], what: str = "") -> None:
    """Fail with the first difference."""
    assert {column.dtype for column in got} == {np.dtype(np.int32)}, "hits are int32 columns"
    found = triples(got)
    for i, (mine, theirs) in enumerate(zip(found, wanted, strict=False)):
        assert mine == theirs, f"{what}: hit {i} is {mine} and should be {theirs}"
    assert len(found) == len(wanted), f"{what}: {len(found)} hits and should be {len(wanted)}; the others agree"


class BackendSuite:
    """What both suites need: derive, and give `backend`."""

    algorithms: tuple[Algorithm, ...] = tuple(Algorithm)
    """The algorithms to try every pattern set with."""

    scale = 1.0
    """Less for what is slow (0.02, say, for a simulator): fewer examples, rows and patterns, of the same kinds."""

    def backend(self) -> MatchBackend:
        """The backend under test, newly opened; it is closed behind the last test."""
        raise AssertionError("derive from the suite and give a backend")

    opened: MatchBackend

    @classmethod
    def setup_class(cls) -> None:
        cls.opened = cls().backend()

    @classmethod
    def teardown_class(cls) -> None:
        cls.opened.close()

    def scaled(self, count: int, least: int = 1) -> int:
        """`count` at this suite's scale."""
        return max(int(count * self.scale), least)


class MatcherSuite(BackendSuite):
    """Holds a match backend to the pure one: `backend` gives the one under test."""

    def agree(self, patterns: list[Pattern], where: Rows | Spans, fold: bool = False) -> list[Triple]:
        """All hits and the first ones are those of the reference, whatever the algorithm; gives them."""
        looked_at = where if isinstance(where, Spans) else spans(where)
        reference = PureProvider().open().compile(PatternSet(patterns, fold, Algorithm.LINEAR))
        reference.submit(looked_at)
        wanted = triples(reference.collect())
        self.find(PatternSet(patterns, fold), looked_at, wanted)
        return wanted

    def find(self, patterns: PatternSet, looked_at: Spans, wanted: list[Triple]) -> None:
        """Whatever the algorithm, `wanted` is found, or its first hit of each row."""
        first = [hit for i, hit in enumerate(wanted) if i == 0 or wanted[i - 1][0] != hit[0]]
        before = looked_at.slab.tobytes(), looked_at.off.tobytes(), looked_at.length.tobytes()
        for algorithm in self.algorithms:
            matcher = self.opened.compile(replace(patterns, algorithm=algorithm))
            matcher.submit(looked_at)
            matcher.submit(looked_at, first_only=True)
            same_hits(matcher.collect(), wanted, algorithm.value)
            same_hits(matcher.collect(), first, f"{algorithm.value}, first only")
            matcher.close()
        assert before == (looked_at.slab.tobytes(), looked_at.off.tobytes(), looked_at.length.tobytes()), "wrote into the spans"

    def test_says_what_it_is(self) -> None:
        assert self.opened.name
        assert self.opened.device
        assert self.opened.memory is None or self.opened.memory > 0

    @pytest.mark.parametrize(
        ("pattern", "value", "offsets"),
        [
            (Pattern(b"alice"), b"alice", [0]),
            (Pattern(b"alice"), b"alice2", []),
            (Pattern(b"alice"), b"alic", []),
            (Pattern(b""), b"", [0]),
            (Pattern(b""), b"a", []),
            (Pattern(b"a", CONTAINS), b"banana", [1, 3, 5]),
            (Pattern(b"aa", CONTAINS), b"aaaa", [0, 1, 2]),
            (Pattern(b"\0", CONTAINS), b"a\0b\0", [1, 3]),
            (Pattern(b"49", PREFIX), b"4930", [0]),
            (Pattern(b"49", PREFIX), b"04930", []),
            (Pattern(b"30", SUFFIX), b"4930", [2]),
            (Pattern(b"30", SUFFIX), b"3030", [2]),
            (Pattern(b"30", SUFFIX), b"30", [0]),
            (Pattern(b"longer than the span", CONTAINS), b"short", []),
            (Pattern(b"*"), b"anything", []),
            (Pattern(b"*"), b"*", [0]),
            (Pattern(b"a?c"), b"abc", []),
            (Pattern(b"al*e", wildcards=True), b"alibi came", [0]),
            (Pattern(b"al*e", wildcards=True), b"ale", [0]),
            (Pattern(b"a*a", wildcards=True), b"a", []),
            (Pattern(b"al\\*e", wildcards=True), b"al*e", [0]),
            (Pattern(b"al\\*e", wildcards=True), b"alike", []),
            (Pattern(b"a\\?", wildcards=True), b"a?", [0]),
            (Pattern(b"a\\?", wildcards=True), b"ab", []),
            (Pattern(b"\\a\\\\", wildcards=True), b"a\\", [0]),
            (Pattern(b"a\\", wildcards=True), b"a\\", [0]),
            (Pattern(b"a?c", wildcards=True), b"abc", [0]),
            (Pattern(b"a?c", wildcards=True), b"a\nc", [0]),
            (Pattern(b"a?c", wildcards=True), b"ac", []),
            (Pattern(b"??", wildcards=True), b"a", []),
            (Pattern(b"*", wildcards=True), b"", [0]),
            (Pattern(b"*", SUFFIX, wildcards=True), b"ab", [0]),
            (Pattern(b"", wildcards=True), b"", [0]),
            (Pattern(b"b", CONTAINS, wildcards=True), b"abab", [1]),
            (Pattern(b"b?", CONTAINS, wildcards=True), b"ababa", [1]),
            (Pattern(b"*b", CONTAINS, wildcards=True), b"abab", [0]),
            (Pattern(b"b*", CONTAINS, wildcards=True), b"abab", [1]),
            (Pattern(b"b*b", SUFFIX, wildcards=True), b"abab", [1]),
            (Pattern(b"b*", SUFFIX, wildcards=True), b"abab", [1]),
            (Pattern(b"?b", SUFFIX, wildcards=True), b"abab", [2]),
            (Pattern(b"a*b", PREFIX, wildcards=True), b"axbx", [0]),
            (Pattern(b"b*", PREFIX, wildcards=True), b"ab", []),
            (Pattern(b"*a", PREFIX, wildcards=True), b"ba", [0]),
        ],
    )
    def test_patterns_mean_what_they_say(self, pattern: Pattern, value: bytes, offsets: list[int]) -> None:
        wanted = [(0, 0, offset) for offset in offsets]
        assert self.agree([pattern], [value]) == wanted
        assert self.agree([pattern, Pattern(b"#", CONTAINS)], [value, None]) == wanted

    def test_hits_come_by_row_then_pattern_then_offset(self) -> None:
        patterns = [
            Pattern(b"b", CONTAINS),
            Pattern(b"abb"),
            Pattern(b"*", wildcards=True),
            Pattern(b"bb", SUFFIX),
            Pattern(b"abb"),
            Pattern(b"ab", PREFIX),
            Pattern(b"bb", CONTAINS),
            Pattern(b"b", CONTAINS),
        ]
        row = [(0, 1), (0, 2), (1, 0), (2, 0), (3, 1), (4, 0), (5, 0), (6, 1), (7, 1), (7, 2)]
        assert self.agree(patterns, [b"abb", None, b"abb"]) == [(r, p, at) for r in (0, 2) for p, at in row]

    def test_two_submissions_are_in_flight(self) -> None:
        batches: list[Rows] = [[b"a", b"b", b"xab"], [], [b"b"], [None, b"aab"], [b"ba"] * 300, [b""]]
        for algorithm in self.algorithms:
            matcher = self.opened.compile(PatternSet([Pattern(b"a", CONTAINS), Pattern(b"ab", SUFFIX)], algorithm=algorithm))
            with pytest.raises(ContractError):
                matcher.collect()
            laid = [spans(batch) for batch in batches]
            kept = []
            for i, looked_at in enumerate(laid):
                matcher.submit(looked_at, first_only=i % 2 == 1)
                if i + 1 >= IN_FLIGHT:
                    with pytest.raises(ContractError):
                        matcher.submit(laid[0])
                    kept.append(matcher.collect())
                    laid[len(kept) - 1].slab[:] = ord("a")  # is its owner's again
            kept.append(matcher.collect())
            with pytest.raises(ContractError):
                matcher.collect()
            wanted: list[list[Triple]] = [
                [(0, 0, 0), (2, 0, 1), (2, 1, 1)],
                [],
                [],
                [(1, 0, 0)],
                [(row, 0, 1) for row in range(300)],
                [],
            ]
            for hits, expected in zip(kept, wanted, strict=True):
                same_hits(hits, expected, algorithm.value)
            matcher.close()

    def test_a_matcher_is_used_again(self) -> None:
        for algorithm in self.algorithms:
            matcher = self.opened.compile(PatternSet([Pattern(b"a", CONTAINS)], algorithm=algorithm))
            for count in (1, 5000, 0, 3, 70):
                matcher.submit(spans([b"xa", None] * count))
                same_hits(matcher.collect(), [(2 * i, 0, 1) for i in range(count)], algorithm.value)
            matcher.close()

    def test_matchers_do_not_disturb_each_other(self) -> None:
        for algorithm in self.algorithms:
            words = (b"a", b"b", b"ab", b"zz")
            matchers = [self.opened.compile(PatternSet([Pattern(word, CONTAINS)], algorithm=algorithm)) for word in words]
            laid = [spans([b"abab", b"b"]), spans([b"zz"])]
            for looked_at in laid:
                for matcher in matchers:
                    matcher.submit(looked_at)
            first = [[(0, 0, 0), (0, 0, 2)], [(0, 0, 1), (0, 0, 3), (1, 0, 0)], [(0, 0, 0), (0, 0, 2)], []]
            second: list[list[Triple]] = [[], [], [], [(0, 0, 0)]]
            for wanted in (first, second):
                for matcher, hits in reversed(list(zip(matchers, wanted, strict=True))):
                    same_hits(matcher.collect(), hits, algorithm.value)
            matchers[0].close()
            matchers[1].submit(laid[0])
            same_hits(matchers[1].collect(), first[1], algorithm.value)
            for matcher in matchers[1:]:
                matcher.close()

    def test_spans_never_match_across_each_other(self) -> None:
        patterns = [Pattern(b"ab", CONTAINS), Pattern(b"a*b", CONTAINS, wildcards=True), Pattern(b"xab", PREFIX)]
        assert self.agree(patterns, [b"xa", b"bx", None, b"ab"]) == [(3, 0, 0), (3, 1, 0)]

    def test_nothing_outside_of_a_span_counts(self) -> None:
        patterns = [
            *(Pattern(b"abcdefghij", anchor) for anchor in Anchor),
            Pattern(b"abc*j", wildcards=True),
            Pattern(b"j", CONTAINS),
        ]
        for end in range(10):
            for behind in (b"", b"abcdefghij"[end:] + b"j" * 40):
                assert self.agree(patterns, cases.spans_over(b"abcdefghij"[:end], [(0, end)], behind)) == []
        inside = cases.spans_over(b"abcdefghij", [(0, 9), (1, 8), (9, 0), (0, 0), (10, 0), (-1, -1), (3, -1), (0, 10)], b"j")
        assert {row for row, _, _ in self.agree(patterns, inside)} == {7}

    def test_spans_lie_anywhere(self) -> None:
        data = b"abcabcabc" * 3
        ranges = [(at, length) for at in (20, 3, 11, 0, 26, 5) for length in (0, 1, 2, 7, 22) if at + length <= len(data)]
        patterns = [Pattern(text, anchor) for text in (b"a", b"bc", b"cabc", b"abcabca") for anchor in Anchor]
        assert self.agree(patterns, cases.spans_over(data, ranges, data))

    def test_no_rows_and_no_patterns(self) -> None:
        assert self.agree([Pattern(b"a")], []) == []
        assert self.agree([], [b"a", None, b""]) == []
        assert self.agree([Pattern(b""), Pattern(b"*", wildcards=True)], [None, b"", b"a"]) == [
            (1, 0, 0),
            (1, 1, 0),
            (2, 1, 0),
        ]

    def test_all_byte_values(self) -> None:
        values: Rows = [bytes([i]) for i in range(256)]
        for anchor in Anchor:
            patterns = [Pattern(bytes([i]), anchor) for i in range(256)]
            assert self.agree(patterns, values) == [(i, i, 0) for i in range(256)]
            self.agree(patterns, values, fold=True)
        pairs = [Pattern(bytes([i, 255 - i]), CONTAINS) for i in range(256)]
        assert len(self.agree(pairs, [bytes([i, 255 - i, i]) for i in range(256)])) == 512

    def test_only_ascii_letters_fold(self) -> None:
        texts = [bytes([i]) for i in range(256)] + [b"aZ\xe9", b"Az\xc9", b"@[`{"]
        for anchor in Anchor:
            hits = self.agree([Pattern(text, anchor) for text in texts], list(texts), fold=True)
            assert len({hit for hit in hits if hit[0] < 256 and hit[1] < 256}) == 256 + 2 * 26

    def test_patterns_of_every_length(self) -> None:
        dice = random.Random(2)
        for length in cases.LENGTHS:
            text = dice.randbytes(length)
            letters = bytes(dice.choice(b"abcxyzABCXYZ") for _ in range(length))
            for of in (text, letters, b"a" * length):
                patterns = [Pattern(of, anchor) for anchor in Anchor]
                patterns += [Pattern(cases.escaped(of[:-1]) + b"?", anchor, True) for anchor in Anchor]
                assert self.agree(patterns, cases.near(of), fold=of is letters)

    def test_patterns_that_begin_end_and_repeat_each_other(self) -> None:
        text = b"hello hello hell"
        parts = [text[a:b] for a in range(len(text)) for b in (a + 1, a + 2, a + 5, len(text)) if a < b <= len(text)]
        for anchor in Anchor:
            assert self.agree([Pattern(part, anchor) for part in parts], [text, text[3:], b"he", None, text + text])

    def test_wildcards_among_many(self) -> None:
        patterns = [
            Pattern(b"%b%d%b" % (front, number, behind), anchor, True)
            for number in range(40)
            for front, behind in ((b"", b"*"), (b"*", b""), (b"*", b"*"), (b"a?", b""), (b"a*", b"*b"), (b"\\*", b"?"))
            for anchor in Anchor
        ]
        values: Rows = [b"%b%d%b" % (front, number, front) for number in range(50) for front in (b"", b"a", b"ab", b"*", b"a*b")]
        assert self.agree(patterns, values)

    def test_of_places_that_overlap_the_leftmost_counts(self) -> None:
        """Beside patterns that are found by some of their bytes, of which this one has the same everywhere."""
        others = [Pattern(b"zq%07dk" % number, CONTAINS) for number in range(8)]
        rows: Rows = [b"x" * front + b"a" * 14 for front in range(9)]
        wanted = [(row, 0, row) for row in range(9)]
        assert self.agree([Pattern(b"a" * 10, CONTAINS, wildcards=True), *others], rows) == wanted

    def test_many_rows(self) -> None:
        count = self.scaled(65_536, 700)
        values: Rows = [None if i % 13 == 0 else b"user%d" % (i % 1000) for i in range(count)]
        patterns = [Pattern(b"user7"), Pattern(b"user99", PREFIX), Pattern(b"42", CONTAINS), Pattern(b"*9?", wildcards=True)]
        assert self.agree(patterns, values)[-1][0] > count - 50

    def test_long_rows(self) -> None:
        length = self.scaled(65_536, 2_000)
        dice = random.Random(3)
        noise = dice.randbytes(length)
        values: Rows = [
            noise[:-5] + b"needl",
            noise[:-6] + b"needle",
            b"needle" + noise[6:],
            noise[: length // 2] + b"needle",
            b"n",
        ]
        patterns = [
            *(Pattern(b"needle", anchor) for anchor in Anchor),
            Pattern(b"n*dle", SUFFIX, True),
            Pattern(noise[-300:], CONTAINS),
        ]
        assert self.agree(patterns, values)

    def test_every_place_hits(self) -> None:
        length = self.scaled(65_536, 2_000)
        patterns = [*(Pattern(b"a" * n, CONTAINS) for n in (1, 2, 3, 8, 17)), Pattern(b"a", CONTAINS)]
        assert len(self.agree(patterns, [b"a" * length, b"", b"a"])) > 5 * length

    def test_hostile_texts(self) -> None:
        length = self.scaled(8_000, 500)
        patterns = [
            *(Pattern(text, CONTAINS, True) for text in (b"a*b", b"*a*a*a*b", b"a?a*?ab", b"*a" * 20 + b"c")),
            *(Pattern(text, anchor) for text in (b"a" * 100 + b"b", b"b" + b"a" * 100, b"ab" * 40) for anchor in Anchor),
            Pattern(b"a*b*a*b", wildcards=True),
        ]
        values: Rows = [b"a" * length, b"a" * length + b"b", b"b" + b"a" * length, b"aab" * (length // 3), b"ab" * (length // 2)]
        assert self.agree(patterns, values)

    def test_digits_in_every_order(self) -> None:
        """A sequence of de Bruijn holds every number of three digits once."""
        numbers = [b"%03d" % number for number in range(1000)]
        data, at = b"000", b"00"
        seen = {b"000"}
        while len(seen) < 1000:
            at = next(
                at + digit for digit in (b"9", b"8", b"7", b"6", b"5", b"4", b"3", b"2", b"1", b"0") if at + digit not in seen
            )
            seen.add(at)
            data += at[-1:]
            at = at[1:]
        assert len(self.agree([Pattern(number, CONTAINS) for number in numbers], [data, data[:500], data[1:]])) > 2000

    @pytest.mark.parametrize("anchor", Anchor)
    @pytest.mark.parametrize("made", [cases.phone_numbers, cases.user_names])
    def test_a_thousand_patterns(self, anchor: Anchor, made: cases.Maker) -> None:
        planted = made(self.scaled(1_000, 200), self.scaled(100, 40), anchor)
        assert self.agree(planted.patterns, planted.rows) == planted.hits()
        self.agree(planted.patterns, planted.rows, fold=True)

    @pytest.mark.parametrize(
        ("made", "anchor"),
        [
            (cases.user_names, EXACT),
            (cases.phone_numbers, SUFFIX),
            (cases.phone_numbers, CONTAINS),
        ],
    )
    def test_a_hundred_thousand_patterns(self, made: cases.Maker, anchor: Anchor) -> None:
        planted = made(self.scaled(100_000, 500), self.scaled(1_000, 40), anchor)
        wanted = planted.hits()
        assert len(wanted) > len(planted.rows) // 16
        # What else is asked for by name costs a set of this size seconds, and does nothing new where literals have an anchor.
        for algorithm in self.algorithms if anchor is CONTAINS else self.algorithms[:1]:
            # One after the other, a row takes as long as there are patterns.
            rows = planted.rows if algorithm is not Algorithm.LINEAR else planted.rows[:8]
            matcher = self.opened.compile(PatternSet(planted.patterns, algorithm=algorithm))
            matcher.submit(spans(rows))
            same_hits(matcher.collect(), [hit for hit in wanted if hit[0] < len(rows)], algorithm.value)
            matcher.close()

    def test_spoilt_sip(self) -> None:
        patterns = [
            Pattern(b"Call-ID:", CONTAINS),
            Pattern(b"sip:alice@example.com", CONTAINS),
            Pattern(b"INVITE sip:", PREFIX),
            Pattern(b"SIP/2.0 1?? *", wildcards=True),
            Pattern(b"*CSeq: ?*INVITE*", wildcards=True),
            Pattern(b"\r\n\r\n", SUFFIX),
            Pattern(b"From*alice*To", CONTAINS, True),
            Pattern(b"\n", CONTAINS),
            Pattern(cases.MESSAGES[0]),
        ]
        rows = [*cases.MESSAGES, *cases.mutations(self.scaled(400, 30))]
        for fold in (False, True):
            assert self.agree(patterns, rows, fold)

    @pytest.mark.parametrize("anchor", [PREFIX, SUFFIX, CONTAINS])
    def test_an_empty_pattern_that_would_hit_everywhere_is_refused(self, anchor: Anchor) -> None:
        for algorithm in self.algorithms:
            with pytest.raises(FilterError):
                self.opened.compile(PatternSet([Pattern(b"x"), Pattern(b"", anchor)], algorithm=algorithm))

    def test_too_many_patterns_are_refused(self) -> None:
        with pytest.raises(FilterError):
            self.opened.compile(PatternSet([Pattern(b"x")] * (MOST_PATTERNS + 1)))

    def test_gives_the_hits_of_the_reference(self) -> None:
        @settings(max_examples=self.scaled(150, 5), deadline=None)
        @given(cases.drawn_patterns, cases.drawn_rows, st.booleans())
        def agrees(patterns: list[Pattern], values: Rows, fold: bool) -> None:
            self.agree(patterns, values, fold)

        agrees()

    def test_patterns_and_spans_of_one_text(self) -> None:
        @settings(max_examples=self.scaled(200, 5), deadline=None)
        @given(cases.related(), st.booleans())
        def agrees(drawn: cases.Drawn, fold: bool) -> None:
            self.agree(drawn.patterns, drawn.spans, fold)

        agrees()


CALL_ID = (b"call-id", b"i")


class HeaderSuite(BackendSuite):
    """Holds the extractors of a match backend to the pure one's: `backend` gives the one under test."""

    def agree(self, where: Rows | Spans, names: Sequence[bytes] = CALL_ID) -> list[tuple[int, int]]:
        """The fields are those of the reference; gives them as (offset, length)."""
        looked_at = where if isinstance(where, Spans) else spans(where)
        answers = []
        before = looked_at.slab.tobytes()
        for one in (PureProvider().open(), self.opened):
            extractor = one.extractor(names)
            extractor.submit(looked_at)
            answers.append(extractor.collect())
            extractor.close()
        assert before == looked_at.slab.tobytes(), "wrote into the spans"
        return self.same_fields(answers[1], list(zip(*(column.tolist() for column in answers[0]), strict=True)))

    @staticmethod
    def same_fields(got: Fields, wanted: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Fail with the first difference."""
        assert {column.dtype for column in got} == {np.dtype(np.int32)}, "fields are int32 columns"
        found = list(zip(got.offset.tolist(), got.length.tolist(), strict=True))
        assert len(found) == len(wanted), "one entry a row"
        for row, (mine, theirs) in enumerate(zip(found, wanted, strict=True)):
            assert mine == theirs, f"row {row} has {mine} and should have {theirs}"
        return found

    @pytest.mark.parametrize(
        ("message", "value"),
        [
            (b"INVITE sip:b@c SIP/2.0\r\nCall-ID: abc\r\n\r\n", b"abc"),
            (b"Call-ID: abc\r\n\r\n", b"abc"),
            (b"X: 1\ni: abc\n\n", b"abc"),
            (b"X: 1\r\nCALL-id: abc\r\n\r\n", b"abc"),
            (b"X: 1\r\r\ncall-id \t:\t abc \t\r\r\n\r\r\n", b"abc"),
            (b"\r\n\n\r\r\nX: 1\r\nI:abc\r\n\r\n", b"abc"),
            (b"X: 1\r\nCall-ID: a\r\nCall-ID: b\r\n\r\n", b"a"),
            (b"X: 1\r\ni: a\r\nCall-ID: b\r\n\r\n", b"a"),
            (b"Call-ID:\r\nCall-ID: b\r\n\r\n", b""),
            (b"Call-ID: \r\n\t a\r\n b\r\n \r\nX: 1\r\n\r\n", b"a\r\n b"),
            (b"Call-ID: a\n b", b"a\n b"),
            (b"Call-ID: a:b\r\n", b"a:b"),
            (b"Call-ID: a\rb\r\n", b"a\rb"),
            (b"Call-ID: a\0b\r\n", b"a\0b"),
            (b"X: 1\r\nCall-ID: ab", b"ab"),
            (b"X: 1\r\nCall-ID: ab\r", b"ab"),
            (b"X: 1\r\nCall-ID:", b""),
            (b"X: 1\r\nCall-ID", None),
            (b"X: 1\r\nCall-I", None),
            (b"X: 1\r\n\r\nCall-ID: body\r\n", None),
            (b"X: 1\n\nCall-ID: body\r\n", None),
            (b"X: 1\r\n\nCall-ID: body\r\n", None),
            (b"X: 1\r\r\n\r\r\nCall-ID: body\r\n", None),
            (b"X: 1\r\n \r\nCall-ID: not the body\r\n", b"not the body"),
            (b"X: 1\r\n Call-ID: folded\r\n\r\n", None),
            (b" Call-ID: folded into nothing\r\n\r\n", None),
            (b"\t\r\n\r\nCall-ID: body\r\n\r\n", None),
            (b"X-Call-ID: 1\r\nCall-IDs: 2\r\nS: Call-ID: 3\r\nCall ID: 4\r\n\r\n", None),
            (b"X: i: 1\r\nXi: 1\r\niX: 1\r\ni\r\n: 1\r\n\r\n", None),
            (b"Call-ID\r: x\r\n\r\n", None),
            (b"\rCall-ID: x\r\n\r\n", b"x"),
            (b"X: 1\r\n\rCall-ID: x\r\n\r\n", None),
            (b"\xc9: x\r\n\xe9: y\r\n\r\n", None),
            (b"", None),
            (b"\r\n\r\n", None),
            (None, None),
        ],
    )
    def test_which_value_a_message_has(self, message: bytes | None, value: bytes | None) -> None:
        ((offset, length),) = self.agree([message])
        assert (offset < 0) == (length < 0) == (value is None)
        assert message is None or value is None or message[offset : offset + length] == value

    def test_an_empty_value_lies_where_the_field_ends(self) -> None:
        assert self.agree([b"Call-ID : \r\n\t\r\n\r\n", b"i: ", b"i:", b"i:\n"]) == [(14, 0), (3, 0), (2, 0), (2, 0)]

    def test_fields_are_aligned_with_the_rows(self) -> None:
        assert self.agree([b"i: a", None, b"", b"X: 1", b"i:bc"]) == [(3, 1), (-1, -1), (-1, -1), (-1, -1), (2, 2)]
        assert self.agree([]) == []

    def test_nothing_outside_of_a_span_counts(self) -> None:
        message = b"X: 1\r\nCall-ID: abc\r\n def\r\n\r\n"
        for end in range(len(message)):
            for behind in (b"", message[end:]):
                self.agree(cases.spans_over(message[:end], [(0, end)], behind))
        self.agree(cases.spans_over(message, [(at, end - at) for at in range(20) for end in range(at, len(message), 3)]))

    def test_any_of_several_names(self) -> None:
        message = (
            b"Via: 1\r\nFrom: a\r\nt: b\r\nTo: c\r\nP-Asserted-Identity: d\r\nSubject: x\r\nXyZ: no\r\nX.Z: e\r\n%s: f\r\n\r\n"
            % (b"L" * 64)
        )
        wanted = {
            (b"from", b"f"): b"a",
            (b"TO", b"T"): b"b",
            (b"p-asserted-identity",): b"d",
            (b"x", b"y", b"z", b"s", b"sub", b"subj", b"subje", b"subject"): b"x",
            (b"x.z",): b"e",
            (b"l" * 64,): b"f",
            (b"t", b"to", b"to"): b"b",
            (b"none",): None,
            (b"x?z", b"*"): None,
        }
        for names, value in wanted.items():
            ((offset, length),) = self.agree([message], names)
            assert (message[offset : offset + length] if length >= 0 else None) == value

    @pytest.mark.parametrize("names", [(b"",), (b"a:",), (b"a b",), (b"a\n",), (b"\ra",), (b"\ta",), (b"a" * 65,), (b"a",) * 9])
    def test_names_that_no_field_has_are_refused(self, names: tuple[bytes, ...]) -> None:
        with pytest.raises(ContractError):
            self.opened.extractor(names)

    @pytest.mark.parametrize("number", range(len(cases.MESSAGES)))
    def test_messages_truncated_at_every_byte(self, number: int) -> None:
        cuts = cases.every_cut(cases.MESSAGES[number])
        fields = self.agree(cuts[:: max(int(1 / self.scale), 1)] if self.scale < 1 else cuts)
        assert len(set(fields)) > 1 or self.scale < 1

    def test_spoilt_messages(self) -> None:
        for names in (CALL_ID, (b"To", b"t"), (b"from", b"f"), (b"subject", b"s")):
            self.agree(cases.mutations(self.scaled(1500, 50), seed=len(names[0])), names)

    def test_random_bytes(self) -> None:
        dice = random.Random(4)
        self.agree([dice.randbytes(dice.randrange(200)) for _ in range(self.scaled(500, 20))])
        alphabet = (b"i", b":", b" ", b"\t", b"\r", b"\n", b"x")
        values: Rows = [b"".join(dice.choice(alphabet) for _ in range(dice.randrange(40))) for _ in range(self.scaled(8000, 100))]
        assert len(set(self.agree(values))) > 5

    def test_many_and_long_messages(self) -> None:
        count, length = self.scaled(65_536, 700), self.scaled(65_536, 2_000)
        values: Rows = [None if i % 13 == 0 else b"X: 1\r\n%b: %d\r\n\r\n" % (CALL_ID[i % 2], i) for i in range(count)]
        assert self.agree(values)[-1][1] >= 3
        far = b"X: 1\r\n" * (length // 6)
        ((offset, size),) = self.agree([far + b"i: far"])
        assert (offset, size) == (len(far) + 3, 3)
        hostile = (b"i", b"i ", b"\n", b"\r", b"\r\n", b"\ni", b"\ni \t", b"\n i:", b"i: \n ", b"\n\r", b"i:\n\r", b"\n ")
        self.agree([front + unit * (length // 8) for unit in hostile for front in (b"", b"x\n", b"i:")])

    def test_two_submissions_are_in_flight(self) -> None:
        extractor = self.opened.extractor(CALL_ID)
        other = self.opened.extractor((b"x",))
        with pytest.raises(ContractError):
            extractor.collect()
        laid = [spans([b"i: a", None]), spans([b"x: b\ni: cd"] * 500), spans([]), spans([b"i:", b"i: e"])]
        wanted = [[(3, 1), (-1, -1)], [(8, 2)] * 500, [], [(2, 0), (3, 1)]]
        kept = []
        for i, looked_at in enumerate(laid):
            extractor.submit(looked_at)
            if i == 1:
                other.submit(looked_at)
            if i + 1 >= IN_FLIGHT:
                with pytest.raises(ContractError):
                    extractor.submit(laid[0])
                kept.append(extractor.collect())
        kept.append(extractor.collect())
        with pytest.raises(ContractError):
            extractor.collect()
        for fields, expected in zip(kept, wanted, strict=True):
            self.same_fields(fields, expected)
        self.same_fields(other.collect(), [(3, 1)] * 500)
        extractor.close()
        other.close()

    def test_gives_the_fields_of_the_reference(self) -> None:
        pieces = st.sampled_from([b"i", b"Call-ID", b":", b" ", b"\t", b"\r\n", b"\n", b"\r", b"x", b"\r\n\r\n", b"\0"])
        messages = st.lists(pieces, max_size=16).map(b"".join)

        @settings(max_examples=self.scaled(200, 5), deadline=None)
        @given(st.lists(st.none() | messages | st.binary(max_size=40), max_size=8))
        def agrees(values: Rows) -> None:
            self.agree(values)

        agrees()
