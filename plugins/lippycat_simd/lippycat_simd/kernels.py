"""The compiled kernel set: machine code on demand, arrays as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from lippycat_simd.rebind import Rebinder

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class CompiledKernels:
    """A `KernelSet` of numba's machine code; a kernel that was not compiled yet is compiled when it is first asked for."""

    name = "simd"

    def __init__(self) -> None:
        self._rebinder = Rebinder()
        self._compiled: dict[Any, Any] = {}

    def __getitem__(self, kernel: F) -> F:
        """The kernel's machine code."""
        if kernel not in self._compiled:
            self._compiled[kernel] = self._rebinder.kernel(cast(Any, kernel))
        return cast(F, self._compiled[kernel])

    def view(self, array: T) -> T:
        """The array itself."""
        return array

    def view_all(self, columns: T) -> T:
        """The columns themselves."""
        return columns
