"""A capture in several files, one behind the other: where one ends is the kernel's business, what they are called and which of
them are kept is said here."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from lippycat_core.builtin.outputs import Output, cannot_write
from lippycat_core.builtin.pcapwriter import PcapWriter, pack_kernel
from lippycat_core.columns import I32, I64, U8, Frame
from lippycat_core.errors import OutputError, UsageError
from lippycat_core.interfaces.sink import PacketSink
from lippycat_core.kernels import boundary
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_core.writing.files import FileFacts
from lippycat_core.writing.packing import form_of

FAR_NS = 1 << 62
HEADER_ROOM = 128
"""What a file has beside its records, at most."""

TOTAL_SHARE = 10
"""Where only a total is bounded, a file takes this part of it at most."""

LEAST_TOTAL = 8192
"""Bytes that files of a tenth fit into, with what each of them takes beside its records."""

FIRST_TRIES = 100_000
"""Names that are tried for a file before something else must be wrong."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a new file begins: with the packet that would make one larger than `nbytes` or longer than `packets`, or that is of
    another interval of `interval_ns` (counted from the epoch, so that an hour's file begins with the hour). `keep` and `total`
    bound how many files of the run stay, and their bytes; the oldest go. 0 is no bound."""

    nbytes: int = 0
    interval_ns: int = 0
    packets: int = 0
    keep: int = 0
    total: int = 0

    def checked(self) -> Rotation:
        """The same with the size that follows from a total. UsageError where bounds do not go together."""
        nbytes = self.nbytes
        if self.total and not nbytes:
            nbytes = max(self.total // TOTAL_SHARE, 1)
        if self.keep and not (nbytes or self.interval_ns or self.packets):
            raise UsageError("--rotate-keep: says how many files stay, but not when one ends: add --rotate-size, -time or -count")
        if self.total and _room(nbytes) > self.total:
            if self.nbytes:
                raise UsageError("--rotate-total: is less than one file of --rotate-size: make it twice that at least")
            raise UsageError(f"--rotate-total: {self.total} bytes hold not even one file: make it {LEAST_TOTAL} at least")
        return Rotation(nbytes, self.interval_ns, self.packets, self.keep, self.total)

    def __bool__(self) -> bool:
        return bool(self.nbytes or self.interval_ns or self.packets or self.keep or self.total)


def _room(nbytes: int) -> int:
    """What a file of so many bytes of records takes at most: packing and encryption may add a little."""
    return nbytes + nbytes // 64 + 4096


class RotatingWriter(PacketSink):
    """A `Sink` and `PacketWriter` over files `PREFIX_00001_20261125T190500Z.ENDING`, numbered on from what is there, the time
    that of their first packet (UTC). `opened(path, pcapng)` makes a file that was not there (FileExistsError otherwise);
    `finished` is told of each that is closed.

    OutputError where files cannot be written, UsageError where their folder is not there.
    """

    def __init__(
        self,
        path: str,
        rotation: Rotation,
        opened: Callable[[str, bool], Output],
        finished: Callable[[FileFacts], None] = lambda facts: None,
        ending: str = "",
    ) -> None:
        form = form_of(path)
        self._pcapng = form.pcapng
        self._prefix = path[: len(path) - len(form.ending)]
        self._ending = form.ending + ending
        self._rotation = rotation.checked()
        self._opened = opened
        self._finished = finished
        self._state: I64 = np.zeros(boundary.B_WIDTH, np.int64)
        self._kernels: KernelSet | None = None
        self._writer: PcapWriter | None = None
        self._path = ""
        self._first_ns = 0
        self._before = 0  # packets in files that are finished
        self._kept: deque[tuple[str, int]] = deque()
        self._number = _numbers_taken(self._prefix)

    @property
    def kernels(self) -> Sequence[Kernel]:
        """See PacketWriter."""
        return (boundary.file_end, pack_kernel(pcapng=self._pcapng))

    @property
    def written(self) -> int:
        """Packets so far, in all files."""
        return self._before + (self._writer.written if self._writer is not None else 0)

    def records(self, kernels: KernelSet, slab: U8, frame: Frame, status: I32, begin: int, end: int) -> None:
        """See PacketWriter."""
        if kernels is not self._kernels:
            self._kernels = kernels
            self._file_end = kernels[boundary.file_end]
            self._state_view = kernels.view(self._state)
        bounds = (self._pcapng, self._rotation.packets, self._rotation.nbytes)
        row = begin
        while row < end:
            until = self._file_end(frame, status, *bounds, self._state_view, row, end)
            if until > row and self._writer is not None:
                self._writer.records(kernels, slab, frame, status, row, until)
            if self._state[boundary.B_STOP]:
                self._next(int(frame.ts_ns[until]))
            row = until

    def close(self) -> None:
        """See Sink; a capture without packets makes no file."""
        self._finish()

    def _next(self, ts_ns: int) -> None:
        """Begin a file with a packet of that time."""
        self._finish()
        self._make_room()
        when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(ts_ns // 1_000_000_000))
        for _ in range(FIRST_TRIES):
            self._number += 1
            self._path = f"{self._prefix}_{self._number:05d}_{when}{self._ending}"
            try:
                output = self._opened(self._path, self._pcapng)
            except FileExistsError:
                continue
            except OSError as error:
                raise cannot_write(self._path, error) from None
            break
        else:
            raise OutputError(f"{self._path}: there are files of that name already: write to another name")
        self._writer = PcapWriter(self._path, output=output, pcapng=self._pcapng)
        interval = self._rotation.interval_ns
        state = self._state
        state[:] = 0
        state[boundary.B_OPEN] = 1
        state[boundary.B_BYTES] = HEADER_ROOM if self._rotation.nbytes else 0
        state[boundary.B_UNTIL_NS] = (ts_ns // interval + 1) * interval if interval else FAR_NS
        state[boundary.B_LAST_NS] = self._first_ns = ts_ns

    def _finish(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        self._state[boundary.B_OPEN] = 0
        self._before += writer.written
        writer.close()
        size = 0
        with suppress(OSError):
            size = os.stat(self._path).st_size
        self._kept.append((self._path, size))
        packets, last_ns = int(self._state[boundary.B_PACKETS]), int(self._state[boundary.B_LAST_NS])
        self._finished(FileFacts(self._path, packets, size, self._first_ns, last_ns))

    def _make_room(self) -> None:
        """Let the oldest files of this run go, so that one more finds its place."""
        rotation, kept = self._rotation, self._kept
        while kept and (
            (rotation.keep and len(kept) >= rotation.keep)
            or (rotation.total and sum(size for _, size in kept) + _room(rotation.nbytes) > rotation.total)
        ):
            path, _ = kept.popleft()
            with suppress(FileNotFoundError):
                os.remove(path)


def _numbers_taken(prefix: str) -> int:
    """The highest number among files of that prefix. UsageError where their folder is not there."""
    folder, name = os.path.split(prefix)
    shape = re.compile(re.escape(name) + r"_(\d{5,})_\d{8}T\d{6}Z\.?")
    try:
        numbers = [int(found[1]) for entry in os.listdir(folder or ".") if (found := shape.match(entry))]
    except OSError as error:
        raise UsageError(f"{folder or '.'}: {error.strerror}: make the folder that capture files go to") from None
    return max(numbers, default=0)
