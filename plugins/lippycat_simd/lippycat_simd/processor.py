"""What the processor has, for people: how many cores this process may use, and which vector units."""

from __future__ import annotations

import os
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
UNITS = {"avx512bw": "AVX-512", "avx2": "AVX2", "sse4_2": "SSE4.2", "sve": "SVE", "asimd": "NEON"}
"""From the kernel's word to the maker's, the widest first."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def vector_units() -> str:
    """The widest vector unit; nothing where the system does not tell."""
    try:
        with CPUINFO.open() as file:
            lines = file.read(8192).splitlines()
    except OSError:
        return ""
    flags = next((line.split() for line in lines if line.startswith(("flags", "Features"))), [])
    return next((name for flag, name in UNITS.items() if flag in flags), "")
