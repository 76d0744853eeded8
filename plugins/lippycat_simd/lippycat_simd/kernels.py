"""The compiled kernel set: machine code on demand, arrays as they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import numpy as np

from lippycat_core.errors import ContractError
from lippycat_simd.cache import KernelCache, find_root
from lippycat_simd.native import Code, Layout

if TYPE_CHECKING:
    from lippycat_simd.rebind import Rebinder

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
V = TypeVar("V", bound=tuple[Any, ...])


class CompiledKernels:
    """A `KernelSet` of numba's machine code; a kernel that is not in the cache is compiled when it is first asked for.
    Without a cache (None) each is; by default the cache lies in its usual place,
    or in LIPPYCAT_CACHE_DIR.

    Each `self[kernel]` gives a caller of its own (`native.Code.caller`): by position only, one thread at a time. numba is
    imported when the first kernel has to be compiled, and not before.
    """

    name = "simd"

    def __init__(self, cache: KernelCache | Literal["usual"] | None = "usual") -> None:
        if cache == "usual":
            root = find_root(os.environ.get("LIPPYCAT_CACHE_DIR"))
            cache = KernelCache(root) if root else None
        self._cache = cache
        self._rebinder: Rebinder | None = None
        self._code: dict[Any, Code] = {}

    def __getitem__(self, kernel: F) -> F:
        """The kernel's machine code."""
        if kernel not in self._code:
            self._code[kernel] = Code(Layout.of(kernel), self._object_file(kernel))
        return cast(F, self._code[kernel].caller())

    def _object_file(self, kernel: Callable[..., Any]) -> bytes:
        if self._cache is None:
            return self._compiled(kernel)
        found = self._cache.read(kernel)
        if found is None:
            found = self._compiled(kernel)
            self._cache.write(kernel, found)
        return found

    def _compiled(self, kernel: Callable[..., Any]) -> bytes:
        if self._rebinder is None:
            from lippycat_simd.rebind import Rebinder

            self._rebinder = Rebinder()
        return self._rebinder.kernel(cast(Any, kernel))

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
