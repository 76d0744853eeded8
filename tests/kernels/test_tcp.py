from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.batch import Batch
from lippycat_core.columns import I32, I64, TCP
from lippycat_core.kernels.flow import PEER, PORTS, T_RUNNING, TCP_BASE, TCP_NEXT, TCP_STATE, WIDTH
from lippycat_core.kernels.tcp import R_WIDTH, ahead, scan
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.conversation import fill, tcp


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [(5, 3, 2), (3, 5, -2), (0, 0xFFFFFFFF, 1), (0xFFFFFFFF, 0, -1), (0x7FFFFFFF, 0, 0x7FFFFFFF), (0x80000000, 0, -0x80000000)],
)
def test_distances_wrap_at_32_bits(a: int, b: int, distance: int) -> None:
    assert ahead(a, b) == distance


Row = tuple[int, int, int, int]
ROW = st.tuples(st.integers(-2, 9), st.integers(0, 31), st.integers(0, 2**32 - 1), st.integers(0, 9))


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=20))
def test_any_rows_over_any_table_give_the_same_interpreted_and_compiled(kernels: KernelSet, rows: list[Row]) -> None:
    def scanned(runner: KernelSet) -> tuple[list[tuple[int, int]], list[int], list[int]]:
        batch = Batch(runner)
        fill(batch, [tcp("10.0.0.1:1", "10.0.0.2:2", 0)] * len(rows))
        for row, (slot, flags, seq, wire) in enumerate(rows):
            batch.route.flow[row] = slot
            batch.transport.tcp_flags[row] = flags
            batch.transport.seq[row] = seq
            batch.transport.ack[row] = seq ^ 0x80000000
            batch.transport.pay_wire[row] = wire
            batch.transport.pay_len[row] = wire - (seq & 1 if wire else 0)
        table: I64 = np.zeros(6 * WIDTH, np.int64)
        for slot in range(6):
            cell = slot * WIDTH
            table[cell + PORTS] = TCP if slot else 17
            table[cell + PEER] = (1, 2, 1, -1, 5, 77)[slot]
            table[cell + TCP_STATE] = T_RUNNING if slot == 5 else slot % 4
            table[cell + TCP_NEXT] = rows[0][2] + (slot << 32)
            table[cell + TCP_BASE] = (-1, 2**31, 5, 2**32 - 1, -1, 0)[slot]
        runs: I32 = np.zeros(len(rows) * R_WIDTH, np.int32)
        seen: list[tuple[int, int]] = []
        row = count = 0
        while True:
            views = (batch.views.transport, batch.views.route, runner.view(table))
            row, count = runner[scan](*views, row, len(rows), 7, runner.view(runs), count)
            seen.append((row, count))
            if row == len(rows):
                return seen, table.tolist(), runs.tolist()
            row += 1

    assert scanned(kernels) == scanned(Interpreted())
