"""`lippycat.match`: finding patterns in spans of a batch. Every backend gives the same hits, in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from lippycat_core.columns import I32, U8


class Anchor(Enum):
    """Where in a span a pattern must lie."""

    EXACT = "exact"  # the whole span
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"


@dataclass(frozen=True, slots=True)
class Pattern:
    """`text` holds literal bytes; with `wildcards`, `*` (any bytes) and `?` (one byte) count unless behind a backslash."""

    text: bytes
    anchor: Anchor = Anchor.EXACT
    wildcards: bool = False


@dataclass(frozen=True, slots=True)
class PatternSet:
    """What to look for. `ignore_case` folds ASCII letters only."""

    patterns: Sequence[Pattern]
    ignore_case: bool = False


class Spans(NamedTuple):
    """Byte ranges of one slab; a length of -1 is no span and never matches (an empty span has length 0)."""

    slab: U8
    off: I32
    length: I32


class Hits(NamedTuple):
    """One entry a hit, ordered by (row, pattern, offset); `offset` counts from the span's begin. A pattern that is not
    anchored to the whole span hits at each place where it begins; a pattern with wildcards hits once, at 0 for EXACT and
    PREFIX, else at its leftmost begin."""

    row: I32
    pattern: I32
    offset: I32


class Matcher(Protocol):
    """A compiled pattern set."""

    def submit(self, spans: Spans, *, first_only: bool = False) -> None:
        """Begin to match; `first_only` keeps the first hit of each row. At most one submission is open at a time."""
        ...

    def collect(self) -> Hits:
        """The hits of the open submission."""
        ...


class MatchBackend(Protocol):
    """What a match driver's `open()` returns."""

    name: str

    def compile(self, patterns: PatternSet) -> Matcher:
        """Make a matcher. Raises FilterError for a pattern that cannot be (an empty CONTAINS, say)."""
        ...
