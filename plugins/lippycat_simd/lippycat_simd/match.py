"""The `simd` match backend: the core's kernels as machine code, over several threads where there is enough to do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

from lippycat_core.builtin.patterns import PureMatch
from lippycat_core.interfaces.match import Extractor, Fields, Hits, Matcher, PatternSet, Spans
from lippycat_core.kernels.header import find_field
from lippycat_core.kernelset import KernelSet
from lippycat_core.matching.automaton import automaton_of
from lippycat_core.matching.fields import FieldFinder
from lippycat_core.matching.hits import first_a_row, joined
from lippycat_core.matching.limits import check_names, check_patterns
from lippycat_core.matching.search import KERNELS, Searcher
from lippycat_core.matching.tables import compile_tables
from lippycat_simd.crew import Crew, Workers
from lippycat_simd.patience import Kernels
from lippycat_simd.processor import cores, vector_units

WANTED = (*KERNELS, find_field)
"""Every kernel that the backend may run."""

T = TypeVar("T", bound=Matcher | Extractor)


class SimdMatch:
    """A `MatchBackend` on the processor's cores, all that this process may use or `threads` of them. While its `kernels` are
    not ready what it gives out works interpreted."""

    name = "simd"
    memory: int | None = None

    def __init__(self, kernels: Kernels, threads: int | None = None) -> None:
        self._kernels = kernels
        self._crew = Crew(threads or cores())
        units = vector_units()
        self.device = f"{self._crew.threads} core{'s' if self._crew.threads > 1 else ''}" + (f" ({units})" if units else "")

    def compile(self, patterns: PatternSet) -> Matcher:
        """Make a matcher. FilterError as the contract says, and for an automaton that was asked for and is too large."""
        check_patterns(patterns)
        if (ready := self._ready()) is not None:
            return SimdMatcher(self._crew, patterns, ready)
        slow = PureMatch().compile(patterns)
        return LateMatcher(Late(slow, lambda kernels: SimdMatcher(self._crew, patterns, kernels), self._ready))

    def extractor(self, names: Sequence[bytes]) -> Extractor:
        """Look for a header field by any of its names. ContractError as the contract says."""
        check_names(names)
        if (ready := self._ready()) is not None:
            return SimdExtractor(self._crew, names, ready)
        slow = PureMatch().extractor(names)
        return LateExtractor(Late(slow, lambda kernels: SimdExtractor(self._crew, names, kernels), self._ready))

    def _ready(self) -> KernelSet | None:
        return self._kernels.ready(WANTED)

    def close(self) -> None:
        """End the threads, and what still compiles."""
        self._kernels.close()
        self._crew.close()


class SimdMatcher:
    """A `Matcher` by machine code. FilterError for an automaton that is too large."""

    def __init__(self, crew: Crew, patterns: PatternSet, kernels: KernelSet) -> None:
        tables = compile_tables(patterns)
        automaton = automaton_of(tables)
        self._workers: Workers[Searcher, Hits] = Workers(crew, lambda: Searcher(tables, automaton, kernels), Searcher.search)
        self.bare = Searcher(tables, automaton, kernels).bare
        self._first_only: deque[bool] = deque()
        self.nbytes = tables.nbytes() + (0 if automaton is None else automaton.nbytes())
        """Bytes of what is looked up."""

    def submit(self, spans: Spans, *, first_only: bool = False) -> None:
        """Begin to match (see `Matcher`)."""
        self._workers.submit(spans)
        self._first_only.append(first_only)

    def collect(self) -> Hits:
        """The hits of the oldest open submission."""
        hits = joined(self._workers.collect())
        return first_a_row(hits) if self._first_only.popleft() else hits

    def close(self) -> None:
        """There is nothing to give back."""


class SimdExtractor:
    """An `Extractor` by machine code."""

    def __init__(self, crew: Crew, names: Sequence[bytes], kernels: KernelSet) -> None:
        self._workers: Workers[FieldFinder, Fields] = Workers(crew, lambda: FieldFinder(names, kernels), FieldFinder.find)
        self.bare = FieldFinder(names, kernels).bare

    def submit(self, spans: Spans) -> None:
        """Begin to look (see `Extractor`)."""
        self._workers.submit(spans)

    def collect(self) -> Fields:
        """The fields of the oldest open submission."""
        found = self._workers.collect()
        if len(found) == 1:
            return found[0]
        return Fields(np.concatenate([part.offset for part in found]), np.concatenate([part.length for part in found]))

    def close(self) -> None:
        """There is nothing to give back."""


class Late(Generic[T]):
    """Interpreted until there is machine code: who took a submission also gives its answer, and both give the same."""

    def __init__(self, slow: T, fast: Callable[[KernelSet], T], ready: Callable[[], KernelSet | None]) -> None:
        self._worker = slow
        self._fast = fast
        self._ready = ready
        self._final = False
        self._open: deque[T] = deque()

    def submitting(self) -> T:
        """Who takes the next submission."""
        if not self._final and (kernels := self._ready()) is not None:
            self._final, self._worker = True, self._fast(kernels)
        return self._worker

    def submitted(self, worker: T) -> None:
        """It took one."""
        self._open.append(worker)

    def collecting(self) -> T:
        """Who has the oldest open submission."""
        return self._open.popleft() if self._open else self._worker


class LateMatcher:
    """A `Matcher` that becomes fast."""

    def __init__(self, late: Late[Matcher]) -> None:
        self._late = late

    def submit(self, spans: Spans, *, first_only: bool = False) -> None:
        """See `Matcher`."""
        worker = self._late.submitting()
        worker.submit(spans, first_only=first_only)
        self._late.submitted(worker)

    def collect(self) -> Hits:
        """See `Matcher`."""
        return self._late.collecting().collect()

    def close(self) -> None:
        """There is nothing to give back."""


class LateExtractor:
    """An `Extractor` that becomes fast."""

    def __init__(self, late: Late[Extractor]) -> None:
        self._late = late

    def submit(self, spans: Spans) -> None:
        """See `Extractor`."""
        worker = self._late.submitting()
        worker.submit(spans)
        self._late.submitted(worker)

    def collect(self) -> Fields:
        """See `Extractor`."""
        return self._late.collecting().collect()

    def close(self) -> None:
        """There is nothing to give back."""
