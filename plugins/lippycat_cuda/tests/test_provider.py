"""What the probe says of machines that this one is not."""

from __future__ import annotations

import ctypes
import sys
import time

import pytest

from lippycat_cuda import presence
from lippycat_cuda.provider import PRIORITY, CudaProvider


class Library:
    """The functions of libcuda.so.1 that the probe calls."""

    def __init__(self, init: int = 0, capabilities: tuple[tuple[int, int], ...] = ((8, 6),), version: int = 13000) -> None:
        self._init, self._capabilities, self._version = init, capabilities, version

    def cuInit(self, flags: int) -> int:
        assert flags == 0
        return self._init

    def cuDeviceGetCount(self, count: object) -> int:
        return self._give(count, len(self._capabilities))

    def cuDeviceGetAttribute(self, value: object, attribute: int, device: int) -> int:
        return self._give(value, self._capabilities[device][(75, 76).index(attribute)])

    def cuDriverGetVersion(self, version: object) -> int:
        return self._give(version, self._version)

    def cuGetErrorName(self, status: int, name: object) -> int:
        name._obj.value = b"CUDA_ERROR_SYSTEM_NOT_READY"
        return 0 if status == 802 else 1

    @staticmethod
    def _give(pointer: object, value: int) -> int:
        pointer._obj.value = value
        return 0


INSTALLED = {"cuda-bindings": "13.5.0", "nvidia-cuda-nvrtc": "13.5.37"}


def reason(monkeypatch: pytest.MonkeyPatch, library: Library, installed: dict[str, str] = INSTALLED, pycuda: bool = False) -> str:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(presence, "_version", lambda name: installed.get(name, ""))
    monkeypatch.setattr(presence, "find_spec", lambda name: object() if pycuda else None)
    fitness = CudaProvider().probe()
    assert fitness.priority == (None if fitness.reason else PRIORITY)
    return fitness.reason


def test_a_machine_with_everything_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reason(monkeypatch, Library()) == ""
    assert reason(monkeypatch, Library(capabilities=((6, 1), (9, 0)))) == ""
    assert reason(monkeypatch, Library(version=12040), {"cuda-bindings": "12.9.1", "nvidia-cuda-nvrtc-cu12": "12.9.0"}) == ""
    assert reason(monkeypatch, Library(version=12040), {}, pycuda=True) == ""


@pytest.mark.parametrize(
    ("library", "installed", "said"),
    [
        (Library(init=100), INSTALLED, "finds no GPU"),
        (Library(capabilities=()), INSTALLED, "finds no GPU"),
        (Library(init=802), INSTALLED, "CUDA_ERROR_SYSTEM_NOT_READY"),
        (Library(init=999), INSTALLED, "error 999"),
        (Library(capabilities=((6, 1), (7, 0))), INSTALLED, "too old: compute capability 7.0"),
        (Library(), {}, "pip install lippycat-cuda"),
        (Library(), {"cuda-bindings": "13.5.0"}, "pip install nvidia-cuda-nvrtc"),
        (Library(version=12040), INSTALLED, "supports CUDA 12.4, the packages are for CUDA 13"),
    ],
)
def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, library: Library, installed: dict[str, str], said: str) -> None:
    assert said in reason(monkeypatch, library, installed)


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    fitness = CudaProvider().probe()
    assert fitness.priority is None
    assert fitness.reason == "no NVIDIA driver: libcuda.so.1 is not found; install the driver of your GPU"


def test_the_probe_is_cheap() -> None:
    """Here, whatever is here: no package of CUDA is imported, and nothing takes long where there is no driver."""
    before = set(sys.modules)
    begin = time.perf_counter()
    fitness = CudaProvider().probe()
    took = time.perf_counter() - begin
    new = {name.split(".")[0] for name in set(sys.modules) - before}
    assert not new & {"cuda", "pycuda"}
    assert fitness.fits or took < 1
