"""The flow table on any input: the same slots and the same table as a dictionary would give."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.batch import Batch
from lippycat_core.columns import DECODED, I32, I64
from lippycat_core.kernels import flow as k
from lippycat_core.kernelset import Interpreted, KernelSet

WORD = st.sampled_from([0, 1, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
PORT = st.sampled_from([0, 1, 5060, 65535])
STATUS = st.sampled_from([DECODED, DECODED, 2, 17])
ROW = st.tuples(*[WORD] * 8, st.sampled_from([6, 17, 17, 1, -1]), PORT, PORT, STATUS, st.integers(-5, 2**62))
I64_MAX = 2**63 - 1

Row = tuple[int, ...]


def filled(kernels: KernelSet, rows: list[Row]) -> Batch:
    batch = Batch(kernels)
    batch.clear(1)
    batch.rows = len(rows)
    for i, row in enumerate(rows):
        other = (batch.transport.sport, batch.transport.dport, batch.route.status, batch.frame.ts_ns)
        columns: tuple[Any, ...] = (*batch.net, *other)
        for column, value in zip(columns, row, strict=True):
            column[i] = value
    return batch


def tracked(kernels: KernelSet, rows: list[Row], slots: int = 64) -> tuple[list[int], list[int], I64, I64]:
    batch = filled(kernels, rows)
    table: I64 = np.zeros(slots * k.WIDTH, np.int64)
    index: I32 = np.full(256, -1, np.int32)
    state: I64 = np.zeros(k.STATE_WIDTH, np.int64)
    state[[k.TICK_NS, k.TICK_RECORD, k.FREE]] = -1
    state[k.WITH_UDP] = 1
    v = batch.views
    end = kernels[k.track](
        v.frame, v.net, v.transport, v.route, kernels.view(table), kernels.view(index), kernels.view(state), 1, 0, batch.rows
    )
    return batch.route.flow[:end].tolist(), batch.route.now_ns[:end].tolist(), table, state


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=40))
def test_slots_and_clock_are_those_of_a_dictionary(kernels: KernelSet, rows: list[Row]) -> None:
    flow, now_ns, table, state = tracked(kernels, rows)
    known: dict[Row, int] = {}
    expected, clock, now = [], [], 0
    for row in rows:
        key, status, ts_ns = row[:11], row[11], row[12]
        now = max(now, ts_ns)
        clock.append(now)
        has_flow = status == DECODED and key[8] in (6, 17)
        expected.append(known.setdefault(key, len(known)) if has_flow else -1)
    assert (flow, now_ns) == (expected, clock)
    assert (int(state[k.LIVE]), int(state[k.HIGH])) == (len(known), len(known))
    for key, slot in known.items():
        peer = known.get((*key[4:8], *key[:4], key[8], key[10], key[9]), -1)
        assert table[slot * k.WIDTH + k.PEER] == (-1 if peer == slot else peer)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=40), slots=st.integers(1, 6))
def test_a_full_table_stops_in_front_of_the_row(kernels: KernelSet, rows: list[Row], slots: int) -> None:
    flow, _, table, state = tracked(kernels, rows, slots)
    pure = tracked(Interpreted(), rows, slots)
    assert (flow, table.tolist(), state.tolist()) == (pure[0], pure[2].tolist(), pure[3].tolist())
    if len(flow) < len(rows):
        assert (state[k.STOP], state[k.LIVE]) == (k.S_FULL, slots)


def test_an_index_without_room_does_not_hold_the_kernel_up(kernels: KernelSet) -> None:
    table: I64 = np.zeros(2 * k.WIDTH, np.int64)
    state: I64 = np.zeros(k.STATE_WIDTH, np.int64)
    state[k.HIGH] = 2
    table[k.PORTS], table[k.WIDTH + k.PORTS] = 5, 6
    index: I32 = np.full(2, -1, np.int32)
    views = kernels.view(table), kernels.view(index), kernels.view(state)
    assert kernels[k.reindex](*views) == 2
    other: I32 = np.full(1, -1, np.int32)
    kernels[k.reindex](kernels.view(table), kernels.view(other), kernels.view(state))
    assert other.tolist() in ([0], [1])
    assert k.find(table, other, 1, 2, 3, 4, 5) < 0


@given(st.tuples(*[st.integers(-(2**63), I64_MAX)] * 4), st.integers(0, 2**40 - 1))
def test_every_key_has_a_place(words: tuple[int, int, int, int], ports: int) -> None:
    assert 0 <= k.place(*words, ports, 4095) < 4096


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_two_words_are_one_number(high: int, low: int) -> None:
    both = k.pair(high, low)
    assert -(2**63) <= both <= I64_MAX
    assert ((both >> 32) + 2**31, both & 0xFFFFFFFF) == (high, low)
