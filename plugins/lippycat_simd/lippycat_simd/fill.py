"""The child process that fills the cache: `python -m lippycat_simd.fill`, its job as JSON on standard input.

It runs beside a capture's analysis, so it is nice, and what it has finished stays when it is ended early.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lippycat_simd.cache import KernelCache

NICENESS = 10


def job(root: Path, kernels: list[Callable[..., Any]]) -> str:
    """The text that a child with this job reads: where modules and the cache lie, and which kernels are wanted."""
    wanted = [(kernel.__module__, kernel.__qualname__, KernelCache(root).folder(kernel).name) for kernel in kernels]
    return json.dumps({"path": [entry for entry in sys.path if entry], "root": str(root), "kernels": wanted})


def fill(cache: KernelCache, wanted: list[tuple[str, str, str]]) -> list[str]:
    """Compile what is missing and give the reasons, a line each, of what could not be compiled."""
    from lippycat_simd.kernels import CompiledKernels

    compiled = CompiledKernels(cache)
    problems: list[str] = []
    for module, qualname, folder in wanted:
        kernel: Any = importlib.import_module(module)
        for part in qualname.split("."):
            kernel = getattr(kernel, part)
        if cache.folder(kernel).name != folder:
            problems.append(f"{module}.{qualname}: its source was edited during the run; the next run compiles it")
        elif not cache.has(kernel):
            try:
                compiled[kernel]
            except (OSError, MemoryError) as error:  # a full disk, say: the next run may have more luck
                problems.append(f"{module}.{qualname}: {one_line(error)}")
            except Exception as error:
                problems.append(f"{module}.{qualname}: {one_line(error)}")
                cache.mark(kernel, problems[-1])
    return problems


def one_line(error: Exception) -> str:
    """An error as one line of at most 300 characters; numba's begin with an empty promise, the cause comes last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)}"[:300]


def main() -> int:
    """Do the job; 0 when all kernels are compiled, else 1 and the reasons on standard error."""
    task = json.load(sys.stdin)
    sys.path.extend(entry for entry in task["path"] if entry not in sys.path)
    os.nice(NICENESS)
    cache = KernelCache(Path(task["root"]))
    with cache.lock():
        problems = fill(cache, task["kernels"])
        cache.prune()
    print("\n".join(problems), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
