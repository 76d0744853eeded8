"""Searching with kernels against the reference: the source itself and what the compiler made of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from lippycat_core.builtin.match import PureProvider
from lippycat_core.errors import ContractError, FilterError
from lippycat_core.interfaces.match import IN_FLIGHT, Algorithm, Anchor, Fields, Hits, Pattern, PatternSet, Spans
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.matching.automaton import automaton_of
from lippycat_core.matching.fields import FieldFinder
from lippycat_core.matching.hits import first_a_row, in_order, once_a_row
from lippycat_core.matching.search import FIRST_ROOM, Searcher
from lippycat_core.matching.tables import FEW, Tables, compile_tables
from lippycat_core.testing.matchcases import spans
from lippycat_core.testing.matcher import HeaderSuite, MatcherSuite, triples

CONTAINS = Anchor.CONTAINS


class KernelBackend:
    """A match backend that runs kernels on the caller's thread."""

    name = "kernels"
    device = "1 core"
    memory: int | None = None

    def __init__(self, kernels: KernelSet) -> None:
        self._kernels = kernels

    def compile(self, patterns: PatternSet) -> KernelMatcher:
        return KernelMatcher(compile_tables(patterns), self._kernels)

    def extractor(self, names: Sequence[bytes]) -> KernelExtractor:
        return KernelExtractor(FieldFinder(names, self._kernels))

    def close(self) -> None:
        pass


class KernelMatcher:
    def __init__(self, tables: Tables, kernels: KernelSet) -> None:
        self._searcher = Searcher(tables, automaton_of(tables), kernels)
        self._open: deque[Hits] = deque()

    def submit(self, where: Spans, *, first_only: bool = False) -> None:
        if len(self._open) == IN_FLIGHT:
            raise ContractError("collect first")
        hits = self._searcher.search(where, 0, len(where.off))
        self._open.append(first_a_row(hits) if first_only else hits)

    def collect(self) -> Hits:
        if not self._open:
            raise ContractError("submit first")
        return self._open.popleft()

    def close(self) -> None:
        pass


class KernelExtractor:
    def __init__(self, finder: FieldFinder) -> None:
        self._finder = finder
        self._open: deque[Fields] = deque()

    def submit(self, where: Spans) -> None:
        if len(self._open) == IN_FLIGHT:
            raise ContractError("collect first")
        self._open.append(self._finder.find(where, 0, len(where.off)))

    def collect(self) -> Fields:
        if not self._open:
            raise ContractError("submit first")
        return self._open.popleft()

    def close(self) -> None:
        pass


class TestInterpreted(MatcherSuite):
    scale = 0.02

    def backend(self) -> KernelBackend:
        return KernelBackend(Interpreted())


class TestInterpretedHeaders(HeaderSuite):
    scale = 0.02

    def backend(self) -> KernelBackend:
        return KernelBackend(Interpreted())


class OneByOne:
    """Rows handed over in pieces: nothing may depend on where they are cut."""

    def __init__(self, tables: Tables, kernels: KernelSet) -> None:
        self._searcher = Searcher(tables, automaton_of(tables), kernels)

    def pieces(self, where: Spans, cut: int) -> Iterator[tuple[int, int, int]]:
        for begin in range(0, len(where.off), cut):
            yield from triples(self._searcher.search(where, begin, min(begin + cut, len(where.off))))


@pytest.mark.parametrize("algorithm", Algorithm)
def test_rows_may_be_searched_in_pieces(kernels: KernelSet, algorithm: Algorithm) -> None:
    patterns = [Pattern(b"%d" % n, anchor) for n in range(10, 30) for anchor in Anchor]
    patterns.append(Pattern(b"1*2", wildcards=True))
    tables = compile_tables(PatternSet(patterns, algorithm=algorithm))
    where = spans([b"%d" % (n * n) for n in range(60)])
    whole = triples(Searcher(tables, automaton_of(tables), kernels).search(where, 0, 60))
    assert whole
    assert list(OneByOne(tables, kernels).pieces(where, 1)) == whole
    assert list(OneByOne(tables, kernels).pieces(where, 7)) == whole


