"""Outputs that somebody reads while they are written: opening a named pipe, and noticing that the reader has gone."""

from __future__ import annotations

import os
import select
import stat


def open_output(path: str, flags: int) -> int:
    """An opener (see `open`) that takes a named pipe as it is. With O_CREAT the kernel refuses one of another user in a folder
    that all may write to, even to root (fs.protected_fifos)."""
    try:
        if stat.S_ISFIFO(os.stat(path).st_mode):
            flags &= ~(os.O_CREAT | os.O_TRUNC)
    except OSError:
        pass  # it is not there yet
    return os.open(path, flags, 0o666)


def reader_gone(fd: int) -> bool:
    """Whether nobody reads any more what is written to a pipe; of files never."""
    poll = select.poll()
    poll.register(fd, 0)  # an error is told whether asked for or not
    return any(event & select.POLLERR for _, event in poll.poll(0))
