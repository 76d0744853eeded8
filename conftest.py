"""Fixtures that every test folder shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lippycat_core.kernelset import Interpreted, KernelSet


@pytest.fixture(scope="session", params=["pure", "simd"])
def kernels(request: pytest.FixtureRequest) -> KernelSet:
    """Each kernel test runs twice: the source itself, and what the compiler made of it."""
    if request.param == "pure":
        return Interpreted()
    compiled = pytest.importorskip("lippycat_simd.kernels", reason="lippycat-simd is not installed: compiled kernels not tested")
    return compiled.CompiledKernels()


def capture_folder() -> Path:
    """Where real captures with ground truth are (never part of the repository)."""
    return Path(os.environ.get("LIPPYCAT_CAPTURES", Path(__file__).resolve().parent.parent / "shared" / "captures"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `truth_capture` runs once for each capture that has a truth file."""
    if "truth_capture" in metafunc.fixturenames:
        names = sorted(path.name.removesuffix(".truth.json") for path in capture_folder().glob("*.truth.json"))
        metafunc.parametrize("truth_capture", names or ["none"], indirect=True)


@pytest.fixture
def truth_capture(request: pytest.FixtureRequest, captures: Path) -> Path:
    """One real capture; beside it lies its truth."""
    return captures / request.param


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of real captures with ground truth (never part of the repository)."""
    folder = capture_folder()
    if not folder.is_dir():
        pytest.skip(f"no captures at {folder}: set LIPPYCAT_CAPTURES")
    return folder
