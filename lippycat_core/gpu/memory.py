"""How much of a device's memory may be used, and buffers that grow within that."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lippycat_core.columns import U8
from lippycat_core.errors import DeviceFailed
from lippycat_core.gpu.device import QUEUES, Buffer, Device

HEADROOM = 0.8
"""Of what is free when the device is opened; others use it too, and a driver needs some for itself."""

LEAST = 4096


def size(nbytes: int) -> str:
    """Bytes as a user reads them."""
    return f"{nbytes / 1e6:.1f} MB" if nbytes >= 100_000 else f"{nbytes} bytes"


class Budget:
    """Bytes that may be used: what tables hold, and the rest in equal parts for the queues."""

    def __init__(self, device: Device, max_memory: int = 0) -> None:
        self.limit = max_memory or int(device.free_memory() * HEADROOM)
        self._device = device
        self._held = 0

    def hold(self, nbytes: int) -> None:
        """Reserve for tables. DeviceFailed where too little would be left to work with."""
        if self._held + nbytes > self.limit - QUEUES * LEAST:
            raise DeviceFailed(
                f"the patterns need {size(nbytes)} of {self._device.name}, where {size(self.limit - self._held)} are free; "
                "raise the memory limit or take another match backend"
            )
        self._held += nbytes

    def give(self, nbytes: int) -> None:
        """Give a reservation back."""
        self._held -= nbytes

    @property
    def text(self) -> int:
        """Bytes of spans, with their offsets and lengths, that one queue may have on the device at once."""
        return min((self.limit - self._held) // QUEUES * 3 // 4, self._device.largest)

    @property
    def results(self) -> int:
        """Bytes of results that one queue may have on the device at once, and of marks."""
        return min((self.limit - self._held) // QUEUES // 8, self._device.largest)


class Growing:
    """A buffer, and staging memory beside it, that are made anew when more is asked for."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._buffer: Buffer | None = None
        self._staging: U8 = np.empty(0, np.uint8)

    def buffer(self, nbytes: int, most: int) -> Buffer:
        """A buffer of at least `nbytes`, and of no more than `most`; what it held is lost where it grows."""
        if self._buffer is None or self._buffer.nbytes < nbytes:
            self.release()
            self._buffer = self._device.buffer(max(nbytes, min(1 << max(nbytes - 1, LEAST - 1).bit_length(), most)))
        return self._buffer

    @property
    def nbytes(self) -> int:
        """Bytes of the buffer, 0 where there is none."""
        return self._buffer.nbytes if self._buffer is not None else 0

    def staging(self, nbytes: int) -> U8:
        """That many bytes of staging memory; what it held is kept where it grows."""
        if len(self._staging) < nbytes:
            before, self._staging = self._staging, self._device.staging(1 << max(nbytes - 1, LEAST - 1).bit_length())
            self._staging[: len(before)] = before
        return self._staging[:nbytes]

    def send(self, queue: int, data: NDArray[Any], most: int) -> Buffer:
        """Copy an array into staging memory, and from there to the device."""
        target = self.buffer(data.nbytes, most)
        staged = self.staging(data.nbytes)
        staged[:] = data.view(np.uint8)
        self._device.upload(queue, staged, target)
        return target

    def release(self) -> None:
        """Give the buffer back; nothing queued may use it."""
        if self._buffer is not None:
            with contextlib.suppress(DeviceFailed):  # a lost device has nothing left to give back
                self._buffer.release()
            self._buffer = None
