"""`lippycat.compiler`: who makes kernels fast. Without such a driver the kernels themselves run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lippycat_core.kernelset import Kernel, KernelSet


class Compiler(Protocol):
    """What a compiler driver's `open()` returns."""

    name: str

    def ready(self, kernels: Sequence[Kernel]) -> bool:
        """Whether `load` would find all kernels compiled before (in its cache); cheap: asked before each batch."""
        ...

    def load(self, kernels: Sequence[Kernel]) -> KernelSet:
        """The kernels as machine code, compiled now where the cache lacks them."""
        ...

    def start(self, kernels: Sequence[Kernel]) -> None:
        """Begin to fill the cache in a child process and return at once; `ready` tells when it is done."""
        ...

    def problem(self) -> str:
        """Why the child's work failed, in one line; nothing while all is well."""
        ...

    def close(self) -> None:
        """Tell the child process to end where one still runs, and do not wait for it."""
        ...
