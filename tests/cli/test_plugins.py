from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lippycat_core.cli.tables import aligned
from lippycat_core.host.installed import KINDS

Lc = Callable[..., subprocess.CompletedProcess[str]]


def test_plugins_are_aligned_columns_in_a_pipe(lc: Lc) -> None:
    head, *rows = lc("plugins").stdout.splitlines()
    assert head.split() == ["kind", "name", "distribution", "version", "priority", "state", "reason"]
    at = head.index("distribution")
    assert all(row[at - 1] == " " and row[at] != " " for row in rows)
    assert any(row.split()[:3] == ["capture", "file", "lippycat-core"] for row in rows)


def test_plugins_are_a_list_of_objects_for_programs(lc: Lc) -> None:
    found = json.loads(lc("plugins", "--json").stdout)
    assert {row["kind"] for row in found} <= set(KINDS)
    assert {row["state"] for row in found} <= {"chosen", "fit", "unfit", "broken", "absent"}


def test_one_kind_is_shown_alone(lc: Lc) -> None:
    found = json.loads(lc("plugins", "capture", "--json").stdout)
    assert {row["kind"] for row in found} == {"capture"}


def test_rows_are_as_wide_as_what_they_hold() -> None:
    assert aligned([("a", "b", "c"), ("日本", "x", "-")]) == ["a     b  c", "日本  x  -"]


def test_warming_compiles_everything_and_says_how_long_it_took(lc: Lc, tmp_path: Path) -> None:
    pytest.importorskip("lippycat_simd", reason="lippycat-simd is not installed: --warm not tested")
    done = lc("plugins", "--warm", env={"LIPPYCAT_CACHE_DIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "kernels compiled by simd in" in done.stdout


def test_warming_without_a_compiler_says_what_is_missing(lc: Lc) -> None:
    done = lc("plugins", "--warm", env={"LIPPYCAT_COMPILER": "pure"})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "lippycat-simd" in done.stderr
