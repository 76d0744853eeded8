"""The kit's suite for compilers, as any plugin would use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lippycat_core.testing.compiler import CompilerSuite
from lippycat_simd.background import SimdCompiler
from lippycat_simd.compiler import SimdProvider


class TestSimd(CompilerSuite):
    @pytest.fixture(autouse=True)
    def _own_cache(self, tmp_path: Path) -> None:
        self._root = tmp_path / "cache"

    def compiler(self) -> SimdCompiler:
        return SimdProvider().open(cache_dir=self._root)
