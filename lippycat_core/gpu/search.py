"""Patterns found on a device (kernels in match*.lck)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lippycat_core.columns import I64
from lippycat_core.errors import DeviceFailed
from lippycat_core.gpu.device import Buffer
from lippycat_core.gpu.lanes import Lane, Lanes, Rows, Submissions
from lippycat_core.gpu.memory import size
from lippycat_core.gpu.tables import DeviceTables
from lippycat_core.interfaces.match import Hits, PatternSet, Spans
from lippycat_core.matching.hits import first_a_row, joined, once_a_row
from lippycat_core.matching.tables import compile_tables

HIT_BYTES = 8
KEY_BITS = 63
FIRST_HITS = 1024
"""Hits that come back with their number, without being asked for."""

MOST_MARKS = 1 << 26
"""Bytes in which rows remember their patterns of one hit a row."""


class Shape(NamedTuple):
    """How row, pattern and offset share a hit's key, so that keys in order are hits in order."""

    row_shift: int
    pattern_shift: int


class Plan(NamedTuple):
    """What one submission asks for."""

    shape: Shape
    first_only: bool


class GpuMatcher:
    """A `Matcher`. FilterError as `matching.tables.compile_tables`, DeviceFailed where the device has no room for the tables."""

    def __init__(self, lanes: Lanes, wanted: PatternSet) -> None:
        tables = compile_tables(wanted)
        self._tables = DeviceTables(tables, lanes)
        self._budget = lanes.budget
        self._pattern_bits = max(tables.patterns - 1, 1).bit_length()
        self._once = np.array([pattern.wildcards for pattern in wanted.patterns]) if tables.once else None
        self._submissions: Submissions[I64] = Submissions(lanes)
        self._open: list[Plan] = []

    @property
    def nbytes(self) -> int:
        """Bytes that the tables take on the device."""
        return self._tables.nbytes

    def submit(self, spans: Spans, *, first_only: bool = False) -> None:
        """Begin to match (see `Matcher`)."""
        longest = max(int(spans.length.max(initial=0)), 1)
        shift = longest.bit_length()
        plan = Plan(Shape(shift + self._pattern_bits, shift), first_only)
        most_rows = min(1 << (KEY_BITS - plan.shape.row_shift), max(self._budget.results // HIT_BYTES - 1, 1))
        self._submissions.submit(spans, lambda: _Search(self._tables, plan), most_rows)
        self._open.append(plan)

    def collect(self) -> Hits:
        """The hits of the oldest open submission."""
        landed = self._submissions.next()
        shape, first_only = self._open.pop(0)
        found: list[Hits] = []
        pattern_mask, offset_mask = (1 << self._pattern_bits) - 1, (1 << shape.pattern_shift) - 1
        for begin, keys in landed.parts():
            if not len(keys):
                continue
            row = (keys >> shape.row_shift) + begin
            if landed.live is not None:
                row = landed.live[row]
            pattern, offset = (keys >> shape.pattern_shift) & pattern_mask, keys & offset_mask
            found.append(Hits(row.astype(np.int32), pattern.astype(np.int32), offset.astype(np.int32)))
        hits = joined(found)
        if first_only:
            return first_a_row(hits)
        return hits if self._once is None else once_a_row(hits, self._once)

    def close(self) -> None:
        """Give the tables back."""
        self._submissions.drop()
        self._tables.release()


class _Search:
    """One part: `finish` gives its hits' keys in order."""

    def __init__(self, tables: DeviceTables, plan: Plan) -> None:
        self._tables, self._plan = tables, plan
        self._base = self._capacity = 0
        self._hits: Buffer = tables.nothing

    def start(self, lane: Lane, spans: Rows) -> None:
        self._run(lane, spans, 0, spans.rows, max(FIRST_HITS, 2 * spans.rows))

    def finish(self, lane: Lane, spans: Rows) -> I64:
        keys = self._gather(lane, spans, 0, spans.rows)
        keys.sort()
        return keys

    def _run(self, lane: Lane, spans: Rows, first_row: int, rows: int, wanted: int) -> None:
        """Queue all kernels over some rows, with room for `wanted` hits where there is so much."""
        most = lane.budget.results
        hits = lane.hits(min((wanted + 1) * HIT_BYTES, most), most)
        self._capacity = hits.nbytes // HIT_BYTES - 1
        self._base = lane.counted
        marks, mask = self._marks(lane, spans.rows)
        tables, plan = self._tables, self._plan
        for stage in tables.stages:
            arguments: list[Buffer | int] = [spans.text, spans.off, spans.length, *stage.needles, *tables.programs, hits, marks]
            arguments += (mask, lane.serial, _signed(self._base), self._capacity, plan.shape.pattern_shift, plan.shape.row_shift)
            arguments += (int(plan.first_only), tables.folded, first_row, rows, *stage.own)
            lane.device.launch(lane.queue, stage.kernel, rows, arguments)
        self._hits = hits
        lane.device.download(lane.queue, hits, self._staged(lane, min(self._capacity, FIRST_HITS)))

    def _marks(self, lane: Lane, rows: int) -> tuple[Buffer, int]:
        """Memory for patterns of one hit a row, and what a pattern's number is and-ed with for its place: each has one of
        its own where they are few, else they drive each other out, and what is found again is left out later."""
        if not self._tables.once:
            return self._tables.nothing, 0
        most = min(lane.budget.results, MOST_MARKS) // HIT_BYTES // rows
        places = 1 << (min(self._tables.patterns, max(most, 1)).bit_length() - 1)
        if places < self._tables.patterns and 2 * places <= most:
            places *= 2
        return lane.marks(places * rows * HIT_BYTES), places - 1

    def _staged(self, lane: Lane, hits: int) -> I64:
        staged: I64 = lane.results.staging((hits + 1) * HIT_BYTES).view(np.int64)
        return staged

    def _gather(self, lane: Lane, spans: Rows, first_row: int, rows: int) -> I64:
        """The keys of what has run over some rows; where their room was too small they run again."""
        total = int(self._staged(lane, 0).view(np.uint32)[0])
        count = (total - self._base) & 0xFFFFFFFF
        lane.counted = total
        if count <= self._capacity:
            if count > FIRST_HITS:
                lane.device.download(lane.queue, self._hits, self._staged(lane, count))
                lane.device.finish(lane.queue)
            return self._staged(lane, count)[1:].copy()
        if (count + 1) * HIT_BYTES <= lane.budget.results:
            return self._again(lane, spans, first_row, rows, count)
        if rows == 1:
            raise DeviceFailed(
                f"{count:,} hits in one span do not fit into the {size(lane.budget.results)} that {lane.device.name} has for "
                "them; raise the memory limit or take another match backend"
            )
        half = rows // 2
        parts = ((first_row, half), (first_row + half, rows - half))
        return np.concatenate([self._again(lane, spans, begin, some, count) for begin, some in parts])

    def _again(self, lane: Lane, spans: Rows, first_row: int, rows: int, wanted: int) -> I64:
        self._run(lane, spans, first_row, rows, wanted)
        lane.device.finish(lane.queue)
        return self._gather(lane, spans, first_row, rows)


def _signed(number: int) -> int:
    """32 bits as lc_i32 has them."""
    return number - (1 << 32) if number >= 1 << 31 else number
