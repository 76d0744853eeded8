"""The compiler driver's provider: what the host finds under `lippycat.compiler`. It loads neither numpy nor numba."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lippycat_core.interfaces.provider import Fitness

if TYPE_CHECKING:
    from lippycat_simd.background import SimdCompiler

PRIORITY = 50


class SimdProvider:
    """Fits wherever numba is installed."""

    name = "simd"

    def probe(self) -> Fitness:
        """Look whether numba is there, without importing it."""
        if find_spec("numba") is None:
            return Fitness(None, "numba is not installed: pip install numba")
        return Fitness(PRIORITY)

    def open(self, **options: Any) -> SimdCompiler:
        """The compiler; option `cache_dir` names the folder for compiled kernels. SettingError where it cannot be used."""
        from lippycat_simd.background import SimdCompiler
        from lippycat_simd.cache import KernelCache, find_root

        root = find_root(options.get("cache_dir"))
        return SimdCompiler(KernelCache(root) if root else None)
