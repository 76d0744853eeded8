"""The kit's suites on whatever OpenCL device is here; `test_checked.py` runs them on a simulator that checks each access."""

from __future__ import annotations

import os

import pytest

from lippycat_core.gpu.backend import GpuBackend
from lippycat_core.gpu.device import Device
from lippycat_core.testing.device import DeviceSuite
from lippycat_core.testing.matcher import HeaderSuite, MatcherSuite
from lippycat_opencl.provider import OpenClProvider

FITNESS = OpenClProvider().probe()
DEVICE = os.environ.get("LIPPYCAT_TEST_OPENCL")
SCALE = float(os.environ.get("LIPPYCAT_TEST_SCALE", "1"))

if not FITNESS.fits:
    pytest.skip(f"opencl does not fit here, nothing runs on it: {FITNESS.reason}", allow_module_level=True)


def a_device(*, unified: bool = True) -> Device:
    """The device under test; without `unified` everything is copied there, as to a card."""
    from lippycat_opencl.choice import choose
    from lippycat_opencl.device import OpenClDevice

    device = OpenClDevice(choose(DEVICE))
    device.unified = device.unified and unified
    return device


class TestOpenClMatcher(MatcherSuite):
    scale = SCALE

    def backend(self) -> GpuBackend:
        return OpenClProvider().open(device=DEVICE)


class TestOpenClHeaders(HeaderSuite):
    scale = SCALE

    def backend(self) -> GpuBackend:
        return OpenClProvider().open(device=DEVICE)


class TestOpenClDevice(DeviceSuite):
    scale = SCALE

    def device(self) -> Device:
        return a_device()


class TestOpenClWithMemoryOfItsOwn(DeviceSuite):
    scale = SCALE

    def device(self) -> Device:
        return a_device(unified=False)


class TestOpenClMatcherWithMemoryOfItsOwn(MatcherSuite):
    scale = SCALE / 10

    def backend(self) -> GpuBackend:
        return GpuBackend("opencl", a_device(unified=False))
