"""Searching spans with kernels: one searcher a thread, over tables that all share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lippycat_core.columns import U8
from lippycat_core.interfaces.match import Hits, Spans
from lippycat_core.kernels.automaton import match_automaton
from lippycat_core.kernels.match_each import match_each
from lippycat_core.kernels.match_ends import match_ends
from lippycat_core.kernels.match_grams import match_grams
from lippycat_core.kernels.match_programs import match_programs
from lippycat_core.kernels.needles import Found, Needles
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_core.matching.automaton import Automaton
from lippycat_core.matching.hits import in_order, joined
from lippycat_core.matching.tables import Tables

KERNELS: tuple[Kernel, ...] = (match_each, match_ends, match_grams, match_programs, match_automaton)
"""All that a searcher may ask a kernel set for."""

FIRST_ROOM, ENOUGH_ROOM = 4096, 65_536
"""Hits for which there is room at first, and to which it grows for many; one row's may need more."""

MOST_STAMP = 1 << 30


Stage = Callable[[tuple[Any, ...], int, int, int], tuple[int, int, int]]
"""A kernel with the tables that it takes, called with the spans' columns, first and last row, and the stamps' serial number;
gives the row at which the room for hits ended, how many there are, and whether each row's are in order."""


class Searcher:
    """Looks for one set's patterns in spans; used by one thread at a time."""

    def __init__(self, tables: Tables, automaton: Automaton | None, kernels: KernelSet) -> None:
        self._kernels = kernels
        self._stamps = kernels.view(np.zeros(tables.patterns if tables.once else 1, np.int32))
        self._serial = 1
        self._make_room(FIRST_ROOM)
        self._fold, self._programs = kernels.view(tables.fold), kernels.view_all(tables.programs)
        self._stages = self._bound(tables, automaton)

    def _make_room(self, hits: int) -> None:
        self._hits: NDArray[np.int32] = np.zeros((3, hits), np.int32)
        self._out_view = self._kernels.view_all(Found(*self._hits))

    def _stage(self, kernel: Kernel, *tables: Any) -> Stage:
        run: Any = self._kernels[kernel]
        arguments = (self._fold, *tables, self._programs, self._stamps)
        return lambda spans, begin, end, serial: run(*spans, begin, end, *arguments, serial, self._out_view)

    def _bound(self, tables: Tables, automaton: Automaton | None) -> list[Stage]:
        """The stages that this set takes."""
        view, view_all, folded = self._kernels.view, self._kernels.view_all, int(tables.folded)
        stages: list[Stage] = []
        if tables.each is not None:
            stages += self._one_by_one(tables.each, view(tables.each_upper), folded)
        for ends in tables.ends:
            lengths = (view(ends.steps), view(ends.whole), view(tables.factors), ends.backward)
            stages.append(self._stage(match_ends, view_all(ends.needles), view_all(ends.hashes), *lengths))
        if (grams := tables.grams) is not None:
            stages.append(
                self._stage(match_grams, folded, grams.gram, grams.stride, view_all(grams.needles), view_all(grams.hashes))
            )
        if automaton is not None and tables.automaton is not None:
            nodes = map(view, (automaton.table, automaton.own, automaton.same, automaton.link))
            columns = (view(automaton.classes), automaton.columns)
            stages.append(self._stage(match_automaton, *columns, *nodes, view_all(tables.automaton)))
        if len(tables.free):
            run: Any = self._kernels[match_programs]
            which, arguments = view(tables.free), (self._fold, self._programs)
            stages.append(lambda spans, a, b, serial: run(*spans, a, b, *arguments, which, self._out_view))
        return stages

    def _one_by_one(self, needles: Needles, upper: U8, folded: int) -> list[Stage]:
        run: Any = self._kernels[match_each]
        columns = self._kernels.view_all(needles)

        def stage(which: int) -> Stage:
            return lambda spans, begin, end, _: run(*spans, begin, end, self._fold, upper, folded, columns, which, self._out_view)

        return [stage(which) for which in range(len(needles.off))]

    def bare(self, spans: Spans) -> None:
        """Run the kernels and leave what they found where it is: for who measures what the rest costs."""
        for stage in self._stages:
            stage((spans.slab, spans.off, spans.length), 0, len(spans.off), self._serial)
            self._serial += len(spans.off) + 1

    def search(self, spans: Spans, begin: int, end: int) -> Hits:
        """All hits in rows [begin, end), ordered."""
        view = self._kernels.view
        columns = (view(spans.slab), view(spans.off), view(spans.length))
        found: list[Hits] = []
        in_place = 1
        for stage in self._stages:
            row = begin
            while row < end:
                if self._serial > MOST_STAMP - end:
                    np.asarray(self._stamps)[:] = 0
                    self._serial = 1
                row, count, ordered = stage(columns, row, end, self._serial)
                self._serial += end + 1
                if count:
                    found.append(Hits(*self._hits[:, :count].copy()))
                    in_place &= ordered
                if row < end and (not count or self._hits.shape[1] < ENOUGH_ROOM):  # one row's hits must fit
                    self._make_room(2 * self._hits.shape[1])
            in_place &= not found or stage is self._stages[-1]  # another stage's hits come behind
        hits = joined(found)
        return hits if in_place else in_order(hits)
