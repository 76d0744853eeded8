"""IP fragments: pieces wait here until their datagram is whole, which then is decoded in the row that completed it.

Pieces are copied out of the batch, so it does not matter where a batch ends. The only clock is packet time. What the
pieces carry is the decoder's business; TCP segments are another module's.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lippycat_core.batch import Batch
from lippycat_core.columns import FRAGMENT, FRESH, I32, I64, U8, U32, Frame, Net, Route, Transport
from lippycat_core.kernels.decode import decode
from lippycat_core.kernels.link import LINKTYPE_RAW
from lippycat_core.kernelset import Kernel, KernelSet

PIECE_COST = 200  # bytes that a piece takes beside its data, about
MAX_PIECES = 256  # different ones a datagram: 64 KB in pieces of 256 bytes
MAX_COPIES = 4  # of one datagram, captured at several places

Key: TypeAlias = tuple[int, ...]
"""Source and destination words, protocol (IPv4) or -1 (RFC 8200: only the first fragment's counts), identification."""

Fields: TypeAlias = tuple[int, ...]
"""A fragment's columns: eight address words, protocol, identification, offset, more follow, place, captured and wire length."""


class Piece(NamedTuple):
    """One fragment. Two of them are the same fragment, captured twice, when everything is equal."""

    offset: int
    length: int  # on the wire
    more: bool
    protocol: int
    data: bytes  # captured, from `offset` on


class _Row:
    """Columns of one row, for decoding one datagram."""

    def __init__(self) -> None:
        def i32() -> I32:
            return np.zeros(1, np.int32)

        def u32() -> U32:
            return np.zeros(1, np.uint32)

        def i64() -> I64:
            return np.zeros(1, np.int64)

        self.frame = Frame(i64(), i32(), i32(), i32(), i32())
        self.net = Net(u32(), u32(), u32(), u32(), u32(), u32(), u32(), u32(), i32())
        self.transport = Transport(i32(), i32(), i32(), i32(), i32(), u32(), u32(), i32())
        self.route = Route(i32(), i32(), i32(), i64())

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable decoder, and the columns in the form that it wants."""
        self._decode = kernels[decode]
        self._frame = kernels.view_all(self.frame)
        self._net = kernels.view_all(self.net)
        self._transport = kernels.view_all(self.transport)
        self._route = kernels.view_all(self.route)

    def decode(self, slab: U8) -> None:
        """Decode the packet that `frame` says."""
        self.route.status[0] = FRESH
        self._decode(slab, self._frame, self._net, self._transport, self._route, 0, 1)


@dataclass(slots=True)
class Datagram:
    """The pieces of one identification, in order of arrival, each with how often it was captured."""

    deadline_ns: int
    pieces: dict[Piece, int] = field(default_factory=dict)
    records: int = 0  # captured records among the pieces
    numbers: list[int] = field(default_factory=list)  # of those since it was whole last
    cost: int = 0  # bytes of memory
    carried: int = 0  # bytes in the different pieces, overlaps counted twice: below `total` it cannot be whole
    total: int = -1  # length by the last piece, -1 while it is missing
    copies: int = 0  # how often it was whole

    def add(self, piece: Piece, number: int) -> int:
        """Keep a piece of record `number` and return how many bytes more that takes; one known already is only counted."""
        self.records += 1
        if len(self.numbers) < MAX_PIECES * MAX_COPIES:
            self.numbers.append(number)
        if piece in self.pieces:
            self.pieces[piece] += 1
            return 0
        self.pieces[piece] = 1
        self.carried += piece.length
        if not piece.more and self.total < 0:
            self.total = piece.offset + piece.length
        cost = len(piece.data) + PIECE_COST
        self.cost += cost
        return cost

    def whole(self) -> bool:
        """Whether one more copy of the datagram is there in full: each byte in a piece that was captured so often."""
        if self.total < 0 or self.carried < self.total or self.copies >= MAX_COPIES:
            return False
        spans = sorted((p.offset, p.length) for p, count in self.pieces.items() if count > self.copies)
        return _reach(spans) >= self.total

    def payload(self) -> bytes:
        """The bytes up to the first that was not captured; where pieces overlap the first captured counts."""
        data = bytearray(self.total)
        for piece in reversed(self.pieces):
            data[piece.offset : piece.offset + len(piece.data)] = piece.data
        captured = _reach(sorted((p.offset, len(p.data)) for p in self.pieces))
        return bytes(data[: min(captured, self.total)])

    def protocol(self) -> int:
        """What the datagram carries, as its first fragment says."""
        return next(p.protocol for p in self.pieces if p.offset == 0)


def _reach(spans: list[tuple[int, int]]) -> int:
    """How far from 0 the sorted (offset, length) spans go without a hole."""
    reach = 0
    for offset, length in spans:
        if offset > reach:
            break
        reach = max(reach, offset + length)
    return reach


class FragmentTable:
    """Datagrams in pieces, bounded in bytes and number, each given `timeout_ns` of packet time from its first fragment on.

    A datagram that was whole stays known for as long again, so that late copies of its fragments are told from the
    beginning of another datagram; each further full set of copies is a datagram again, as captured. Room is made by
    forgetting those first, then by giving up the oldest that wait.
    """

    kernels: ClassVar[tuple[Kernel, ...]] = (decode,)

    def __init__(self, max_bytes: int = 8 << 20, max_datagrams: int = 4096, timeout_ns: int = 30_000_000_000) -> None:
        self._max_bytes = max_bytes
        self._max_datagrams = max_datagrams
        self._timeout_ns = timeout_ns
        self._waiting: OrderedDict[Key, Datagram] = OrderedDict()
        self._done: OrderedDict[Key, Datagram] = OrderedDict()
        self._bytes = 0
        self._now_ns = 0
        self._row = _Row()
        self._evictions = 0
        self.incomplete = 0
        """Fragments (records) of datagrams that were given up."""

    @property
    def evicted(self) -> Mapping[str, int]:
        """Datagrams given up for want of room."""
        return {"fragments": self._evictions} if self._evictions else {}

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels; called before the first `join`, and again when a compiler has finished."""
        self._row.bind(kernels)

    def join(self, batch: Batch) -> None:
        """Take the batch's FRAGMENT rows. A row that completes a datagram gets the columns and the status of what is in it,
        its payload behind the records in the slab; `batch.datagrams` tells which did, and by which records."""
        if not batch.rows:
            return
        times_ns = batch.frame.ts_ns[: batch.rows]
        if not batch.may_have_fragments:
            self._now_ns = max(self._now_ns, int(times_ns.max()))
            return
        rows = np.flatnonzero(batch.route.status[: batch.rows] == FRAGMENT)
        if len(rows):
            clock_ns = np.maximum.accumulate(times_ns)[rows].tolist()
            for row, now_ns, fields in zip(rows.tolist(), clock_ns, _fields(batch.net, batch.transport, rows), strict=True):
                self._now_ns = max(self._now_ns, now_ns)
                self._expire()
                while self._take(batch, row, fields) and self._row.route.status[0] == FRAGMENT:
                    (fields,) = _fields(self._row.net, self._row.transport, [0])
        self._now_ns = max(self._now_ns, int(times_ns.max()))

    def finish(self) -> None:
        """The input has ended: give up what is not whole."""
        while self._waiting:
            self._give_up(self._waiting.popitem(last=False)[1])
        self._done.clear()
        self._bytes = 0

    def _take(self, batch: Batch, row: int, fields: Fields) -> bool:
        """Keep a row's fragment; whether that completed a datagram, which then is in the row."""
        *words, protocol, identification, offset, more, off, length, wire_length = fields
        addresses = tuple(words)
        key = (*addresses, protocol if _is_ipv4(addresses) else -1, identification)
        piece = Piece(offset, wire_length, bool(more), protocol, bytes(batch.mem[off : off + length]))
        datagram = self._done.get(key)
        if datagram is not None and piece not in datagram.pieces:  # the identification is in use again
            self._bytes -= self._done.pop(key).cost
            datagram = None
        if datagram is None:
            datagram = self._waiting.get(key)
        if datagram is None:
            datagram = self._waiting[key] = Datagram(self._now_ns + self._timeout_ns)
        self._bytes += datagram.add(piece, batch.first_record + row)
        whole = datagram.whole()
        if whole:
            datagram.copies += 1
            own = batch.first_record + row
            batch.datagrams.append((row, tuple(number for number in datagram.numbers if number != own)))
            datagram.numbers.clear()
            self._decode_into(batch, row, addresses, datagram)
            if self._waiting.pop(key, None) is not None:
                datagram.deadline_ns = self._now_ns + self._timeout_ns
                self._done[key] = datagram
        elif datagram.copies == 0 and len(datagram.pieces) >= MAX_PIECES:
            self._evictions += 1
            self._give_up(self._waiting.pop(key))
        self._make_room()
        return whole

    def _decode_into(self, batch: Batch, row: int, addresses: Key, datagram: Datagram) -> None:
        """Write the datagram behind the batch's records and decode it as if it had come in one piece."""
        payload = datagram.payload()
        header = _header(addresses, datagram.protocol(), datagram.total)
        one = self._row
        one.frame.off[0] = batch.append(header + payload)
        one.frame.caplen[0] = len(header) + len(payload)
        one.frame.wirelen[0] = len(header) + datagram.total
        one.frame.link[0] = LINKTYPE_RAW
        one.decode(batch.views.slab)
        for column, value in zip((*batch.net, *batch.transport), (*one.net, *one.transport), strict=True):
            column[row] = value[0]
        batch.route.status[row] = one.route.status[0]

    def _expire(self) -> None:
        for table in (self._waiting, self._done):  # both in order of their deadlines
            while table:
                key, datagram = next(iter(table.items()))
                if self._now_ns <= datagram.deadline_ns:
                    break
                del table[key]
                self._give_up(datagram)

    def _make_room(self) -> None:
        while self._bytes > self._max_bytes or len(self._waiting) + len(self._done) > self._max_datagrams:
            if self._done:
                self._give_up(self._done.popitem(last=False)[1])
            else:
                self._evictions += 1
                self._give_up(self._waiting.popitem(last=False)[1])

    def _give_up(self, datagram: Datagram) -> None:
        self._bytes -= datagram.cost
        if datagram.copies == 0:
            self.incomplete += datagram.records


def _fields(net: Net, transport: Transport, rows: Sequence[int] | NDArray[np.intp]) -> Iterator[Fields]:
    """What the columns say of some rows' fragments."""
    t = transport
    columns = (*net, t.seq, t.ack, t.tcp_flags, t.pay_off, t.pay_len, t.pay_wire)
    return zip(*(column[rows].tolist() for column in columns), strict=True)


def _is_ipv4(addresses: Key) -> bool:
    return addresses[:3] == addresses[4:7] == (0, 0, 0xFFFF)


def _header(addresses: Key, protocol: int, length: int) -> bytes:
    """The IP header of a datagram with `length` bytes of payload; one too long for its field is 0, which means the rest."""
    if _is_ipv4(addresses):
        total = 20 + length if 20 + length <= 0xFFFF else 0
        return struct.pack("!BBHHHBBHII", 0x45, 0, total, 0, 0, 64, protocol, 0, addresses[3], addresses[7])
    return struct.pack("!IHBB8I", 6 << 28, length, protocol, 64, *addresses)
