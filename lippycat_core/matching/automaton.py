"""The automaton that `kernels/automaton.py` and devices run, built a level at a time with NumPy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lippycat_core.columns import I32, U8
from lippycat_core.errors import FilterError
from lippycat_core.kernels.needles import Needles
from lippycat_core.matching.tables import LOWER, Tables

MOST_ENTRIES = (1 << 30) - 1
"""Entries of an automaton: twice an entry's number, and one, must fit 32 bits."""


class _Levels(NamedTuple):
    """The tree of all needles: for each level its edges (parent, column, child), and where needles end."""

    tries: list[tuple[I32, I32, I32]]
    same: I32  # by needle: the next that is equal, -1 for none
    first: I32  # the first of each group of equal needles
    last: I32  # the node where that group ends


class Automaton:
    """Of needles in lexical order, none empty. FilterError where it would be too large.

    `table` has a row of `columns` entries a node: the next node's row begins at entry >> 1, and the lowest bit says whether
    needles end there. own[node] is the first needle that ends there, same[needle] the next that is equal to it, link[node] the
    node of the longest proper suffix at which a needle ends; -1 for none. classes[byte] is a byte's column.
    """

    def __init__(self, needles: Needles, *, folded: bool) -> None:
        used = np.zeros(256, bool)
        used[needles.text] = True
        classes = np.zeros(256, np.uint8)
        self.columns = int(used.sum()) + (not used.all())
        classes[used] = np.arange(self.columns - int(used.sum()), self.columns)
        levels = _levels(needles, classes)
        nodes = 1 + sum(len(child) for _, _, child in levels.tries)
        if nodes * self.columns > MOST_ENTRIES:
            raise FilterError(
                f"an automaton of {nodes:,} nodes does not fit 4 GB: leave the pattern algorithm on auto, or shorten the list"
            )
        self.same: I32 = levels.same
        self.own: I32 = np.full(nodes, -1, np.int32)
        self.own[levels.last] = levels.first
        self.link: I32 = np.full(nodes, -1, np.int32)
        self.table: I32 = self._filled(levels, nodes)
        self.classes: U8 = classes[LOWER] if folded else classes

    def nbytes(self) -> int:
        """Bytes of its tables."""
        return sum(array.nbytes for array in (self.table, self.own, self.same, self.link, self.classes))

    def _filled(self, levels: _Levels, nodes: int) -> I32:
        table = np.zeros((nodes, self.columns), np.int32)
        suffix = np.zeros(nodes, np.int32)  # the node of a node's longest proper suffix, which lies on a level above
        for depth, (parent, column, child) in enumerate(levels.tries):
            if depth:
                above = levels.tries[depth - 1][2]
                table[above] = table[suffix[above]]
                suffix[child] = table[parent, column]
            table[parent, column] = child
            behind = suffix[child]
            self.link[child] = np.where(self.own[behind] >= 0, behind, self.link[behind])
        if levels.tries:
            deepest = levels.tries[-1][2]
            table[deepest] = table[suffix[deepest]]
        ends = (self.own >= 0) | (self.link >= 0)
        entry = np.arange(nodes, dtype=np.int64) * self.columns * 2 + ends
        flat: I32 = entry.astype(np.int32)[table].reshape(-1)
        return flat


def _levels(needles: Needles, classes: U8) -> _Levels:
    tries: list[tuple[I32, I32, I32]] = []
    count = len(needles.off)
    at = np.zeros(count, np.int32)  # the node that each needle has come to
    active = np.arange(count)
    nodes = 1
    depth = 0
    while True:
        active = active[needles.length[active] > depth]
        if not len(active):
            break
        parent = at[active]
        column = classes[needles.text[needles.off[active] + depth]].astype(np.int32)
        new = np.ones(len(active), bool)  # in lexical order, needles that begin alike are neighbours
        new[1:] = (parent[1:] != parent[:-1]) | (column[1:] != column[:-1])
        child = (nodes - 1 + np.cumsum(new)).astype(np.int32)
        at[active] = child
        tries.append((parent[new], column[new], child[new]))
        nodes += int(new.sum())
        depth += 1
    equal = at[1:] == at[:-1]
    same = np.append(np.where(equal, np.arange(1, count), -1), -1).astype(np.int32)
    first = np.flatnonzero(np.append(True, ~equal)).astype(np.int32)
    return _Levels(tries, same, first, at[first])


def automaton_of(tables: Tables) -> Automaton | None:
    """The automaton that a set needs, if any. FilterError where it would be too large."""
    return None if tables.automaton is None else Automaton(tables.automaton, folded=tables.folded)