@pytest.mark.parametrize("algorithm", Algorithm)
def test_more_hits_than_there_is_room_for(kernels: KernelSet, algorithm: Algorithm) -> None:
    if kernels.name == "pure" and algorithm is not Algorithm.LINEAR:
        texts = [b"a" * 300] * 20
    else:
        texts = [b"a" * (FIRST_ROOM // 8)] * 11 + [b"a" * (3 * FIRST_ROOM)] * 2  # the last ones more than fit at all
    patterns = [Pattern(b"a", CONTAINS), Pattern(b"a", CONTAINS), Pattern(b"a*", CONTAINS, wildcards=True)]
    tables = compile_tables(PatternSet(patterns, algorithm=algorithm))
    hits = Searcher(tables, automaton_of(tables), kernels).search(spans(texts), 0, len(texts))
    expected = sum(2 * len(text) + 1 for text in texts)
    assert len(hits.row) == expected
    assert np.bincount(hits.row).tolist() == [2 * len(text) + 1 for text in texts]


def test_a_search_of_the_same_rows_again_gives_the_same_once_only_hits(kernels: KernelSet) -> None:
    tables = compile_tables(PatternSet([Pattern(b"b*", CONTAINS, wildcards=True), Pattern(b"a*c", wildcards=True)]))
    searcher = Searcher(tables, automaton_of(tables), kernels)
    where = spans([b"abbc", b"b"])
    for _ in range(3):
        assert triples(searcher.search(where, 0, 2)) == [(0, 0, 1), (0, 1, 0), (1, 0, 0)]


def found_by(patterns: list[Pattern], algorithm: Algorithm = Algorithm.AUTO) -> set[str]:
    """The tables that a set is put into."""
    tables = compile_tables(PatternSet(patterns, algorithm=algorithm))
    parts = {"each": tables.each, "ends": tables.ends, "grams": tables.grams, "automaton": tables.automaton}
    return {name for name, part in parts.items() if part} | ({"free"} if len(tables.free) else set())


def test_which_algorithm_a_set_is_given() -> None:
    few = [Pattern(b"needle%d" % n, CONTAINS) for n in range(FEW)]
    many = [Pattern(b"needle%d" % n, CONTAINS) for n in range(FEW + 1)]
    assert found_by(few) == {"each"}
    assert found_by(many) == {"grams"}
    assert found_by([*many, Pattern(b"ab", CONTAINS)]) == {"grams", "each"}
    assert found_by([Pattern(b"%c" % n, CONTAINS) for n in range(40, 60)]) == {"automaton"}
    assert found_by([Pattern(b"alice"), Pattern(b"49", Anchor.PREFIX), Pattern(b"30", Anchor.SUFFIX)]) == {"ends"}
    assert found_by([Pattern(b"al*", wildcards=True), Pattern(b"*ce", wildcards=True)]) == {"ends"}
    assert found_by([Pattern(b"?*", wildcards=True)]) == {"free"}
    alike = [Pattern(b"aaaa" + b"a" * n, CONTAINS) for n in range(80)]
    assert found_by(alike) == {"automaton"}


def test_an_algorithm_that_is_asked_for_is_taken() -> None:
    patterns = [Pattern(b"needle%d" % n, anchor) for n in range(30) for anchor in Anchor]
    assert found_by(patterns, Algorithm.LINEAR) == {"each"}
    assert found_by(patterns, Algorithm.AHO_CORASICK) == {"automaton"}
    assert found_by([*patterns, Pattern(b"")], Algorithm.AHO_CORASICK) == {"automaton", "ends"}
    assert found_by([Pattern(b"a*b?c", wildcards=True)], Algorithm.LINEAR) == {"free"}


def hits_of(*found: tuple[int, int, int]) -> Hits:
    return Hits(*np.array(found, np.int32).reshape(-1, 3).T)


def test_hits_are_put_in_order_whatever_their_numbers() -> None:
    small = hits_of((2, 1, 0), (1, 5, 7), (1, 5, 2), (0, 9, 9))
    assert triples(in_order(small)) == sorted(triples(small))
    large = hits_of((2**30, 1, 2**30), (2**30, 1, 3), (1, 2**20, 2**30), (0, 0, 0))
    assert triples(in_order(large)) == sorted(triples(large))


def test_patterns_of_one_hit_keep_their_first() -> None:
    hits = hits_of((0, 0, 1), (0, 0, 2), (0, 1, 1), (0, 1, 5), (1, 1, 5))
    assert triples(once_a_row(hits, np.array([False, True]))) == [(0, 0, 1), (0, 0, 2), (0, 1, 1), (1, 1, 5)]


def test_tables_tell_their_size_and_stay_small() -> None:
    patterns = [Pattern(b"%012d" % (n * 7919), CONTAINS) for n in range(100_000)]
    assert 1 << 20 < compile_tables(PatternSet(patterns)).nbytes() < 40 << 20


def test_the_reference_and_the_tables_refuse_the_same() -> None:
    wrong = PatternSet([Pattern(b"a"), Pattern(b"", CONTAINS)])
    for refused in (compile_tables, PureProvider().open().compile):
        with pytest.raises(FilterError, match="pattern 2: an empty contains pattern"):
            refused(wrong)


def steps_of(patterns: list[Pattern]) -> list[list[int]]:
    return [table.steps.tolist() for table in compile_tables(PatternSet(patterns)).ends]


def test_telling_ends_are_looked_up_once_and_others_for_each_length(kernels: KernelSet) -> None:
    telling = [Pattern(b"%d" % (10 ** (7 + n % 5) + n * 7919), Anchor.SUFFIX) for n in range(300)]
    alike = [Pattern(b"+4930123" + b"%d" % n, Anchor.PREFIX) for n in range(300)]
    assert steps_of(telling) == [[8]]
    assert steps_of(alike) == [[9, 10, 11]]
    for patterns in (telling, alike):
        mixed = [*patterns, *(Pattern(pattern.text) for pattern in patterns[::3])]
        tables = compile_tables(PatternSet(mixed))
        texts = [before + pattern.text + after for pattern in patterns[::7] for before in (b"", b"0") for after in (b"", b"9")]
        hits = triples(Searcher(tables, automaton_of(tables), kernels).search(spans(texts), 0, len(texts)))
        matcher = PureProvider().open().compile(PatternSet(mixed))
        matcher.submit(spans(texts))
        assert hits == triples(matcher.collect())
