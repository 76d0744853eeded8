"""One pattern, looked for in one text by the standard library's own searches. What a hit is stands here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lippycat_core.interfaces.match import Anchor, Pattern
from lippycat_core.matching.wildcards import ANY, Literal, Part, fold, parts

Search = Callable[[bytes], Iterator[int]]
"""Gives the offsets at which a pattern hits in a text, ascending."""


def pieces_of(pattern: Pattern, ignore_case: bool) -> list[Part]:
    """The pattern's text taken apart; folded where case does not count, as the text to search must be too."""
    text = fold(pattern.text) if ignore_case else pattern.text
    return parts(text) if pattern.wildcards else [Literal(text)]


def search_for(pattern: Pattern, pieces: list[Part]) -> Search:
    """The search for a pattern that `pieces_of` took apart."""
    if any(isinstance(piece, bytes) for piece in pieces):
        return _wildcard(pieces, pattern.anchor)
    literal = b"".join(piece.text for piece in pieces if isinstance(piece, Literal))
    return _first(_literal(literal, pattern.anchor)) if pattern.wildcards else _literal(literal, pattern.anchor)


def _literal(literal: bytes, anchor: Anchor) -> Search:
    def exact(text: bytes) -> Iterator[int]:
        if text == literal:
            yield 0

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

    return {Anchor.EXACT: exact, Anchor.PREFIX: prefix, Anchor.SUFFIX: suffix, Anchor.CONTAINS: contains}[anchor]


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
