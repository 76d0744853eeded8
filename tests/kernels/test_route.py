"""Claims and kinds on any input: nothing is read out of bounds, and the answer is the same compiled."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.batch import Batch
from lippycat_core.columns import I32, U8
from lippycat_core.kernels.route import ANY_PORT, CLAIM_WIDTH, PORTS, claim, select
from lippycat_core.kernelset import KernelSet
from lippycat_core.testing.conversation import fill, udp

SMALL = st.integers(-3, 70_000)


def claimed(kernels: KernelSet, batch: Batch, heads: I32, entries: I32, pool: U8) -> int:
    v, view = batch.views, kernels.view
    return kernels[claim](v.slab, v.net, v.transport, v.route, view(heads), view(entries), view(pool), 1, 0, batch.rows)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(SMALL, SMALL, SMALL, SMALL), min_size=1, max_size=6), prefix=st.binary(max_size=3))
def test_spans_outside_the_slab_are_nobodys(kernels: KernelSet, rows: list[tuple[int, int, int, int]], prefix: bytes) -> None:
    batch = Batch(kernels)
    fill(batch, [udp("10.0.0.1:1", "10.0.0.2:2", prefix)] * len(rows))
    size = len(batch.slab)
    for row, (off, length, sport, dport) in enumerate(rows):
        batch.transport.pay_off[row] = off if off < 60_000 else size - 70_000 + off
        batch.transport.pay_len[row] = length
        batch.transport.sport[row] = sport
        batch.transport.dport[row] = dport
    heads: I32 = np.full(PORTS, -1, np.int32)
    heads[ANY_PORT] = 0
    entries: I32 = np.array([0, 0, len(prefix), -1], np.int32)
    pool: U8 = np.frombuffer(prefix or b"\0", np.uint8).copy()
    count = claimed(kernels, batch, heads, entries, pool)
    expected = []
    for row in range(len(rows)):
        off, length = int(batch.transport.pay_off[row]), int(batch.transport.pay_len[row])
        inside = off >= 0 and length >= len(prefix) and off + length <= size
        expected.append(int(inside and bytes(batch.mem[off : off + len(prefix)]) == prefix))
    assert batch.route.kind[: len(rows)].tolist() == expected
    assert count == sum(expected)
    assert len(entries) == CLAIM_WIDTH


def test_a_chain_that_bites_its_tail_ends(kernels: KernelSet) -> None:
    batch = Batch(kernels)
    fill(batch, [udp("10.0.0.1:1", "10.0.0.2:2", b"x")])
    heads: I32 = np.full(PORTS, -1, np.int32)
    heads[2] = 0
    entries: I32 = np.array([0, 0, 1, 0, 0, 0, 1, -1], np.int32)
    pool: U8 = np.zeros(1, np.uint8)
    assert claimed(kernels, batch, heads, entries, pool) == 0


def test_rows_are_picked_by_kind_in_order(kernels: KernelSet) -> None:
    batch = Batch(kernels)
    fill(batch, [udp("10.0.0.1:1", "10.0.0.2:2")] * 9)
    batch.route.kind[:9] = [3, 1, 2, 0, 3, 2, 4, 2, 1]
    rows: I32 = np.zeros(9, np.int32)
    pick = kernels[select]
    assert rows[: pick(batch.views.route, 2, 4, kernels.view(rows), 0, 9)].tolist() == [0, 2, 4, 5, 7]
    assert rows[: pick(batch.views.route, 2, 4, kernels.view(rows), 1, 7)].tolist() == [2, 4, 5]
    assert pick(batch.views.route, 9, 10, kernels.view(rows), 0, 9) == 0
