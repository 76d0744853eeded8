"""The compiler as a run meets it: cold, warm, edited, broken, two at once, without numba and without a place to write."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lippycat_core.errors import ContractError, PluginError
from lippycat_core.interfaces.provider import Provider
from lippycat_simd import background, fill
from lippycat_simd import compiler as compiler_module
from lippycat_simd.background import SimdCompiler
from lippycat_simd.cache import KernelCache
from lippycat_simd.compiler import SimdProvider

Make = Callable[..., ModuleType]

KERNELS = """
from lippycat_core.columns import U8
from lippycat_core.kernels.load import be16

def total(buf: U8, n: int) -> int:
    found = 0
    for i in range(n):
        found += be16(buf, 2 * i)
    return found

def twice(x: int) -> int:
    return 2 * x
"""
WRONG = "def wrong(x: int) -> int:\n    return x.nothing_of_that_name\n"


def wait(compiler: SimdCompiler, kernels: list[Callable[..., object]]) -> None:
    """Until the cache is full or the child has given up."""
    end = time.monotonic() + 60
    while not compiler.ready(kernels) and not compiler.problem() and time.monotonic() < end:
        time.sleep(0.05)


def compiled_files(cache: KernelCache) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in cache.root.rglob("kernel")}


def test_the_provider_needs_numba_and_does_not_import_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = SimdProvider()
    assert isinstance(provider, Provider)
    assert provider.probe().fits
    opened = provider.open(cache_dir=str(tmp_path / "here"))
    assert opened.cache is not None
    assert opened.cache.root == tmp_path / "here"
    monkeypatch.setattr(compiler_module, "find_spec", lambda name: None)
    assert (provider.probe().fits, provider.probe().reason) == (False, "numba is not installed: pip install numba")


@pytest.fixture(autouse=True)
def one_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many cores the machine has."""
    monkeypatch.setattr(background, "MOST_CHILDREN", 1)


def test_cold_the_child_fills_the_cache_and_warm_nothing_is_compiled(module: Make, cache: KernelCache) -> None:
    made = module(KERNELS)
    kernels = [made.total, made.twice]
    cold = SimdCompiler(cache)
    assert not cold.ready(kernels)
    cold.start(kernels)
    assert not cold.ready(kernels), "start waits for its child"
    wait(cold, kernels)
    assert (cold.ready(kernels), cold.problem()) == (True, "")
    cold.close()
    filled = compiled_files(cache)
    assert filled

    warm = SimdCompiler(KernelCache(cache.root))
    assert warm.ready(kernels)
    compiled = warm.load(kernels)
    assert compiled[made.total](compiled.view(np.arange(6, dtype=np.uint8)), 3) == 1 + 0x203 + 0x405
    assert compiled_files(cache) == filled
    warm.close()


def test_ready_and_start_import_no_numba(cache: KernelCache) -> None:
    script = (
        "import sys\nfrom lippycat_core.kernels.load import be16\nfrom lippycat_simd.compiler import SimdProvider\n"
        "c = SimdProvider().open(cache_dir=sys.argv[1])\nprint(c.ready([be16]))\nc.start([be16])\nc.close()\n"
        "print('numba' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script, str(cache.root)], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]


def test_an_edit_of_a_helper_in_another_file_is_compiled_again(module: Make, cache: KernelCache) -> None:
    user = "from edited_helper import step\ndef kernel(x: int) -> int: return step(x)\ndef plain(x: int) -> int: return x\n"
    for added in (1, 10):
        module(f"def step(x: int) -> int:\n    return x + {added}\n", "edited_helper")
        made = module(user, "edited_user")
        compiler = SimdCompiler(KernelCache(cache.root))
        assert not compiler.ready([made.kernel])
        assert compiler.ready([made.plain]) is (added == 10)
        assert compiler.load([made.kernel, made.plain])[made.kernel](5) == 5 + added
        assert compiler.ready([made.kernel, made.plain])


def test_load_compiles_what_is_missing_and_marks_it(module: Make, cache: KernelCache) -> None:
    made = module(KERNELS)
    compiler = SimdCompiler(cache)
    compiler.load([made.twice])
    assert compiler.ready([made.twice])
    assert not compiler.ready([made.twice, made.total])


def test_two_children_at_once_fill_one_cache(module: Make, cache: KernelCache) -> None:
    made = module(KERNELS)
    kernels = [made.total, made.twice]
    first, second = SimdCompiler(cache), SimdCompiler(KernelCache(cache.root))
    first.start(kernels)
    second.start(kernels)
    wait(first, kernels)
    wait(second, kernels)
    assert second.load(kernels)[made.twice](21) == 42
    for compiler in (first, second):
        assert [child.wait(30) for child in compiler._children] == [0]
        compiler.close()
        assert compiler.problem() == ""


def test_children_of_one_run_share_the_work(module: Make, cache: KernelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "MOST_CHILDREN", 3)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))
    made = module("".join(f"def kernel{i}(x: int) -> int: return x + {i}\n" for i in range(6)))
    kernels = [getattr(made, f"kernel{i}") for i in range(6)]
    compiler = SimdCompiler(cache)
    compiler.start(kernels)
    assert len(compiler._children) == 3
    wait(compiler, kernels)
    assert [child.wait(30) for child in compiler._children] == [0, 0, 0]
    assert compiler.ready(kernels)
    compiled = compiler.load(kernels)
    assert [compiled[kernel](1) for kernel in kernels] == [1, 2, 3, 4, 5, 6]
    compiler.close()


