"""Finding a header field with a kernel: one finder a thread, over names that all share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from lippycat_core.interfaces.match import Fields, Spans
from lippycat_core.kernels.header import find_field
from lippycat_core.kernelset import KernelSet
from lippycat_core.matching.limits import check_names
from lippycat_core.matching.tables import LOWER
from lippycat_core.matching.wildcards import fold


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
        self._find = kernels[find_field]
        self._fold = kernels.view(LOWER.copy())
        self._names = kernels.view(np.frombuffer(b"".join(lower), np.uint8).copy())
        self._name_end = kernels.view(np.array([*accumulate(map(len, lower))], np.int32))
        self._first = kernels.view(first)

    def find(self, spans: Spans, fields: Fields) -> None:
        """Fill `fields`, which has as many rows as there are spans."""
        view = self._kernels.view
        self._find(
            view(spans.slab),
            view(spans.off),
            view(spans.length),
            0,
            len(spans.off),
            self._fold,
            self._names,
            self._name_end,
            self._first,
            view(fields.offset),
            view(fields.length),
        )
