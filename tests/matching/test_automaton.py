"""The automaton against what it means: after each byte the needles that end there, the longest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.errors import FilterError
from lippycat_core.interfaces.match import Algorithm, Anchor, Pattern, PatternSet
from lippycat_core.matching import automaton
from lippycat_core.matching.automaton import Automaton
from lippycat_core.matching.tables import Tables, compile_tables
from lippycat_core.matching.wildcards import fold

words = st.lists(st.text("abAB\xff", min_size=1, max_size=6).map(lambda text: text.encode("latin-1")), min_size=1, max_size=12)


@dataclass
class Walk:
    """An automaton's answers, whatever its nodes are called: at each byte the needles that end there."""

    columns: int
    classes: np.ndarray
    table: np.ndarray
    own: np.ndarray
    same: np.ndarray
    link: np.ndarray

    def over(self, text: bytes) -> list[list[int]]:
        state, found = 0, []
        for byte in text:
            entry = int(self.table[state + int(self.classes[byte])])
            state = entry >> 1
            node = state // self.columns
            ends = []
            while node >= 0:
                needle = int(self.own[node])
                while needle >= 0:
                    ends.append(needle)
                    needle = int(self.same[needle])
                node = int(self.link[node])
            assert bool(ends) == bool(entry & 1)
            found.append(ends)
        return found


def walk(of: Automaton) -> Walk:
    return Walk(of.columns, of.classes, of.table, of.own, of.same, of.link)


def tables(texts: list[bytes], fold: bool = False) -> Tables:
    patterns = [Pattern(text, Anchor.CONTAINS) for text in texts]
    return compile_tables(PatternSet(patterns, fold, Algorithm.AHO_CORASICK))


@settings(max_examples=300, deadline=None)
@given(words, st.text("abAB\xffx", max_size=40).map(lambda text: text.encode("latin-1")), st.booleans())
def test_at_each_byte_the_needles_are_known_that_end_there(texts: list[bytes], text: bytes, ignore_case: bool) -> None:
    needles = tables(texts, ignore_case).automaton
    assert needles is not None
    built = Automaton(needles, folded=ignore_case)
    read = fold(text) if ignore_case else text
    spelled = [needles.text[off : off + n].tobytes() for off, n in zip(needles.off, needles.length, strict=True)]
    expected = [
        sorted((c for c, needle in enumerate(spelled) if read[: i + 1].endswith(needle)), key=lambda c: (-len(spelled[c]), c))
        for i in range(len(read))
    ]
    assert walk(built).over(text) == expected
    assert len(built.own) == len(built.link) == len(built.table) // built.columns


def test_all_bytes_may_be_in_needles() -> None:
    compiled = tables([bytes([byte]) for byte in range(256)])
    assert compiled.automaton is not None
    built = Automaton(compiled.automaton, folded=False)
    assert built.columns == 256
    assert [len(ends) for ends in walk(built).over(bytes(range(256)))] == [1] * 256


def test_one_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = tables([b"abcdef", b"abcxyz"])
    assert compiled.automaton is not None
    monkeypatch.setattr(automaton, "MOST_ENTRIES", 50)
    with pytest.raises(FilterError, match="an automaton of 10 nodes"):
        Automaton(compiled.automaton, folded=False)
