"""A writer whose failure does not end the run: what else the run says is worth more than the end of a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lippycat_core.builtin.pcapwriter import PcapWriter
from lippycat_core.columns import I32, U8, Frame
from lippycat_core.errors import OutputError
from lippycat_core.interfaces.sink import PacketSink
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_core.writing.counted import Counted
from lippycat_core.writing.rotation import RotatingWriter


class Forgiving(PacketSink):
    """A `Sink` and `PacketWriter` over `writer` that ends with its first OutputError: `fail` is told, what was written stays."""

    def __init__(self, writer: PcapWriter | RotatingWriter | Counted, fail: Callable[[OutputError], None]) -> None:
        self._writer = writer
        self._fail = fail
        self._failed = False

    @property
    def kernels(self) -> Sequence[Kernel]:
        """See PacketWriter."""
        return self._writer.kernels

    @property
    def written(self) -> int:
        """Packets so far."""
        return self._writer.written

    def records(self, kernels: KernelSet, slab: U8, frame: Frame, status: I32, begin: int, end: int) -> None:
        """See PacketWriter; nothing is written behind a failure."""
        if self._failed:
            return
        try:
            self._writer.records(kernels, slab, frame, status, begin, end)
        except OutputError as error:
            self._give_up(error)

    def close(self) -> None:
        """See PacketWriter."""
        try:
            self._writer.close()
        except OutputError as error:
            if not self._failed:
                self._give_up(error)

    def _give_up(self, error: OutputError) -> None:
        self._failed = True
        self._fail(error)
