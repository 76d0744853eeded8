"""Whether OpenCL has a device here, and why not, asked of the loader itself: pyopencl, which brings NumPy, is not imported."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

SYSTEM = Path("/etc/OpenCL/vendors")

SUCCESS = 0
ALL_DEVICES = 0xFFFFFFFF  # CL_DEVICE_TYPE_ALL
TYPE, AVAILABLE = 0x1000, 0x1027  # CL_DEVICE_TYPE, CL_DEVICE_AVAILABLE
CPU = 2  # CL_DEVICE_TYPE_CPU


def why_not() -> tuple[str, bool]:
    """Why OpenCL cannot be used, in a sentence, and nothing where it can; then whether it has more than processors."""
    if find_spec("pyopencl") is None:
        return "pyopencl is not installed: pip install pyopencl", False
    if not driver_files():
        return (
            "no OpenCL driver is installed: install that of your GPU, or on x86-64 for the processor "
            "pip install 'lippycat-opencl[pocl]'",
            False,
        )
    library = _loader()
    if library is None:
        return "pyopencl cannot be loaded; install it anew, and what it was built with (libOpenCL.so.1)", False
    kinds = list(_kinds(library))
    if not kinds:
        return "no OpenCL driver has a device here; clinfo shows what each of them finds", False
    return "", any(not kind & CPU for kind in kinds)


def driver_files() -> list[str]:
    """Files that name a driver's library, and libraries that the environment names: how the loader finds drivers (ICDs)."""
    named = [name for name in os.environ.get("OCL_ICD_FILENAMES", "").split(os.pathsep) if name]
    folders = [SYSTEM, *(folder / ".libs" for folder in _folders())]  # pip packages of drivers put themselves there
    if vendors := os.environ.get("OCL_ICD_VENDORS"):
        folders.insert(0, Path(vendors))
    return [*named, *(str(path) for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.icd")))]


def _folders() -> list[Path]:
    """Where pyopencl is installed."""
    spec = find_spec("pyopencl")
    return [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []


def _loader() -> ctypes.CDLL | None:
    """The loader that pyopencl uses, its wheel's own or the system's: its extension is linked to it. Loaded as a library, the
    extension runs no Python."""
    for folder in _folders():
        for suffix in EXTENSION_SUFFIXES:
            extension = folder / f"_cl{suffix}"
            if extension.is_file():
                # Where the wheel's loader looks for drivers. It does not survive its absence; pyopencl sets it when imported.
                os.environ.setdefault("PYOPENCL_HOME", str(folder))
                with contextlib.suppress(OSError):
                    return ctypes.CDLL(str(extension))
    return None


def _kinds(library: ctypes.CDLL) -> Iterator[int]:
    """The type bits of each device that is available."""
    for platform in _ids(library.clGetPlatformIDs):
        for device in _ids(library.clGetDeviceIDs, platform, ctypes.c_uint64(ALL_DEVICES)):
            available, kind = ctypes.c_uint32(0), ctypes.c_uint64(0)
            library.clGetDeviceInfo(device, AVAILABLE, ctypes.c_size_t(4), ctypes.byref(available), None)
            library.clGetDeviceInfo(device, TYPE, ctypes.c_size_t(8), ctypes.byref(kind), None)
            if available.value:
                yield kind.value


def _ids(ask: Callable[..., int], *arguments: object) -> list[ctypes.c_void_p]:
    """What a function lists that is asked twice: how many there are, and which."""
    count = ctypes.c_uint32(0)
    if ask(*arguments, 0, None, ctypes.byref(count)) != SUCCESS or not count.value:
        return []
    found = (ctypes.c_void_p * count.value)()
    if ask(*arguments, count, found, None) != SUCCESS:
        return []
    return [ctypes.c_void_p(one) for one in found]
