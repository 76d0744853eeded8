"""Frames a segment's TCP runs at once: the common ones in a kernel, the others through the framer, run by run.

The kernel keeps a message over several runs of one segment out of the stream buffers. That must show nowhere, for where a
segment ends is chance: so where a bound of theirs could be met in it, the framer looks at all its runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lippycat_core.batch import Batch
from lippycat_core.columns import I32, I64
from lippycat_core.interfaces.dissect import Run
from lippycat_core.kernels.tcp import R_FLOW, R_LEN, R_WIDTH
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.runs import RunTable
from lippycat_voip.columns import SP_WIDTH
from lippycat_voip.framer import Framer
from lippycat_voip.kernels.frame import OUT_WIDTH
from lippycat_voip.kernels.frames import (
    F_ARENA,
    F_LATER,
    F_WIDTH,
    LATER,
    P_WIDTH,
    frame_runs,
)

SPARE_MESSAGES = 1024
"""Messages of a segment that there is room for, beyond one a run; of more than that the framer takes care."""

SPARE_BYTES = 64 * 1024
"""Bytes of messages put together that there is room for, beyond those of all runs: header sections are looked at twice."""

FIRST_SLOTS = 4096


class Framed(NamedTuple):
    """Messages of a segment in the order in which they are complete: `SP_` fields of each, flat; and by their number the run
    of those that the framer gave."""

    spans: I32
    messages: int
    runs: dict[int, Run]


class BulkFramer:
    """See above. Interpreted kernels are slower than the framer, which then does it all. `feed` frames one run in the framer's
    place, where not all runs are its own."""

    def __init__(self, framer: Framer, largest_body: int, feed: Callable[[Batch, Run, list[int]], None] | None = None) -> None:
        self._framer = framer
        self._feed = framer.feed if feed is None else feed
        self._largest_body = largest_body
        self._marks: I32 = np.zeros(FIRST_SLOTS, np.int32)  # by flow slot
        self._state: I64 = np.zeros(F_WIDTH, np.int64)
        self._out: I64 = np.zeros(OUT_WIDTH, np.int64)
        self._parts: I32 = np.zeros(0, np.int32)
        self._later: I32 = np.zeros(0, np.int32)
        self._keys: I32 = np.zeros(0, np.int32)
        self._spans: I32 = np.zeros(0, np.int32)
        self.in_kernel = True
        """Whether the kernel is asked at all."""

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernel."""
        self.in_kernel = not isinstance(kernels, Interpreted)
        self._kernels = kernels
        self._frame_runs = kernels[frame_runs]
        self._views()

    def frame(self, batch: Batch, runs: RunTable, owner: object) -> Framed:
        """The messages that the runs of `owner` complete."""
        rows = runs.of(owner)
        table, count = rows.table, rows.used
        others = [(2 * at, run) for at, run in rows.others if run.connection.owner is owner]
        used = table[: count * R_WIDTH].reshape(-1, R_WIDTH)
        self._fit(count, int(used[:, R_FLOW].max(initial=0)) + 1)
        for slot in (*(run.flow for _, run in others), *runs.ended):
            self._mark(slot, LATER)
        found = self._in_kernel(batch, table, count, rows.owner, int(used[:, R_LEN].sum())) if self.in_kernel and count else None
        if found is None:
            later = [(2 * at + 1, run) for at in range(count) if (run := runs.run(at)).connection.owner is owner]
            spans, keys = self._spans[:0], self._keys[:0]
        else:
            later = []
            for at, off in self._later[: 2 * int(self._state[F_LATER])].reshape(-1, 2).tolist():
                run = runs.run(at)
                run.length -= off - run.off
                run.off = off
                later.append((2 * at + 1, run))
            spans, keys = self._spans[: found * SP_WIDTH], self._keys[:found]
        if not later and not others:
            return Framed(spans, len(keys), {})
        given: list[int] = []
        whose: list[Run] = []
        order: list[int] = (2 * keys + 1).tolist()
        for key, run in sorted([*later, *others], key=lambda pair: pair[0]):
            self._feed(batch, run, given)
            for side in run.connection.state if run.last else (run.connection.state[run.side],):
                if side is not None:
                    self._mark(side.slot, LATER if side.waits and not run.last else 0)
            completed = len(given) // SP_WIDTH - len(whose)
            whose += [run] * completed
            order += [key] * completed
        if not whose:
            return Framed(spans, len(keys), {})
        both = np.concatenate([spans, np.array(given, np.int32)]).reshape(-1, SP_WIDTH)
        places = np.argsort(np.array(order), kind="stable")
        named = {at: whose[which - len(keys)] for at, which in enumerate(places.tolist()) if which >= len(keys)}
        return Framed(np.ascontiguousarray(both[places]).reshape(-1), len(places), named)

    def _in_kernel(self, batch: Batch, table: I32, count: int, owner: int, nbytes: int) -> int | None:
        """Ask the kernel. Returns how many messages it found; None, and nothing happened but to marks, where a bound of the
        stream buffers could be met."""
        framer, state = self._framer, self._state
        batch.reserve(nbytes + SPARE_BYTES)
        state[:] = 0
        state[F_ARENA] = batch.arena
        self._frame_runs(
            batch.views.slab,
            self._kernels.view(table),
            count,
            owner,
            self._marks_view,
            self._parts_view,
            self._state_view,
            self._largest_body,
            framer.buffers.holds,
            self._spans_view,
            self._keys_view,
            self._later_view,
            self._out_view,
        )
        arena, found, left, junk, oversized, most, most_bytes = state.tolist()
        if most and not framer.buffers.certainly(most + left, most_bytes + nbytes * (left > 0)):
            return None
        batch.arena = arena
        framer.junk += junk
        framer.oversized += oversized
        return int(found)

    def _mark(self, slot: int, mark: int) -> None:
        if slot >= len(self._marks):
            self._fit(0, slot + 1)
        self._marks[slot] = mark

    def _fit(self, count: int, slots: int) -> None:
        """Have room for so many runs and flow slots."""
        if slots > len(self._marks):
            self._marks = np.concatenate([self._marks, np.zeros(max(slots, len(self._marks)), np.int32)])
        elif count * P_WIDTH <= len(self._parts) and len(self._keys):
            return
        if count * P_WIDTH > len(self._parts) or not len(self._keys):
            count = max(1024, 1 << max(count - 1, 1).bit_length())
            self._parts = np.zeros(count * P_WIDTH, np.int32)
            self._later = np.zeros(count * 2, np.int32)
            self._keys = np.zeros(count + SPARE_MESSAGES, np.int32)
            self._spans = np.zeros(len(self._keys) * SP_WIDTH, np.int32)
        self._views()

    def _views(self) -> None:
        view = self._kernels.view
        self._marks_view: I32 = view(self._marks)
        self._state_view: I64 = view(self._state)
        self._out_view: I64 = view(self._out)
        self._parts_view: I32 = view(self._parts)
        self._later_view: I32 = view(self._later)
        self._keys_view: I32 = view(self._keys)
        self._spans_view: I32 = view(self._spans)
