"""Messages whose end is that of what carried them: a WebSocket message (RFC 7118, 5), an SCTP user message (RFC 4168, 5.1).

No Content-Length is needed there, and nothing waits for more. Streams without such ends are the framer's.
"""

from __future__ import annotations

import numpy as np

from lippycat_core.batch import Batch
from lippycat_core.columns import I64, TCP
from lippycat_core.interfaces.dissect import Run
from lippycat_core.kernelset import KernelSet
from lippycat_voip.framer import Direction
from lippycat_voip.kernels.frame import BEGIN, BODY, FOUND, LENGTH, MESSAGE, OUT_WIDTH, frame


class Boundaries:
    """Finds messages in runs that are `whole`. `dropped` counts runs that begin a message and hold no whole header section."""

    def __init__(self) -> None:
        self.dropped = 0
        self._out: I64 = np.zeros(OUT_WIDTH, np.int64)

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernel."""
        self._frame = kernels[frame]
        self._view = kernels.view(self._out)

    def feed(self, batch: Batch, run: Run, spans: list[int]) -> None:
        """Append six ints (`SP_` fields) for each message of a run; one without a Content-Length has all that is left."""
        sides = run.connection.state
        if sides[run.side] is None:
            sides[run.side] = Direction(run.flow)
        at, end = run.off, run.off + run.length
        while at < end:
            self._frame(batch.views.slab, at, end, self._view)
            out = self._out.tolist()
            if out[FOUND] != MESSAGE:
                self.dropped += out[FOUND] != 0
                return
            stop = min(out[BODY] + out[LENGTH], end) if out[LENGTH] >= 0 else end
            spans += (run.row, TCP, out[BEGIN], stop - out[BEGIN], stop - out[BEGIN], run.segments)
            at = stop
