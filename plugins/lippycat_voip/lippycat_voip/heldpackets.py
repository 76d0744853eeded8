"""Packets that wait for a verdict on their owner, in chunks of bytes and columns, and the sink that writes those that go.

Nothing here knows what an owner is. A packet that is decided when it comes, with none in front of it that waits, is written
from its batch; any other is copied once, when its batch ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from lippycat_core.batch import DEFAULT_BYTES, DEFAULT_ROWS, Batch
from lippycat_core.builtin.tee import Tee
from lippycat_core.columns import I32, I64, U8, Frame
from lippycat_core.events import Event
from lippycat_core.interfaces.sink import PacketWriter
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_voip.callbuffer import CallBuffer
from lippycat_voip.filing import Filing
from lippycat_voip.kernels import hold

CHUNK_BYTES, CHUNK_ROWS = DEFAULT_BYTES, DEFAULT_ROWS

SPARE_BYTES = 8 << 20
"""Chunks may take so much more than twice what waits in them; beyond, what is not wanted is let go of."""


class _Chunk:
    """Packets in the order of the input. Up to `written` they went out, up to `settled` they are decided."""

    __slots__ = ("columns", "rows", "settled", "used", "views", "written")

    def __init__(self, kernels: KernelSet) -> None:
        slab: U8 = np.zeros(CHUNK_BYTES, np.uint8)
        ts_ns: I64 = np.zeros(CHUNK_ROWS, np.int64)
        off, caplen, wirelen, link, owners, marks = (np.zeros(CHUNK_ROWS, np.int32) for _ in range(6))
        self.columns: tuple[U8, Frame, I32, I32] = (slab, Frame(ts_ns, off, caplen, wirelen, link), owners, marks)
        self.rows = 0
        self.used = 0  # bytes
        self.settled = 0
        self.written = 0
        self.bind(kernels)

    def bind(self, kernels: KernelSet) -> None:
        """Take the form of columns that the kernels want."""
        slab, frame, owners, marks = self.columns
        self.views = kernels.view(slab), kernels.view_all(frame), kernels.view(owners), kernels.view(marks)


class HeldPackets:
    """`owners` has the owner's number of each row of the batch at hand; `admit` takes rows in order, `write` writes."""

    kernels: ClassVar[tuple[Kernel, ...]] = (hold.spread, hold.admit, hold.settle, hold.bury, hold.store)

    def __init__(self, buffer: CallBuffer) -> None:
        self._buffer = buffer
        self._chunks: list[_Chunk] = []
        self._turn = 0  # chunks in front of this one are settled
        self._state: I64 = np.zeros(hold.W_WIDTH, np.int64)
        self._rows(0)
        self._admitted = 0
        self._settled = 0

    def _rows(self, capacity: int) -> None:
        self.owners: I32 = np.zeros(capacity, np.int32)
        self._marks: I32 = np.zeros(capacity, np.int32)

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels (between two batches)."""
        self._kernels = kernels
        self._admit, self._settle = kernels[hold.admit], kernels[hold.settle]
        self._bury, self._store = kernels[hold.bury], kernels[hold.store]
        for chunk in self._chunks:
            chunk.bind(kernels)
        self._view()

    def _view(self) -> None:
        view, buffer = self._kernels.view, self._buffer
        self.owners_view, self._marks_view, self._state_view = view(self.owners), view(self._marks), view(self._state)
        self._verdicts, self._entries, self._weights = view(buffer.verdicts), view(buffer.entries), view(buffer.weights)
        self._version = buffer.version

    @property
    def nbytes(self) -> int:
        """What the packets take that wait and are not unwanted."""
        return int(self._state[hold.W_BYTES])

    def load(self, batch: Batch, begin: int, end: int) -> None:
        """Rows [begin, end) of the batch are next, and nobody's yet."""
        self._batch = batch
        if begin == 0 and batch.capacity > len(self.owners):
            self._rows(batch.capacity)
            self._view()
        self.owners[begin:end] = 0

    def admit(self, end: int) -> None:
        """Let rows up to `end`, whose owners are known, go or wait; what is beyond the bounds then is passed over."""
        buffer, views = self._buffer, self._batch.views
        self.settle()
        while self._admitted < end:
            self._admitted = self._admit(
                views.frame,
                views.route,
                self.owners_view,
                self._verdicts,
                self._entries,
                self._weights,
                self._marks_view,
                self._state_view,
                self._admitted,
                end,
                buffer.deadline_ns(),
                buffer.bounds.nbytes,
            )
            stop = self._state[hold.W_STOP]
            if stop == hold.LATE:
                buffer.expire(int(views.route.now_ns[self._admitted]))
                self.settle()
            elif stop == hold.FULL:
                while self.nbytes > buffer.bounds.nbytes:
                    self.settle()
                    if self.nbytes > buffer.bounds.nbytes:
                        buffer.pass_over(buffer.owner(self._head()))
        self.settle()

    def settle(self) -> None:
        """Decide, from the head on, about what waits and whose owner is decided."""
        if self._version != self._buffer.version:
            self._view()
        if not self._state[hold.W_WAITING]:
            self._settled = self._admitted
            self._turn = len(self._chunks)
            for chunk in self._chunks:
                chunk.settled = chunk.rows
            return
        while self._turn < len(self._chunks):
            chunk = self._chunks[self._turn]
            _, frame, owners, marks = chunk.views
            chunk.settled = self._run(frame, owners, marks, chunk.settled, chunk.rows)
            if chunk.settled < chunk.rows:
                return
            self._turn += 1
        if self._settled < self._admitted:
            frame, owners, marks = self._batch.views.frame, self.owners_view, self._marks_view
            self._settled = self._run(frame, owners, marks, self._settled, self._admitted)

    def _run(self, frame: Frame, owners: I32, marks: I32, begin: int, end: int) -> int:
        return self._settle(owners, self._verdicts, self._entries, self._weights, marks, frame, self._state_view, begin, end)

    def forsake(self, owner: int) -> None:
        """The owner's packets are not wanted: they count no more, and go when their turn comes, or room is made."""
        self._state[hold.W_BYTES] -= self._buffer.weights[owner]
        self._buffer.weights[owner] = 0

    def _head(self) -> int:
        """The owner of the first packet that waits; everything in front of it is settled."""
        if self._turn < len(self._chunks):
            chunk = self._chunks[self._turn]
            return int(chunk.columns[2][chunk.settled])
        return int(self.owners[self._settled])

    def write(self, writer: PacketWriter, batch: Batch | None) -> None:
        """Write what may go, and copy what waits out of `batch`, which has ended."""
        for chunk in self._chunks[: self._turn + 1]:
            slab, frame, _, marks = chunk.views
            if chunk.written < chunk.settled:
                writer.records(self._kernels, slab, frame, marks, chunk.written, chunk.settled)
                chunk.written = chunk.settled
        del self._chunks[: self._turn]
        self._turn = 0
        if batch is None:
            return
        writer.records(batch.kernels, batch.views.slab, batch.views.frame, self._marks_view, 0, self._settled)
        if self._state[hold.W_WAITING]:
            views = batch.views
            self._keep(views.slab, views.frame, self.owners_view, self._marks_view, self._settled, self._admitted)
            if len(self._chunks) * CHUNK_BYTES > 2 * self.nbytes + SPARE_BYTES:
                self._compact()
        self._admitted = self._settled = 0
        self._buffer.recycle()

    def _keep(self, slab: U8, frame: Frame, owners: I32, marks: I32, row: int, end: int) -> None:
        """Copy rows from `row` up to `end` that wait behind what the last chunk holds, and into further ones."""
        while True:
            if self._chunks:
                chunk = self._chunks[-1]
                self._state[hold.W_ROWS], self._state[hold.W_POS] = chunk.rows, chunk.used
                row = self._store(slab, frame, owners, marks, row, end, *chunk.views, self._state_view)
                chunk.rows, chunk.used = int(self._state[hold.W_ROWS]), int(self._state[hold.W_POS])
                if row == end:
                    return
            self._chunks.append(_Chunk(self._kernels))

    def _compact(self) -> None:
        """Let go of packets behind the head that are not wanted."""
        chunks, self._chunks = self._chunks, []
        for chunk in chunks:
            slab, frame, owners, marks = chunk.views
            self._bury(owners, self._verdicts, self._entries, marks, self._state_view, chunk.settled, chunk.rows)
            self._keep(slab, frame, owners, marks, chunk.settled, chunk.rows)


class CallPackets:
    """The sink that writes packets of calls, those in `held`, with `writer`, and those of each call to its file."""

    def __init__(self, held: HeldPackets, writer: PacketWriter | None, filing: Filing | None = None) -> None:
        self._held = held
        self._writer: PacketWriter = Tee([]) if writer is None else writer
        self._filing = filing

    @property
    def kernels(self) -> Sequence[Kernel]:
        """What a kernel set will be asked for."""
        return (*self._held.kernels, *self._writer.kernels, *(self._filing.kernels if self._filing is not None else ()))

    def packets(self, batch: Batch) -> None:
        """See Sink."""
        self._held.write(self._writer, batch)
        if self._filing is not None:
            self._filing.settle(batch.clock_ns)

    def emit(self, events: Sequence[Event]) -> None:
        """See Sink; a capture file holds no events."""

    def settle(self) -> None:
        """See Settles."""
        self._held.write(self._writer, None)

    def close(self) -> None:
        """Write what was decided when the input ended."""
        try:
            self._held.write(self._writer, None)
        finally:
            try:
                self._writer.close()
            finally:
                if self._filing is not None:
                    self._filing.close()
