"""The batch: one byte slab and columns over it, reused from a pool. It knows no file, protocol or stage.

The slab's first part is the source's (records as they were read); behind it, from `arena` on, stages append what they put
together (datagrams from fragments, messages from TCP segments), so that every payload of a batch is a span of one slab.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lippycat_core.columns import I32, I64, U8, U32, Frame, Net, Route, Transport
from lippycat_core.errors import ContractError
from lippycat_core.kernelset import KernelSet

DEFAULT_BYTES = 512 * 1024
DEFAULT_ROWS = 4096
LARGEST_RECORD = 256 * 1024 + 1024
"""The longest record a slab must hold: libpcap's MAXIMUM_SNAPLEN and room for its header."""


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

    def append(self, data: bytes | bytearray | memoryview) -> int:
        """Copy `data` behind the records and return its offset; the slab grows where it must (views are rebuilt)."""
        need = self.arena + len(data)
        if need > len(self.slab):
            grown = np.zeros(max(need, 2 * len(self.slab)), np.uint8)
            grown[: self.arena] = self.slab[: self.arena]
            self.slab = grown
            self.bind(self.kernels)
        off = self.arena
        self.mem[off:need] = data
        self.arena = need
        return off
