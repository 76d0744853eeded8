"""The control socket's server: one thread, many clients, none of which can hold up another or the run (docs/control.md).

What is asked and answered is text here; what it means is `answers.py`'s business.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lippycat_core.control.places import clean, private_folder

MOST_CLIENTS = 16
LONGEST_REQUEST = 4096
PATIENCE_S = 5.0
"""A client that has not asked, or not taken its answer, by then is dropped."""


@dataclass(slots=True)
class _Client:
    """A connection: what came of its request, or what is left of its answer."""

    connection: socket.socket
    deadline: float
    request: bytearray = field(default_factory=bytearray)
    answer: memoryview | None = None


class ControlServer:
    """Listens on a socket of its own in `place`; OSError where it cannot. `answer` gets one request line and gives one line."""

    def __init__(self, place: Path, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        clean(private_folder(place))
        self._path = place / f"{os.getpid()}.sock"
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()  # of an earlier process with our number
        self._clients: dict[int, _Client] = {}
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(str(self._path))
            os.chmod(self._path, 0o600)
            self._listener.listen(MOST_CLIENTS)
        except OSError:
            self._listener.close()
            raise
        self._listener.setblocking(False)
        self._waker, self._woken = socket.socketpair()
        for end in (self._waker, self._woken):
            end.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def wake(self) -> None:
        """Let `serve` return; from any thread."""
        with contextlib.suppress(OSError):
            self._waker.send(b"x")

    def serve(self, until: float) -> None:
        """Answer whoever asks until the monotonic time `until`, or until somebody wakes us."""
        while (now := time.monotonic()) < until:
            due = min([until, *(client.deadline for client in self._clients.values())])
            ready = self._selector.select(max(0.0, due - now))
            for key, _ in ready:
                if key.fileobj is self._woken:
                    with contextlib.suppress(BlockingIOError):
                        self._woken.recv(4096)
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fd in self._clients:
                    self._go_on(self._clients[key.fd])
            self._drop_late(time.monotonic())

    def close(self) -> None:
        """Stop listening and remove the socket."""
        for client in list(self._clients.values()):
            self._drop(client)
        self._selector.close()
        for end in (self._listener, self._waker, self._woken):
            end.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # it has gone again, or we have no descriptor left
        if len(self._clients) >= MOST_CLIENTS or not _may_ask(connection):
            connection.close()
            return
        connection.setblocking(False)
        self._clients[connection.fileno()] = _Client(connection, time.monotonic() + PATIENCE_S)
        self._selector.register(connection, selectors.EVENT_READ)

    def _go_on(self, client: _Client) -> None:
        try:
            if client.answer is None:
                self._read(client)
            if client.answer is not None:
                client.answer = client.answer[client.connection.send(client.answer) :]
                if not client.answer:
                    self._drop(client)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)

    def _read(self, client: _Client) -> None:
        data = client.connection.recv(LONGEST_REQUEST)
        client.request += data
        line, end, _ = client.request.partition(b"\n")
        if not end and not data:
            self._drop(client)  # it has gone without asking
        elif end or len(client.request) > LONGEST_REQUEST:
            client.answer = memoryview(self._answer(bytes(line[: LONGEST_REQUEST + 1])) + b"\n")
            client.deadline = time.monotonic() + PATIENCE_S
            self._selector.modify(client.connection, selectors.EVENT_WRITE)

    def _drop(self, client: _Client) -> None:
        self._clients.pop(client.connection.fileno(), None)
        with contextlib.suppress(KeyError):
            self._selector.unregister(client.connection)
        client.connection.close()

    def _drop_late(self, now: float) -> None:
        for client in [client for client in self._clients.values() if client.deadline <= now]:
            self._drop(client)


def _may_ask(connection: socket.socket) -> bool:
    """Whether the peer is our user or root, where the system says so; else the folder's mode has decided."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return user in _users()


def _users() -> tuple[int, ...]:
    return (0, os.geteuid())