def test_a_claim_of_another_is_respected_and_ends_with_it(module: Make, cache: KernelCache) -> None:
    made = module(KERNELS)
    with cache.claim(made.twice, wait=False) as ours:
        assert ours
        with KernelCache(cache.root).claim(made.twice, wait=False) as theirs:
            assert not theirs
        with cache.claim(made.total, wait=False) as other:
            assert other
    with cache.claim(made.twice, wait=True) as again:
        assert again


def test_a_kernel_that_cannot_be_compiled_is_named_and_not_tried_again(module: Make, cache: KernelCache) -> None:
    made = module(KERNELS + WRONG)
    compiler = SimdCompiler(cache)
    compiler.start([made.wrong, made.twice])
    wait(compiler, [made.wrong])
    assert f"{made.__name__}.wrong: TypingError" in compiler.problem()
    assert "\n" not in compiler.problem()
    assert compiler.ready([made.twice]), "one bad kernel kept the others from being compiled"
    compiler.close()

    again = SimdCompiler(KernelCache(cache.root))
    again.start([made.wrong])
    assert f"{made.__name__}.wrong: TypingError" in again.problem()
    assert again._children == []
    with pytest.raises(PluginError, match=r"compiler simd: .*wrong: TypingError"):
        again.load([made.wrong])


def test_a_child_that_cannot_start_is_a_reason(module: Make, cache: KernelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    made = module(KERNELS)
    compiler = SimdCompiler(cache)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    compiler.start([made.twice])
    assert compiler.problem().startswith("the compiling child did not start: ")
    compiler.close()


def test_a_child_that_dies_is_a_reason(module: Make, cache: KernelCache) -> None:
    made = module(KERNELS)
    compiler = SimdCompiler(cache)
    compiler.start([made.twice])
    children = list(compiler._children)
    for child in children:
        child.kill()
        child.wait()
    assert compiler.problem() == "the compiling child ended with code -9"
    assert not compiler.ready([made.twice])
    compiler.close()


def test_close_waits_for_nobody_and_the_child_finishes_its_kernel(module: Make, cache: KernelCache) -> None:
    made = module("".join(f"def kernel{i}(x: int) -> int: return x + {i}\n" for i in range(50)))
    kernels = [getattr(made, f"kernel{i}") for i in range(50)]
    compiler = SimdCompiler(cache)
    compiler.start(kernels)
    children = list(compiler._children)
    end = time.monotonic() + 60
    while not any(map(cache.has, kernels)) and time.monotonic() < end:
        time.sleep(0.01)
    compiler.close()
    compiler.close()
    assert any(child.poll() is None for child in children), "close waits for its children"
    for child in children:
        child.wait(30)
    done = list(map(cache.has, kernels))
    assert True in done
    assert False in done, "it went on to the end"
    for kernel in itertools.compress(kernels, done):
        assert cache.read(kernel)
    assert compiler.problem() == ""


def test_with_nowhere_to_write_kernels_are_compiled_without_a_cache(module: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = module(KERNELS)
    compiler = SimdCompiler(None)
    assert not compiler.ready([made.twice])
    compiler.start([made.twice])
    assert "no folder for compiled kernels" in compiler.problem()
    monkeypatch.setattr(KernelCache, "write", lambda *_: pytest.fail("something was written"))
    assert compiler.load([made.twice])[made.twice](4) == 8
    compiler.close()


def test_a_full_disk_is_no_fault_of_the_kernel(module: Make, cache: KernelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    made = module(KERNELS)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lippycat_simd.rebind.Rebinder.kernel", full)
    wanted = [(made.__name__, "twice", cache.folder(made.twice).name)]
    assert fill.fill(cache, wanted) == [f"{made.__name__}.twice: OSError: [Errno 28] No space left on device"]
    assert (cache.has(made.twice), cache.failure(made.twice)) == (False, "")


def test_an_edit_while_the_child_starts_is_not_marked(module: Make, cache: KernelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    made = module(KERNELS)
    wanted = [(made.__name__, "twice", "some.other-digest"), (made.__name__, "total", cache.folder(made.total).name)]
    problems = fill.fill(cache, wanted)
    assert problems == [f"{made.__name__}.twice: ImportError: its source was edited during the run; the next run compiles it"]
    assert not cache.has(made.twice)
    assert cache.has(made.total)


def test_views_that_machine_code_would_misread_are_refused(cache: KernelCache, module: Make) -> None:
    compiled = SimdCompiler(cache).load([])
    array = np.arange(10, dtype=np.int32)
    assert compiled.view(array) is array
    assert compiled.view_all((array,)) == (array,)
    with pytest.raises(ContractError, match="contiguous"):
        compiled.view(array[::2])
    with pytest.raises(ContractError, match="one-dimensional"):
        compiled.view(array.reshape(2, 5))
    twice = compiled[module(KERNELS).twice]
    with pytest.raises((TypeError, ValueError)):
        twice("x")
    with pytest.raises(ContractError, match="uint8, not shape"):
        compiled[module(KERNELS).total](array, 1)
