"""A file descriptor read forwards, and what every input of bytes promises. Nothing here knows compression or records."""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from dataclasses import dataclass
from typing import Protocol

from lippycat_core.errors import InputError
from lippycat_core.interfaces.capture import Progress

STDIN = "-"


class NotACapture(InputError):
    """A file that can be read and holds no capture; a directory's other files are told so."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an input's bytes ended early: `what` is 'truncated' or 'corrupt', `detail` says it in words."""

    what: str
    detail: str


class ByteInput(Protocol):
    """Bytes of one capture, decompressed, forwards only.

    A fault found while reading (a cut or damaged compressed stream, a failing disk) ends the bytes and is left in
    `problem`, so that everything in front of it is still used.
    """

    name: str
    problem: Problem | None

    def readinto(self, room: memoryview) -> int:
        """Read at most `len(room)` bytes, at least one; 0 at the end, or at a `problem`."""
        ...

    def wait(self, timeout_ms: int) -> bool:
        """Whether `readinto` would not block, after at most `timeout_ms`; always true for regular files."""
        ...

    def progress(self) -> Progress:
        """Bytes of the file itself (the compressed ones where it is) that were read, and its size."""
        ...

    def close(self) -> None:
        """Close the file; may be called twice."""
        ...


class RawInput:
    """A `ByteInput` of the bytes as they are."""

    def __init__(self, name: str, fd: int, *, owned: bool) -> None:
        self.name = name
        self.problem: Problem | None = None
        self._fd = fd
        self._owned = owned
        self._head = b""
        status = os.fstat(fd)
        self._regular = stat.S_ISREG(status.st_mode)
        self._size = status.st_size if self._regular else None
        self._done = 0

    def peek(self, count: int) -> bytes:
        """The first `count` bytes (fewer where there are no more) without consuming them; before any read only."""
        while len(self._head) < count:
            piece = os.read(self._fd, count - len(self._head))
            if not piece:
                break
            self._head += piece
        return self._head

    def readinto(self, room: memoryview) -> int:
        """See ByteInput."""
        if self._head:
            count = min(len(self._head), len(room))
            room[:count] = self._head[:count]
            self._head = self._head[count:]
        else:
            try:
                count = os.readv(self._fd, [room])
            except OSError as error:
                self.problem = Problem("truncated", f"reading on failed ({error.strerror})")
                return 0
        self._done += count
        return count

    def wait(self, timeout_ms: int) -> bool:
        """See ByteInput."""
        if self._head or self._regular:
            return True
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(timeout_ms))

    def progress(self) -> Progress:
        """See ByteInput."""
        return Progress(self._done, self._size)

    def close(self) -> None:
        """See ByteInput."""
        if self._owned and self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def open_raw(path: str) -> RawInput:
    """Open a file, or standard input for `-`. Raises InputError where that cannot be read."""
    if path == STDIN:
        return _open_stdin()
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except ValueError:  # a zero byte in the name
        raise InputError(f"{path!r}: cannot be a file's name: check the path") from None
    except OSError as error:
        raise cannot_read(path, error) from None
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        os.close(fd)
        raise InputError(f"{path}: is a directory: name the capture files in it")
    return RawInput(path, fd, owned=True)


def _open_stdin() -> RawInput:
    try:
        fd = sys.stdin.fileno()
        terminal = os.isatty(fd)
    except (AttributeError, OSError, ValueError):
        raise InputError("standard input: is closed: pipe a capture into it, or name a file") from None
    if terminal:
        raise InputError("standard input: is a terminal: pipe a capture into it, or name a file")
    return RawInput("standard input", fd, owned=False)


_WAY_OUT = {
    errno.ENOENT: "check the path",
    errno.EACCES: "ask for read permission, or run as a user who has it",
    errno.EPERM: "ask for read permission, or run as a user who has it",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or name fewer files",
    errno.EIO: "check the disk",
}


def cannot_read(name: str, error: OSError) -> InputError:
    """The one line for a file that the system does not let us open or read."""
    reason = error.strerror or type(error).__name__
    return InputError(f"{name}: cannot be read ({reason}): {_WAY_OUT.get(error.errno or 0, 'check the path')}")
