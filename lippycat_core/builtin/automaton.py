"""One automaton for many literals (Aho, Corasick: Efficient string matching, CACM 1975), in dictionaries.

A state is its number times 256, so that state + byte is the key of a transition. States are made by depth, breadth first:
where a state fails to has then always been made before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

STATE = 256
ROOT = 0


class Automaton:
    """Finds every place of every literal in one pass, whose cost does not depend on their number."""

    def __init__(self, literals: Iterable[bytes]) -> None:
        """The literals are different from each other and not empty; a hit names one by its place in their order."""
        self._goto: dict[int, int] = {}
        self._fail = [ROOT]
        self._own: dict[int, tuple[int, int]] = {}  # state -> (number, length) of the literal that ends there
        self._next: dict[int, int] = {}  # state -> the nearest state on its way of failures where a literal ends, itself first
        growing = [(number, literal, ROOT) for number, literal in enumerate(literals)]
        depth = 0
        while growing:
            growing = self._level(growing, depth)
            depth += 1
        for byte in range(STATE):
            self._goto.setdefault(byte, ROOT)

    def _level(self, growing: list[tuple[int, bytes, int]], depth: int) -> list[tuple[int, bytes, int]]:
        """Make the states of one more byte of each literal; gives the literals that go on."""
        goto, fail = self._goto, self._fail
        longer = []
        ends = []
        made = []
        for number, literal, state in growing:
            key = state + literal[depth]
            there = goto.get(key)
            if there is None:
                there = goto[key] = len(fail) * STATE
                fail.append(self._failure(state, literal[depth]) if depth else ROOT)
                made.append(there)
            if len(literal) == depth + 1:
                ends.append((there, number))
            else:
                longer.append((number, literal, there))
        for state, number in ends:
            self._own[state] = number, depth + 1
        for state in made:
            if state in self._own:
                self._next[state] = state
            elif (further := self._next.get(fail[state // STATE])) is not None:
                self._next[state] = further
        return longer

    def _failure(self, state: int, byte: int) -> int:
        while state:
            state = self._fail[state // STATE]
            there = self._goto.get(state + byte)
            if there is not None:
                return there
        return ROOT

    def hits(self, text: bytes) -> Iterator[tuple[int, int]]:
        """(literal's number, offset), by where the hit ends."""
        goto, fail, ending = self._goto, self._fail, self._next
        state = ROOT
        for i, byte in enumerate(text):
            there = goto.get(state + byte)
            while there is None:
                state = fail[state // STATE]
                there = goto.get(state + byte)
            state = there
            if state in ending:
                yield from self._ending(state, i + 1)

    def _ending(self, state: int, end: int) -> Iterator[tuple[int, int]]:
        at: int | None = self._next[state]
        while at is not None:
            number, length = self._own[at]
            yield number, end - length
            at = self._next.get(self._fail[at // STATE])
