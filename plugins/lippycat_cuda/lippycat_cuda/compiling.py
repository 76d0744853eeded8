"""From the kernels' source to an image that a GPU loads, and where such images are kept."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lippycat_core.errors import DeviceFailed
from lippycat_core.gpu.kept import own_folder

FOLDER = "cuda"


def compiled(source: str, capability: tuple[int, int], cache_dir: str | os.PathLike[str] | None = None) -> bytes:
    """The kernels for GPUs of a compute capability; from `cache_dir` where they are kept there. DeviceFailed with the
    compiler's words where they do not compile, SettingError where the folder cannot be used."""
    if not cache_dir:
        return _compile(source, capability)
    folder = own_folder(cache_dir, FOLDER)
    name = hashlib.sha256(repr((source, capability, _version())).encode()).hexdigest()
    path = folder / f"{name}.image"
    if (kept := _read(path)) is not None:
        return kept
    image = _compile(source, capability)
    with contextlib.suppress(OSError):  # a full disk costs the next run a second, not this one its work
        _write(path, image)
    return image


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    size = hashlib.sha256().digest_size
    return content[size:] if hashlib.sha256(content[size:]).digest() == content[:size] else None


def _write(path: Path, image: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(hashlib.sha256(image).digest() + image)
    os.replace(file.name, path)


def _has_nvrtc() -> bool:
    """Whether NVIDIA's own compiler package can be asked; pycuda's way is nvcc."""
    try:
        return find_spec("cuda.bindings.nvrtc") is not None
    except ModuleNotFoundError:  # of a parent package
        return False


def _version() -> tuple[Any, ...]:
    if not _has_nvrtc():
        return ("nvcc",)
    from cuda.bindings import nvrtc

    return tuple(map(int, nvrtc.nvrtcVersion()[1:]))


def _compile(source: str, capability: tuple[int, int]) -> bytes:
    return with_nvrtc(source, capability) if _has_nvrtc() else _with_nvcc(source, capability)


def with_nvrtc(source: str, capability: tuple[int, int]) -> bytes:
    """Machine code where the compiler knows the GPU, else PTX of the newest that it knows, which the driver compiles."""
    from cuda.bindings import nvrtc

    def call(answer: tuple[Any, ...]) -> Any:
        if answer[0] != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise DeviceFailed(f"NVRTC: {nvrtc.nvrtcGetErrorString(answer[0])[1].decode()}")
        return answer[1] if len(answer) > 1 else None

    try:
        known = call(nvrtc.nvrtcGetSupportedArchs())
    except RuntimeError as error:  # the library is not found
        raise DeviceFailed(f"NVRTC: {' '.join(str(error).split())}; pip install nvidia-cuda-nvrtc") from error
    wanted = capability[0] * 10 + capability[1]
    older = [one for one in known if one <= wanted]
    if not older:
        raise DeviceFailed(f"NVRTC compiles for no GPU older than compute capability {min(known) / 10}, this is {wanted / 10}")
    native = wanted in older
    program = call(nvrtc.nvrtcCreateProgram(source.encode(), b"lippycat.cu", 0, None, None))
    options = [b"--gpu-architecture=%s_%d" % (b"sm" if native else b"compute", max(older)), b"--std=c++17"]
    try:
        if nvrtc.nvrtcCompileProgram(program, len(options), options)[0] != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            log = b" " * call(nvrtc.nvrtcGetProgramLogSize(program))
            call(nvrtc.nvrtcGetProgramLog(program, log))
            raise DeviceFailed(f"NVRTC: {' '.join(log.rstrip(bytes(1)).decode(errors='replace').split())[:500]}")
        image = bytes(call(nvrtc.nvrtcGetCUBINSize(program) if native else nvrtc.nvrtcGetPTXSize(program)))
        call(nvrtc.nvrtcGetCUBIN(program, image) if native else nvrtc.nvrtcGetPTX(program, image))
        return image
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _with_nvcc(source: str, capability: tuple[int, int]) -> bytes:
    from pycuda import compiler, driver

    try:
        image: bytes = compiler.compile(source, no_extern_c=True, arch=f"sm_{capability[0]}{capability[1]}", cache_dir=False)
    except (OSError, driver.CompileError) as error:
        raise DeviceFailed(f"nvcc: {' '.join(str(error).split())[:500]}; pip install nvidia-cuda-nvrtc cuda-bindings") from error
    return image
