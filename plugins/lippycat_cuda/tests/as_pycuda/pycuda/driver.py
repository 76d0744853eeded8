"""pycuda.driver's names and manners (contexts on a stack, NumPy scalars as arguments) over cuda-bindings."""

from __future__ import annotations

import ctypes

import numpy as np
from cuda.bindings import driver as cu


class Error(Exception):
    """What all calls raise."""


class CompileError(Error):
    """nvcc failed."""


def _call(answer):
    if answer[0] != cu.CUresult.CUDA_SUCCESS:
        raise Error(f"{answer[0].name}: {cu.cuGetErrorString(answer[0])[1].decode()}")
    return answer[1] if len(answer) == 2 else answer[1:]


def init():
    _call(cu.cuInit(0))


class Device:
    def __init__(self, number):
        self._device = _call(cu.cuDeviceGet(number))

    @staticmethod
    def count():
        return _call(cu.cuDeviceGetCount())

    def name(self):
        return _call(cu.cuDeviceGetName(256, self._device)).split(b"\0")[0].decode()

    def compute_capability(self):
        kinds = cu.CUdevice_attribute
        wanted = (kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)
        return tuple(_call(cu.cuDeviceGetAttribute(one, self._device)) for one in wanted)

    def retain_primary_context(self):
        return Context(_call(cu.cuDevicePrimaryCtxRetain(self._device)))


_stack = []  # of contexts


class Context:
    def __init__(self, context):
        self._context = context

    def push(self):
        _stack.append(self._context)
        _call(cu.cuCtxSetCurrent(self._context))

    @staticmethod
    def pop():
        _stack.pop()
        _call(cu.cuCtxSetCurrent(_stack[-1] if _stack else 0))

    def detach(self):
        self._context = None


class Stream:
    def __init__(self):
        self.handle = _call(cu.cuStreamCreate(1))

    def synchronize(self):
        _call(cu.cuStreamSynchronize(self.handle))


class DeviceAllocation:
    def __init__(self, address):
        self._address = address

    def __int__(self):
        return self._address

    def free(self):
        _call(cu.cuMemFree(self._address))


def mem_alloc(nbytes):
    return DeviceAllocation(int(_call(cu.cuMemAlloc(nbytes))))


def mem_get_info():
    return _call(cu.cuMemGetInfo())


def pagelocked_empty(shape, dtype):
    return np.ctypeslib.as_array((ctypes.c_uint8 * shape).from_address(int(_call(cu.cuMemHostAlloc(shape, 0))))).view(dtype)


def memcpy_htod_async(dest, src, stream):
    _call(cu.cuMemcpyHtoDAsync(dest, src.ctypes.data, src.nbytes, stream.handle))


def memcpy_dtoh_async(dest, src, stream):
    _call(cu.cuMemcpyDtoHAsync(dest.ctypes.data, src, dest.nbytes, stream.handle))


def module_from_buffer(image):
    return Module(_call(cu.cuModuleLoadData(image)))


class Module:
    def __init__(self, handle):
        self._handle = handle

    def get_function(self, name):
        return Function(_call(cu.cuModuleGetFunction(self._handle, name.encode())))


class Function:
    def __init__(self, handle):
        self._handle = handle

    def __call__(self, *arguments, block, grid, stream):
        assert all(isinstance(one, np.uint64 | np.int32) for one in arguments), "pycuda takes scalars of a size"
        values = np.array([int(one) & 0xFFFFFFFFFFFFFFFF for one in arguments], np.uint64)
        places = values.ctypes.data + 8 * np.arange(len(values), dtype=np.uint64)
        handle = stream.handle
        _call(cu.cuLaunchKernel(self._handle, *grid, 1, *block, 0, handle, int(places.ctypes.data), 0))
