"""An OpenCL device for the core's kernels (`lippycat_core.gpu.device.Device`).

A kernel's arguments do not keep their buffers alive, nor does a queued copy its array: both are remembered by queue until it
is finished.
"""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyopencl as cl
from numpy.typing import NDArray

from lippycat_core.columns import U8
from lippycat_core.errors import DeviceFailed
from lippycat_core.gpu.device import QUEUES
from lippycat_core.gpu.kept import own_folder
from lippycat_core.gpu.source import Language, kernel_names, source
from lippycat_opencl.choice import Found

GROUP_CPU, GROUP_GPU = 16, 64
"""Work items of a group: few on a processor, so that all cores have some; a warp or two on a GPU."""


@contextlib.contextmanager
def _driver(name: str) -> Iterator[None]:
    """What the driver says becomes DeviceFailed."""
    try:
        yield
    except cl.Error as error:
        text = " ".join(str(error).split())
        raise DeviceFailed(f"{name}: {text[:300]}") from error


Own: TypeAlias = Any
"""An `OpenClBuffer`: the interface lets a caller hand over any `Buffer`, and there is only one kind here."""


class OpenClBuffer:
    """A `Buffer`; it keeps the array whose memory it uses. No two have the same `number`, and it is no number that kernels
    take."""

    _numbers = itertools.count(1 << 32)

    def __init__(self, memory: cl.Buffer, nbytes: int, array: NDArray[Any] | None = None) -> None:
        self.memory, self.nbytes, self.array = memory, nbytes, array
        self.number = next(self._numbers)

    def release(self) -> None:
        """Give the memory back."""
        with _driver("OpenCL"):
            self.memory.release()
        self.array = None


def _with_arguments(kernel: cl.Kernel) -> tuple[cl.Kernel, list[int | None]]:
    """A kernel and what its arguments were set to."""
    return kernel, [None] * kernel.num_args


class OpenClDevice:
    """One device with two queues in order. DeviceFailed where it cannot be used, or does not take the kernels;
    SettingError for a `cache_dir` that others may write to."""

    def __init__(self, found: Found, cache_dir: Any = None) -> None:
        self.name = found.words
        cache = str(own_folder(cache_dir, "opencl")) if cache_dir else None  # None: where pyopencl keeps its own
        self._device = found.handle
        with _driver(self.name):
            self.unified = found.is_cpu or bool(self._device.host_unified_memory)
            self.largest = int(self._device.max_mem_alloc_size)
            self._total = int(self._device.global_mem_size)
            self._group = min(GROUP_CPU if found.is_cpu else GROUP_GPU, int(self._device.max_work_group_size))
            self._context = cl.Context([self._device])
            self._queues = [cl.CommandQueue(self._context, self._device) for _ in range(QUEUES)]
            text = source(Language.OPENCL)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", cl.CompilerWarning)  # what a compiler merely remarks on
                program = cl.Program(self._context, text).build(cache_dir=cache)
            # One object a queue: its arguments are set anew while the other queue's launch may still wait.
            self._kernels = [
                {name: _with_arguments(cl.Kernel(program, name)) for name in kernel_names(text)} for _ in range(QUEUES)
            ]
        self._kept: list[list[Any]] = [[] for _ in range(QUEUES)]

    def free_memory(self) -> int:
        """All that the device has: OpenCL does not say what is in use."""
        return self._total

    def buffer(self, nbytes: int) -> OpenClBuffer:
        """New memory."""
        with _driver(self.name):
            return OpenClBuffer(cl.Buffer(self._context, cl.mem_flags.READ_WRITE, max(nbytes, 1)), max(nbytes, 1))

    def wrap(self, array: NDArray[Any]) -> OpenClBuffer:
        """A buffer over an array's memory, for reading."""
        if not array.nbytes:
            return self.buffer(1)
        with _driver(self.name):
            flags = cl.mem_flags.READ_ONLY | cl.mem_flags.USE_HOST_PTR
            return OpenClBuffer(cl.Buffer(self._context, flags, hostbuf=array), array.nbytes, array)

    def staging(self, nbytes: int) -> U8:
        """Memory that the driver may pin; plain memory where the device uses the process's own."""
        if self.unified:
            return np.empty(nbytes, np.uint8)
        with _driver(self.name):
            flags = cl.mem_flags.READ_WRITE | cl.mem_flags.ALLOC_HOST_PTR
            pinned = cl.Buffer(self._context, flags, nbytes)
            access = cl.map_flags.READ | cl.map_flags.WRITE
            mapped: U8
            mapped, _ = cl.enqueue_map_buffer(self._queues[0], pinned, access, 0, (nbytes,), np.uint8)
        return mapped  # its base keeps the buffer mapped

    def upload(self, queue: int, data: NDArray[Any], to: Own) -> None:
        """Queue a copy to the device."""
        if data.nbytes:
            with _driver(self.name):
                self._kept[queue].append(cl.enqueue_copy(self._queues[queue], to.memory, data, is_blocking=False))

    def download(self, queue: int, source: Own, into: NDArray[Any]) -> None:
        """Queue a copy from the device."""
        if into.nbytes:
            with _driver(self.name):
                self._kept[queue].append(cl.enqueue_copy(self._queues[queue], into, source.memory, is_blocking=False))

    def launch(self, queue: int, kernel: str, items: int, arguments: Sequence[Own | int]) -> None:
        """Queue a kernel. Arguments are set where they are not what they were: each costs a few microseconds."""
        run, had = self._kernels[queue][kernel]
        items = (items + self._group - 1) // self._group * self._group
        with _driver(self.name):
            for place, value in enumerate(arguments):
                number = value if isinstance(value, int) else value.number
                if had[place] != number:
                    run.set_arg(place, np.int32(value) if isinstance(value, int) else value.memory)
                    had[place] = number
            cl.enqueue_nd_range_kernel(self._queues[queue], run, (items,), (self._group,))
        self._kept[queue].append(arguments)

    def finish(self, queue: int) -> None:
        """Wait for a queue."""
        try:
            with _driver(self.name):
                self._queues[queue].finish()
        finally:
            self._kept[queue].clear()

    def close(self) -> None:
        """Wait for what is queued and forget the device."""
        for queue in range(QUEUES):
            with contextlib.suppress(DeviceFailed):
                self.finish(queue)
        self._kernels.clear()
        self._queues.clear()
