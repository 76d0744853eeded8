"""What a device must be able to do to match on it. A plugin implements `Device` over its driver; nothing here knows one.

A device has two queues. What is put into one queue is done in order; the two may overlap. Nothing is done for certain until
`finish` of the queue has returned, and whatever was handed over stays as it is until then: the caller keeps it alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from lippycat_core.columns import U8

QUEUES = 2


class Buffer(Protocol):
    """Memory that kernels can reach."""

    nbytes: int

    def release(self) -> None:
        """Give it back. Nothing that is still queued may use it."""
        ...


class Device(Protocol):
    """One opened device. Every method but `close` may raise DeviceFailed, with what the driver said."""

    name: str  # in words a user knows it by
    unified: bool  # kernels reach the process's own memory, so that `wrap` costs nothing
    largest: int  # bytes that one buffer may have

    def free_memory(self) -> int:
        """Bytes of device memory that are free now."""
        ...

    def buffer(self, nbytes: int) -> Buffer:
        """New memory on the device, at least one byte of it, with anything in it."""
        ...

    def wrap(self, array: NDArray[Any]) -> Buffer:
        """A buffer over a contiguous array's own memory, for kernels to read. Only where `unified`; keep the array alive."""
        ...

    def staging(self, nbytes: int) -> U8:
        """Host memory that transfers go to and come from fastest (pinned, where the driver has that); freed with the array."""
        ...

    def upload(self, queue: int, data: NDArray[Any], to: Buffer) -> None:
        """Queue a copy of a contiguous array to the begin of a buffer."""
        ...

    def download(self, queue: int, source: Buffer, into: NDArray[Any]) -> None:
        """Queue a copy of a buffer's first bytes, as many as the contiguous array has."""
        ...

    def launch(self, queue: int, kernel: str, items: int, arguments: Sequence[Buffer | int]) -> None:
        """Queue a kernel over at least `items` work items; numbers are passed as lc_i32."""
        ...

    def finish(self, queue: int) -> None:
        """Wait until all that was queued there is done."""
        ...

    def close(self) -> None:
        """Give the device back, whatever state it is in. Raises nothing."""
        ...
