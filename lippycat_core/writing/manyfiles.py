"""Many files that grow at once with few descriptors: those written last stay open, the others are opened again to go on.

Runs in the lanes of a crew: each has its own open files, and a file belongs to one lane.
"""

from __future__ import annotations

import errno
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress

from lippycat_core.builtin.blocks import in_order
from lippycat_core.builtin.outputs import Tally, append
from lippycat_core.writing.encryption import Key, Sealer, chunks
from lippycat_core.writing.files import FileFacts
from lippycat_core.writing.names import split_ending
from lippycat_core.writing.packing import packer, unpacked
from lippycat_core.writing.stage import pieces

MOST_SAME = 10_000
"""Files of one name, told apart by a number behind it."""

MOST_SORTED = 256 << 20
"""Bytes of a file that is put in order again when it is finished; a larger one stays as it came."""


def make_folders(path: str) -> None:
    """A folder and those that it lies in, as far as they are not there: for their owner alone."""
    missing = [path]
    while (above := os.path.dirname(missing[-1])) and not os.path.isdir(above):
        missing.append(above)
    for folder in reversed(missing):
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise


class Target:
    """One file: `path` is what it should be called, and once it was opened what it is called."""

    __slots__ = (
        "comments",
        "failed",
        "identity",
        "links",
        "number",
        "packets",
        "path",
        "sealer",
        "size",
        "unordered",
        "written_ns",
    )

    def __init__(self, path: str, number: int) -> None:
        self.path = path
        self.number = number  # the key of its jobs
        self.comments: tuple[str, ...] = ()  # for its header
        self.links = 0  # link types that its header names
        self.packets = 0  # that went to its lane
        self.written_ns = -1  # highest time of those
        self.unordered = False  # some came later than they should
        # of the lane:
        self.size = 0
        self.identity: tuple[int, int] | None = None  # device and inode, once it was made
        self.failed = False
        self.sealer: Sealer | None = None


class ManyFiles:
    """Files of mode 0600 in folders of mode 0700, made when they are first written, under names that nobody had. `failed` is
    told of each file that could not be written (once a file, in a lane's thread); what it held until then stays."""

    def __init__(
        self,
        lanes: int,
        most_open: int,
        failed: Callable[[str, OSError], None],
        *,
        pcapng: bool,
        packing: str = "",
        level: int = 1,
        key: Key | None = None,
        tally: Tally | None = None,
    ) -> None:
        self._most = max(most_open // lanes, 1)
        self._open: list[OrderedDict[Target, int]] = [OrderedDict() for _ in range(lanes)]
        self._failed = failed
        self._pcapng = pcapng
        self._packing = packing
        self._level = level
        self._key = key
        self._tally = Tally() if tally is None else tally

    @property
    def descriptors(self) -> int:
        """Files that are open now."""
        return sum(map(len, self._open))

    def write(self, lane: int, target: Target, data: bytes, *, headed: bool) -> None:
        """Append records, behind a file's header where `headed`."""
        if target.failed:
            return
        try:
            fd = self._descriptor(lane, target)
            if not self._packing and self._key is None:
                self._append(fd, target, data, headed=headed, plain=True)
                return
            for piece in self._packed(data):  # a full disk keeps those that fitted
                self._append(fd, target, self._sealed(target, piece), headed=headed, plain=False)
        except OSError as error:
            self._give_up(lane, target, error)

    def _packed(self, data: bytes) -> Iterator[bytes | memoryview]:
        """A stream of its own, so that a file that is not open holds no compressor, in pieces."""
        if not self._packing:
            yield from pieces(data)
            return
        stream = packer(self._packing, self._level)
        yield from (stream.pack(piece) for piece in pieces(data))
        yield stream.end()

    def _sealed(self, target: Target, data: bytes | memoryview) -> bytes | memoryview:
        if self._key is None:
            return data
        if target.sealer is None:
            target.sealer = Sealer(self._key)
        return target.sealer.seal(data)

    def _append(self, fd: int, target: Target, data: bytes | memoryview, *, headed: bool, plain: bool) -> None:
        append(fd, data, target.size, pcapng=self._pcapng if plain else None, headed=headed)
        target.size += len(data)
        self._tally.add(nbytes=len(data))

    def _descriptor(self, lane: int, target: Target) -> int:
        files = self._open[lane]
        fd = files.get(target)
        if fd is not None:
            files.move_to_end(target)
            return fd
        while len(files) >= self._most:
            os.close(files.popitem(last=False)[1])
        fd = self._create(target) if target.identity is None else self._reopen(target)
        files[target] = fd
        return fd

    def _create(self, target: Target) -> int:
        folder, name = os.path.split(target.path)
        if folder:
            make_folders(folder)
        stem, ending = split_ending(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        for number in range(1, MOST_SAME + 1):
            path = os.path.join(folder, f"{stem}_{number}{ending}" if number > 1 else name)
            try:
                fd = os.open(path, flags, 0o600)
            except FileExistsError:
                continue
            found = os.fstat(fd)
            target.path = path
            target.identity = found.st_dev, found.st_ino
            self._tally.add(files=1)
            return fd
        raise FileExistsError(errno.EEXIST, "too many files have this name")

    def _reopen(self, target: Target) -> int:
        fd = os.open(target.path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        found = os.fstat(fd)
        if (found.st_dev, found.st_ino) != target.identity:
            os.close(fd)
            raise OSError(errno.ESTALE, "somebody has put another file there")
        return fd

    def _give_up(self, lane: int, target: Target, error: OSError) -> None:
        target.failed = True
        self._tally.add(failures=1)
        fd = self._open[lane].pop(target, None)
        if fd is not None:
            with suppress(OSError):
                os.close(fd)
        self._failed(target.path, error)

    def finish(self, lane: int, target: Target, facts: Callable[[Target], FileFacts], done: Callable[[FileFacts], None]) -> None:
        """The file is complete: close it, and tell `done` unless it failed."""
        try:
            if target.sealer is not None and not target.failed:
                self._append(self._descriptor(lane, target), target, target.sealer.end(), headed=False, plain=False)
            fd = self._open[lane].pop(target, None)
            if fd is not None:
                os.close(fd)
            if target.unordered and not target.failed and target.size <= MOST_SORTED:
                self._sort(target)
        except OSError as error:
            self._give_up(lane, target, error)
        if not target.failed and target.identity is not None:
            done(facts(target))

    def _sort(self, target: Target) -> None:
        """Put a file in order of time, in another that takes its place."""
        with open(os.open(target.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            data = file.read() if self._key is None else b"".join(chunks(file, self._key))
        data = b"".join(self._packed(in_order(unpacked(data, self._packing), pcapng=self._pcapng)))
        if self._key is not None:
            sealer = Sealer(self._key)
            data = sealer.seal(data) + sealer.end()
        aside = f"{target.path}.sorting"
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as file:
                file.write(data)
            os.rename(aside, target.path)
        except OSError:
            with suppress(OSError):
                os.remove(aside)
            raise
        target.size = len(data)

    def close(self) -> None:
        """Close what is open; the lanes have ended."""
        for files in self._open:
            while files:
                os.close(files.popitem()[1])
