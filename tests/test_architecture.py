"""Who may import whom: the rooms of docs/design.md, in their order, read from the source."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = "lippycat_core"

ROOMS = (
    ("errors", "columns", "addresses", "timetext", "printable", "kernelset"),
    ("kernels",),
    ("batch", "batchqueue", "events"),
    ("interfaces",),
    ("matching",),
    ("gpu",),
    ("sequence", "connections", "runs", "flows", "routing", "stream_claims", "reassembly", "streambuffers"),
    ("fragments", "filters", "sessions", "layers", "sctp", "packet"),
    ("builtin",),
    ("writing",),
    ("pipeline",),
    ("hookspecs", "host"),
    ("control",),
    ("testing",),
    ("cli",),
    ("__main__",),
)
"""Rows of rooms. A room may import from rows above its own, and in its row from those in front of it."""

RANK = {room: rank for rank, room in enumerate(room for row in ROOMS for room in row)}

ONLY_HERE = {
    "pluggy": {"hookspecs", "host"},
    "stevedore": {"host"},
    "pydantic": {"host"},
    "pydantic_core": {"host"},
    "yaml": {"host"},
    "typer": {"cli"},
    "rich": {"cli"},
    "pytest": {"testing"},
    "hypothesis": {"testing"},
    "pcapy": {"filters", "builtin"},
    "scapy": {"packet"},
    "zstandard": {"builtin", "writing"},
    "prometheus_client": {"control"},
    "cryptography": {"writing"},
}
"""Every package that the core imports besides NumPy and the standard library, and the rooms that may."""

WITHOUT_NUMPY = {"kernels"}
"""Kernels get their types from `columns`, so that they are plain functions over whatever can be indexed."""


class Import(NamedTuple):
    importer: str
    imported: str

    def __str__(self) -> str:
        return f"{self.importer} imports {self.imported}"


def module_name(path: Path, folder: Path) -> str:
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(package: Path) -> list[Import]:
    """All imports of a package, inside functions and for type checkers too."""
    return [found for path in sorted(package.rglob("*.py")) for found in _imports_of(path, module_name(path, package.parent))]


def _imports_of(path: Path, module: str) -> Iterator[Import]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively"
            assert node.module is not None
            yield from (Import(module, f"{node.module}.{alias.name}") for alias in node.names)


def room(module: str) -> str:
    """The room of a module of the core; the package itself has none."""
    return [*module.split("."), ""][1]


@pytest.fixture(scope="module")
def core_imports() -> list[Import]:
    return imports(ROOT / CORE)


def test_every_module_of_the_core_has_its_room() -> None:
    modules = {module_name(path, ROOT) for path in (ROOT / CORE).rglob("*.py")}
    assert {room(module) for module in modules} - {""} == set(RANK)


def test_rooms_import_only_what_is_above_them(core_imports: list[Import]) -> None:
    inside = [(found, room(found.importer), room(found.imported)) for found in core_imports if found.imported.startswith(CORE)]
    assert inside
    # The package itself only names what is in its rooms, and looks it up when asked (tests/test_package.py).
    wrong = [str(found) for found, here, there in inside if here not in ("", there) and RANK[there] > RANK[here]]
    assert not wrong


def test_other_packages_are_imported_only_where_they_belong(core_imports: list[Import]) -> None:
    wrong = []
    for found in core_imports:
        package = found.imported.split(".")[0]
        if package == CORE or package in sys.stdlib_module_names or package == "__future__":
            continue
        if package == "numpy":
            allowed = room(found.importer) not in WITHOUT_NUMPY
        else:
            allowed = room(found.importer) in ONLY_HERE.get(package, set())
        if not allowed:
            wrong.append(str(found))
    assert not wrong


@pytest.mark.parametrize("plugin", sorted(path.name for path in (ROOT / "plugins").iterdir() if path.is_dir()))
def test_plugins_know_the_core_and_not_each_other(plugin: str) -> None:
    """Of the command line they know what their own command runs through; of other plugins nothing."""
    found = imports(ROOT / "plugins" / plugin / plugin)
    assert found
    others = [one for one in found if one.imported.startswith("lippycat_") and one.imported.split(".")[0] not in (CORE, plugin)]
    assert not [str(one) for one in others]
    commands = {f"{plugin}.command", f"{plugin}.session"}
    assert not [str(one) for one in found if one.imported.startswith(f"{CORE}.cli") and one.importer not in commands]
    private = [str(one) for one in found if one.imported.startswith(CORE) and re.search(r"\._[^_]", one.imported)]
    assert not private


def test_the_order_of_rooms_is_written_down() -> None:
    text = (ROOT / "docs" / "design.md").read_text()
    for row in ROOMS:
        assert " ".join(f"`{name}`" for name in row) in text, f"docs/design.md lacks the row {row}"
