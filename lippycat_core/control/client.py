"""Finding the runs of this user and asking one of them."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from pathlib import Path
from typing import Any

from lippycat_core.control.places import connect, sockets
from lippycat_core.control.protocol import VERSION, request
from lippycat_core.errors import LippycatError

WAIT_S = 10.0
LONGEST_ANSWER = 64 << 20


class NothingRuns(LippycatError):
    """There is no run to ask."""

    exit_code = 4


class NoAnswer(LippycatError):
    """A run is there, and does not say what was asked."""


def running(place: Path) -> list[int]:
    """Numbers of the processes that can be asked, ascending; sockets of those that are no more are removed."""
    found = []
    for pid, path in sorted(sockets(place).items()):
        try:
            client = connect(path)
        except OSError:
            found.append(pid)  # busy, but there
            continue
        if client is not None:
            client.close()
            found.append(pid)
    return found


def ask(place: Path, pid: int, topic: str) -> dict[str, Any]:
    """What a process says of a topic. NothingRuns where it is no more, NoAnswer where it does not say."""
    try:
        path = sockets(place).get(pid)
        client = connect(path) if path is not None else None
        if client is None:
            raise NothingRuns(f"no lc runs as process {pid}; `lc debug health` without --pid finds those that do")
        with client:
            line = _exchange(client, request(topic))
    except OSError as error:
        raise NoAnswer(f"process {pid} does not answer: {error.strerror or error}; try again, or look at it with ps") from error
    try:
        said = json.loads(line)
    except ValueError:
        raise NoAnswer(f"process {pid} ended while it answered; ask again") from None
    if not isinstance(said, dict) or said.get("lippycat") != VERSION:
        raise NoAnswer(f"process {pid} is of another version of lippycat; ask it with the lc that it was started with")
    if "error" in said:
        raise NoAnswer(f"process {pid}: {said['error']}")
    answer: dict[str, Any] = said["answer"]
    return answer


def _exchange(client: socket.socket, line: bytes) -> bytes:
    deadline, answer = time.monotonic() + WAIT_S, bytearray()
    client.settimeout(WAIT_S)
    client.sendall(line)
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(1 << 16):
            answer += data
            if time.monotonic() > deadline or len(answer) > LONGEST_ANSWER:
                raise TimeoutError("its answer does not end")
    return bytes(answer)
