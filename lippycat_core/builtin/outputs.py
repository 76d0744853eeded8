"""Where bytes of a file go: the interface that packing, encryption and writer threads share, and the plain file behind them."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
from typing import Protocol

from lippycat_core.builtin.blocks import whole_records
from lippycat_core.builtin.pipes import open_output, reader_gone
from lippycat_core.errors import OutputError, UsageError

STDOUT = "-"


class Tally:
    """What all files of a run came to, counted by whatever thread writes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.files = self.nbytes = self.failures = 0

    def add(self, *, files: int = 0, nbytes: int = 0, failures: int = 0) -> None:
        """So many more."""
        with self._lock:
            self.files += files
            self.nbytes += nbytes
            self.failures += failures


class Output(Protocol):
    """Bytes of one file, in order. Both methods raise OSError where they cannot do what they should."""

    def write(self, data: bytes | memoryview) -> None:
        """Append whole records: when this returns, a process that is killed has left them readable (or a writer thread will)."""
        ...

    def close(self) -> None:
        """Finish the file; may be called twice."""
        ...


class PlainOutput:
    """A file, or standard output for `-`. A disk that is full keeps the records that fitted whole. OSError where the file
    cannot be opened, UsageError where standard output is a terminal."""

    def __init__(
        self,
        path: str,
        *,
        pcapng: bool | None = None,
        mode: int = 0o666,
        exclusive: bool = False,
        tally: Tally | None = None,
    ) -> None:
        self._pcapng = pcapng  # None: what is written are no records, and is cut where the last write began
        self._owned = path != STDOUT
        self._written = 0
        if self._owned:
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_EXCL if exclusive else os.O_TRUNC)
            self._fd = open_output(path, flags, mode)
        else:
            if sys.stdout.isatty():
                raise UsageError("standard output: is a terminal: send the packets to a file or a pipe")
            sys.stdout.flush()
            self._fd = sys.stdout.fileno()
        self._tally = Tally() if tally is None else tally
        self._tally.add(files=1)
        self._regular = stat.S_ISREG(os.fstat(self._fd).st_mode)

    def write(self, data: bytes | memoryview) -> None:
        """See Output."""
        headed, cuts = not self._written, self._regular and self._owned
        try:
            append(self._fd, data, self._written, pcapng=self._pcapng, headed=headed, cuts=cuts)
        except OSError:
            self._tally.add(failures=1)
            raise
        self._written += len(data)
        self._tally.add(nbytes=len(data))

    def reader_gone(self) -> bool:
        """Whether this is a pipe that nobody reads any more."""
        return self._fd >= 0 and not self._regular and reader_gone(self._fd)

    def close(self) -> None:
        """See Output."""
        fd, self._fd = self._fd, -1
        if fd >= 0 and self._owned:
            os.close(fd)


def append(fd: int, data: bytes | memoryview, written: int, *, pcapng: bool | None, headed: bool, cuts: bool = True) -> None:
    """Write all of `data` behind the `written` bytes that a file has. Where it takes no more (OSError) it is cut behind the last
    record that fitted whole (`headed`: behind a file's header), or, where `pcapng` is None and these are no records, where it was
    before; without `cuts` nothing is taken back."""
    left = view = memoryview(data)
    try:
        while left:
            left = left[os.write(fd, left) :]
    except OSError:
        if cuts:
            count = len(view) - len(left)
            kept = 0 if pcapng is None else whole_records(view, count, pcapng=pcapng, headed=headed)
            with contextlib.suppress(OSError):
                os.ftruncate(fd, written + kept)
        raise


def cannot_write(name: str, error: OSError | ValueError) -> OutputError:
    """The error that a user is told."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return OutputError(f"{name}: cannot be written ({reason}): choose another place, or make room there")
