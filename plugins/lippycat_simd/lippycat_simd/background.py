"""The child that fills the cache while its parent works, and the compiler that the parent holds. No numba before `load`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from lippycat_core.errors import PluginError
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_simd import fill
from lippycat_simd.cache import KernelCache

ENDING_S = 2.0
"""How long a child that was told to end may take before it is killed."""


class SimdCompiler:
    """Compiles kernels into a cache, at once (`load`) or in a child process (`start`). Used by one thread."""

    name = "simd"

    def __init__(self, cache: KernelCache | None) -> None:
        self.cache = cache
        self._child: subprocess.Popen[str] | None = None
        self._problem = "" if cache else "no folder for compiled kernels can be written: set cache_dir"

    def ready(self, kernels: Sequence[Kernel]) -> bool:
        """Whether all kernels lie compiled in the cache; not before an own child has ended, so that asking costs little."""
        if self.cache is None or (self._child is not None and self._child.poll() is None):
            return False
        return all(map(self.cache.has, kernels))

    def load(self, kernels: Sequence[Kernel]) -> KernelSet:
        """The kernels as machine code, compiled now where the cache lacks them. PluginError where one cannot be."""
        from lippycat_simd.kernels import CompiledKernels

        compiled = CompiledKernels(self.cache)
        for kernel in kernels:
            try:
                compiled[kernel]
            except Exception as error:
                raise PluginError(f"compiler simd: {kernel.__module__}.{kernel.__qualname__}: {fill.one_line(error)}") from error
        return compiled

    def start(self, kernels: Sequence[Kernel]) -> None:
        """Begin to fill the cache in a child process. What failed for good before is not tried again; `problem` tells."""
        if self.cache is None or self._child is not None:
            return
        failures = [why for why in map(self.cache.failure, kernels) if why]
        if failures:
            self._problem = failures[0]
            return
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", "-m", fill.__name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,  # a few lines at its end, far less than a pipe holds
                start_new_session=True,  # Ctrl-C is the parent's alone
                text=True,
            )
            assert self._child.stdin is not None
            with self._child.stdin as pipe:
                pipe.write(fill.job(self.cache.root, list(kernels)))
        except OSError as error:
            self._problem = f"the compiling child did not start: {error}"

    def problem(self) -> str:
        """Why the cache does not get full, in one line; nothing while all is well."""
        if self._child is not None and self._child.poll() is not None:
            self._reap(self._child)
        return self._problem

    def _reap(self, child: subprocess.Popen[str]) -> None:
        """Take what an ended child said, once."""
        if child.stderr is None:
            return
        with child.stderr as pipe:
            lines = pipe.read().splitlines()
        child.stderr = None
        if child.returncode and not self._problem:
            self._problem = next(filter(None, reversed(lines)), f"the compiling child ended with code {child.returncode}")

    def close(self) -> None:
        """End the child where it still runs: what it has finished stays, and the next run goes on from there."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is not None:
            self._reap(child)
            return
        child.terminate()
        try:
            child.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stderr is not None:
            child.stderr.close()
