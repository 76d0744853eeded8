"""Children that fill the cache while their parent works, and the compiler that the parent holds. No numba before `load`."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Sequence

from lippycat_core.errors import PluginError
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_simd.cache import KernelCache
from lippycat_simd.processor import cores

CHILD = "lippycat_simd.fill"
MOST_CHILDREN = 4
"""Each takes half a second and 200 MB before it compiles anything: more than these do not pay."""


def _children_wanted() -> int:
    """One a core, the parent's too: interpreted, a large run gets less done with it than the compiler does."""
    return min(MOST_CHILDREN, cores())


class SimdCompiler:
    """Compiles kernels into a cache, at once (`load`) or in child processes (`start`). Used by one thread."""

    name = "simd"

    def __init__(self, cache: KernelCache | None) -> None:
        self.cache = cache
        self._children: list[subprocess.Popen[str]] = []
        self._problem = "" if cache else "no folder for compiled kernels can be written: set cache_dir"

    def ready(self, kernels: Sequence[Kernel]) -> bool:
        """Whether all kernels lie compiled in the cache; not before own children have ended, so that asking costs little."""
        if self.cache is None or any(child.poll() is None for child in self._children):
            return False
        return all(map(self.cache.has, kernels))

    def load(self, kernels: Sequence[Kernel]) -> KernelSet:
        """The kernels as machine code, compiled now where the cache lacks them. PluginError where one cannot be."""
        from lippycat_simd.fill import one_line
        from lippycat_simd.kernels import CompiledKernels

        compiled = CompiledKernels(self.cache)
        for kernel in kernels:
            try:
                compiled[kernel]
            except Exception as error:
                raise PluginError(f"compiler simd: {kernel.__module__}.{kernel.__qualname__}: {one_line(error)}") from error
        gc.freeze()  # modules, and numba's million objects where it had to compile, live as long as the process
        return compiled

    def start(self, kernels: Sequence[Kernel]) -> None:
        """Begin to fill the cache in child processes. What failed for good before is not tried again; `problem` tells."""
        if self.cache is None or self._children:
            return
        for kernel in kernels:
            if failure := self.cache.failure(kernel):
                self._problem = f"{kernel.__module__}.{kernel.__qualname__}: {failure}"
                return
        text = job(self.cache, kernels)
        try:
            while len(self._children) < _children_wanted():
                self._children.append(_child(text))
        except OSError as error:
            self._problem = f"the compiling child did not start: {error}"

    def problem(self) -> str:
        """Why the cache does not get full, in one line; nothing while all is well."""
        for child in self._children:
            if child.poll() is not None:
                self._problem = self._problem or _reason(child)
        return self._problem

    def close(self) -> None:
        """Tell children that still run to end. Each finishes the kernel that it is at, some seconds at most, and nobody waits
        for it: so the shortest of runs brings the next one forward."""
        self.problem()
        for child in self._children:
            child.terminate()
            if child.stderr is not None:
                child.stderr.close()
        self._children.clear()


def job(cache: KernelCache, kernels: Sequence[Kernel]) -> str:
    """The text that a child with this job reads: where modules and the cache lie, and which kernels are wanted.

    Long kernels come first, so that children who share the work end together.
    """
    by_length = sorted(kernels, key=lambda kernel: -len(kernel.__code__.co_code))
    wanted = [(kernel.__module__, kernel.__qualname__, cache.folder(kernel).name) for kernel in by_length]
    return json.dumps({"path": [entry for entry in sys.path if entry], "root": str(cache.root), "kernels": wanted})


def _child(text: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", "-m", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,  # a few lines at its end, far less than a pipe holds
        start_new_session=True,  # Ctrl-C is the parent's alone
        text=True,
    )
    assert child.stdin is not None
    with child.stdin as pipe:
        pipe.write(text)
    return child


def _reason(child: subprocess.Popen[str]) -> str:
    """Why an ended child failed, or nothing; what it said can be read once."""
    if not child.returncode or child.stderr is None or child.stderr.closed:
        return ""
    with child.stderr as pipe:
        lines = pipe.read().splitlines()
    return next(filter(None, reversed(lines)), f"the compiling child ended with code {child.returncode}")
