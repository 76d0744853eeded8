"""Merging lanes by time: what comes out is sorted, complete, in each lane's own order, and never too early."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.batch import Batch
from lippycat_core.columns import Frame
from lippycat_core.kernels import lanes as k
from lippycat_core.kernelset import KernelSet


def merged(
    kernels: KernelSet, lanes: list[list[int]], clocks: list[int], *, rows: int = 100, nbytes: int = 10_000
) -> tuple[list[tuple[int, int, int]], int, int]:
    """(time, lane, place in the lane) of each record that came out, why it ended, and at which lane."""
    flat = [(ts, lane, at) for lane, times in enumerate(lanes) for at, ts in enumerate(times)]
    count = max(len(flat), 1)
    columns = [np.zeros(count, np.int32) for _ in range(4)]
    source = Frame(np.array([ts for ts, _, _ in flat] or [0], np.int64), *columns)
    pool = np.zeros(8 * count, np.uint8)
    cursors = np.zeros(len(lanes) * k.L_WIDTH, np.int64)
    begin = 0
    for lane, times in enumerate(lanes):
        cursors[lane * k.L_WIDTH : (lane + 1) * k.L_WIDTH] = begin, begin + len(times), 8 * begin, clocks[lane]
        for at in range(len(times)):
            source.off[begin + at], source.caplen[begin + at] = 8 * at, 2
            pool[8 * (begin + at) : 8 * (begin + at) + 2] = lane, at
        begin += len(times)
    batch = Batch(kernels, capacity=100)
    state = np.zeros(k.N_WIDTH, np.int64)
    run, row = kernels[k.merge_lanes], 0
    views = kernels.view(pool), kernels.view_all(source), kernels.view(cursors), len(lanes), kernels.view(state)
    row = run(*views, batch.views.slab, batch.views.frame, row, rows, nbytes)
    out = []
    for i in range(row):
        off = int(batch.frame.off[i])
        out.append((int(batch.frame.ts_ns[i]), int(batch.slab[off]), int(batch.slab[off + 1])))
        assert batch.frame.caplen[i] == 2
    return out, int(state[k.N_STOP]), int(state[k.N_LANE])


def test_the_earliest_goes_first_until_a_lane_is_used_up(kernels: KernelSet) -> None:
    out, stop, lane = merged(kernels, [[1, 5, 9], [2, 3]], [0, 0])
    assert out == [(1, 0, 0), (2, 1, 0), (3, 1, 1)]
    assert (stop, lane) == (k.NEED, 1)


def test_an_empty_lane_holds_back_what_might_be_later_than_its_own(kernels: KernelSet) -> None:
    out, stop, _ = merged(kernels, [[1, 5, 9], []], [0, 5])
    assert ([ts for ts, _, _ in out], stop) == ([1], k.WAIT)
    out, stop, _ = merged(kernels, [[1, 5, 9], [], []], [0, 6, 20])
    assert ([ts for ts, _, _ in out], stop) == ([1, 5], k.WAIT)
    assert merged(kernels, [[], []], [7, 9])[:2] == ([], k.WAIT)


def test_rows_and_bytes_end_it(kernels: KernelSet) -> None:
    assert merged(kernels, [[1, 2, 3]], [0], rows=2)[1] == k.FULL
    out, stop, _ = merged(kernels, [[1, 2, 3]], [0], nbytes=5)
    assert (len(out), stop) == (2, k.FULL)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(st.integers(0, 30), max_size=8), min_size=1, max_size=5))
def test_nothing_is_lost_or_comes_early(kernels: KernelSet, lanes: list[list[int]]) -> None:
    lanes = [sorted(times) for times in lanes]
    out, stop, lane = merged(kernels, lanes, [15] * len(lanes))
    assert [ts for ts, _, _ in out] == sorted(ts for ts, _, _ in out)
    for number, times in enumerate(lanes):
        own = [at for _, of, at in out if of == number]
        assert own == list(range(len(own)))
        if not times:
            assert all(ts < 15 for ts, _, _ in out)
    if stop == k.NEED:
        assert len([1 for _, of, _ in out if of == lane]) == len(lanes[lane])
