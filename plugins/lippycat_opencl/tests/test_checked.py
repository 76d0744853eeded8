"""The kernels on a simulator that checks each access to memory (Oclgrind, `pip install "pyopencl[oclgrind]"`)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lippycat_opencl.choice import SIMULATORS
from lippycat_opencl.presence import driver_files

HERE = Path(__file__).parent
(SIMULATOR,) = SIMULATORS

COMPLAINTS = ("Invalid read", "Invalid write", "Uninitialized", "data race", "FATAL ERROR", "OCLGRIND")
"""What it writes to standard error; it never fails a run for it."""

IN_PLACE = "not OfItsOwn and (hits_come_by or spans_never or which_value or several_names or random_bytes or spoilt or gives_the)"
COPIED = "OfItsOwn and (hits_come_by or no_rows or two_submissions or too_many_hits or spoilt)"
"""Tests that run there: with all searches and few rows, for each row takes milliseconds. Where spans lie in the process's own
memory, the slab ends with the last; only what was copied is known to have been written."""

pytestmark = pytest.mark.skipif(
    not any(SIMULATOR.lower() in Path(name).name.lower() for name in driver_files()),
    reason='Oclgrind is not installed (pip install "pyopencl[oclgrind]", x86-64 only): accesses to memory are not checked',
)


def run(*arguments: str, uninitialized: bool) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LIPPYCAT_TEST_OPENCL": SIMULATOR, "LIPPYCAT_TEST_SCALE": "0.01"}
    if uninitialized:
        environment["OCLGRIND_UNINITIALIZED"] = "1"
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=600, check=False)


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
    done = run("-c", program, uninitialized=True)
    assert "Invalid read of size 4" in done.stderr
    assert "Uninitialized" in done.stderr


@pytest.mark.parametrize("chosen", [IN_PLACE, COPIED])
def test_kernels_stay_within_their_memory(chosen: str) -> None:
    tests = str(HERE / "test_conformance.py")
    done = run("-m", "pytest", tests, "-q", "-s", "-p", "no:cacheprovider", "-k", chosen, uninitialized=chosen is COPIED)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    assert " passed" in done.stdout
    lines = [line for line in said.splitlines() if any(word in line for word in COMPLAINTS)]
    assert not lines, "\n".join(lines[:20])
