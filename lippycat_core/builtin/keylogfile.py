"""A key log that is read while it grows. What its lines mean is a layer's; whole lines are all that is known of them here."""

from __future__ import annotations

import os
import re
import stat

from lippycat_core.builtin.rawinput import cannot_read
from lippycat_core.errors import InputError
from lippycat_core.interfaces.layer import TLS_KEY_LOG

MOST_AT_ONCE = 16 << 20
"""Bytes that are read at a time; the rest comes with the next batch."""

MOST_OF_A_PIPE = 256 << 20
"""Bytes of a pipe, which is kept whole until it is asked for."""

_KEYS = re.compile(rb"^[A-Z][A-Za-z_0-9]* [0-9A-Fa-f]", re.MULTILINE)
_LINE = re.compile(rb"^(?:#.*|[A-Z][A-Za-z_0-9]* [0-9A-Fa-f]+ [0-9A-Fa-f]+|[ \t]*)\r?$", re.MULTILINE)


class KeyLogFile:
    """The lines of a key log file as they come. InputError where it cannot be read, or what it has are no such lines; with
    `later` it need not be there yet. `origin` says who named it. A pipe is read to its end at once, unless the log still is
    `growing`: then it is refused, for nobody could tell how long to wait.

    `empty` says that there was no key in it in the beginning.
    """

    def __init__(self, path: str, origin: str, *, later: bool = False, growing: bool = False) -> None:
        self._path = path
        self._fd = -1
        self._rest = b""
        self._seen = (0, 0)  # size and time of change, when it was read last
        self._piped: bytes | None = None  # what a pipe had
        self.empty = True
        try:
            self._open()
            mode = os.fstat(self._fd).st_mode
            if stat.S_ISFIFO(mode) and not growing:
                self._piped = self._read_pipe()
        except FileNotFoundError as error:
            if not later:
                raise InputError(f"{origin}: {cannot_read(path, error)}") from None
            return
        except (OSError, ValueError) as error:
            self.close()
            reason = cannot_read(path, error) if isinstance(error, OSError) else f"{path!r}: cannot be a file's name"
            raise InputError(f"{origin}: {reason}") from None
        refusal = ""
        if self._piped is not None:
            begin, size = self._piped[: 64 * 1024], len(self._piped)
            if not size:
                refusal = "a pipe that nobody writes to: name the file that the application writes its keys to"
            elif size > MOST_OF_A_PIPE:
                refusal = f"a pipe with more than {MOST_OF_A_PIPE >> 20} MiB: name the file with the keys"
        elif stat.S_ISREG(mode):
            begin, size = os.pread(self._fd, 64 * 1024, 0), os.fstat(self._fd).st_size
        else:
            what = "a pipe, and more keys may come" if stat.S_ISFIFO(mode) else "no regular file"
            begin, size, refusal = b"", 0, f"{what}: name the file that the application writes its keys to"
        text = b"\0" not in begin  # among random bytes there is a line that begins with # now and then
        if begin.strip() and not (text and any(line.strip() for line in _LINE.findall(begin))):
            refusal = "no key log (no line like CLIENT_RANDOM 5a6b.. 0c1d..): name the file with the keys"
        if refusal:
            self.close()
            raise InputError(f"{origin}: {path}: {refusal}")
        self.empty = size <= len(begin) and _KEYS.search(begin) is None

    def _read_pipe(self) -> bytes:
        """All that is written to a pipe until its writers close it."""
        os.set_blocking(self._fd, True)
        data = bytearray()
        while len(data) <= MOST_OF_A_PIPE and (more := os.read(self._fd, 1 << 20)):
            data += more
        return bytes(data)

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self._at = 0

    def read(self, *, last: bool = False) -> list[tuple[int, bytes]]:
        """The lines that were written since the last call, as secrets; with `last`, when no more will come, all there are and
        the one without an end too."""
        if self._piped is not None:
            lines, self._piped = self._piped, b""
            return [(TLS_KEY_LOG, lines if lines.endswith(b"\n") else lines + b"\n")] if lines.strip() else []
        secrets: list[tuple[int, bytes]] = []
        while more := self._read_some(last=last):
            secrets += more
            if not last:
                break
        return secrets

    def _read_some(self, *, last: bool) -> list[tuple[int, bytes]]:
        try:
            if self._fd < 0:
                self._open()
            status = os.fstat(self._fd)
            if (status.st_size, status.st_mtime_ns) == self._seen and not (last and self._rest):
                return []
            if status.st_size < self._at:  # begun anew
                self._at, self._rest = 0, b""
            data = os.pread(self._fd, MOST_AT_ONCE, self._at)
        except OSError:
            return []  # not there yet
        self._at += len(data)
        if self._at >= status.st_size:
            self._seen = (status.st_size, status.st_mtime_ns)
        lines, end, self._rest = (self._rest + data).rpartition(b"\n")
        if last and self._at >= status.st_size:
            lines, end, self._rest = lines + end + self._rest, b"\n", b""
        self._rest = self._rest[-4096:]  # no line is longer
        return [(TLS_KEY_LOG, lines + end)] if lines.strip() else []

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
