"""The kit's suites on a GPU, where one is; `test_pretended.py` runs them on a driver that only pretends to have one."""

from __future__ import annotations

import os

import pytest

from lippycat_core.gpu.backend import GpuBackend
from lippycat_core.gpu.device import Device
from lippycat_core.testing.device import DeviceSuite
from lippycat_core.testing.matcher import HeaderSuite, MatcherSuite
from lippycat_cuda.provider import CudaProvider

FITNESS = CudaProvider().probe()
CACHE = os.environ.get("LIPPYCAT_TEST_CACHE")
SCALE = float(os.environ.get("LIPPYCAT_TEST_SCALE", "1"))

if not FITNESS.fits:
    pytest.skip(f"cuda does not fit here, nothing runs on it: {FITNESS.reason}", allow_module_level=True)


class TestCudaMatcher(MatcherSuite):
    scale = SCALE

    def backend(self) -> GpuBackend:
        return CudaProvider().open(cache_dir=CACHE)


class TestCudaHeaders(HeaderSuite):
    scale = SCALE

    def backend(self) -> GpuBackend:
        return CudaProvider().open(cache_dir=CACHE)


class TestCudaDevice(DeviceSuite):
    scale = SCALE

    def device(self) -> Device:
        from lippycat_cuda.device import CudaDevice, open_driver

        return CudaDevice(open_driver(), CACHE)
