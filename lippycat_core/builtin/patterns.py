"""Matching with the standard library: the reference that other match backends are held to.

A span's bytes are taken out of the slab and looked at by themselves, so nothing matches across spans. Whole-span literals,
of which user lists have very many, are found in a dictionary; the cost of a span does not depend on their number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from lippycat_core.columns import I32
from lippycat_core.errors import ContractError, FilterError
from lippycat_core.interfaces.match import Anchor, Hits, Pattern, PatternSet, Spans
from lippycat_core.matching.wildcards import ANY, Literal, Part, fold, parts

Search = Callable[[bytes], Iterator[int]]
"""Gives the offsets at which a pattern hits in a span, ascending."""


class PureMatch:
    """A `MatchBackend` in plain Python."""

    name = "pure"

    def compile(self, patterns: PatternSet) -> PureMatcher:
        """Make a matcher. FilterError for a pattern that would hit everywhere without saying so: an empty PREFIX, SUFFIX or
        CONTAINS."""
        return PureMatcher(patterns)


class PureMatcher:
    """A compiled pattern set (see `interfaces.match.Matcher`)."""

    def __init__(self, patterns: PatternSet) -> None:
        self._fold = patterns.ignore_case
        self._exact: dict[bytes, list[int]] = {}
        self._searches: list[tuple[int, Search]] = []
        self._open: Hits | None = None
        for number, pattern in enumerate(patterns.patterns):
            self._add(number, pattern)

    def _add(self, number: int, pattern: Pattern) -> None:
        if pattern.anchor is not Anchor.EXACT and not pattern.text:
            raise FilterError(
                f"pattern {number + 1}: an empty {pattern.anchor.value} pattern would match everything; leave it out"
            )
        text = fold(pattern.text) if self._fold else pattern.text
        pieces: list[Part] = parts(text) if pattern.wildcards else [Literal(text)]
        if any(isinstance(piece, bytes) for piece in pieces):
            self._searches.append((number, _wildcard(pieces, pattern.anchor)))
            return
        literal = b"".join(piece.text for piece in pieces if isinstance(piece, Literal))
        if pattern.anchor is Anchor.EXACT:
            self._exact.setdefault(literal, []).append(number)
        elif pattern.wildcards:
            self._searches.append((number, _first(_literal(literal, pattern.anchor))))
        else:
            self._searches.append((number, _literal(literal, pattern.anchor)))

    def submit(self, spans: Spans, *, first_only: bool = False) -> None:
        """Match at once; `collect` hands the hits out. ContractError while an earlier submission is open."""
        if self._open is not None:
            raise ContractError("a submission is open: collect its hits first")
        slab = spans.slab.data
        rows: list[int] = []
        numbers: list[int] = []
        offsets: list[int] = []
        for row, (off, length) in enumerate(zip(spans.off.tolist(), spans.length.tolist(), strict=True)):
            if length < 0:
                continue
            text = bytes(slab[off : off + length])
            for number, offset in self._hits(fold(text) if self._fold else text):
                rows.append(row)
                numbers.append(number)
                offsets.append(offset)
                if first_only:
                    break
        self._open = Hits(_column(rows), _column(numbers), _column(offsets))

    def collect(self) -> Hits:
        """The hits of the open submission. ContractError where there is none."""
        hits, self._open = self._open, None
        if hits is None:
            raise ContractError("no submission is open: submit spans first")
        return hits

    def _hits(self, text: bytes) -> Iterator[tuple[int, int]]:
        """(pattern, offset) in order of pattern: the exact ones, already ascending, are merged with the searched ones."""
        exact = iter(self._exact.get(text, ()))
        pending = next(exact, None)
        for number, search in self._searches:
            while pending is not None and pending < number:
                yield pending, 0
                pending = next(exact, None)
            for offset in search(text):
                yield number, offset
        while pending is not None:
            yield pending, 0
            pending = next(exact, None)


def _column(values: list[int]) -> I32:
    return np.array(values, np.int32)


def _literal(literal: bytes, anchor: Anchor) -> Search:
    def prefix(text: bytes) -> Iterator[int]:
        if text.startswith(literal):
            yield 0

    def suffix(text: bytes) -> Iterator[int]:
        if text.endswith(literal):
            yield len(text) - len(literal)

    def contains(text: bytes) -> Iterator[int]:
        at = text.find(literal)
        while at >= 0:
            yield at
            at = text.find(literal, at + 1)  # hits may overlap

    return {Anchor.PREFIX: prefix, Anchor.SUFFIX: suffix, Anchor.CONTAINS: contains}[anchor]


def _first(search: Search) -> Search:
    def first(text: bytes) -> Iterator[int]:
        for offset in search(text):
            yield offset
            return

    return first


class _Segment:
    """A run of literals and `?`: bytes of one fixed length."""

    def __init__(self, pieces: list[Part]) -> None:
        source = b"".join(re.escape(piece.text) if isinstance(piece, Literal) else b"." for piece in pieces)
        self.length = sum(len(piece.text) if isinstance(piece, Literal) else 1 for piece in pieces)
        self._pattern = re.compile(source, re.DOTALL)

    def at(self, text: bytes, offset: int) -> bool:
        """Whether it lies at an offset."""
        return offset >= 0 and self._pattern.match(text, offset) is not None

    def find(self, text: bytes, begin: int) -> int:
        """Its first place from `begin` on, -1 where there is none."""
        match = self._pattern.search(text, begin)
        return match.start() if match else -1


def _segments(pieces: list[Part]) -> list[_Segment]:
    """What stands before, between and behind the `*`s: one more than there are of them, empty ones included."""
    runs: list[list[Part]] = [[]]
    for piece in pieces:
        if piece == ANY:
            runs.append([])
        else:
            runs[-1].append(piece)
    return [_Segment(run) for run in runs]


def _wildcard(pieces: list[Part], anchor: Anchor) -> Search:
    """Each segment is taken at its first place behind the one before. No other choice could do better, so there is nothing
    to try again, and hostile input costs no more than its length times the pattern's."""
    first, *others = _segments(pieces)
    at_begin = anchor in (Anchor.EXACT, Anchor.PREFIX)
    at_end = anchor in (Anchor.EXACT, Anchor.SUFFIX)

    def alone(text: bytes) -> int:
        rest = len(text) - first.length
        if at_begin:
            return 0 if first.at(text, 0) and (rest == 0 or not at_end) else -1
        if at_end:
            return rest if first.at(text, rest) else -1
        return first.find(text, 0)

    def several(text: bytes) -> int:
        begin = (0 if first.at(text, 0) else -1) if at_begin else first.find(text, 0)
        if begin < 0:
            return -1
        place = begin + first.length
        for segment in others[:-1]:
            place = segment.find(text, place)
            if place < 0:
                return -1
            place += segment.length
        last = others[-1]
        if at_end:
            end = len(text) - last.length
            return begin if end >= place and last.at(text, end) else -1
        return begin if last.find(text, place) >= 0 else -1

    leftmost = several if others else alone

    def search(text: bytes) -> Iterator[int]:
        begin = leftmost(text)
        if begin >= 0:
            yield begin

    return search
