"""Several packet writers as one: each gets every packet, and each is closed, whatever the others do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from lippycat_core.columns import I32, U8, Frame
from lippycat_core.interfaces.sink import PacketWriter
from lippycat_core.kernelset import Kernel, KernelSet


class Tee:
    """A `PacketWriter` over `writers`, in their order."""

    def __init__(self, writers: Sequence[PacketWriter]) -> None:
        self._writers = tuple(writers)

    @property
    def kernels(self) -> Sequence[Kernel]:
        """See PacketWriter."""
        return tuple(kernel for writer in self._writers for kernel in writer.kernels)

    def records(self, kernels: KernelSet, slab: U8, frame: Frame, status: I32, begin: int, end: int) -> None:
        """See PacketWriter."""
        for writer in self._writers:
            writer.records(kernels, slab, frame, status, begin, end)

    def close(self) -> None:
        """See PacketWriter."""
        with ExitStack() as closing:
            for writer in reversed(self._writers):
                closing.callback(writer.close)
