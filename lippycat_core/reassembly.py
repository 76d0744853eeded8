"""TCP: bytes of connections that a dissector wants, in order, as runs. Nothing is copied that came in order.

A kernel passes over every row of a connection that nobody wants, and gives itself what comes in order of one that somebody
has; this module sees the rest: beginnings and ends, holes and what fills them, directions that are not yet decided. All it does
follows from the rows in their order, whatever the batches are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from typing import ClassVar

import numpy as np

from lippycat_core.batch import Batch
from lippycat_core.columns import ACK, FIN, I32, RST, SYN
from lippycat_core.connections import Connection, Stream, TcpRows
from lippycat_core.flows import FlowTable
from lippycat_core.interfaces.dissect import Run
from lippycat_core.kernels import flow as f
from lippycat_core.kernels import tcp as k
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_core.routing import Claimant
from lippycat_core.runs import RunTable
from lippycat_core.sequence import PAGE, Piece, SequenceSpace
from lippycat_core.stream_claims import StreamClaims

FURTHEST = 1 << 30
"""No sender may be further ahead than the largest window (RFC 7323, section 2.3)."""

HEADS_SHARE = 16
"""One part in so many of the bytes that may be held is for undecided beginnings; a fixed share, so that out-of-order pages
cannot keep a connection from being recognised."""

RECORD_BYTES = 40
"""What the number of a kept record is counted as: beginnings may come in segments of one byte."""

CONNECTION_IDLE_NS = 3600 * 1_000_000_000
"""Silence after which a connection is forgotten; SIP connections idle between registrations."""


class TcpReassembly:
    """Gives the runs of claimed connections. Bounds: `max_connections`, `max_pages` of 4 KiB a direction that wait for a
    missing segment, `max_bytes` of such pages and of undecided beginnings in all, never exceeded (`held_bytes`,
    `peak_bytes`); what is given up is counted in `evicted()`."""

    kernels: ClassVar[tuple[Kernel, ...]] = (k.scan,)

    def __init__(
        self,
        flows: FlowTable,
        dissectors: Sequence[Claimant],
        *,
        max_connections: int = 1 << 16,
        max_bytes: int = 50 << 20,
        max_pages: int = 100,
        timeout_ns: int = 300 * 1_000_000_000,
        idle_ns: int = CONNECTION_IDLE_NS,
    ) -> None:
        self._flows = flows
        self.claims = self._claims = StreamClaims(flows, dissectors)
        self._max_connections = max_connections
        self._max_pages = max_pages
        self._most_head_bytes = max_bytes // HEADS_SHARE
        self._most_page_bytes = max_bytes - self._most_head_bytes
        self._timeout_ns = timeout_ns
        self._idle_ns = idle_ns
        self._streams: dict[int, Stream] = {}
        self._connections: dict[Connection, int] = {}  # with the number that each was given
        self._silent: list[tuple[int, int, Connection]] = []  # heap: a record that touched it, perhaps not the last; number
        self._opened = 0
        self._owners: list[object] = []  # in the order of their numbers
        self._waiting: dict[Stream, None] = {}  # directions with a hole, oldest hole first
        self._heads: dict[Stream, None] = {}  # directions whose beginning is kept, oldest first
        self._pages = 0
        self._head_bytes = 0
        self.peak_bytes = 0
        """The most bytes that were ever held."""
        self._overdue: dict[Stream, None] = {}
        self._over: list[Run] = []  # ends of connections that closed between two segments
        self._given_up: Counter[str] = Counter()
        self._table: I32 = np.zeros(0, np.int32)
        self._runs = RunTable(self._table, 0, self._streams)
        self.kept: list[int] = []
        """Records of the segment at hand whose bytes wait (see `Segment.kept`)."""
        flows.watch(self._freed)

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels."""
        self._scan = kernels[k.scan]
        self._kernels = kernels
        self._table_view: I32 = kernels.view(self._table)

    def segment(self, batch: Batch, begin: int, end: int) -> RunTable:
        """The runs that rows [begin, end) complete, in the order in which they do; good until the next call.

        A run without bytes tells of a gap at once (the snap length cut a segment) or, `last`, of the connection's end.
        """
        self.kept = []
        runs = self._new_runs(batch)
        if begin >= end or not self._claims:
            return runs
        if not batch.may_have_tcp and not self._over and not self._overdue:
            return runs
        self._batch, self._rows = batch, TcpRows.of(batch)
        self._settle(begin)
        transport, route, first = batch.views.transport, batch.views.route, batch.first_record
        row = begin
        while True:
            row, runs.rows = self._scan(transport, route, self._flows.view, row, end, first, self._table_view, runs.rows)
            if row >= end:
                return runs
            self._take(row)
            row += 1

    def _new_runs(self, batch: Batch) -> RunTable:
        if len(self._table) < batch.capacity * k.R_WIDTH:
            self._table = np.zeros(batch.capacity * k.R_WIDTH, np.int32)
            self._table_view = self._kernels.view(self._table)
        self._runs = RunTable(self._table, batch.first_record, self._streams, self._owners)
        return self._runs

    def tick(self, now_ns: int) -> None:
        """Mark what waited for too long; the next segment gives it."""
        for stream in self._waiting:
            if now_ns - stream.since_ns < self._timeout_ns:
                break
            self._overdue[stream] = None
        cells = self._flows.cells
        while self._connections:
            connection = self._longest_silent()
            slots = [stream.slot for stream in connection.streams if stream is not None]
            if now_ns - max(cells[slot * f.WIDTH + f.LAST_NS] for slot in slots) < self._idle_ns:
                break
            self._forget(connection)

    def finish(self, batch: Batch) -> RunTable:
        """The input has ended with `batch` (not empty): what is still held, its holes given up, as runs of the last row."""
        self._batch, self._rows = batch, TcpRows.of(batch)
        runs = self._new_runs(batch)
        self._settle(batch.rows - 1)
        for stream in list(self._waiting):
            self._flush(stream, batch.rows - 1)
        return runs

    def let_go(self, connection: Connection) -> None:
        """Nobody wants a connection after all: keep nothing of it, and pass over what follows."""
        for stream in list(connection.streams):
            if stream is not None:
                self._drop(stream, f.T_REFUSED)
        self._connections.pop(connection, None)

    @property
    def held_bytes(self) -> int:
        """Bytes held now: out-of-order pages, and beginnings that nobody has claimed yet."""
        return self._pages * PAGE + self._head_bytes

    def evicted(self) -> Mapping[str, int]:
        """What was given up at a bound: connections; holes and undecided beginnings, by the bound that was hit; segments out
        of any window."""
        return dict(self._given_up)

    @property
    def connections(self) -> int:
        """Connections of which something is kept."""
        return len(self._connections)

    @property
    def bytes_limit(self) -> int:
        """The most that `held_bytes` can be."""
        return self._most_page_bytes + self._most_head_bytes

    # -- rows ------------------------------------------------------------------------------------------------------------

    def _take(self, row: int) -> None:
        rows = self._rows
        slot, flags, seq, wire = rows.flow[row], rows.flags[row], rows.seq[row], rows.wire[row]
        if flags & SYN:
            seq = seq + 1 & k.MASK
            self._syn(slot, seq, flags, row)
        if flags & ACK:
            self._acknowledge(slot, rows.ack[row], row)
        stream = self._streams.get(slot)
        if stream is None:
            if wire == 0 and not (flags & (FIN | RST) and self._flows.peer(slot) in self._streams):
                return
            if wire and self._unwanted(slot, seq, row):
                return
            stream = self._open(slot, row)
        else:
            self._stop(stream)
        connection = stream.connection
        order = stream.order
        if order is None:
            order = stream.order = SequenceSpace(seq)
            self._flows.cells[slot * f.WIDTH + f.TCP_BASE] = seq
        start = order.position(seq)
        if flags & FIN and stream.fin is None and start + wire >= order.next:
            stream.fin = start + wire
        if wire:
            self._payload(stream, order, start, start + wire, row)
        if slot not in self._streams:
            return  # refused by what this row showed
        other = connection.streams[1 - stream.side]
        if flags & RST:
            if 0 <= start - order.next <= FURTHEST:
                self._end(stream, row)
        elif stream.ended and other is not None and other.ended:
            self._end(stream, row)
        else:
            self._run_on(stream)

    def _run_on(self, stream: Stream) -> None:
        """Let the kernel give what comes next of a direction, where that takes no more than looking at numbers."""
        order, owner = stream.order, stream.connection.owner
        if owner is None or order is None or order.pieces or stream.gap or stream.fin is not None:
            return
        cells, cell = self._flows.cells, stream.slot * f.WIDTH
        cells[cell + f.TCP_NEXT] = order.next
        cells[cell + f.TCP_OWNER] = self._owners.index(owner) + 1
        cells[cell + f.TCP_STATE] = f.T_RUNNING

    def _stop(self, stream: Stream) -> None:
        """The direction is ours again: what the kernel knows of it, `stream.order` knows too."""
        cells, cell = self._flows.cells, stream.slot * f.WIDTH
        if cells[cell + f.TCP_STATE] == f.T_RUNNING and stream.order is not None:
            stream.order.next = cells[cell + f.TCP_NEXT]
            cells[cell + f.TCP_STATE] = f.T_OPEN

    def _unwanted(self, slot: int, seq: int, row: int) -> bool:
        """Whether no dissector wants the next bytes of a direction of which nothing is kept: the common case, so that the
        flow's row remembers all that there is to it."""
        rows, cells, cell = self._rows, self._flows.cells, slot * f.WIDTH
        peer = self._streams.get(cells[cell + f.PEER])
        if cells[cell + f.TCP_BASE] not in (-1, seq) or (peer is not None and peer.connection.owner is not None):
            return False
        off, captured = rows.off[row], rows.captured[row]
        if captured and self._claims.ask(slot, self._batch.mem[off : off + captured]) is not False:
            return False
        self._claims.in_vain(slot)
        cells[cell + f.TCP_BASE] = seq + rows.wire[row] & k.MASK
        return True

    def _payload(self, stream: Stream, order: SequenceSpace, start: int, end: int, row: int) -> None:
        rows = self._rows
        off, captured = rows.off[row], min(rows.captured[row], end - start)
        if end <= order.next:
            return  # a retransmission or keep-alive
        if start - order.next > FURTHEST:
            self._given_up["tcp_out_of_window"] += 1
            return
        segments = 1
        while start > order.next or (order.pieces and end > order.pieces[0].start):
            data = bytes(self._batch.mem[off : off + captured])
            piece = Piece(start, end, data, segments, self._batch.first_record + row)
            if not (why := self._no_room(order, piece)):
                self._hold(stream, order, piece, row)
                return
            if start <= order.next:  # what lies in front of the first piece has its turn
                self._in_order(stream, order, start, order.pieces[0].start, off, captured, segments, row)
                segments = 0
                if self._streams.get(stream.slot) is not stream:
                    return
            elif not self._make_room(stream, order, start, row, why):
                return
            if end <= order.next:
                return
        self._in_order(stream, order, start, end, off, captured, segments, row)

    def _in_order(
        self, stream: Stream, order: SequenceSpace, start: int, end: int, off: int, captured: int, segments: int, row: int
    ) -> None:
        """Give bytes up to `end`, at most the begin of the first piece, of a segment that begins at or before the next byte."""
        cut = min(order.next - start, captured)
        there = max(min(captured, end - start) - cut, 0)
        missing = end - order.next - there
        order.next = end
        if order.pieces:  # progress: the hole behind is as good as new
            self._no_wait(stream)
            self._wait(stream, self._rows.now_ns[row])
        self._give(stream, row, off + cut, there, segments, (self._batch.first_record + row,))
        self._lose(stream, row, missing)
        self._drain(stream, row)

    def _hold(self, stream: Stream, order: SequenceSpace, piece: Piece, row: int) -> None:
        """Keep a piece until its turn comes; there is room for it."""
        before = order.pages
        if order.differs(piece):
            self._given_up["tcp_overlap_differs"] += 1
        order.hold(piece)
        self.kept.append(piece.record)
        self._pages += order.pages - before
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)
        self._wait(stream, self._rows.now_ns[row])
        self._drain(stream, row)
        peer = self._flows.peer(stream.slot)
        if peer >= 0:
            self._skip_acknowledged(stream, self._flows.cells[peer * f.WIDTH + f.TCP_ACK], row)

    def _no_room(self, order: SequenceSpace, piece: Piece) -> str:
        """The bound that holding a piece would break; empty where there is none."""
        most = piece.pages + len(order.pieces)  # each piece that is there already may cut it once
        if order.pages + most <= self._max_pages and (self._pages + most) * PAGE <= self._most_page_bytes:
            return ""
        cost = order.cost(piece)
        if cost > self._max_pages:
            return "tcp_stream_pages"
        return "tcp_bytes" if (self._pages - order.pages + cost) * PAGE > self._most_page_bytes else ""

    def _make_room(self, stream: Stream, order: SequenceSpace, start: int, row: int, why: str) -> bool:
        """Give up a hole for what begins at `start` of a direction: its own, else the oldest. False where nothing is kept of
        that direction any more."""
        victim = stream if why == "tcp_stream_pages" else next(iter(self._waiting), stream)
        if victim is stream and (not order.pieces or start < order.pieces[0].start):
            self._given_up[why] += 1
            stream.gap += start - order.next
            order.next = start
        else:
            self._give_up(victim, row, why)
        return self._streams.get(stream.slot) is stream

    def _acknowledge(self, slot: int, ack: int, row: int) -> None:
        """A direction has acknowledged: bytes of the other one that the capture lost will not come again."""
        cells, cell = self._flows.cells, slot * f.WIDTH
        known = cells[cell + f.TCP_ACK]
        if known < 0 or k.ahead(ack, known) > 0:
            cells[cell + f.TCP_ACK] = ack
        other = self._streams.get(cells[cell + f.PEER])
        if other is not None:
            self._skip_acknowledged(other, ack, row)

    def _skip_acknowledged(self, stream: Stream, ack: int, row: int) -> None:
        order = stream.order
        if order is None or ack < 0:
            return
        upto = order.position(ack)
        while order.pieces and order.pieces[0].start <= upto:
            stream.gap += order.skip()
            self._drain(stream, row)

    # -- holes -----------------------------------------------------------------------------------------------------------

    def _wait(self, stream: Stream, now_ns: int) -> None:
        """Note that a direction has a hole; the kernel then shows the other one's bare acknowledgements."""
        if stream not in self._waiting:
            stream.since_ns = now_ns
            self._waiting[stream] = None
            self._flows.cells[stream.slot * f.WIDTH + f.TCP_STATE] = f.T_WAITING

    def _no_wait(self, stream: Stream) -> None:
        if stream in self._waiting:
            del self._waiting[stream]
            self._flows.cells[stream.slot * f.WIDTH + f.TCP_STATE] = f.T_OPEN

    def _drain(self, stream: Stream, row: int) -> None:
        """Give the pieces that have their turn, those side by side as one run."""
        order = stream.order
        assert order is not None
        while order.ready:
            data, segments, missing, pages = bytearray(), 0, 0, order.pages
            records: dict[int, None] = {}
            while missing == 0 and order.ready:
                piece = order.take()
                data += piece.data
                segments += piece.segments
                records[piece.record] = None
                missing = piece.end - piece.start - len(piece.data)
            self._pages += order.pages - pages
            self._no_wait(stream)
            if order.pieces:
                self._wait(stream, self._rows.now_ns[row])
            self._give(stream, row, self._batch.append(data), len(data), segments, tuple(records))
            self._lose(stream, row, missing)

    def _give_up(self, stream: Stream, row: int, why: str) -> None:
        self._given_up[why] += 1
        if stream.order is not None and stream.order.pieces:
            stream.gap += stream.order.skip()
            self._drain(stream, row)

    def _keep_head(self, stream: Stream, head: memoryview, segments: int, records: Sequence[int]) -> None:
        """Keep a direction's beginning, at the cost of the oldest where there is no room. What follows one that was let go is
        looked at as a beginning."""
        cost = len(head) + RECORD_BYTES * len(records)
        while self._head_bytes + cost > self._most_head_bytes:
            self._given_up["tcp_heads"] += 1
            if not self._heads:
                return
            self._take_head(next(iter(self._heads)))
        stream.head += head
        stream.head_segments = segments
        stream.head_records += records
        self._heads[stream] = None
        self._head_bytes += cost
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)

    def _take_head(self, stream: Stream) -> bytes:
        """What is kept of a direction's beginning, kept no more."""
        head = bytes(stream.head)
        self._heads.pop(stream, None)
        self._head_bytes -= len(head) + RECORD_BYTES * len(stream.head_records)
        stream.head.clear()
        stream.head_records.clear()
        stream.head_segments = 0
        return head

    def _flush(self, stream: Stream, row: int) -> None:
        """Give all that is held, giving up on every hole."""
        while stream.order is not None and stream.order.pieces:
            stream.gap += stream.order.skip()
            self._drain(stream, row)

    def _settle(self, row: int) -> None:
        """Give what fell due between two segments."""
        overdue, self._overdue = self._overdue, {}
        for stream in overdue:
            if stream in self._waiting:
                self._give_up(stream, row, "tcp_timeout")
        self._report_over(row)

    def _report_over(self, row: int) -> None:
        for run in self._over:
            run.row = row
        self._runs.extend(self._over)
        self._over = []

    # -- whose it is -----------------------------------------------------------------------------------------------------

    def _give(self, stream: Stream, row: int, off: int, length: int, segments: int, records: Sequence[int]) -> None:
        """Bytes in order: a run for the owner, or one more thing to decide by."""
        connection = stream.connection
        if connection.owner is None:
            self._decide(stream, row, off, length, segments, records)
        elif length:
            run = Run(row, stream.slot, connection, stream.side, off, length, segments, stream.gap, records=records)
            self._runs.append(run)
            stream.gap = 0

    def _lose(self, stream: Stream, row: int, missing: int) -> None:
        """Bytes that the snap length cut: nothing that comes later can fill this gap, so it is told at once."""
        if missing:
            stream.gap += missing
            if stream.connection.owner is not None:
                self._runs.append(Run(row, stream.slot, stream.connection, stream.side, 0, 0, 0, stream.gap))
                stream.gap = 0

    def _decide(self, stream: Stream, row: int, off: int, length: int, segments: int, records: Sequence[int]) -> None:
        if stream.gap:
            self._take_head(stream)
            stream.gap = 0
        batch = self._batch
        if stream.head:
            segments += stream.head_segments
            records = (*stream.head_records, *records)
            head = self._take_head(stream)
            off = batch.append(head + batch.mem[off : off + length])
            length += len(head)
        shown = batch.mem[off : off + length]
        answer = self._claims.ask(stream.slot, shown) if length else False
        if isinstance(answer, tuple):
            self._claim(stream, *answer, row)
            self._give(stream, row, off, length, segments, records)
        elif answer:
            self._keep_head(stream, shown, segments, records)
            self.kept.append(batch.first_record + row)
        elif self._claims.in_vain(stream.slot):
            self._drop(stream, f.T_REFUSED)

    def _claim(self, stream: Stream, owner: object, answer: object, row: int) -> None:
        """A dissector takes the connection, with what the other direction has shown so far."""
        connection = stream.connection
        connection.owner, connection.claim = owner, answer
        if owner not in self._owners:
            self._owners.append(owner)
        src, dst = self._flows.ends(stream.slot)
        connection.ends = [(src, dst), (dst, src)] if stream.side == 0 else [(dst, src), (src, dst)]
        other = connection.streams[1 - stream.side]
        if other is not None and other.head:
            segments, records = other.head_segments, tuple(other.head_records)
            data = self._take_head(other)
            self._give(other, row, self._batch.append(data), len(data), segments, records)
        peer = self._flows.peer(stream.slot) * f.WIDTH
        if peer >= 0 and self._flows.cells[peer + f.TCP_STATE] == f.T_REFUSED:
            self._flows.cells[peer + f.TCP_STATE] = f.T_FRESH
            self._flows.cells[peer + f.TCP_BASE] = -1  # its bytes up to here were passed over

    def _adopt(self, connection: Connection, slot: int, row: int) -> Stream:
        """Begin to keep a direction; its first number is what a SYN told, else that of the segment at hand."""
        flows, cell = self._flows, slot * f.WIDTH
        base = flows.cells[cell + f.TCP_BASE]
        stream = Stream(connection, slot, flows.side(slot), SequenceSpace(base) if base >= 0 else None)
        self._claims.allow(slot)
        connection.streams[stream.side] = stream
        self._streams[slot] = stream
        flows.cells[cell + f.TCP_STATE] = f.T_OPEN
        flows.cells[cell + f.TCP_TOUCHED] = self._batch.first_record + row
        return stream

    def _open(self, slot: int, row: int) -> Stream:
        """Payload of a direction of which nothing is kept."""
        peer = self._streams.get(self._flows.peer(slot))
        if peer is not None:
            return self._adopt(peer.connection, slot, row)
        if len(self._connections) >= self._max_connections:
            self._given_up["tcp_connections"] += 1
            self._forget(self._longest_silent())
            self._report_over(row)
        connection = Connection()
        self._opened += 1
        self._connections[connection] = self._opened
        heappush(self._silent, (self._batch.first_record + row, self._opened, connection))
        return self._adopt(connection, slot, row)

    def _longest_silent(self) -> Connection:
        """The connection whose last row is the oldest; there is one. The heap knows of some row of each: never a later one than
        the last, so that the first of which it is the last is it."""
        heap, cells = self._silent, self._flows.cells
        if len(heap) > 2 * len(self._connections) + 64:
            heap[:] = [entry for entry in heap if entry[2] in self._connections]
            heapify(heap)
        while True:
            record, number, connection = heap[0]
            if connection not in self._connections:
                heappop(heap)
                continue
            slots = [stream.slot for stream in connection.streams if stream is not None]
            last = max(cells[slot * f.WIDTH + f.TCP_TOUCHED] for slot in slots)
            if last == record:
                return connection
            heapreplace(heap, (last, number, connection))

    # -- ends ------------------------------------------------------------------------------------------------------------

    def _syn(self, slot: int, first: int, flags: int, row: int) -> None:
        """A SYN whose number is not the known one ends what these ports carried before."""
        cells, cell = self._flows.cells, slot * f.WIDTH
        if first == cells[cell + f.TCP_BASE]:
            return
        peer = self._flows.peer(slot)
        old = self._streams.get(slot)
        if old is None and not flags & ACK:
            old = self._streams.get(peer)
        if old is not None:
            self._end(old, row)
        k.begin_direction(self._flows.view, cell, peer * f.WIDTH if peer >= 0 else -1, first, flags, self._rows.ack[row])

    def _end(self, stream: Stream, row: int) -> None:
        """The connection is over: give what is held, and the owner its end."""
        connection = stream.connection
        for side in connection.streams:
            if side is not None:
                self._flush(side, row)
        if connection.owner is not None:
            self._runs.append(Run(row, stream.slot, connection, stream.side, 0, 0, 0, stream.gap, last=True))
        self._remove(connection, ended=True)

    def _forget(self, connection: Connection) -> None:
        """Let a connection go, with all that it still waits for; its owner learns of it with the next segment."""
        if connection.owner is not None:
            stream = next(side for side in connection.streams if side is not None)
            self._over.append(Run(0, stream.slot, connection, stream.side, 0, 0, 0, stream.gap, last=True))
        self._remove(connection, ended=False)

    def _remove(self, connection: Connection, *, ended: bool) -> None:
        """Keep nothing of a connection. Of one that ended the kernel learns where its next bytes would be, so that it
        passes over late copies; one that goes on may be looked at again."""
        for stream in list(connection.streams):
            if stream is not None:
                self._drop(stream, f.T_FRESH)
                base = stream.order.next & k.MASK if ended and stream.order is not None else -1
                self._flows.cells[stream.slot * f.WIDTH + f.TCP_BASE] = base
                self._flows.cells[stream.slot * f.WIDTH + f.TCP_TRIES] = 0
        self._connections.pop(connection, None)

    def _drop(self, stream: Stream, state: int) -> None:
        """Keep nothing of a direction any more."""
        self._stop(stream)
        self._runs.gone(stream)
        self._no_wait(stream)
        self._take_head(stream)
        self._streams.pop(stream.slot, None)
        self._flows.cells[stream.slot * f.WIDTH + f.TCP_STATE] = state
        if stream.order is not None:
            self._pages -= stream.order.pages
            stream.order.clear()
        connection = stream.connection
        connection.streams[stream.side] = None
        if connection.owner is None and connection.streams == [None, None]:
            self._connections.pop(connection, None)

    def _freed(self, slots: Sequence[int]) -> None:
        """Flow slots are free: forget what hung on them."""
        for slot in slots if self._streams else ():
            stream = self._streams.get(slot)
            if stream is not None:
                self._forget(stream.connection)
