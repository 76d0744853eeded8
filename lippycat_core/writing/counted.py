"""A capture file of which its facts are known when it is complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from lippycat_core.builtin.pcapwriter import PcapWriter
from lippycat_core.columns import FILTERED, I32, U8, Frame
from lippycat_core.interfaces.sink import PacketSink
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_core.writing.files import FileFacts


class Counted(PacketSink):
    """A `Sink` and `PacketWriter` over the writer of the file `path`; `finished` is told when it was closed without a fault."""

    def __init__(self, path: str, writer: PcapWriter, finished: Callable[[FileFacts], None]) -> None:
        self._path = path
        self._writer = writer
        self._finished: Callable[[FileFacts], None] | None = finished
        self._first_ns = self._last_ns = 0

    @property
    def kernels(self) -> Sequence[Kernel]:
        """See PacketWriter."""
        return self._writer.kernels

    @property
    def written(self) -> int:
        """Packets so far."""
        return self._writer.written

    def records(self, kernels: KernelSet, slab: U8, frame: Frame, status: I32, begin: int, end: int) -> None:
        """See PacketWriter."""
        self._writer.records(kernels, slab, frame, status, begin, end)
        times = np.asarray(frame.ts_ns[begin:end])[np.asarray(status[begin:end]) != FILTERED]
        if len(times):
            self._first_ns = self._first_ns or int(times[0])
            self._last_ns = max(self._last_ns, int(times.max()))

    def close(self) -> None:
        """See PacketWriter."""
        self._writer.close()
        finished, self._finished = self._finished, None
        if finished is not None:
            size = 0
            with suppress(OSError):
                size = os.stat(self._path).st_size
            finished(FileFacts(self._path, self._writer.written, size, self._first_ns, self._last_ns))
