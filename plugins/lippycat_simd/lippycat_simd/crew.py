"""Several threads over one submission. Kernels let go of the interpreter, so that threads really run side by side; numba's own
threading layers are not used (they abort, or die after fork).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

import numpy as np

from lippycat_core.errors import ContractError
from lippycat_core.interfaces.match import IN_FLIGHT, Spans

WORTH_SHARING = 96 * 1024
"""Bytes for each thread: to hand less over costs more than it saves."""

FEW_ROWS = 256
"""Rows up to which nobody adds up their bytes."""

W = TypeVar("W")
R = TypeVar("R")
T = TypeVar("T")


class Crew:
    """The threads that large submissions are shared by; none runs before the first of these."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None

    def start(self, work: Callable[[], R]) -> Future[R]:
        """Do something on one of the threads."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads, "lc-match")
        return self._pool.submit(work)

    def shares(self, spans: Spans) -> list[tuple[int, int]]:
        """Rows [begin, end) for each thread that has something to do, about equally many bytes."""
        rows = len(spans.off)
        if self.threads == 1 or rows <= FEW_ROWS:
            return [(0, rows)]
        behind = np.cumsum(np.maximum(spans.length, 0), dtype=np.int64)
        count = min(self.threads, int(behind[-1]) // WORTH_SHARING)
        if count < 2:
            return [(0, rows)]
        cuts = np.searchsorted(behind, behind[-1] * np.arange(1, count) // count).tolist()
        return list(zip([0, *cuts], [*cuts, rows], strict=True))

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None


class Workers(Generic[W, R]):
    """Submissions in order, each done by as many workers as there are shares of it. A worker, which `make` makes, is used by
    one thread at a time; `work(worker, spans, begin, end)` is what it does."""

    def __init__(self, crew: Crew, make: Callable[[], W], work: Callable[[W, Spans, int, int], R]) -> None:
        self._crew = crew
        self._make = make
        self._work = work
        self._idle: deque[W] = deque([make()])
        self._open: deque[list[R] | list[Future[R]]] = deque()

    def submit(self, spans: Spans) -> None:
        """Begin; what is small is done when this returns. ContractError where IN_FLIGHT submissions are open already."""
        if len(self._open) == IN_FLIGHT:
            raise ContractError(f"{IN_FLIGHT} submissions are open: collect one first")
        shares = self._crew.shares(spans)
        if len(shares) == 1:
            self._open.append([self._do(spans, *shares[0])])
        else:
            self._open.append([self._crew.start(partial(self._do, spans, begin, end)) for begin, end in shares])

    def _do(self, spans: Spans, begin: int, end: int) -> R:
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = self._make()
        try:
            return self._work(worker, spans, begin, end)
        finally:
            self._idle.append(worker)

    def collect(self) -> list[R]:
        """What the shares of the oldest open submission came to, in the order of rows. ContractError where there is none."""
        if not self._open:
            raise ContractError("no submission is open: submit spans first")
        return [share.result() if isinstance(share, Future) else share for share in self._open.popleft()]
