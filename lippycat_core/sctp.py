"""SCTP: user messages of associations that a dissector wants, in the order of their numbers, each as a run that is `whole`.

The innards of RFC 9260 that matter to who listens: DATA and I-DATA (RFC 8260) chunks, what SACK and FORWARD-TSN (RFC 3758)
say of chunks that will not come, and the ends. Rows of other protocols cost one comparison; an association that nobody wants
a look at its addresses.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np

from lippycat_core.addresses import Endpoint
from lippycat_core.batch import Batch
from lippycat_core.columns import DECODED, SCTP
from lippycat_core.connections import Connection
from lippycat_core.interfaces.dissect import Run
from lippycat_core.kernels.tcp import MASK, ahead
from lippycat_core.routing import Claimant, ClaimsConnections

# Chunk types (RFC 9260, section 3.2; RFC 8260; RFC 3758)
DATA, INIT, INIT_ACK, SACK, ABORT, SHUTDOWN_COMPLETE, I_DATA = 0, 1, 2, 3, 6, 14, 64
FORWARD_TSN, I_FORWARD_TSN = 192, 194
TAG_REFLECTED = 1  # flag of an ABORT or SHUTDOWN COMPLETE: its tag is that of the other direction
# Flags of DATA
END, BEGIN, UNORDERED = 1, 2, 4

FURTHEST = 1 << 16
"""No sender is so many chunks ahead of what is missing."""

MOST_HELD = 256
"""Chunks of one direction that wait for a missing one."""

LARGEST_MESSAGE = 1 << 20
"""A longer message is given up, and no SIP message is."""

MOST_MESSAGES = 64
"""Messages of one direction that are put together at once."""

CHUNK_BYTES = 120
"""What a chunk that waits is counted as beside its bytes."""

IN_VAIN = 4
"""Messages of an association that are shown; what nobody wanted by then is passed over."""

STRANGERS = 3
"""Packets with another verification tag after which an association is taken for a new one."""

IDLE_NS = 3600 * 1_000_000_000

Key: TypeAlias = tuple[int, ...]
"""Source and destination words and ports."""


class Chunk(NamedTuple):
    """One DATA or I-DATA chunk. `off` is where its bytes lie in the slab while its row is at hand, -1 afterwards."""

    tsn: int
    flags: int
    message: tuple[int, int, int]  # stream, whether unordered, number in the stream: which message it is part of
    data: bytes | memoryview
    off: int
    record: int


@dataclass(slots=True)
class Parts:
    """The begin of a message, and what it is counted as."""

    chunks: list[Chunk] = field(default_factory=list)
    nbytes: int = 0


@dataclass(slots=True, eq=False)
class Direction:
    """What one end sends."""

    association: Association
    side: int
    tag: int = -1  # the verification tag that it sends
    strangers: int = 0
    first: int = -1  # the first TSN, where an INIT or INIT ACK told
    next: int = -1  # the next TSN, -1 before any
    held: dict[int, Chunk] = field(default_factory=dict)
    acked: int = -1  # up to which TSN the other end has all, or is told to do without
    parts: OrderedDict[tuple[int, int, int], Parts] = field(default_factory=OrderedDict)
    since_ns: int = 0  # when the hole at the front was found
    nbytes: int = 0


@dataclass(slots=True, eq=False)
class Association:
    """Both directions, and who wants them."""

    keys: tuple[Key, Key]
    connection: Connection
    directions: list[Direction] = field(default_factory=list)
    in_vain: int = 0
    last_ns: int = 0

    def refused(self) -> bool:
        """Whether nobody wants it."""
        return self.connection.owner is None and self.in_vain >= IN_VAIN


class SctpAssociations:
    """The associations of a run: at most `max_associations`, with `max_bytes` of chunks that wait. What is given up is
    counted in `evicted()`."""

    def __init__(
        self,
        dissectors: Sequence[Claimant],
        *,
        max_associations: int = 1 << 14,
        max_bytes: int = 4 << 20,
        timeout_ns: int = 30 * 1_000_000_000,
    ) -> None:
        self._claimants = [one for one in dissectors if not isinstance(one, ClaimsConnections)]
        self._max_associations = max_associations
        self.max_bytes = max_bytes
        self._timeout_ns = timeout_ns
        self._found: dict[Key, Direction] = {}
        self._associations: OrderedDict[Association, None] = OrderedDict()  # longest silent first
        self._waiting: dict[Direction, None] = {}  # oldest hole first
        self._overdue: dict[Direction, None] = {}
        self._over: list[Run] = []  # ends of associations that went between two segments
        self._given_up: Counter[str] = Counter()
        self._runs: list[Run] = []
        self.held_bytes = 0
        self.peak_bytes = 0
        self.kept: list[int] = []
        """Records of the segment at hand whose bytes wait (see `Segment.kept`)."""

    def segment(self, batch: Batch, begin: int, end: int) -> list[Run]:
        """The runs that rows [begin, end) complete, in their order."""
        self.kept = []
        if not self._claimants:
            return []
        wanted = (batch.net.proto[begin:end] == SCTP) & (batch.route.status[begin:end] == DECODED)
        rows = np.flatnonzero(wanted)
        if not len(rows) and not self._overdue and not self._over:
            return []
        runs: list[Run] = []
        self._runs, self._batch = runs, batch
        self._settle(begin)
        for row in (begin + rows).tolist():
            self._packet(row)
        return runs

    def tick(self, now_ns: int) -> None:
        """Mark what waited for too long, and forget what was silent for long; the next segment tells."""
        for direction in self._waiting:
            if now_ns - direction.since_ns < self._timeout_ns:
                break
            self._overdue[direction] = None
        while self._associations:
            association = next(iter(self._associations))
            if now_ns - association.last_ns < IDLE_NS:
                break
            self._forget(association)

    def finish(self, batch: Batch) -> list[Run]:
        """The input has ended with `batch`: what still waits, its holes given up, as runs of the last row."""
        runs: list[Run] = []
        self._runs, self._batch, self.kept = runs, batch, []
        self._settle(batch.rows - 1)
        for direction in list(self._waiting):
            self._flush(direction, batch.rows - 1)
        return runs

    def evicted(self) -> Mapping[str, int]:
        """What was given up: associations for want of room; holes and unfinished messages, by the bound that was hit; chunks
        out of any window."""
        return dict(self._given_up)

    def __len__(self) -> int:
        """Associations that are followed."""
        return len(self._associations)

    # -- packets ---------------------------------------------------------------------------------------------------------

    def _packet(self, row: int) -> None:
        batch = self._batch
        net, transport = batch.net, batch.transport
        src = (int(net.src0[row]), int(net.src1[row]), int(net.src2[row]), int(net.src3[row]), int(transport.sport[row]))
        dst = (int(net.dst0[row]), int(net.dst1[row]), int(net.dst2[row]), int(net.dst3[row]), int(transport.dport[row]))
        now_ns = int(batch.route.now_ns[row])
        direction = self._found.get((*src, *dst)) or self._begin(src, dst, row)
        association = direction.association
        association.last_ns = now_ns
        self._associations.move_to_end(association)
        off, captured = int(transport.pay_off[row]), int(transport.pay_len[row])
        tag = int(transport.seq[row])
        if association.refused():
            if captured and batch.mem[off] == INIT:
                self._started(direction, off, off + captured, row)
            return
        for kind, at, size, there in _chunks(batch.mem, off, off + captured):
            if association.refused():
                return  # by what this packet showed
            if kind in (DATA, I_DATA):
                if direction.tag not in (-1, tag):  # RFC 9260, section 8.5
                    direction.strangers += 1
                    if direction.strangers < STRANGERS:
                        return
                    direction = self._again(direction, row)
                    association = direction.association
                direction.tag, direction.strangers = tag, 0
                if there == size:
                    self._data(direction, kind, at, size, row, now_ns)
            elif kind in (INIT, INIT_ACK):
                direction = self._started(direction, at, at + there, row)
                association = direction.association
            elif there < 8 and kind not in (ABORT, SHUTDOWN_COMPLETE):
                continue
            elif kind == SACK:
                other = association.directions[1 - direction.side]
                self._given(other, _u32(batch.mem, at + 4), row)
            elif kind in (FORWARD_TSN, I_FORWARD_TSN):
                self._given(direction, _u32(batch.mem, at + 4), row)
            elif kind in (ABORT, SHUTDOWN_COMPLETE):
                sender = association.directions[direction.side ^ (batch.mem[at + 1] & TAG_REFLECTED)]
                if sender.tag in (-1, tag):
                    self._end(association, row)
                return

    def _begin(self, src: Endpoint, dst: Endpoint, row: int) -> Direction:
        """A new association; side 0 is who is seen first."""
        if len(self._associations) >= self._max_associations:
            self._given_up["sctp_associations"] += 1
            self._forget(next(iter(self._associations)))
            self._report_over(row)
        connection = Connection(transport="sctp")
        connection.ends = [(src, dst), (dst, src)]
        association = Association(((*src, *dst), (*dst, *src)), connection)
        association.directions = [Direction(association, 0), Direction(association, 1)]
        for key, direction in zip(association.keys, association.directions, strict=True):
            self._found[key] = direction
        self._associations[association] = None
        return association.directions[0]

    def _again(self, direction: Direction, row: int) -> Direction:
        """The same ends have begun a new association."""
        src, dst = direction.association.connection.ends[direction.side]
        self._end(direction.association, row)
        return self._begin(src, dst, row)

    def _started(self, direction: Direction, at: int, end: int, row: int) -> Direction:
        """An INIT or INIT ACK, which says the first TSN (RFC 9260, section 3.3.2)."""
        if at + 20 > end:
            return direction
        first = _u32(self._batch.mem, at + 16)
        if direction.first != first and (direction.next >= 0 or direction.association.refused()):
            direction = self._again(direction, row)
        if direction.next < 0:
            direction.first = direction.next = first
        return direction

    # -- chunks ----------------------------------------------------------------------------------------------------------

    def _data(self, direction: Direction, kind: int, at: int, size: int, row: int, now_ns: int) -> None:
        mem = self._batch.mem
        head = 20 if kind == I_DATA else 16
        if size <= head:
            return  # an empty message is an error (RFC 9260, section 3.3.10.9)
        tsn, flags = _u32(mem, at + 4), mem[at + 1]
        if direction.next < 0:
            direction.next = tsn
        distance = ahead(tsn, direction.next)
        if distance < 0 or tsn in direction.held:
            return  # sent again
        if distance > FURTHEST:
            self._given_up["sctp_out_of_window"] += 1
            return
        stream = int.from_bytes(mem[at + 8 : at + 10], "big")
        number = _u32(mem, at + 12) if kind == I_DATA else int.from_bytes(mem[at + 10 : at + 12], "big")
        unordered = 1 if flags & UNORDERED else 0
        message = (stream, unordered, 0 if unordered and kind == DATA else number)
        off, data = at + head, mem[at + head : at + size]
        chunk = Chunk(tsn, flags, message, data, off, self._batch.first_record + row)
        if distance == 0:
            direction.next = tsn + 1 & MASK
            self._accept(direction, chunk, row)
            self._drain(direction, row, now_ns)
            return
        self.kept.append(chunk.record)
        direction.held[tsn] = chunk._replace(data=bytes(data), off=-1)
        self._weigh(direction, len(data) + CHUNK_BYTES)
        if direction not in self._waiting:
            direction.since_ns = now_ns
            self._waiting[direction] = None
        if direction.acked >= 0:
            self._given(direction, direction.acked, row)
        if len(direction.held) > MOST_HELD:
            self._give_up(direction, row, "sctp_bytes")
        self._make_room(row)

    def _weigh(self, direction: Direction, more: int) -> None:
        direction.nbytes += more
        self.held_bytes += more
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)

    def _make_room(self, row: int) -> None:
        while self.held_bytes > self.max_bytes:
            waiting = next(iter(self._waiting), None)
            if waiting is not None:
                self._give_up(waiting, row, "sctp_bytes")
                continue
            direction = next(d for a in self._associations for d in a.directions if d.parts)
            self._given_up["sctp_bytes"] += 1
            self._drop_parts(direction)

    def _drain(self, direction: Direction, row: int, now_ns: int) -> None:
        """Take the chunks whose turn has come."""
        while (chunk := direction.held.pop(direction.next, None)) is not None:
            self._weigh(direction, -(len(chunk.data) + CHUNK_BYTES))
            direction.next = direction.next + 1 & MASK
            self._accept(direction, chunk, row)
        if direction in self._waiting:
            del self._waiting[direction]
            if direction.held:  # the next hole is a new one
                direction.since_ns = now_ns
                self._waiting[direction] = None

    def _accept(self, direction: Direction, chunk: Chunk, row: int) -> None:
        """A chunk in its turn: a message, or a part of one."""
        if chunk.flags & BEGIN and chunk.flags & END:
            self._message(direction, [chunk], row)
            return
        parts = direction.parts.get(chunk.message)
        if chunk.flags & BEGIN:
            if parts is not None:
                self._drop(direction, chunk.message)
            if len(direction.parts) >= MOST_MESSAGES:
                self._given_up["sctp_bytes"] += 1
                self._drop(direction, next(iter(direction.parts)))
            parts = direction.parts[chunk.message] = Parts()
        elif parts is None:
            return  # its begin was not captured
        if chunk.flags & END:
            whole = [*parts.chunks, chunk]
            self._drop(direction, chunk.message)
            self._message(direction, whole, row)
            return
        if chunk.off >= 0:
            self.kept.append(chunk.record)
        parts.chunks.append(chunk._replace(data=bytes(chunk.data), off=-1))
        parts.nbytes += len(chunk.data) + CHUNK_BYTES
        self._weigh(direction, len(chunk.data) + CHUNK_BYTES)
        if parts.nbytes > LARGEST_MESSAGE:
            self._given_up["sctp_bytes"] += 1
            self._drop(direction, chunk.message)
        self._make_room(row)

    def _drop(self, direction: Direction, message: tuple[int, int, int]) -> None:
        self._weigh(direction, -direction.parts.pop(message).nbytes)

    def _drop_parts(self, direction: Direction) -> None:
        for message in list(direction.parts):
            self._drop(direction, message)

    def _message(self, direction: Direction, chunks: list[Chunk], row: int) -> None:
        """A whole user message: a run for the owner, or one more thing to decide by."""
        association = direction.association
        connection = association.connection
        data = chunks[0].data if len(chunks) == 1 else b"".join(chunk.data for chunk in chunks)
        if connection.owner is None and (association.refused() or not self._claim(association, memoryview(data))):
            return
        off = chunks[0].off if len(chunks) == 1 and chunks[0].off >= 0 else self._batch.append(data)
        records = tuple(dict.fromkeys(chunk.record for chunk in chunks))
        run = Run(row, -1, connection, direction.side, off, len(data), len(records))
        run.records, run.whole = records, True
        self._runs.append(run)

    def _claim(self, association: Association, head: memoryview) -> bool:
        """Whether anybody wants the association that shows this message."""
        for one in self._claimants:
            if one.claim_stream(head):
                association.connection.owner = one
                association.connection.claim = True
                return True
        association.in_vain += 1
        if association.refused():
            for direction in association.directions:
                self._clear(direction)
        return False

    # -- holes and ends --------------------------------------------------------------------------------------------------

    def _given(self, direction: Direction, upto: int, row: int) -> None:
        """Chunks up to this TSN will not come any more: the other end has them, or is told to do without."""
        if direction.acked < 0 or ahead(upto, direction.acked) > 0:
            direction.acked = upto
        while direction.held and ahead(upto, direction.next) >= 0:
            self._skip(direction, row, upto + 1 & MASK)

    def _skip(self, direction: Direction, row: int, most: int = -1) -> None:
        """Give up the hole in front of the first chunk that waits, at most up to chunk `most`, and what it leaves unfinished."""
        to = min(direction.held, key=lambda tsn: ahead(tsn, direction.next))
        if most >= 0 and ahead(to, most) > 0:
            to = most
        self._drop_parts(direction)
        direction.next = to
        self._drain(direction, row, int(self._batch.route.now_ns[row]))

    def _flush(self, direction: Direction, row: int) -> None:
        """Give all that waits, and give up on every hole."""
        while direction.held:
            self._skip(direction, row)

    def _give_up(self, direction: Direction, row: int, why: str) -> None:
        self._given_up[why] += 1
        self._skip(direction, row)

    def _clear(self, direction: Direction) -> None:
        """Keep no chunk of a direction."""
        self._weigh(direction, -direction.nbytes)
        direction.held.clear()
        direction.parts.clear()
        self._waiting.pop(direction, None)
        self._overdue.pop(direction, None)

    def _settle(self, row: int) -> None:
        """Give what fell due between two segments."""
        overdue, self._overdue = self._overdue, {}
        for direction in overdue:
            if direction in self._waiting:
                self._give_up(direction, row, "sctp_timeout")
        self._report_over(row)

    def _report_over(self, row: int) -> None:
        for run in self._over:
            run.row = row
        self._runs += self._over
        self._over = []

    def _end(self, association: Association, row: int) -> None:
        """The association is over: what it holds is given, and its end."""
        for direction in association.directions:
            self._flush(direction, row)
        self._forget(association)
        self._report_over(row)

    def _forget(self, association: Association) -> None:
        """Let an association go; its owner learns of it with the next segment."""
        for direction, key in zip(association.directions, association.keys, strict=True):
            self._clear(direction)
            self._found.pop(key, None)
        self._associations.pop(association, None)
        if association.connection.owner is not None:
            self._over.append(Run(0, -1, association.connection, 0, 0, 0, 0, last=True))


def _u32(mem: memoryview, at: int) -> int:
    return int.from_bytes(mem[at : at + 4], "big")


def _chunks(mem: memoryview, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Type, place, length and captured length of the chunks of a packet (RFC 9260, section 3.2), up to one that is none."""
    while at + 4 <= end:
        size = int.from_bytes(mem[at + 2 : at + 4], "big")
        if size < 4:
            return
        yield mem[at], at, size, min(size, end - at)
        at += size + 3 & ~3
