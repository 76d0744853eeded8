"""A GPU through pycuda, for who has it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pycuda.driver as cuda
from numpy.typing import NDArray

from lippycat_core.columns import U8
from lippycat_core.errors import DeviceFailed
from lippycat_core.gpu.device import QUEUES
from lippycat_cuda.driver import Argument


def names() -> list[str]:
    """The GPUs' names, by number."""
    with _failing("CUDA"):
        cuda.init()
        return [str(cuda.Device(number).name()) for number in range(cuda.Device.count())]


@contextlib.contextmanager
def _failing(name: str) -> Iterator[None]:
    try:
        yield
    except cuda.Error as error:
        raise DeviceFailed(f"{name}: {' '.join(str(error).split())}") from error


class PycudaDriver:
    """A `Driver` on the GPU of that number."""

    def __init__(self, number: int) -> None:
        with _failing("CUDA"):
            cuda.init()
            device = cuda.Device(number)
            self.name = str(device.name())
            major, minor = device.compute_capability()
            self.capability = (int(major), int(minor))
            self._context = device.retain_primary_context()
        with self._current():
            self._streams = [cuda.Stream() for _ in range(QUEUES)]
        self._memory: dict[int, Any] = {}
        self._module: Any = None
        self._functions: dict[str, Any] = {}

    @contextlib.contextmanager
    def _current(self) -> Iterator[None]:
        """A thread sees the GPU through the context that is on top of its stack."""
        with _failing(self.name):
            self._context.push()
            try:
                yield
            finally:
                cuda.Context.pop()

    def free_memory(self) -> int:
        """Bytes that are free."""
        with self._current():
            free, _ = cuda.mem_get_info()
        return int(free)

    def allocate(self, nbytes: int) -> int:
        """New memory."""
        with self._current():
            memory = cuda.mem_alloc(nbytes)
        self._memory[int(memory)] = memory
        return int(memory)

    def free(self, address: int) -> None:
        """Give it back."""
        with self._current():
            self._memory.pop(address).free()

    def pinned(self, nbytes: int) -> U8:
        """Page-locked memory."""
        with self._current():
            array: U8 = cuda.pagelocked_empty(nbytes, np.uint8)
        return array

    def upload(self, stream: int, data: NDArray[Any], address: int) -> None:
        """Queue a copy to the GPU."""
        with self._current():
            cuda.memcpy_htod_async(address, data, self._streams[stream])

    def download(self, stream: int, address: int, into: NDArray[Any]) -> None:
        """Queue a copy from the GPU."""
        with self._current():
            cuda.memcpy_dtoh_async(into, address, self._streams[stream])

    def load(self, image: bytes, names: Sequence[str]) -> None:
        """Load kernels."""
        with self._current():
            self._module = cuda.module_from_buffer(image)
            self._functions = {name: self._module.get_function(name) for name in names}

    def launch(self, stream: int, name: str, blocks: int, threads: int, arguments: Sequence[Argument]) -> None:
        """Queue a kernel."""
        with self._current():
            self._functions[name](*arguments, block=(threads, 1, 1), grid=(blocks, 1), stream=self._streams[stream])

    def finish(self, stream: int) -> None:
        """Wait for a stream."""
        with self._current():
            self._streams[stream].synchronize()

    def close(self) -> None:
        """Give everything back."""
        with contextlib.suppress(DeviceFailed), self._current():
            self._memory.clear()
            self._functions.clear()
            self._streams.clear()
            self._module = None
        with contextlib.suppress(cuda.Error):
            self._context.detach()
