"""Kernels in modules of their own, so that children can import them and tests can edit them."""

from __future__ import annotations

import importlib
import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lippycat_simd.cache import KernelCache

_numbers = itertools.count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """`module(source)` writes and imports a module; `module(source, name)` writes it anew and imports it again."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    names: set[str] = set()

    def make(source: str, name: str | None = None) -> ModuleType:
        name = name or f"kernels_made_{next(_numbers)}"
        names.add(name)
        (folder / f"{name}.py").write_text("from __future__ import annotations\n" + textwrap.dedent(source))
        importlib.invalidate_caches()
        for known in names:  # helpers live in other modules: all are imported again
            sys.modules.pop(known, None)
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        try:
            return importlib.import_module(name)
        finally:
            sys.dont_write_bytecode = before

    yield make
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def cache(tmp_path: Path) -> KernelCache:
    """An empty cache."""
    root = tmp_path / "cache"
    root.mkdir(mode=0o700)
    return KernelCache(root)
