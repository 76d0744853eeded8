"""A GPU through NVIDIA's own Python package, cuda-bindings: the driver's functions under their own names."""

from __future__ import annotations

import contextlib
import ctypes
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from cuda.bindings import driver as cu
from numpy.typing import NDArray

from lippycat_core.columns import U8
from lippycat_core.errors import DeviceFailed
from lippycat_core.gpu.device import QUEUES
from lippycat_cuda.driver import Argument

SLOT = 8
"""Bytes in which an argument is stored; a smaller one lies in the first of them (both kinds of hosts are little-endian)."""


def _check(name: str, answer: tuple[Any, ...]) -> Any:
    """What a call gives behind its status. DeviceFailed with the driver's words where that is an error."""
    status, *values = answer
    if status != cu.CUresult.CUDA_SUCCESS:
        _, text = cu.cuGetErrorString(status)
        raise DeviceFailed(f"{name}: {text.decode() if text else status.name}")
    return values[0] if len(values) == 1 else tuple(values)


def names() -> list[str]:
    """The GPUs' names, by number."""
    _check("CUDA", cu.cuInit(0))
    return [_name(_check("CUDA", cu.cuDeviceGet(i))) for i in range(_check("CUDA", cu.cuDeviceGetCount()))]


def _name(device: Any) -> str:
    raw: bytes = _check("CUDA", cu.cuDeviceGetName(256, device))
    return raw.split(b"\0")[0].decode("utf-8", "replace").strip()


class CoreDriver:
    """A `Driver` on the GPU of that number."""

    def __init__(self, number: int) -> None:
        _check("CUDA", cu.cuInit(0))
        self._device = _check("CUDA", cu.cuDeviceGet(number))
        self.name = _name(self._device)
        attributes = cu.CUdevice_attribute
        wanted = (
            attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
            attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
        )
        major, minor = (int(self._call(cu.cuDeviceGetAttribute(one, self._device))) for one in wanted)
        self.capability = (major, minor)
        self._context = self._call(cu.cuDevicePrimaryCtxRetain(self._device))
        self._enter()
        flags = cu.CUstream_flags.CU_STREAM_NON_BLOCKING
        self._streams = [self._call(cu.cuStreamCreate(int(flags))) for _ in range(QUEUES)]
        self._module: Any = None
        self._functions: dict[str, Any] = {}
        self._open = True

    def _call(self, answer: tuple[Any, ...]) -> Any:
        return _check(self.name, answer)

    def _enter(self) -> None:
        """A thread sees the GPU through the context that was set last; others in this process may set theirs."""
        self._call(cu.cuCtxSetCurrent(self._context))

    def free_memory(self) -> int:
        """Bytes that are free."""
        self._enter()
        free, _ = self._call(cu.cuMemGetInfo())
        return int(free)

    def allocate(self, nbytes: int) -> int:
        """New memory."""
        self._enter()
        return int(self._call(cu.cuMemAlloc(nbytes)))

    def free(self, address: int) -> None:
        """Give it back."""
        self._enter()
        self._call(cu.cuMemFree(address))

    def pinned(self, nbytes: int) -> U8:
        """Page-locked memory."""
        self._enter()
        address = int(self._call(cu.cuMemHostAlloc(nbytes, 0)))
        memory = (ctypes.c_uint8 * nbytes).from_address(address)
        weakref.finalize(memory, self._free_pinned, address).atexit = False
        array: U8 = np.ctypeslib.as_array(memory)  # keeps `memory` alive
        return array

    def _free_pinned(self, address: int) -> None:
        if self._open:  # it goes with the context otherwise
            with contextlib.suppress(DeviceFailed):
                self._enter()
                cu.cuMemFreeHost(address)

    def upload(self, stream: int, data: NDArray[Any], address: int) -> None:
        """Queue a copy to the GPU."""
        self._enter()
        self._call(cu.cuMemcpyHtoDAsync(address, data.ctypes.data, data.nbytes, self._streams[stream]))

    def download(self, stream: int, address: int, into: NDArray[Any]) -> None:
        """Queue a copy from the GPU."""
        self._enter()
        self._call(cu.cuMemcpyDtoHAsync(into.ctypes.data, address, into.nbytes, self._streams[stream]))

    def load(self, image: bytes, names: Sequence[str]) -> None:
        """Load kernels."""
        self._enter()
        self._module = self._call(cu.cuModuleLoadData(image))
        self._functions = {name: self._call(cu.cuModuleGetFunction(self._module, name.encode())) for name in names}

    def launch(self, stream: int, name: str, blocks: int, threads: int, arguments: Sequence[Argument]) -> None:
        """Queue a kernel; the driver copies the arguments before this returns."""
        self._enter()
        values = np.array([int(argument) & 0xFFFFFFFFFFFFFFFF for argument in arguments], np.uint64)
        places = values.ctypes.data + SLOT * np.arange(len(values), dtype=np.uint64)
        function, queue = self._functions[name], self._streams[stream]
        self._call(cu.cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, 0, queue, int(places.ctypes.data), 0))

    def finish(self, stream: int) -> None:
        """Wait for a stream."""
        self._enter()
        self._call(cu.cuStreamSynchronize(self._streams[stream]))

    def close(self) -> None:
        """Give everything back."""
        if not self._open:
            return
        self._open = False
        with contextlib.suppress(DeviceFailed):
            self._enter()
        for stream in self._streams:
            cu.cuStreamDestroy(stream)
        if self._module is not None:
            cu.cuModuleUnload(self._module)
        cu.cuDevicePrimaryCtxRelease(self._device)
