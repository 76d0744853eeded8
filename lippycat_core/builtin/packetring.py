"""One packet socket's ring as a place to take packets from, block by block. Interfaces and filters are `afpacket`'s, what lies
in a block is `kernels.ring`'s."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from lippycat_core.builtin.links import LINK_TYPES
from lippycat_core.builtin.packetsocket import BLOCK_BYTES, PacketSocket
from lippycat_core.columns import I32, I64, U8, Frame
from lippycat_core.kernels import ring as k
from lippycat_core.kernelset import KernelSet

Bound: TypeAlias = tuple[Callable[..., int], U8, I64, I32]


class PacketRing:
    """The ring of a `socket` and how far it was read. `fill` is called by one thread."""

    def __init__(self, socket: PacketSocket, *, cooked: bool, snaplen: int) -> None:
        self.socket = socket
        self._ring: U8 = np.frombuffer(socket.ring, np.uint8)
        self._state: I64 = np.zeros(k.R_WIDTH, np.int64)
        self._state[k.R_SIZE] = BLOCK_BYTES
        self._state[k.R_POS] = -1
        self._state[k.R_BIG] = sys.byteorder == "big"
        self._state[k.R_COOKED] = cooked
        self._state[k.R_SNAPLEN] = snaplen
        self._links: I32 = np.array([number for pair in LINK_TYPES.items() for number in pair], np.int32)
        self._block = 0
        self._begun = False  # whether a walk of the block has begun
        self._fields = memoryview(self._state.data)

    def bound(self, kernels: KernelSet) -> Bound:
        """The walk as these kernels have it, for `fill`."""
        return kernels[k.take], kernels.view(self._ring), kernels.view(self._state), kernels.view(self._links)

    def ready(self, ahead: int = 0) -> bool:
        """Whether there is a block to read, and so many behind it."""
        return self.socket.ready((self._block + ahead) % self.socket.blocks)

    def fill(self, slab: U8, frame: Frame, rows: int, nbytes: int, bound: Bound) -> tuple[int, bool]:
        """Fill rows from 0 on with what has arrived, and say how many, and whether that was all of it. Blocks that are used up go
        back to the kernel at once."""
        fields = self._fields
        take, *views = bound
        fields[k.R_ROOM] = 0
        row = 0
        while more := self.ready():
            if not self._begun:
                self._begun = True
                fields[k.R_BLOCK] = self._block * BLOCK_BYTES
                fields[k.R_POS] = -1
            row = take(*views, slab, frame, row, rows, nbytes)
            if fields[k.R_STOP] == k.FULL:
                break
            self._begun = False
            self.socket.release(self._block)
            self._block = (self._block + 1) % self.socket.blocks
        return row, not more

    def counted(self, field: int) -> int:
        """One of the counts of `kernels.ring` (`R_DAMAGED`, `R_BYTES`, ...)."""
        return self._fields[field]

    def close(self) -> None:
        """Release the ring and the socket; the memory goes when nobody is bound to it any more."""
        self._ring = np.zeros(0, np.uint8)
        self.socket.close()
