"""The conformance kit fails on match backends that have one thing wrong, and says so by an assertion."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

BROKEN = Path(__file__).parent / "broken_backends.py"
CLASSES = [
    node.name for node in ast.parse(BROKEN.read_text()).body if isinstance(node, ast.ClassDef) and node.name.startswith("Test")
]
SOUND = [name for name in CLASSES if name.startswith("TestSound")]


class Failures:
    """A pytest plugin that keeps what a test failed with."""

    def __init__(self) -> None:
        self.types: list[str] = []

    def pytest_exception_interact(self, call: pytest.CallInfo[object]) -> None:
        assert call.excinfo is not None
        self.types.append(call.excinfo.typename)


def run(name: str) -> tuple[int, list[str]]:
    failures = Failures()
    arguments = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", f"{BROKEN}::{name}"]
    return int(pytest.main(arguments, plugins=[failures])), failures.types


@pytest.mark.parametrize("name", SOUND)
def test_passes_a_sound_backend(name: str) -> None:
    assert run(name) == (pytest.ExitCode.OK, [])


@pytest.mark.parametrize("name", [name for name in CLASSES if name not in SOUND])
def test_fails_a_broken_backend(name: str) -> None:
    code, types = run(name)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert types in (["AssertionError"], ["Failed"], ["ContractError"])  # Failed: pytest.raises saw nothing
