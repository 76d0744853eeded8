"""Arrays that stay on a device as long as a matcher or extractor does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lippycat_core.errors import DeviceFailed, LippycatError
from lippycat_core.gpu.device import Buffer
from lippycat_core.gpu.lanes import Lanes

NOTHING = np.zeros(1, np.int32)
"""For a table that a kernel has no use for: no buffer is empty."""

QUEUE = 0


class Resident:
    """Uploaded arrays, and what they take of the budget."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._buffers: list[Buffer] = []
        self._uploading: list[NDArray[Any]] = []
        self.nbytes = 0

    @contextlib.contextmanager
    def filling(self) -> Iterator[None]:
        """Around all `put`s: behind it everything is there, or after an error nothing."""
        self._lanes.clear()  # what is put there leaves them less
        try:
            yield
            self._lanes.device.finish(QUEUE)
        except LippycatError:
            with contextlib.suppress(DeviceFailed):  # what is queued still uses the buffers
                self._lanes.device.finish(QUEUE)
            self.release()
            raise
        finally:
            self._uploading.clear()

    def put(self, array: NDArray[Any]) -> Buffer:
        """Queue a copy to a buffer of its own. DeviceFailed where the budget does not hold it."""
        array = np.ascontiguousarray(array) if array.size else NOTHING
        self._lanes.budget.hold(array.nbytes)
        self.nbytes += array.nbytes
        buffer = self._lanes.device.buffer(array.nbytes)
        self._buffers.append(buffer)
        self._uploading.append(array)
        self._lanes.device.upload(QUEUE, array, buffer)
        return buffer

    def release(self) -> None:
        """Give the memory back."""
        for buffer in self._buffers:
            with contextlib.suppress(DeviceFailed):  # a lost device has nothing left to give back
                buffer.release()
        self._buffers.clear()
        self._lanes.budget.give(self.nbytes)
        self.nbytes = 0
