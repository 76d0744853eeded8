"""Whether any OpenCL driver (ICD) is installed, without loading one: the loader finds them by files that name libraries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

SYSTEM = Path("/etc/OpenCL/vendors")


def driver_files() -> list[str]:
    """Files that name a driver's library, and libraries that the environment names."""
    named = [name for name in os.environ.get("OCL_ICD_FILENAMES", "").split(os.pathsep) if name]
    return [*named, *(str(path) for folder in _folders() if folder.is_dir() for path in sorted(folder.glob("*.icd")))]


def _folders() -> Iterator[Path]:
    if vendors := os.environ.get("OCL_ICD_VENDORS") or os.environ.get("OPENCL_VENDOR_PATH"):
        yield Path(vendors)
    yield SYSTEM
    spec = find_spec("pyopencl")
    for folder in spec.submodule_search_locations or () if spec else ():
        yield Path(folder, ".libs")  # where pip packages of drivers put themselves
