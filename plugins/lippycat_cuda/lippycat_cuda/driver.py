"""What a package must be able to do so that a GPU can be driven through it. `driver_core.py` and `driver_pycuda.py` do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lippycat_core.columns import U8

Argument = np.uint64 | np.int32
"""A kernel's argument: an address on the GPU, or a number."""


class Driver(Protocol):
    """One GPU with two streams, usable from any thread. Every method but `close` raises DeviceFailed where the GPU does."""

    name: str
    capability: tuple[int, int]

    def free_memory(self) -> int:
        """Bytes that are free on the GPU."""
        ...

    def allocate(self, nbytes: int) -> int:
        """The address of new memory on the GPU."""
        ...

    def free(self, address: int) -> None:
        """Give it back."""
        ...

    def pinned(self, nbytes: int) -> U8:
        """Page-locked memory of the host, freed with the array."""
        ...

    def upload(self, stream: int, data: NDArray[Any], address: int) -> None:
        """Queue a copy of a contiguous array to the GPU."""
        ...

    def download(self, stream: int, address: int, into: NDArray[Any]) -> None:
        """Queue a copy from the GPU into a contiguous array."""
        ...

    def load(self, image: bytes, names: Sequence[str]) -> None:
        """Load compiled kernels."""
        ...

    def launch(self, stream: int, name: str, blocks: int, threads: int, arguments: Sequence[Argument]) -> None:
        """Queue a kernel."""
        ...

    def finish(self, stream: int) -> None:
        """Wait for a stream."""
        ...

    def close(self) -> None:
        """Give everything back. Raises nothing."""
        ...
