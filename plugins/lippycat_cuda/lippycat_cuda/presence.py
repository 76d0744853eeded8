"""Whether a GPU can be used here, and why not: the driver's library is asked directly, packages are looked for and not
imported."""

from __future__ import annotations

import ctypes
from importlib.util import find_spec

LIBRARY = "libcuda.so.1"
OLDEST = (7, 5)
"""Compute capability from which NVIDIA's compiler of today makes code (CUDA 13)."""

SUCCESS, NO_DEVICE = 0, 100
MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR

COMPILERS = ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12")
BINDINGS = "cuda-bindings"


def why_not() -> str:
    """Why no GPU can be used, in a sentence; nothing where one can."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return f"no NVIDIA driver: {LIBRARY} is not found; install the driver of your GPU"
    status = library.cuInit(0)
    if status == NO_DEVICE:
        return "the NVIDIA driver finds no GPU; nvidia-smi should list one"
    if status != SUCCESS:
        return f"the NVIDIA driver does not start ({_error(library, status)}); see what nvidia-smi says"
    count = ctypes.c_int(0)
    library.cuDeviceGetCount(ctypes.byref(count))
    if count.value < 1:
        return "the NVIDIA driver finds no GPU; nvidia-smi should list one"
    capabilities = [_capability(library, number) for number in range(count.value)]
    if max(capabilities) < OLDEST:
        newest = ".".join(map(str, max(capabilities)))
        return f"the GPU is too old: compute capability {newest}, {'.'.join(map(str, OLDEST))} is needed"
    return _packages(_driver_version(library))


def _error(library: ctypes.CDLL, status: int) -> str:
    text = ctypes.c_char_p()
    known = library.cuGetErrorName(status, ctypes.byref(text)) == SUCCESS
    return text.value.decode("ascii", "replace") if known and text.value else f"error {status}"


def _capability(library: ctypes.CDLL, number: int) -> tuple[int, int]:
    found = []
    for attribute in (MAJOR, MINOR):
        value = ctypes.c_int(0)
        library.cuDeviceGetAttribute(ctypes.byref(value), attribute, number)
        found.append(value.value)
    return found[0], found[1]


def _driver_version(library: ctypes.CDLL) -> int:
    value = ctypes.c_int(0)
    library.cuDriverGetVersion(ctypes.byref(value))
    return value.value


def _packages(driver: int) -> str:
    """What is missing of the packages; `driver` is the CUDA version that the driver supports, times 1000."""
    if find_spec("pycuda") is not None:
        return ""
    bindings = _version(BINDINGS)
    if not bindings:
        return "neither cuda-bindings nor pycuda is installed: pip install lippycat-cuda"
    compiler = next(filter(None, map(_version, COMPILERS)), "")
    if not compiler:
        return "NVIDIA's compiler is not installed: pip install nvidia-cuda-nvrtc"
    newest = max(int(bindings.split(".")[0]), int(compiler.split(".")[0]))
    if driver // 1000 < newest:
        return (
            f"the NVIDIA driver supports CUDA {driver // 1000}.{driver % 1000 // 10}, the packages are for CUDA {newest}: update "
            "the driver, or pip install 'cuda-bindings<13' nvidia-cuda-nvrtc-cu12 and uninstall nvidia-cuda-nvrtc"
        )
    return ""


def _version(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
