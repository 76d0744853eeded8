"""What the parts of a file source hand to each other: room to fill, and what a file format promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from lippycat_core.batch import Batch
from lippycat_core.builtin.window import Window
from lippycat_core.columns import I64, U8, Frame
from lippycat_core.kernelset import Kernel, KernelSet


class Room(NamedTuple):
    """Where records go: the slab in two forms, columns, and how much of them may be used."""

    mem: memoryview  # the slab's bytes, for reading into
    slab: U8  # slab and columns in the form that the bound kernels take
    frame: Frame
    nbytes: int
    rows: int


def batch_room(batch: Batch) -> Room:
    """The source's part of a batch."""
    return Room(batch.mem, batch.views.slab, batch.views.frame, batch.source_bytes, batch.capacity)


class Format(Protocol):
    """One capture file format: its walk over records, and its other blocks. Made of a file's name and its first bytes."""

    header_bytes: int  # bytes that it is made of
    used_bytes: int  # of these, how many are used up; the walk begins behind them
    kernels: Sequence[Kernel]  # what `bind` will ask for
    state: I64  # the walk's state (kernels/walk.py, W_ fields)
    secrets: list[tuple[int, bytes]]  # (type, data) of decryption secrets found so far
    comments: list[tuple[int, str]]  # (record number of this file or 0 for the file, text)
    interfaces: list[str]  # names of interfaces, "" where one has none

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels."""
        ...

    def walk(self, room: Room, row: int, first_record: int) -> int:
        """Fill rows from `row` on and return the row behind the last one filled; `state` says why it ended."""
        ...

    def stopped(self, window: Window) -> str | None:
        """Deal with what the walk stopped at, where that was neither for rows nor for bytes: use it up and return None
        (`window.cut` is set where the input ends in it), or say what is corrupt."""
        ...
