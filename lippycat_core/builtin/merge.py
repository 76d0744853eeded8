"""Several captures as one, by time. The choice and the copying of records are a kernel; opening and refilling are here."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Mapping, Sequence

import numpy as np

from lippycat_core.batch import LARGEST_RECORD, Batch
from lippycat_core.builtin.filesource import ENDED, FileSource
from lippycat_core.builtin.rawinput import STDIN
from lippycat_core.builtin.room import Room
from lippycat_core.columns import U8, Frame
from lippycat_core.errors import InputError
from lippycat_core.interfaces.capture import Fault, Progress
from lippycat_core.kernels import merge as heap_kernel
from lippycat_core.kernels.merge import C_BYTES, C_END, C_NEXT, C_WIDTH, G_POS, G_SIZE, G_STOP, G_WIDTH, H_FILE, H_TIME, H_WIDTH
from lippycat_core.kernelset import Kernel, KernelSet

POOL_READ_BYTES = 4 * 1024 * 1024
POOL_ROWS = 32 * 1024
"""What all files together read and hold at a time, shared out within the limits below. The pool's slab has room for the
longest record of each file, but memory that no read touches is not taken."""

READ_BYTES_A_FILE = (16 * 1024, 128 * 1024)
ROWS_A_FILE = (64, 2048)
SLAB_A_FILE = -(-LARGEST_RECORD // mmap.PAGESIZE) * mmap.PAGESIZE

OPEN_AT_ONCE = 256
"""Of more files than this, those named later are closed until their first record's turn comes: a day of captures in
files of a minute each needs few open at a time, whatever the limit of open files."""


class MergedSource:
    """A `CaptureSource` of several files, merged by time: always the earliest of the files' next records, the first-named
    file's on a tie. The records of one file are never re-sorted. Raises InputError where one file is no capture."""

    def __init__(self, paths: Sequence[str], kernels: KernelSet) -> None:
        count = len(paths)
        self._kernels = kernels
        self._paths = paths
        self._read_bytes = _share(POOL_READ_BYTES, count, READ_BYTES_A_FILE)
        self._rows_a_file = rows = _share(POOL_ROWS, count, ROWS_A_FILE)
        self._files: list[FileSource] = []
        self._asleep: set[int] = set()
        self._vanished: list[Fault] = []
        try:
            for number, path in enumerate(paths):
                self._files.append(FileSource(path, kernels, self._read_bytes))
                self._let_sleep(number)
        except BaseException:
            self.close()
            raise
        self._memory, self._slab = _sparse_slab(count * SLAB_A_FILE)
        off, caplen, wirelen, link = (np.zeros(count * rows, np.int32) for _ in range(4))
        self._frame = Frame(np.zeros(count * rows, np.int64), off, caplen, wirelen, link)
        self._cursors = np.zeros(count * C_WIDTH, np.int64)
        self._cursors[C_BYTES::C_WIDTH] = np.arange(count) * SLAB_A_FILE
        self._heap = np.zeros(count * H_WIDTH, np.int64)
        self._state = np.zeros(G_WIDTH, np.int64)
        self._secrets: list[tuple[int, bytes]] = []  # of what was read last
        self._unread = list(range(count))  # files whose first record is not known yet
        self.bind(kernels)

    @property
    def kernels(self) -> Sequence[Kernel]:
        """What `bind` asks for."""
        return tuple(dict.fromkeys([heap_kernel.merge, *(kernel for file in self._files for kernel in file.kernels)]))

    @property
    def secrets(self) -> Sequence[tuple[int, bytes]]:
        """Decryption secrets of all files: (pcapng secrets type, data)."""
        return [secret for file in self._files for secret in file.secrets]

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels."""
        self._kernels = kernels
        for file in self._files:
            file.bind(kernels)
        self._merge = kernels[heap_kernel.merge]
        self._views = (
            kernels.view(self._slab),
            kernels.view_all(self._frame),
            kernels.view(self._cursors),
            kernels.view(self._heap),
            kernels.view(self._state),
        )
        self._rooms = [self._room(kernels, number) for number in range(len(self._files))]

    def _room(self, kernels: KernelSet, number: int) -> Room:
        """A file's part of the pool."""
        slab = self._slab[number * SLAB_A_FILE : (number + 1) * SLAB_A_FILE]
        rows = slice(number * self._rows_a_file, (number + 1) * self._rows_a_file)
        whole = self._frame
        frame = Frame(whole.ts_ns[rows], whole.off[rows], whole.caplen[rows], whole.wirelen[rows], whole.link[rows])
        return Room(memoryview(slab.data), kernels.view(slab), kernels.view_all(frame), SLAB_A_FILE, self._rows_a_file)

    def fill(self, batch: Batch, timeout_ms: int) -> bool:
        """See CaptureSource."""
        self._state[G_POS] = 0
        rows = 0
        batch.secrets = ()
        stop = heap_kernel.FULL
        while self._begin_files(timeout_ms):
            if self._secrets:
                if rows:
                    break  # the next batch begins with them
                batch.secrets, self._secrets = [*batch.secrets, *self._secrets], []
            rows = self._merge(*self._views, batch.views.slab, batch.views.frame, rows, batch.capacity, batch.source_bytes)
            stop = int(self._state[G_STOP])
            if stop != heap_kernel.NEED or not self._refill(timeout_ms):
                break
        batch.rows = rows
        batch.route.status[:rows] = 0
        return rows > 0 or stop != heap_kernel.EMPTY or bool(batch.secrets)

    def _load(self, number: int, timeout_ms: int) -> int:
        """Read records of a file into its part of the pool; see FileSource.read for the answer."""
        rows = self._files[number].read(self._rooms[number], timeout_ms) if self._wake(number) else ENDED
        self._secrets += self._files[number].take_secrets()
        if rows == ENDED:
            self._files[number].close()
            self._release(number)
        begin = number * self._rows_a_file
        self._cursors[number * C_WIDTH + C_NEXT] = begin
        self._cursors[number * C_WIDTH + C_END] = begin + max(rows, 0)
        return rows

    def _let_sleep(self, number: int) -> bool:
        """Close one of the later files until its turn; a pipe and standard input cannot be opened again."""
        file = self._files[number]
        if number < OPEN_AT_ONCE or self._paths[number] == STDIN or file.progress().bytes_total is None:
            return False
        file.close()
        self._asleep.add(number)
        return True

    def _wake(self, number: int) -> bool:
        """Open a file that sleeps, from its begin; False where it cannot be opened any more."""
        if number not in self._asleep:
            return True
        self._asleep.remove(number)
        try:
            self._files[number] = FileSource(self._paths[number], self._kernels, self._read_bytes)
        except InputError as error:
            self._vanished.append(Fault(self._paths[number], "truncated", str(error)))
            return False
        return True

    def _release(self, number: int) -> None:
        """Give back the memory of a file's part of the pool's slab."""
        self._memory.madvise(mmap.MADV_DONTNEED, number * SLAB_A_FILE, SLAB_A_FILE)

    def _begin_files(self, timeout_ms: int) -> bool:
        """Put each file's first record into the heap; False while one, a pipe, has not given any."""
        while self._unread:
            number = self._unread[0]
            rows = self._load(number, timeout_ms)
            if rows == 0:
                return False
            del self._unread[0]
            size = int(self._state[G_SIZE])
            if rows != ENDED:
                self._heap[size * H_WIDTH + H_TIME] = self._frame.ts_ns[number * self._rows_a_file]
                self._heap[size * H_WIDTH + H_FILE] = number
                size += 1
                self._state[G_SIZE] = size
                if self._let_sleep(number):
                    self._cursors[number * C_WIDTH + C_END] = self._cursors[number * C_WIDTH + C_NEXT]
                    self._release(number)
            if not self._unread:
                for i in reversed(range(size)):
                    heap_kernel.settle(self._heap, size, i)
        return True

    def _refill(self, timeout_ms: int) -> bool:
        """Go on with the file at the heap's top; False when it, a pipe, has nothing yet."""
        number = int(self._heap[H_FILE])
        rows = self._load(number, timeout_ms)
        size = int(self._state[G_SIZE])
        if rows == 0:
            return False
        if rows == ENDED:
            size -= 1
            self._state[G_SIZE] = size
            self._heap[:H_WIDTH] = self._heap[size * H_WIDTH : (size + 1) * H_WIDTH]
        else:
            self._heap[H_TIME] = self._frame.ts_ns[number * self._rows_a_file]
        heap_kernel.settle(self._heap, size, 0)
        return True

    def dropped(self) -> Mapping[str, int]:
        """See CaptureSource."""
        return {}

    def faults(self) -> Sequence[Fault]:
        """See CaptureSource."""
        return [*self._vanished, *(fault for file in self._files for fault in file.faults())]

    def progress(self) -> Progress:
        """See CaptureSource."""
        each = [file.progress() for file in self._files]
        totals = [one.bytes_total for one in each]
        known = [total for total in totals if total is not None]
        return Progress(sum(one.bytes_done for one in each), sum(known) if len(known) == len(totals) else None)

    def close(self) -> None:
        """See CaptureSource."""
        for file in self._files:
            file.close()


def _sparse_slab(nbytes: int) -> tuple[mmap.mmap, U8]:
    """Zero bytes that take memory page by page as they are touched (NumPy asks for huge pages, which would touch all)."""
    memory = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(AttributeError, OSError):  # systems that have no huge pages
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return memory, np.frombuffer(memory, np.uint8)


def _share(total: int, parts: int, limits: tuple[int, int]) -> int:
    return min(max(total // parts, limits[0]), limits[1])
