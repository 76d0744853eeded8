"""The compiled kernel set: machine code on demand, arrays as they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import numpy as np

from lippycat_core.errors import ContractError
from lippycat_simd.cache import KernelCache, find_root
from lippycat_simd.rebind import Rebinder

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
V = TypeVar("V", bound=tuple[Any, ...])


class CompiledKernels:
    """A `KernelSet` of numba's machine code; a kernel that is not in the cache is compiled when it is first asked for.
    Without a cache (None) each is; by default the cache lies in its usual place,
    or in LIPPYCAT_CACHE_DIR.

    What `self[kernel]` gives takes its arguments by position only and does not check what `view` has checked: it is the
    machine code's own entry (1 µs for three NamedTuples of arrays, where numba's dispatcher takes 4).
    """

    name = "simd"

    def __init__(self, cache: KernelCache | Literal["usual"] | None = "usual") -> None:
        if cache == "usual":
            root = find_root(os.environ.get("LIPPYCAT_CACHE_DIR"))
            cache = KernelCache(root) if root else None
        self._cache = cache
        self._rebinder = Rebinder()
        self._compiled: dict[Any, Any] = {}

    def __getitem__(self, kernel: F) -> F:
        """The kernel's machine code."""
        if kernel not in self._compiled:
            self._compiled[kernel] = self._machine_code(kernel)
        return cast(F, self._compiled[kernel])

    def _machine_code(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        if self._cache is None:
            return self._rebinder.kernel(cast(Any, kernel), None)
        code = self._rebinder.kernel(cast(Any, kernel), self._cache.folder(kernel))
        if not self._cache.has(kernel):
            self._cache.mark(kernel)
        return code

    def view(self, array: T) -> T:
        """The array itself. ContractError where it is not one-dimensional and contiguous."""
        if isinstance(array, np.ndarray) and not (array.ndim == 1 and array.flags.c_contiguous):
            raise ContractError(
                f"kernels take one-dimensional contiguous arrays, not shape {array.shape} strides {array.strides}"
            )
        return array

    def view_all(self, columns: V) -> V:
        """The columns themselves."""
        for column in columns:
            self.view(column)
        return columns
