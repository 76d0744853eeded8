"""Made-up distributions: a folder on `sys.path` with metadata and modules, as an installer would leave them."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from lippycat_core.host.discovery import Host
from lippycat_core.host.settings import load_settings

Install = Callable[..., None]
MakeHost = Callable[..., Host]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install("acme-match", {"lippycat.match": {"fast": "acme:Fast"}}, acme="class Fast: ...")`."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def make(distribution: str, groups: Mapping[str, Mapping[str, str]], version: str = "1.0", **modules: str) -> None:
        info = tmp_path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        lines = [
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items()) for group, points in groups.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(lines))
        for name, source in modules.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))

    yield make
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.fixture
def host(tmp_path: Path) -> MakeHost:
    """A host with these settings and nothing from the machine's own environment."""

    def make(flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Host:
        return Host(load_settings(flags, environ=environ or {}, home=tmp_path / "nobody"))

    return make
