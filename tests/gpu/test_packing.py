"""Which bytes travel to a device."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lippycat_core.gpu.packing import GAP, Layout, layout, pack


def laid(ranges: list[tuple[int, int]]) -> Layout:
    return layout(np.array([off for off, _ in ranges], np.int32), np.array([length for _, length in ranges], np.int32))


@pytest.mark.parametrize(
    ("ranges", "runs", "off"),
    [
        ([(5, 3)], [(5, 8)], [0]),
        ([(5, 0)], [(5, 5)], [0]),
        ([(5, 3), (8, 2)], [(5, 10)], [0, 3]),
        ([(8, 2), (5, 3)], [(5, 10)], [3, 0]),
        ([(5, 3), (5, 3), (6, 1)], [(5, 8)], [0, 0, 1]),
        ([(0, 9000), (10, 5), (9000 + GAP, 1)], [(0, 9001 + GAP)], [0, 10, 9000 + GAP]),
        ([(0, 10), (11 + GAP, 4)], [(0, 10), (11 + GAP, 15 + GAP)], [0, 10]),
        ([(20 * GAP, 4), (0, 10), (10 * GAP, 2)], [(0, 10), (10 * GAP, 10 * GAP + 2), (20 * GAP, 20 * GAP + 4)], [12, 0, 10]),
    ],
)
def test_runs_cover_the_spans(ranges: list[tuple[int, int]], runs: list[tuple[int, int]], off: list[int]) -> None:
    found = laid(ranges)
    assert list(zip(found.begin.tolist(), found.end.tolist(), strict=True)) == runs
    assert found.off.tolist() == off
    assert found.off.dtype == np.int32
    assert found.nbytes == sum(end - begin for begin, end in runs)


@given(st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 3_000)), min_size=1, max_size=30))
def test_every_span_has_its_bytes_behind_the_packing(ranges: list[tuple[int, int]]) -> None:
    slab = np.random.default_rng(1).integers(0, 256, 33_000, np.uint8)
    found = laid(ranges)
    packed = np.zeros(found.nbytes, np.uint8)
    pack(slab, found, packed)
    for (off, length), place in zip(ranges, found.off.tolist(), strict=True):
        assert (packed[place : place + length] == slab[off : off + length]).all()
    covered = np.zeros(len(slab), bool)
    for off, length in ranges:
        covered[off : off + length] = True
    assert found.nbytes <= covered.sum() + GAP * (len(ranges) - 1)
