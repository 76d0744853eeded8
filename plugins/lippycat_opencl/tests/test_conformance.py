"""The kit's suite for match backends, on whatever OpenCL device is here."""

from __future__ import annotations

import pytest

from lippycat_core.gpu.backend import GpuBackend
from lippycat_core.testing.matcher import MatcherSuite
from lippycat_opencl.provider import OpenClProvider


@pytest.fixture(scope="module")
def opened():
    fitness = OpenClProvider().probe()
    if not fitness.fits:
        pytest.skip(f"OpenCL: {fitness.reason}")
    backend = OpenClProvider().open()
    yield backend
    backend.close()


class TestOpenCl(MatcherSuite):
    @pytest.fixture(autouse=True)
    def _opened(self, opened: GpuBackend) -> None:
        self._backend = opened

    def backend(self) -> GpuBackend:
        return self._backend
