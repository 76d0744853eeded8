"""When a match backend's kernels are compiled: at once, or beside a run that does not wait for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_simd.background import SimdCompiler
from lippycat_simd.cache import KernelCache
from lippycat_simd.kernels import CompiledKernels

WORTH_LOADING = 256 * 1024
WORTH_COMPILING = 2 * 1024 * 1024
"""Inputs up to these sizes are done before machine code is loaded, or made."""

ASK_AGAIN = 16
"""Submissions between two looks at the cache."""


class Kernels(Protocol):
    """Says when machine code is there."""

    def ready(self, kernels: Sequence[Kernel]) -> KernelSet | None:
        """The compiled kernels, each call a set of its own for one thread; None while they are not to be had."""
        ...

    def close(self) -> None:
        """Nothing more will be asked."""
        ...


class AtOnce:
    """Compiles what is missing when it is asked for."""

    def __init__(self, cache: KernelCache | None) -> None:
        self._compiled = CompiledKernels(cache)

    def ready(self, kernels: Sequence[Kernel]) -> KernelSet:
        """The kernels; each is compiled when it is first used."""
        return self._compiled

    def close(self) -> None:
        """Nothing runs."""


class Patient:
    """Compiles in child processes, where the input is worth it."""

    def __init__(self, cache: KernelCache | None, input_bytes: int | None) -> None:
        self._compiler = SimdCompiler(cache)
        self._cache = cache
        self._compiled: CompiledKernels | None = None
        self._worth = WORTH_COMPILING if input_bytes is None else input_bytes
        self.begun = False
        """Whether children compile, or did."""
        self._asked = 0

    def ready(self, kernels: Sequence[Kernel]) -> KernelSet | None:
        """The kernels, once all lie in the cache."""
        if self._compiled is not None:
            return self._compiled
        if self._cache is None or self._worth < WORTH_LOADING:
            return None
        self._asked += 1
        if self._asked % ASK_AGAIN != 1:
            return None
        if self._compiler.ready(kernels):
            self._compiled = CompiledKernels(self._cache)
            return self._compiled
        if not self.begun and self._worth >= WORTH_COMPILING:
            self.begun = True
            self._compiler.start(kernels)
        return None

    def close(self) -> None:
        """Tell children that still compile to end with the kernel that they are at."""
        self._compiler.close()
