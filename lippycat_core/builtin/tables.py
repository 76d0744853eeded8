"""Pattern sets in dictionaries: what a literal at an end of the text costs does not depend on how many there are.

A pattern that comes down to one literal (`+49*` is a prefix, whatever its anchor) goes where that literal lies. The others
are tried one by one, where the longest literal that they need is in the text at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from lippycat_core.builtin.automaton import Automaton
from lippycat_core.builtin.searches import Search, pieces_of, search_for
from lippycat_core.interfaces.match import Algorithm, Anchor, Pattern, PatternSet
from lippycat_core.matching.wildcards import ANY, Literal, Part, fold

FEW = 16
"""So few literals are looked for one by one whatever the text, and no automaton is made."""

AUTOMATON_NS_A_BYTE = 180
LITERAL_NS = 250
LITERAL_NS_A_BYTE = 0.8
"""What the automaton takes a byte of text, and looking for one literal takes a text and a byte (digits and SIP headers of 18
to 1,500 bytes, CPython 3.11): texts of 290 bytes are looked through one by one for up to some hundred literals."""


class Sought(NamedTuple):
    """A pattern that comes down to one literal."""

    number: int
    literal: bytes
    where: Anchor
    once: bool  # only the leftmost place counts
    at_begin: bool  # a `*` in front of the literal, or the anchor, begins the hit where the text does


def sought(number: int, pattern: Pattern, ignore_case: bool) -> Sought | None:
    """The one literal that a pattern comes down to; None where it needs more than that."""
    if not pattern.wildcards:
        return Sought(number, fold(pattern.text) if ignore_case else pattern.text, pattern.anchor, False, False)
    pieces = pieces_of(pattern, ignore_case)
    free_begin, free_end = pieces[:1] == [ANY], pieces[-1:] == [ANY]
    middle = pieces[free_begin : len(pieces) - free_end]
    if len(middle) != 1 or not isinstance(middle[0], Literal):
        return None
    at_begin = free_begin or pattern.anchor in (Anchor.EXACT, Anchor.PREFIX)
    bound_end = not free_end and pattern.anchor in (Anchor.EXACT, Anchor.SUFFIX)
    return Sought(number, middle[0].text, _WHERE[at_begin and not free_begin, bound_end], True, at_begin)


_WHERE = {
    (True, True): Anchor.EXACT,
    (True, False): Anchor.PREFIX,
    (False, True): Anchor.SUFFIX,
    (False, False): Anchor.CONTAINS,
}
"""Where a literal lies that is bound to the text's begin, to its end."""

Literals = dict[bytes, list[Sought]]
"""What is sought by each literal."""


Hit = tuple[int, int]
"""A pattern's number, and an offset."""

Look = Callable[[bytes], Iterable[Hit]]
"""Gives hits in a text in any order."""


class Tables:
    """Finds a pattern set in one text (see `patterns.Finder`). With `AHO_CORASICK` the automaton finds all literals."""

    def __init__(self, patterns: PatternSet) -> None:
        self._all = patterns.algorithm is Algorithm.AHO_CORASICK
        self._exact: Literals = {}
        self._prefixes: dict[int, Literals] = {}  # by their length
        self._suffixes: dict[int, Literals] = {}
        self._anywhere: Literals = {}  # what the automaton is made for
        self._others: list[tuple[bytes, int, Search]] = []  # a literal that must be there, the pattern, its search
        for number, pattern in enumerate(patterns.patterns):
            one = sought(number, pattern, patterns.ignore_case)
            if one is None:
                pieces = pieces_of(pattern, patterns.ignore_case)
                self._others.append((_longest(pieces), number, search_for(pattern, pieces)))
            else:
                self._table(one).setdefault(one.literal, []).append(one)
        self._automaton: Automaton | None = None
        if self._all or len(self._anywhere) > FEW:
            self._automaton = Automaton(self._anywhere)
        self._by_number = list(self._anywhere.values())
        self._looks = [look for filled, look in self._all_looks() if filled]

    def _all_looks(self) -> list[tuple[object, Look]]:
        """What to look into for each text, with what must hold something for it."""
        return [
            (self._exact, self._whole),
            (self._prefixes, self._at_begin),
            (self._suffixes, self._at_end),
            (self._anywhere, self._one_by_one if self._automaton is None else self._inside),
            (self._others, self._one_other_by_one),
        ]

    def _table(self, one: Sought) -> Literals:
        if self._all and one.literal:
            return self._anywhere
        if one.where is Anchor.PREFIX:
            return self._prefixes.setdefault(len(one.literal), {})
        if one.where is Anchor.SUFFIX:
            return self._suffixes.setdefault(len(one.literal), {})
        return self._exact if one.where is Anchor.EXACT else self._anywhere

    def hits(self, text: bytes) -> list[Hit]:
        """(pattern, offset) of each hit, in this order."""
        found: list[Hit] = []
        for look in self._looks:
            found += look(text)
        found.sort()
        return found

    def _whole(self, text: bytes) -> Iterable[Hit]:
        return [(one.number, 0) for one in self._exact.get(text, ())]

    def _at_begin(self, text: bytes) -> Iterable[Hit]:
        for length, literals in self._prefixes.items():
            for one in literals.get(text[:length], ()):
                yield one.number, 0

    def _at_end(self, text: bytes) -> Iterable[Hit]:
        for length, literals in self._suffixes.items():
            for one in literals.get(text[-length:], ()):
                yield one.number, 0 if one.at_begin else len(text) - length

    def _one_other_by_one(self, text: bytes) -> Iterable[Hit]:
        return [(number, offset) for literal, number, search in self._others if literal in text for offset in search(text)]

    def _inside(self, text: bytes) -> Iterable[Hit]:
        if self._automaton is not None and (self._all or self._pays(len(text))):
            return self._in_one_pass(self._automaton, text)
        return self._one_by_one(text)

    def _pays(self, length: int) -> bool:
        """Whether the automaton is quicker than looking for each literal."""
        return length * AUTOMATON_NS_A_BYTE < len(self._anywhere) * (LITERAL_NS + length * LITERAL_NS_A_BYTE)

    def _one_by_one(self, text: bytes) -> Iterable[Hit]:
        found: list[Hit] = []
        for literal, sought in self._anywhere.items():
            at = text.find(literal)
            if at < 0:
                continue
            places = []
            while at >= 0:
                places.append(at)
                at = text.find(literal, at + 1)  # hits may overlap
            for one in sought:
                found += _hits(one, places)
        return found

    def _in_one_pass(self, automaton: Automaton, text: bytes) -> Iterable[Hit]:
        found: dict[int, list[int]] = {}
        for number, offset in automaton.hits(text):
            found.setdefault(number, []).append(offset)
        for number, places in found.items():
            for one in self._by_number[number]:
                yield from _hits(one, _anchored(one, places, len(text)))


def _anchored(one: Sought, places: list[int], length: int) -> list[int]:
    """Those places of a literal where its anchor lets it lie."""
    if one.where is Anchor.CONTAINS:
        return places
    last = length - len(one.literal)
    first = 0 if one.where in (Anchor.EXACT, Anchor.PREFIX) else last
    return [at for at in places if at == first and (at == last or one.where is Anchor.PREFIX)]


def _hits(one: Sought, places: list[int]) -> Iterable[Hit]:
    for at in places[:1] if one.once else places:
        yield one.number, 0 if one.at_begin else at


def _longest(pieces: list[Part]) -> bytes:
    """The longest literal of a pattern: where it is missing, nothing hits."""
    return max((piece.text for piece in pieces if isinstance(piece, Literal)), key=len, default=b"")
