"""Header fields found on a device (kernel in extract.lck)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lippycat_core.columns import I32
from lippycat_core.gpu.device import Buffer
from lippycat_core.gpu.lanes import Lane, Lanes, Rows, Submissions
from lippycat_core.gpu.resident import Resident
from lippycat_core.interfaces.match import Fields, Spans

RESULT_BYTES = 8  # a row's offset and length


class _Look:
    """One part: `found` is its staged result, all offsets and then all lengths."""

    def __init__(self, names: Buffer, ends: Buffer, count: int) -> None:
        self._names, self._ends, self._count = names, ends, count

    def start(self, lane: Lane, spans: Rows) -> None:
        nbytes = RESULT_BYTES * spans.rows
        found = lane.fields(nbytes)
        arguments = (spans.text, spans.off, spans.length, self._names, self._ends, found, self._count, spans.rows)
        lane.device.launch(lane.queue, "lc_extract", spans.rows, arguments)
        lane.device.download(lane.queue, found, lane.results.staging(nbytes))

    def finish(self, lane: Lane, spans: Rows) -> I32:
        return lane.results.staging(RESULT_BYTES * spans.rows).view(np.int32).reshape(2, spans.rows).copy()


class GpuExtractor:
    """An `Extractor`; the names are as `backend` has checked them."""

    def __init__(self, lanes: Lanes, names: Sequence[bytes]) -> None:
        self._count = len(names)
        self._resident = Resident(lanes)
        with self._resident.filling():
            self._names = self._resident.put(np.frombuffer(b"".join(name.lower() for name in names), np.uint8))
            self._ends = self._resident.put(np.cumsum([len(name) for name in names], dtype=np.int32))
        self._budget = lanes.budget
        self._submissions: Submissions[I32] = Submissions(lanes)

    def submit(self, spans: Spans) -> None:
        """Begin to look (see `Extractor`)."""
        most_rows = max(self._budget.results // RESULT_BYTES, 1)
        self._submissions.submit(spans, lambda: _Look(self._names, self._ends, self._count), most_rows)

    def collect(self) -> Fields:
        """The fields of the oldest open submission."""
        landed = self._submissions.next()
        found = np.full((2, landed.rows), -1, np.int32)
        for begin, part in landed.parts():
            some = slice(begin, begin + part.shape[1])
            found[:, some if landed.live is None else landed.live[some]] = part
        return Fields(found[0], found[1])

    def close(self) -> None:
        """Give the names back."""
        self._submissions.drop()
        self._resident.release()
