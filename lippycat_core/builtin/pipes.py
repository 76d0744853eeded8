"""Outputs that somebody reads while they are written: opening a named pipe, and noticing that the reader has gone."""

from __future__ import annotations

import os
import select
import stat


def open_output(path: str, flags: int, mode: int = 0o666) -> int:
    """Opens a file to write to, a named pipe as it is. With O_CREAT the kernel refuses one of another user in a folder
    that all may write to, even to root (fs.protected_fifos)."""
    if is_pipe(path):
        flags &= ~(os.O_CREAT | os.O_TRUNC)
    return os.open(path, flags, mode)


def is_pipe(path: str) -> bool:
    """Whether a named pipe is there."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def reader_gone(fd: int) -> bool:
    """Whether nobody reads any more what is written to a pipe; of files never."""
    poll = select.poll()
    poll.register(fd, 0)  # an error is told whether asked for or not
    return any(event & select.POLLERR for _, event in poll.poll(0))
