"""The package's own names: there when asked for, and nothing imported before."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import lippycat_core


def test_every_name_is_found_lazily() -> None:
    assert set(lippycat_core.__all__) == set(lippycat_core._MODULES)
    for name, module in lippycat_core._MODULES.items():
        assert getattr(lippycat_core, name) is getattr(importlib.import_module(module), name)


def test_other_names_are_told_as_python_does() -> None:
    with pytest.raises(AttributeError, match="'lippycat_core' has no attribute 'nothing'"):
        _ = lippycat_core.nothing


def test_importing_the_package_imports_nothing_of_it() -> None:
    script = "import sys, lippycat_core; print([name for name in sys.modules if name.startswith(('lippycat_core.', 'numpy'))])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
