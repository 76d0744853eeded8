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


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of real captures with ground truth (never part of the repository)."""
    folder = Path(os.environ.get("LIPPYCAT_CAPTURES", Path(__file__).resolve().parent.parent / "shared" / "captures"))
    if not folder.is_dir():
        pytest.skip(f"no captures at {folder}: set LIPPYCAT_CAPTURES")
    return folder
