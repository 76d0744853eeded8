"""`lippycat.match`: finding patterns and header fields in spans of a batch. Every backend gives the same answer, in the
same order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from lippycat_core.columns import I32, U8

MOST_PATTERNS = 1_000_000
"""Patterns of one set; more are a FilterError."""

IN_FLIGHT = 2
"""Submissions that may be open at once, so that a device works on one while the next is put together."""


class Anchor(Enum):
    """Where in a span a pattern must lie."""

    EXACT = "exact"  # the whole span
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"


class Algorithm(Enum):
    """How literals are looked for. The hits never depend on it, only the time they take."""

    AUTO = "auto"  # what suits the set
    LINEAR = "linear"  # one pattern after the other
    AHO_CORASICK = "aho-corasick"  # one automaton for all (Aho, Corasick: Efficient string matching, CACM 1975)


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
    algorithm: Algorithm = Algorithm.AUTO


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


class Fields(NamedTuple):
    """One entry a row: where the header field's value begins, from the span's begin, and its length. Both -1 where the row
    has no such field, or is no span."""

    offset: I32
    length: I32


class Matcher(Protocol):
    """A compiled pattern set."""

    def submit(self, spans: Spans, *, first_only: bool = False) -> None:
        """Begin to match; `first_only` keeps the first hit of each row. Up to `IN_FLIGHT` submissions may be open; the spans
        and their bytes stay as they are until theirs is collected. ContractError for one more. DeviceFailed where the
        device did: then nothing of this submission is open."""
        ...

    def collect(self) -> Hits:
        """The hits of the oldest open submission, the caller's to keep. ContractError where there is none. DeviceFailed where
        the device failed on it; then this submission is over."""
        ...

    def close(self) -> None:
        """Give back what the set holds on a device; no call follows."""
        ...


class Extractor(Protocol):
    """Finds one header field in messages (RFC 3261, 7.3). A span is a message: lines that end in LF, with or without CR.
    The first line that is named so counts: any case, white space (SP, HTAB) allowed in front of the colon, at the begin of the
    span too; lines that begin with white space belong to the field before them. The first empty line ends the search, one of
    carriage returns alone too (some senders write CR CR LF); line ends in front of everything are passed over (RFC 3261, 7.5).
    The value is given without white space and line ends at its ends, folded lines included. It may be empty: then it lies
    where the field ends, at its last LF or the span's end. One that the span's end cuts counts as far as it goes."""

    def submit(self, spans: Spans) -> None:
        """Begin to look; as `Matcher.submit`."""
        ...

    def collect(self) -> Fields:
        """The fields of the oldest open submission; as `Matcher.collect`."""
        ...

    def close(self) -> None:
        """Give back what it holds on a device; no call follows."""
        ...


class MatchBackend(Protocol):
    """What a match driver's `open()` returns."""

    name: str
    device: str  # what it runs on, in words: "1 core, interpreted", "2 cores (AVX2)", a GPU's name
    memory: int | None  # bytes that it may use there, None where that is the process's own memory

    def compile(self, patterns: PatternSet) -> Matcher:
        """Make a matcher. FilterError for a pattern that cannot be (an empty CONTAINS, say), or for too many."""
        ...

    def extractor(self, names: Sequence[bytes]) -> Extractor:
        """Look for a header field by any of its names: (b"call-id", b"i"). At most 8, of 1 to 64 bytes, none with a colon,
        a line end or white space; ContractError otherwise."""
        ...

    def close(self) -> None:
        """Give the device back; its matchers are of no use any more."""
        ...
