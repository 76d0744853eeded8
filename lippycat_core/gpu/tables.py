"""A pattern set's tables on a device: which kernels run over the spans, each with the tables that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lippycat_core.columns import I32
from lippycat_core.gpu.device import Buffer
from lippycat_core.gpu.lanes import Lanes
from lippycat_core.gpu.resident import NOTHING, Resident
from lippycat_core.kernels.needles import Index, Needles, Programs
from lippycat_core.matching.automaton import automaton_of
from lippycat_core.matching.tables import Tables


class Stage(NamedTuple):
    """A kernel with the needles that it looks for; `own` are its arguments behind those that all searches have."""

    kernel: str
    needles: tuple[Buffer, Buffer]
    own: tuple[Buffer | int, ...]


class DeviceTables:
    """Uploaded tables. DeviceFailed where the budget does not hold them."""

    def __init__(self, tables: Tables, lanes: Lanes) -> None:
        self.patterns, self.once, self.folded = tables.patterns, tables.once, int(tables.folded)
        self._resident = Resident(lanes)
        self._put = self._resident.put
        with self._resident.filling():
            self.nothing = self._put(NOTHING)
            self.programs = self._programs(tables.programs)
            self.stages = self._stages(tables)
        self.nbytes = self._resident.nbytes

    def _needles(self, needles: Needles) -> tuple[Buffer, Buffer]:
        return self._put(needles.text), self._put(records(needles))

    def _programs(self, programs: Programs) -> tuple[Buffer, ...]:
        segments = np.column_stack([programs.off, programs.length])
        first = programs.first
        whole = np.column_stack([first[:-1], first[1:], programs.kind, programs.pattern])
        return self._put(programs.text), self._put(programs.any), self._put(segments), self._put(whole)

    def _stages(self, tables: Tables) -> Sequence[Stage]:
        put = self._put
        stages: list[Stage] = []
        if tables.each is not None:
            count = len(tables.each.off)
            stages.append(Stage("lc_match_each", self._needles(tables.each), (put(tables.each_upper), count)))
        for ends in tables.ends:
            own = (put(ends.steps), put(ends.whole), put(tables.factors), *_masks(ends.hashes))
            sizes = (len(ends.steps), len(ends.whole), ends.backward)
            stages.append(Stage("lc_match_ends", self._needles(ends.needles), (*self._index(ends.hashes), *own, *sizes)))
        if (grams := tables.grams) is not None:
            own_grams = (*self._index(grams.hashes), *_masks(grams.hashes), grams.gram, grams.stride)
            stages.append(Stage("lc_match_grams", self._needles(grams.needles), own_grams))
        automaton = automaton_of(tables)
        if automaton is not None and tables.automaton is not None:
            nodes = [put(automaton.table), put(automaton.own), put(automaton.same), put(automaton.link)]
            stages.append(
                Stage("lc_match_automaton", self._needles(tables.automaton), (put(automaton.classes), *nodes, automaton.columns))
            )
        if len(tables.free):
            stages.append(Stage("lc_match_programs", (self.nothing, self.nothing), (put(tables.free), len(tables.free))))
        return stages

    def _index(self, index: Index) -> tuple[Buffer, Buffer]:
        return self._put(index.seen), self._put(index.start)

    def release(self) -> None:
        """Give the memory back."""
        self._resident.release()


def records(needles: Needles) -> I32:
    """The columns of needles side by side, in the order of match.lck's LC_OFF and so on."""
    columns = [np.asarray(column).view(np.int32) for column in needles[1:]]
    return np.column_stack(columns)


def _masks(index: Index) -> tuple[int, int]:
    """What a hash is and-ed with for its bit and its bucket."""
    return len(index.seen) * 8 - 1, len(index.start) - 2
