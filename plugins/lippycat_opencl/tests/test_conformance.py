"""The kit's suites for match backends, on whatever OpenCL device is here."""

from __future__ import annotations

import pytest

from lippycat_core.gpu.backend import GpuBackend
from lippycat_core.testing.matcher import HeaderSuite, MatcherSuite
from lippycat_opencl.provider import OpenClProvider

pytestmark = pytest.mark.skipif(not OpenClProvider().probe().fits, reason=f"OpenCL: {OpenClProvider().probe().reason}")


class TestOpenClMatcher(MatcherSuite):
    def backend(self) -> GpuBackend:
        return OpenClProvider().open()


class TestOpenClHeaders(HeaderSuite):
    def backend(self) -> GpuBackend:
        return OpenClProvider().open()
