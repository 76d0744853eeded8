"""Matching with the standard library: the reference that other match backends are held to.

A span's bytes are taken out of the slab and looked at by themselves, so nothing matches across spans. `Linear` is the
plain meaning of a pattern set; `Tables` (the module beside) gives the same hits sooner.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

import numpy as np

from lippycat_core.builtin.headers import PureExtractor
from lippycat_core.builtin.searches import Search, pieces_of, search_for
from lippycat_core.builtin.tables import Tables
from lippycat_core.columns import I32
from lippycat_core.errors import ContractError
from lippycat_core.interfaces.match import IN_FLIGHT, Algorithm, Hits, PatternSet, Spans
from lippycat_core.matching.limits import check_patterns
from lippycat_core.matching.wildcards import fold


class Finder(Protocol):
    """Finds a pattern set in one text."""

    def hits(self, text: bytes) -> Iterable[tuple[int, int]]:
        """(pattern, offset) of each hit, in this order."""
        ...


class Linear:
    """One pattern after the other: what a set means, and nothing else."""

    def __init__(self, patterns: PatternSet) -> None:
        self._searches: list[Search] = [
            search_for(pattern, pieces_of(pattern, patterns.ignore_case)) for pattern in patterns.patterns
        ]

    def hits(self, text: bytes) -> Iterator[tuple[int, int]]:
        """(pattern, offset) of each hit, in this order."""
        for number, search in enumerate(self._searches):
            for offset in search(text):
                yield number, offset


class PureMatch:
    """A `MatchBackend` in plain Python."""

    name = "pure"
    device = "1 core, standard library"
    memory: int | None = None

    def compile(self, patterns: PatternSet) -> PureMatcher:
        """Make a matcher. FilterError for a pattern that would hit everywhere without saying so (an empty PREFIX, SUFFIX or
        CONTAINS), and for too many."""
        check_patterns(patterns)
        return PureMatcher(patterns)

    def extractor(self, names: Sequence[bytes]) -> PureExtractor:
        """Look for a header field by any of its names. ContractError for names that no field can have, and for too many."""
        return PureExtractor(names)

    def close(self) -> None:
        """There is nothing to give back."""


class PureMatcher:
    """A compiled pattern set (see `interfaces.match.Matcher`)."""

    def __init__(self, patterns: PatternSet) -> None:
        self._fold = patterns.ignore_case
        self._finder: Finder = Linear(patterns) if patterns.algorithm is Algorithm.LINEAR else Tables(patterns)
        self._open: deque[Hits] = deque()

    def submit(self, spans: Spans, *, first_only: bool = False) -> None:
        """Match at once; `collect` hands the hits out. ContractError where `IN_FLIGHT` submissions are open already."""
        if len(self._open) == IN_FLIGHT:
            raise ContractError(f"{IN_FLIGHT} submissions are open: collect the hits of one first")
        slab = spans.slab.data
        most = 1 if first_only else None
        rows: list[int] = []
        numbers: list[int] = []
        offsets: list[int] = []
        for row, (off, length) in enumerate(zip(spans.off.tolist(), spans.length.tolist(), strict=True)):
            if length < 0:
                continue
            text = bytes(slab[off : off + length])
            for number, offset in islice(self._finder.hits(fold(text) if self._fold else text), most):
                rows.append(row)
                numbers.append(number)
                offsets.append(offset)
        self._open.append(Hits(_column(rows), _column(numbers), _column(offsets)))

    def collect(self) -> Hits:
        """The hits of the oldest open submission. ContractError where there is none."""
        if not self._open:
            raise ContractError("no submission is open: submit spans first")
        return self._open.popleft()

    def close(self) -> None:
        """There is nothing to give back."""


def _column(values: list[int]) -> I32:
    return np.array(values, np.int32)
