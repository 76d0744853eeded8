"""From patterns as they are written to what is searched for: literals with a place, and programs for what wildcards say beyond
one literal. Which algorithm finds them is not decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lippycat_core.interfaces.match import Anchor, Pattern, PatternSet
from lippycat_core.kernels.needles import AT_ZERO, BEGIN, END, ONCE
from lippycat_core.matching.limits import check_patterns
from lippycat_core.matching.wildcards import ANY, Literal, Part, fold, parts

PLACE = {Anchor.EXACT: BEGIN | END, Anchor.PREFIX: BEGIN, Anchor.SUFFIX: END, Anchor.CONTAINS: 0}


class Needle(NamedTuple):
    """A literal that stands for a pattern; with a `program` it only calls for that."""

    text: bytes
    pattern: int
    kind: int
    program: int = -1


class Segment(NamedTuple):
    """Bytes of one fixed length; where `any` is 1 every byte will do."""

    text: bytes
    any: bytes


class Program(NamedTuple):
    """A pattern with wildcards as its segments; `kind` says whether the first lies at the span's begin, the last at its end."""

    segments: Sequence[Segment]
    kind: int
    pattern: int


class Parsed(NamedTuple):
    """A pattern set, read. `free` are programs that no literal calls for."""

    needles: list[Needle]
    programs: list[Program]
    free: list[int]
    patterns: int
    once: bool
    """Whether any pattern has one hit a row."""


def parse(wanted: PatternSet) -> Parsed:
    """Read a pattern set. FilterError for more than MOST_PATTERNS patterns, or one that would hit everywhere without saying
    so: an empty PREFIX, SUFFIX or CONTAINS."""
    check_patterns(wanted)
    read = Parsed([], [], [], len(wanted.patterns), any(pattern.wildcards for pattern in wanted.patterns))
    for number, pattern in enumerate(wanted.patterns):
        text = fold(pattern.text) if wanted.ignore_case else pattern.text
        if pattern.wildcards:
            _add_wildcard(read, number, pattern, parts(text))
        else:
            read.needles.append(Needle(text, number, PLACE[pattern.anchor]))
    return read


def _add_wildcard(read: Parsed, number: int, pattern: Pattern, pieces: list[Part]) -> None:
    """Most patterns with wildcards are one literal with `*` at an end: these need no program."""
    kind = PLACE[pattern.anchor]
    literals = [piece.text for piece in pieces if isinstance(piece, Literal)]
    wild = [piece for piece in pieces if isinstance(piece, bytes)]
    if len(literals) == 1 and all(piece == ANY for piece in wild):
        leads, trails = pieces[0] == ANY, pieces[-1] == ANY
        if leads:
            kind &= ~BEGIN
        if trails:
            kind &= ~END
        # `*` takes what is in front, so the match begins with the span; a pattern bound to the begin begins there too.
        zero = AT_ZERO if leads or pattern.anchor in (Anchor.EXACT, Anchor.PREFIX) else 0
        read.needles.append(Needle(literals[0], number, kind | ONCE | zero))
        return
    if not pieces:  # an empty EXACT
        read.needles.append(Needle(b"", number, kind | ONCE))
        return
    program = Program(_segments(pieces), kind, number)
    read.programs.append(program)
    caller = _caller(program)
    if caller is None:
        read.free.append(len(read.programs) - 1)
    else:
        text, place = caller
        read.needles.append(Needle(text, number, place | ONCE, len(read.programs) - 1))


def _segments(pieces: Sequence[Part]) -> list[Segment]:
    """What stands before, between and behind the `*`s: one more than there are of them, empty ones included."""
    texts, masks = [b""], [b""]
    for piece in pieces:
        if piece == ANY:
            texts.append(b"")
            masks.append(b"")
        elif isinstance(piece, Literal):
            texts[-1] += piece.text
            masks[-1] += bytes(len(piece.text))
        else:
            texts[-1] += b"\0"
            masks[-1] += b"\1"
    return list(map(Segment, texts, masks))


def _caller(program: Program) -> tuple[bytes, int] | None:
    """The literal without which the program cannot match, the longest, and its place; None where it has none. Of equally
    long ones that at an end of the span is found faster."""
    found: list[tuple[int, int, bytes, int]] = []
    last = len(program.segments) - 1
    for n, segment in enumerate(program.segments):
        for begin, end in _runs(segment.any):
            place = 0
            if n == 0 and begin == 0 and program.kind & BEGIN:
                place = BEGIN
            elif n == last and end == len(segment.text) and program.kind & END:
                place = END
            found.append((end - begin, place, segment.text[begin:end], place))
    if not found:
        return None
    *_, text, place = max(found)
    return text, place


def _runs(mask: bytes) -> list[tuple[int, int]]:
    """Begin and end of each run of zeros."""
    runs: list[tuple[int, int]] = []
    for i, anything in enumerate(mask):
        if anything:
            continue
        if runs and runs[-1][1] == i:
            runs[-1] = (runs[-1][0], i + 1)
        else:
            runs.append((i, i + 1))
    return runs
