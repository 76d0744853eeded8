"""The match driver's provider: what the host finds under `lippycat.match`. It loads neither numpy nor numba."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lippycat_core.interfaces.provider import Fitness

if TYPE_CHECKING:
    from lippycat_simd.match import SimdMatch

PRIORITY = 50


class SimdMatchProvider:
    """Fits wherever numba is installed."""

    name = "simd"

    def probe(self) -> Fitness:
        """Look whether numba is there, without importing it."""
        if find_spec("numba") is None:
            return Fitness(None, "numba is not installed: pip install numba")
        return Fitness(PRIORITY)

    def open(self, **options: Any) -> SimdMatch:
        """The backend. Option `cache_dir` names the folder for compiled kernels (SettingError where it cannot be used),
        `threads` how many cores it takes (all, by default). With `input_bytes`, the size of the run's input or None where
        nobody knows, and without `wait` nothing waits for a compiler: it works interpreted until its kernels are ready, and
        where the input is small to the end."""
        from lippycat_simd.cache import KernelCache, find_root
        from lippycat_simd.match import SimdMatch
        from lippycat_simd.patience import AtOnce, Patient

        root = find_root(options.get("cache_dir"))
        cache = KernelCache(root) if root else None
        patient = "input_bytes" in options and not options.get("wait")
        kernels = Patient(cache, options["input_bytes"]) if patient else AtOnce(cache)
        return SimdMatch(kernels, options.get("threads"))
