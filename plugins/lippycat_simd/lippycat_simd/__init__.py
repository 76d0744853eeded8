"""Makes kernels fast: compiles their source with numba, in a child process that never stands in the way."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def rebind_source() -> str:
    """The text of `rebind.py`, which decides how machine code is made: part of every kernel's digest."""
    return Path(__file__).with_name("rebind.py").read_text()
