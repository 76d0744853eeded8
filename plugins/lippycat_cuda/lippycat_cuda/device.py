"""An NVIDIA GPU for the core's kernels (`lippycat_core.gpu.device.Device`), over whichever package drives it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lippycat_core.columns import U8
from lippycat_core.errors import DeviceFailed
from lippycat_core.gpu.choice import pick
from lippycat_core.gpu.source import Language, kernel_names, source
from lippycat_cuda.compiling import compiled
from lippycat_cuda.driver import Driver

THREADS = 64
"""Of a block: two warps, so that a few thousand rows are spread over all of a GPU's processors."""


def open_driver(wanted: int | str | None = None) -> Driver:
    """The GPU of that number, or with that part of a name; else the first. pycuda where it is installed and works, else
    cuda-bindings. SettingError where there is no such GPU, DeviceFailed where none can be driven."""
    if find_spec("pycuda") is not None:
        try:
            from lippycat_cuda import driver_pycuda
        except ImportError as error:  # built for another CUDA, say
            broken = error
        else:
            return driver_pycuda.PycudaDriver(pick("CUDA", driver_pycuda.names(), wanted))
    else:
        broken = ImportError("pycuda is not installed")
    try:
        from lippycat_cuda import driver_core

        return driver_core.CoreDriver(pick("CUDA", driver_core.names(), wanted))
    except ImportError as error:
        raise DeviceFailed(f"CUDA: {broken}; {error}; pip install lippycat-cuda") from error
    except RuntimeError as error:  # cuda-bindings finds no driver
        raise DeviceFailed(f"CUDA: {' '.join(str(error).split())}") from error


class CudaBuffer:
    """A `Buffer`: memory on the GPU."""

    def __init__(self, driver: Driver, nbytes: int) -> None:
        self._driver, self.nbytes = driver, nbytes
        self.address = driver.allocate(nbytes)

    def release(self) -> None:
        """Give it back."""
        self._driver.free(self.address)


Own: TypeAlias = Any
"""A `CudaBuffer`: the interface lets a caller hand over any `Buffer`, and there is only one kind here."""


class CudaDevice:
    """One GPU with two streams."""

    unified = False  # also where the memory is the process's own (Jetson): what is copied there is copied fast

    def __init__(self, driver: Driver, cache_dir: Any = None) -> None:
        self.name = driver.name
        self._driver = driver
        try:
            self.largest = driver.free_memory()
            text = source(Language.CUDA)
            driver.load(compiled(text, driver.capability, cache_dir), kernel_names(text))
        except BaseException:
            driver.close()
            raise

    def free_memory(self) -> int:
        """Bytes that are free on the GPU."""
        return self._driver.free_memory()

    def buffer(self, nbytes: int) -> CudaBuffer:
        """New memory."""
        return CudaBuffer(self._driver, max(nbytes, 1))

    def wrap(self, array: NDArray[Any]) -> CudaBuffer:
        """Nothing here: a GPU has memory of its own."""
        raise DeviceFailed(f"{self.name} cannot use the process's own memory")

    def staging(self, nbytes: int) -> U8:
        """Page-locked memory."""
        return self._driver.pinned(max(nbytes, 1))

    def upload(self, queue: int, data: NDArray[Any], to: Own) -> None:
        """Queue a copy to the GPU."""
        if data.nbytes:
            self._driver.upload(queue, data, to.address)

    def download(self, queue: int, source: Own, into: NDArray[Any]) -> None:
        """Queue a copy from the GPU."""
        if into.nbytes:
            self._driver.download(queue, source.address, into)

    def launch(self, queue: int, kernel: str, items: int, arguments: Sequence[Own | int]) -> None:
        """Queue a kernel."""
        values = [np.int32(one) if isinstance(one, int) else np.uint64(one.address) for one in arguments]
        self._driver.launch(queue, kernel, (items + THREADS - 1) // THREADS, THREADS, values)

    def finish(self, queue: int) -> None:
        """Wait for a stream."""
        self._driver.finish(queue)

    def close(self) -> None:
        """Give the GPU back."""
        self._driver.close()
