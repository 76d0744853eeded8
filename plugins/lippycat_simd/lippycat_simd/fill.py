"""What a child process that fills the cache does: `python -m lippycat_simd.fill`, its job as JSON on standard input.

It runs beside a capture's analysis, so it is nice; told to end, it finishes the kernel that it is at.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lippycat_core.kernelset import Kernel
from lippycat_simd.cache import KernelCache
from lippycat_simd.kernels import CompiledKernels

Wanted = tuple[str, str, str]
"""A kernel's module, its name there, and the name of its folder in the cache."""

NICENESS = 3
"""Gives way, but not for long: a large run gains more from the end of this work than from the core that it takes."""


def fill(cache: KernelCache, wanted: Sequence[Wanted], ending: Callable[[], bool] = lambda: False) -> list[str]:
    """Compile what is missing and give the reasons, a line each, of what could not be compiled.

    Each kernel is claimed before it is compiled, so that several children share the work. A second round waits for what
    others had claimed, and does what they have left. Between two kernels it asks whether it is `ending`.
    """
    compiled = CompiledKernels(cache)
    kernels: dict[str, Kernel] = {}
    problems: dict[str, str] = {}
    for module, qualname, folder in wanted:
        name = f"{module}.{qualname}"
        try:
            kernels[name] = _import(module, qualname)
            if cache.folder(kernels[name]).name != folder:
                raise ImportError("its source was edited during the run; the next run compiles it")
        except Exception as error:
            problems[name] = one_line(error)
            kernels.pop(name, None)
    for wait in (False, True):
        for name, kernel in kernels.items():
            if ending():
                return []
            if cache.has(kernel) or name in problems:
                continue
            with cache.claim(kernel, wait=wait) as ours:
                problem = _compile(cache, compiled, kernel) if ours else ""
            if problem:
                problems[name] = problem
    return [f"{name}: {problem}" for name, problem in problems.items()]


def _import(module: str, qualname: str) -> Kernel:
    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    kernel: Kernel = found
    return kernel


def _compile(cache: KernelCache, compiled: CompiledKernels, kernel: Kernel) -> str:
    """Why it failed, or nothing."""
    if cache.failure(kernel):
        return cache.failure(kernel)
    try:
        compiled[kernel]
    except (OSError, MemoryError) as error:  # a full disk, say: the next run may have more luck
        return one_line(error)
    except Exception as error:
        cache.mark_failed(kernel, one_line(error))
        return one_line(error)
    return ""


def one_line(error: Exception) -> str:
    """An error as one line of at most 300 characters; numba's begin with an empty promise, the cause comes last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)}"[:300]


def main() -> int:
    """Do the job; 0 when all kernels are compiled, else 1 and the reasons on standard error."""
    task = json.load(sys.stdin)
    sys.path.extend(entry for entry in task["path"] if entry not in sys.path)
    os.nice(NICENESS)
    gc.freeze()
    gc.set_threshold(50_000)  # a compilation makes millions of objects, few of them garbage: a twentieth of the time
    cache = KernelCache(Path(task["root"]))
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    problems = fill(cache, task["kernels"], lambda: bool(told))
    cache.prune()
    print("\n".join(problems), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
