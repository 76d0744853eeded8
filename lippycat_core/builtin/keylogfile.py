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

_LINE = re.compile(rb"^(?:#.*|[A-Z][A-Za-z_0-9]* [0-9A-Fa-f]+ [0-9A-Fa-f]+|[ \t]*)\r?$", re.MULTILINE)


class KeyLogFile:
    """The lines of a key log file as they come. InputError where it cannot be read, or what it has are no such lines; with
    `later` it need not be there yet. `origin` says who named it."""

    def __init__(self, path: str, origin: str, *, later: bool = False) -> None:
        self._path = path
        self._fd = -1
        self._rest = b""
        self._seen = (0, 0)  # size and time of change, when it was read last
        try:
            self._open()
        except FileNotFoundError as error:
            if not later:
                raise InputError(f"{origin}: {cannot_read(path, error)}") from None
            return
        except (OSError, ValueError) as error:
            reason = cannot_read(path, error) if isinstance(error, OSError) else f"{path!r}: cannot be a file's name"
            raise InputError(f"{origin}: {reason}") from None
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            self.close()
            raise InputError(f"{origin}: {path}: no regular file: name the file that the application writes its keys to")
        begin = os.pread(self._fd, 64 * 1024, 0)
        if begin.strip() and not any(line.strip() for line in _LINE.findall(begin)):
            self.close()
            raise InputError(
                f"{origin}: {path}: no key log (no line like CLIENT_RANDOM 5a6b.. 0c1d..): name the file with the keys"
            )

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self._at = 0

    def read(self, *, last: bool = False) -> list[tuple[int, bytes]]:
        """The lines that were written since the last call, as secrets; with `last`, when no more will come, all there are and
        the one without an end too."""
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
