"""Finding a header field with a kernel: one finder a thread, over names that all share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from lippycat_core.interfaces.match import Fields, Spans
from lippycat_core.kernels.header import find_field
from lippycat_core.kernelset import KernelSet
from lippycat_core.matching.limits import check_names
from lippycat_core.matching.tables import LOWER
from lippycat_core.matching.wildcards import fold

FIRST_ROOM = 4096
"""Rows for which there is room at first."""


class FieldFinder:
    """Looks for the field that is called by any of `names`; used by one thread at a time. ContractError for names that no
    field can have."""

    def __init__(self, names: Sequence[bytes], kernels: KernelSet) -> None:
        check_names(names)
        lower = [fold(name) for name in names]
        first = np.zeros(256, np.uint8)
        first[[name[0] for name in lower]] = 1
        first = first[LOWER]  # a letter counts in either case
        self._kernels = kernels
        self._find: Any = kernels[find_field]
        text = np.frombuffer(b"".join(lower), np.uint8).copy()
        self._names = tuple(map(kernels.view, (LOWER.copy(), text, np.array([*accumulate(map(len, lower))], np.int32), first)))
        self._make_room(FIRST_ROOM)

    def bare(self, spans: Spans) -> None:
        """Run the kernel and leave what it found where it is: for who measures what the rest costs."""
        columns = spans.slab, spans.off, spans.length
        if len(spans.off) > len(self._place):
            self._make_room(len(spans.off))
        self._find(*columns, 0, len(spans.off), *self._names, self._place_view, self._size_view)

    def find(self, spans: Spans, begin: int, end: int) -> Fields:
        """The fields of rows [begin, end), one entry each."""
        if end - begin > len(self._place):
            self._make_room(2 * (end - begin))
        view = self._kernels.view
        columns = view(spans.slab), view(spans.off), view(spans.length)
        self._find(*columns, begin, end, *self._names, self._place_view, self._size_view)
        return Fields(self._place[: end - begin].copy(), self._size[: end - begin].copy())

    def _make_room(self, rows: int) -> None:
        self._place, self._size = np.zeros(rows, np.int32), np.zeros(rows, np.int32)
        self._place_view, self._size_view = self._kernels.view(self._place), self._kernels.view(self._size)
