"""The `simd` match backend against the conformance kit, with one thread and with several, and how it becomes fast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lippycat_core.interfaces.match import Anchor, MatchBackend, Pattern, PatternSet, Spans
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_core.testing.matcher import HeaderSuite, MatcherSuite
from lippycat_simd.cache import KernelCache
from lippycat_simd.crew import FEW_ROWS, WORTH_SHARING, Crew
from lippycat_simd.kernels import CompiledKernels
from lippycat_simd.match import WANTED, LateMatcher, SimdMatch, SimdMatcher
from lippycat_simd.matching import SimdMatchProvider
from lippycat_simd.patience import WORTH_COMPILING, WORTH_LOADING, Patient


class TestOneThread(MatcherSuite):
    def backend(self) -> MatchBackend:
        return SimdMatchProvider().open(threads=1)


class TestThreeThreads(MatcherSuite):
    def backend(self) -> MatchBackend:
        return SimdMatchProvider().open(threads=3)


class TestHeaders(HeaderSuite):
    def backend(self) -> MatchBackend:
        return SimdMatchProvider().open(threads=3)


def rows_of(count: int, size: int) -> Spans:
    return Spans(
        np.frombuffer(b"x" * (size - 2) + b"ab", np.uint8).repeat(1), np.zeros(count, np.int32), np.full(count, size, np.int32)
    )


def test_shares_cover_all_rows_once_and_weigh_the_same() -> None:
    spans = rows_of(4 * FEW_ROWS, 1000)
    shares = Crew(4).shares(spans)
    assert len(shares) == 4
    assert [begin for begin, _ in shares] == [0, *(end for _, end in shares[:-1])]
    assert shares[-1][1] == 4 * FEW_ROWS
    assert max(end - begin for begin, end in shares) - min(end - begin for begin, end in shares) <= 2


@pytest.mark.parametrize("spans", [rows_of(FEW_ROWS, 4000), rows_of(2 * FEW_ROWS, WORTH_SHARING // FEW_ROWS // 4)])
def test_what_is_small_is_not_shared(spans: Spans) -> None:
    assert Crew(8).shares(spans) == [(0, len(spans.off))]


class Switch:
    """Kernels that are ready when the test says so."""

    def __init__(self) -> None:
        self.there: KernelSet | None = None

    def ready(self, kernels: object) -> KernelSet | None:
        return self.there

    def close(self) -> None:
        self.there = None


def test_submissions_in_flight_survive_the_change_to_machine_code() -> None:
    switch = Switch()
    backend = SimdMatch(switch, 1)
    matcher = backend.compile(PatternSet([Pattern(b"ab", Anchor.SUFFIX)]))
    assert isinstance(matcher, LateMatcher)
    matcher.submit(rows_of(2, 10))
    switch.there = CompiledKernels()
    matcher.submit(rows_of(3, 20))
    assert matcher.collect().offset.tolist() == [8, 8]
    assert matcher.collect().offset.tolist() == [18, 18, 18]
    assert isinstance(matcher._late._worker, SimdMatcher)


def test_a_small_input_never_loads_machine_code(tmp_path: Path) -> None:
    cache = KernelCache(tmp_path)
    assert Patient(cache, WORTH_LOADING - 1).ready(WANTED) is None


def test_a_large_input_is_worth_compiling_for_and_waits_for_nobody(tmp_path: Path) -> None:
    wanted: list[Kernel] = [WANTED[3]]
    patient = Patient(KernelCache(tmp_path), WORTH_COMPILING)
    assert patient.ready(wanted) is None
    try:
        assert patient.begun
    finally:
        patient.close()


def test_between_the_two_sizes_machine_code_is_used_only_where_it_is_there(tmp_path: Path) -> None:
    cache = KernelCache(tmp_path)
    wanted: list[Kernel] = [WANTED[3]]
    patient = Patient(cache, WORTH_LOADING)
    assert patient.ready(wanted) is None
    assert not patient.begun
    CompiledKernels(cache)[WANTED[3]]
    assert Patient(cache, WORTH_LOADING).ready(wanted) is not None


def test_without_a_folder_for_machine_code_it_stays_interpreted() -> None:
    assert Patient(None, None).ready(WANTED) is None


def test_the_device_says_how_many_cores_it_takes() -> None:
    assert SimdMatchProvider().open(threads=1).device.startswith("1 core")
    assert SimdMatchProvider().open(threads=3).device.startswith("3 cores")
