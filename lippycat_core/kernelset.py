"""Kernels in runnable form: the interface that stages are bound to, and the interpreted set that is always there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np

Kernel = Callable[..., Any]
F = TypeVar("F", bound=Kernel)
T = TypeVar("T")
V = TypeVar("V", bound=tuple[Any, ...])


class KernelSet(Protocol):
    """Kernels in runnable form, and arrays in the form that they take. One set at a time is bound to a pipeline."""

    name: str

    def __getitem__(self, kernel: F) -> F:
        """The runnable form of `kernel`: the function itself, or its machine code with the same signature."""
        ...

    def view(self, array: T) -> T:
        """`array` in the form that these kernels take, over the same memory."""
        ...

    def view_all(self, columns: V) -> V:
        """The same for each column of a NamedTuple."""
        ...


@runtime_checkable
class UsesKernels(Protocol):
    """A source, dissector or sink that runs kernels of its own, and says which, so that they are compiled ahead. What does
    not say so works too: its kernels are compiled when it first asks for them, and the run waits."""

    @property
    def kernels(self) -> Sequence[Kernel]:
        """All kernels that it may ask a kernel set for."""
        ...


class Interpreted:
    """The functions themselves over memoryviews: what runs without a compiler driver, and what a debugger sees."""

    name = "pure"

    def __getitem__(self, kernel: F) -> F:
        """The function itself."""
        return kernel

    def view(self, array: T) -> T:
        """A memoryview of the array: element reads give plain ints at half the cost of NumPy's."""
        return cast(T, memoryview(cast(Any, array)) if isinstance(array, np.ndarray) else array)

    def view_all(self, columns: V) -> V:
        """Memoryviews of all columns, in the same NamedTuple."""
        return type(columns)(*map(self.view, columns))
