"""A digest changes with everything that flows into machine code, and with nothing else."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lippycat_simd import digest
from lippycat_simd.digest import kernel_digest

Make = Callable[..., ModuleType]

HELPER = """
LIMIT = 7
NAMES = ("a", "b")

def deeper(x: int) -> int:
    return x + 1

def helper(x: int) -> int:
    return deeper(x) * 2
"""

COLUMNS = """
from typing import NamedTuple
from lippycat_core.columns import I32, U8

class Pair(NamedTuple):
    left: I32
    right: U8
"""

KERNEL = """
import digest_helper
from digest_columns import Pair
from digest_helper import LIMIT, NAMES, helper
from lippycat_core.columns import U8

def kernel(slab: U8, pair: Pair, n: int) -> int:
    total = len(NAMES)
    for i in range(n):
        if n in {3, 5} or i == digest_helper.LIMIT:
            total += helper(int(slab[i])) + LIMIT
    return total

def other(slab: U8) -> int:
    return len(slab)
"""


def both(module: Make, helper: str = HELPER, columns: str = COLUMNS, kernel: str = KERNEL) -> tuple[str, str]:
    """Digests of `kernel` and `other` after these edits."""
    module(helper, "digest_helper")
    module(columns, "digest_columns")
    made = module(kernel, "digest_kernel")
    return kernel_digest(made.kernel), kernel_digest(made.other)


@pytest.mark.parametrize(
    "edit",
    [
        {"helper": HELPER.replace("LIMIT = 7", "LIMIT = 8")},
        {"helper": HELPER.replace('"b"', '"c"')},
        {"helper": HELPER.replace("x + 1", "x + 2")},
        {"helper": HELPER.replace("* 2", "* 3")},
        {"columns": COLUMNS.replace("right: U8", "right: I32")},
        {"columns": COLUMNS.replace("left: I32\n    right: U8", "right: U8\n    left: I32")},
    ],
)
def test_an_edit_in_another_file_changes_what_it_reaches_only(edit: dict[str, str], module: Make) -> None:
    before, after = both(module), both(module, **edit)
    assert before[0] != after[0]
    assert before[1] == after[1]
    assert both(module) == before


def test_an_edit_that_no_code_sees_changes_nothing(module: Make) -> None:
    assert both(module) == both(module, helper=HELPER + "\n# a remark\nUNUSED = 3\n")


@pytest.mark.parametrize(
    "edit", [("{3, 5}", "{3, 6}"), ("range(n)", "range(1, n)"), ("n: int", "n: bool"), ("slab: U8, p", "slab: bytes, p")]
)
def test_an_edit_in_the_kernel_changes_it(edit: tuple[str, str], module: Make) -> None:
    before = both(module)
    if "bytes" in edit[1]:
        assert kernel_digest(module(KERNEL.replace(*edit), "digest_kernel").kernel) != before[0]
    else:
        assert both(module, kernel=KERNEL.replace(*edit))[0] != before[0]


def test_kernels_of_one_body_in_two_modules_differ(module: Make) -> None:
    source = "def kernel(n: int) -> int:\n    return n\n"
    assert kernel_digest(module(source).kernel) != kernel_digest(module(source).kernel)


def test_recursion_and_constant_arrays_are_hashed(module: Make) -> None:
    source = (
        "import numpy as np\nTABLE = np.arange(4)\ndef kernel(n: int) -> int:\n    return kernel(n - 1) if n else int(TABLE[0])\n"
    )
    made = module(source)
    before = kernel_digest(made.kernel)
    assert before == kernel_digest(made.kernel)
    made.__dict__["TABLE"][1] = 9
    assert before != kernel_digest(made.kernel)
    made.__dict__["TABLE"] = np.arange(4, dtype=np.int16)
    assert before != kernel_digest(made.kernel)


def test_switches_of_numba_and_the_processor_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def now() -> str:
        digest.environment.cache_clear()
        return digest.environment()

    try:
        before = now()
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
        assert now() == before
        monkeypatch.setenv("NUMBA_BOUNDSCHECK", "5")
        assert now() != before
        monkeypatch.delenv("NUMBA_BOUNDSCHECK")
        monkeypatch.setattr(digest, "CPUINFO", tmp_path / "none")
        assert now() != before
        (tmp_path / "none").write_text("flags : a b\n\nflags : x\n")
        other = now()
        (tmp_path / "none").write_text("flags : a b\n\nflags : y\n")
        assert now() == other
        (tmp_path / "none").write_text("flags : a c\n\nflags : y\n")
        assert now() != other
    finally:
        monkeypatch.undo()
        digest.environment.cache_clear()


def test_a_library_without_metadata_has_a_version_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    before = digest.environment()
    monkeypatch.setattr(importlib.metadata, "version", none)
    digest.environment.cache_clear()
    try:
        assert digest.environment() == digest.environment() != before
        assert "numba/__init__.py" in digest.environment()
    finally:
        monkeypatch.undo()
        digest.environment.cache_clear()


def test_a_kernel_without_its_source_has_a_digest(module: Make) -> None:
    made = module("def kernel(n: int) -> int:\n    return n\n")
    before = kernel_digest(made.kernel)
    Path(made.__file__ or "").unlink()
    assert kernel_digest(made.kernel) != before


def test_every_process_comes_to_the_same_digest_without_numba() -> None:
    script = (
        "import sys\nfrom lippycat_core.kernels import load\nfrom lippycat_simd.digest import kernel_digest\n"
        "print(kernel_digest(load.be32), 'numba' in sys.modules)"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(runs) == 1
    assert runs.pop().endswith(" False\n")
