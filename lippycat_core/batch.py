"""The batch: one byte slab and columns over it, reused from a pool. It knows no file, protocol or stage.

The slab's first part is the source's (records as they were read); behind it, from `arena` on, stages append what they put
together (datagrams from fragments, messages from TCP segments), so that every payload of a batch is a span of one slab.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lippycat_core.columns import I32, I64, U8, U32, Frame, Net, Route, Transport
from lippycat_core.errors import ContractError
from lippycat_core.kernelset import KernelSet

DEFAULT_BYTES = 512 * 1024
DEFAULT_ROWS = 4096
LARGEST_RECORD = 256 * 1024 + 1024
"""The longest record a slab must hold: libpcap's MAXIMUM_SNAPLEN and room for its header."""


ROW_BYTES = 112
"""What all columns take for one row."""


class Views(NamedTuple):
    """What kernels are called with: arrays when compiled, memoryviews when interpreted (half the cost there)."""

    slab: U8
    frame: Frame
    net: Net
    transport: Transport
    route: Route


def _i32(rows: int) -> I32:
    return np.zeros(rows, np.int32)


def _u32(rows: int) -> U32:
    return np.zeros(rows, np.uint32)


def _i64(rows: int) -> I64:
    return np.zeros(rows, np.int64)


class Batch:
    """Up to `capacity` records. `rows` are filled; row i is record number `first_record + i` of the input (1-based).

    `slab`, `frame`, `net`, `transport`, `route` are NumPy arrays (plugins read them); `views` holds the same memory in the
    form that the bound kernels take; `mem` is a memoryview of the slab for slicing bytes out of it. `may_have_fragments` and
    `may_have_tcp` are False where decoding found none, so that whoever looks for them need not. `datagrams` says which rows
    completed an IP datagram, each with the numbers of the other records that its fragments came in.

    `secrets` are those that the input brought in front of the first row, as (pcapng secrets type, data).

    A live source says with `clock_ns` up to which capture time no more packets will come (0: it does not know), and with
    `lost` in which span of capture time packets were dropped that nobody was told of yet ((0, 0): none). Of a file both are
    unknown: 0 and None.
    """

    def __init__(self, kernels: KernelSet, nbytes: int = DEFAULT_BYTES, capacity: int = DEFAULT_ROWS) -> None:
        if nbytes < LARGEST_RECORD:
            raise ContractError(f"a slab of {nbytes} bytes cannot hold a record of {LARGEST_RECORD}")
        self.capacity = capacity
        self.source_bytes = nbytes
        self.slab: U8 = np.zeros(nbytes + 64 * 1024, np.uint8)
        self.frame = Frame(_i64(capacity), _i32(capacity), _i32(capacity), _i32(capacity), _i32(capacity))
        self.net = Net(
            _u32(capacity),
            _u32(capacity),
            _u32(capacity),
            _u32(capacity),
            _u32(capacity),
            _u32(capacity),
            _u32(capacity),
            _u32(capacity),
            _i32(capacity),
        )
        self.transport = Transport(
            _i32(capacity),
            _i32(capacity),
            _i32(capacity),
            _i32(capacity),
            _i32(capacity),
            _u32(capacity),
            _u32(capacity),
            _i32(capacity),
        )
        self.route = Route(_i32(capacity), _i32(capacity), _i32(capacity), _i64(capacity))
        self.clear(1)
        self.kernels = kernels
        self.bind(kernels)

    def bind(self, kernels: KernelSet) -> None:
        """Rebuild `views` for another kernel set (between two batches)."""
        self.kernels = kernels
        self.mem = memoryview(self.slab.data)
        self.views = Views(
            kernels.view(self.slab),
            kernels.view_all(self.frame),
            kernels.view_all(self.net),
            kernels.view_all(self.transport),
            kernels.view_all(self.route),
        )

    def clear(self, first_record: int) -> None:
        """Make the batch ready to be filled again."""
        self.rows = 0
        self.first_record = first_record
        self.arena = self.source_bytes
        self.clock_ns = 0
        self.lost: tuple[int, int] | None = None
        self.may_have_fragments = self.may_have_tcp = True
        self.datagrams: list[tuple[int, tuple[int, ...]]] = []
        self.secrets: Sequence[tuple[int, bytes]] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the slab and the columns take, filled or not."""
        return len(self.slab) + ROW_BYTES * self.capacity

    @property
    def is_full(self) -> bool:
        """Whether rows or bytes are used up, or nearly so."""
        if not self.rows:
            return False
        end = int(self.frame.off[self.rows - 1]) + int(self.frame.caplen[self.rows - 1])
        return self.rows == self.capacity or 4 * end > 3 * self.source_bytes

    def absorb(self, other: Batch) -> bool:
        """Take over all rows of `other`, which come right behind ours; False where there is no room or secrets stand between,
        and nothing is done.
        Both are as the reader leaves them: decoded, and nothing appended."""
        begin, end = self.rows, self.rows + other.rows
        used, low, high = self._used(), *other._span()
        if other.secrets or end > self.capacity or used + high - low > self.source_bytes:
            return False  # secrets stand in front of a batch's first row
        self.slab[used : used + high - low] = other.slab[low:high]
        for column, more in zip(self._columns(), other._columns(), strict=True):
            column[begin:end] = more[: other.rows]
        self.frame.off[begin:end] += used - low
        payloads = self.transport.pay_off[begin:end]
        payloads[payloads > 0] += used - low
        self.rows = end
        self.clock_ns = max(self.clock_ns, other.clock_ns)
        self.lost = lost_in_both(self.lost, other.lost)
        self.may_have_fragments |= other.may_have_fragments
        self.may_have_tcp |= other.may_have_tcp
        return True

    def _columns(self) -> tuple[NDArray[Any], ...]:
        return (*self.frame, *self.net, *self.transport, *self.route)

    def _span(self) -> tuple[int, int]:
        """Where the rows' bytes lie in the slab."""
        if not self.rows:
            return 0, 0
        off = self.frame.off[: self.rows]
        return int(off.min()), int((off + self.frame.caplen[: self.rows]).max())

    def _used(self) -> int:
        return self._span()[1]

    def append(self, data: bytes | bytearray | memoryview) -> int:
        """Copy `data` behind the records and return its offset; the slab grows where it must (views are rebuilt)."""
        self.reserve(len(data))
        off = self.arena
        self.arena += len(data)
        self.mem[off : self.arena] = data
        return off

    def reserve(self, nbytes: int) -> None:
        """See to it that so many bytes fit behind `arena`; the slab grows where it must (views are rebuilt)."""
        need = self.arena + nbytes
        if need > len(self.slab):
            grown = np.zeros(max(need, 2 * len(self.slab)), np.uint8)
            grown[: self.arena] = self.slab[: self.arena]
            self.slab = grown
            self.bind(self.kernels)


def lost_in_both(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    """What `lost` says of two batches together: the span that covers both of theirs."""
    if one is None or other is None:
        return one if other is None else other
    if one == (0, 0) or other == (0, 0):
        return other if one == (0, 0) else one
    return min(one[0], other[0]), max(one[1], other[1])
