"""The kernels on a simulator that checks each access to memory (Oclgrind, `pip install "pyopencl[oclgrind]"`)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lippycat_opencl.choice import SIMULATORS
from lippycat_opencl.drivers import driver_files

HERE = Path(__file__).parent
(SIMULATOR,) = SIMULATORS

COMPLAINTS = ("Invalid read", "Invalid write", "Uninitialized", "data race", "FATAL ERROR", "OCLGRIND")
"""What it writes to standard error; it never fails a run for it."""

TESTED = (
    "patterns_mean_what_they_say",
    "hits_come_by_row",
    "spans_never_match_across",
    "two_submissions",
    "no_rows",
    "spoilt",
    "random_bytes",
    "which_value",
    "several_names",
    "gives_the",
    "too_many_hits",
)
"""Parts of the names of tests that run there: those with all searches and few rows, for each row takes it milliseconds."""

pytestmark = pytest.mark.skipif(
    not any(SIMULATOR.lower() in Path(name).name.lower() for name in driver_files()),
    reason='Oclgrind is not installed (pip install "pyopencl[oclgrind]", x86-64 only): accesses to memory are not checked',
)

ENVIRONMENT = {"OCLGRIND_UNINITIALIZED": "1", "LIPPYCAT_TEST_OPENCL": SIMULATOR, "LIPPYCAT_TEST_SCALE": "0.01"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **ENVIRONMENT}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def test_the_simulator_would_tell() -> None:
    """A kernel that reads behind its buffer, and what was never written, is named."""
    program = """
import numpy, pyopencl, lippycat_opencl.choice as choice
device = choice.choose("Oclgrind").handle
context = pyopencl.Context([device])
queue = pyopencl.CommandQueue(context)
source = "__kernel void beyond(__global int *a, __global int *b) { b[0] = a[4]; if (a[1]) b[1] = 1; }"
a, b = (pyopencl.Buffer(context, pyopencl.mem_flags.READ_WRITE, 16) for _ in range(2))
kernel = pyopencl.Kernel(pyopencl.Program(context, source).build(), "beyond")
kernel.set_args(a, b)
pyopencl.enqueue_nd_range_kernel(queue, kernel, (1,), None)
queue.finish()
"""
    done = run("-c", program)
    assert "Invalid read of size 4" in done.stderr
    assert "Uninitialized" in done.stderr


def test_kernels_stay_within_their_memory() -> None:
    tests = str(HERE / "test_conformance.py")
    chosen = " or ".join(TESTED)
    done = run("-m", "pytest", tests, "-q", "-s", "-p", "no:cacheprovider", "-k", f"({chosen}) and not OfItsOwn")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    assert " passed" in done.stdout
    lines = [line for line in said.splitlines() if any(word in line for word in COMPLAINTS)]
    assert not lines, "\n".join(lines[:20])
