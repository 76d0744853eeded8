"""The control socket against clients of all kinds: garbage, silence, greed; and the places where sockets lie."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lippycat_core.control import server as server_module
from lippycat_core.control.client import NoAnswer, NothingRuns, ask, running
from lippycat_core.control.places import clean, folder, private_folder, sockets
from lippycat_core.control.protocol import reply, request
from lippycat_core.control.server import LONGEST_REQUEST, MOST_CLIENTS, ControlServer

LARGE = "x" * (4 << 20)


def fails() -> object:
    raise RuntimeError("no\nidea")


answer = partial(reply, pid=os.getpid(), topics={"health": lambda: {"ok": 1}, "large": lambda: LARGE, "bad": fails})


class Serving:
    """A server on a thread of its own."""

    def __init__(self, place: Path) -> None:
        self.server = ControlServer(place, answer)
        self._over = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._over:
            self.server.serve(time.monotonic() + 1.0)
        self.server.close()

    def end(self) -> None:
        self._over = True
        self.server.wake()
        self._thread.join()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    serving = Serving(tmp_path / "lippycat")
    yield tmp_path / "lippycat"
    serving.end()
    assert sockets(tmp_path / "lippycat") == {}


def client(place: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(10.0)
    connection.connect(str(place / f"{os.getpid()}.sock"))
    return connection


def said(connection: socket.socket, line: bytes) -> bytes:
    with connection:
        connection.sendall(line)
        got = b""
        while data := connection.recv(1 << 16):
            got += data
    return got


def test_a_question_is_answered_in_one_line_and_the_socket_is_private(place: Path) -> None:
    path = place / f"{os.getpid()}.sock"
    assert (path.stat().st_mode & 0o777, place.stat().st_mode & 0o777) == (0o600, 0o700)
    line = said(client(place), request("health"))
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"lippycat": 1, "pid": os.getpid(), "answer": {"ok": 1}}
    assert ask(place, os.getpid(), "health") == {"ok": 1}
    assert running(place) == [os.getpid()]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"\n", "not a request"),
        (b"GET / HTTP/1.1\r\n", "not a request"),
        (b"[" * 3000 + b"\n", "not a request"),
        (b"[]\n", "not a request of version 1"),
        (b'{"lippycat": 2, "ask": "health"}\n', "not a request of version 1"),
        (b'{"lippycat": 1, "ask": "wealth"}\n', "no such topic; there are health"),
        (b'{"lippycat": 1, "ask": ["health"]}\n', "no such topic"),
        (b'{"lippycat": 1, "ask": "bad"}\n', "bad cannot be told: RuntimeError: no idea"),
        (b"x" * (LONGEST_REQUEST + 1), "not a request"),
    ],
)
def test_a_bad_request_gets_one_sentence(line: bytes, error: str, place: Path) -> None:
    assert error in json.loads(said(client(place), line))["error"]
    assert ask(place, os.getpid(), "health") == {"ok": 1}


@given(st.binary(max_size=200))
def test_whatever_is_asked_the_answer_is_one_line_of_json(line: bytes) -> None:
    told = answer(line)
    assert b"\n" not in told
    assert {"lippycat", "pid"} < set(json.loads(told))


def test_a_request_may_come_in_pieces_and_a_large_answer_go_in_pieces(place: Path) -> None:
    with client(place) as connection:
        for byte in request("large"):
            connection.sendall(bytes([byte]))
        time.sleep(0.2)  # the answer does not fit the socket's buffer: others are served meanwhile
        assert ask(place, os.getpid(), "health") == {"ok": 1}
        got = b""
        while data := connection.recv(1 << 16):
            got += data
    assert json.loads(got)["answer"] == LARGE


def test_silent_clients_hold_nobody_up_and_are_dropped(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "PATIENCE_S", 0.3)
    silent = [client(place) for _ in range(MOST_CLIENTS - 1)]
    begun = time.monotonic()
    assert ask(place, os.getpid(), "health") == {"ok": 1}
    assert time.monotonic() - begun < 0.3
    for connection in silent:
        assert connection.recv(1) == b""
        connection.close()


def test_one_client_too_many_is_turned_away(place: Path) -> None:
    silent = [client(place) for _ in range(MOST_CLIENTS)]
    with pytest.raises(NoAnswer):
        ask(place, os.getpid(), "health")
    for connection in silent:
        connection.close()


def test_a_client_that_leaves_early_is_no_matter(place: Path) -> None:
    for line in (b"", request("large")):
        connection = client(place)
        connection.sendall(line)
        connection.close()
    assert ask(place, os.getpid(), "health") == {"ok": 1}


def test_another_user_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(socket, "SO_PEERCRED"):
        pytest.skip("this system does not say who connects: the folder's mode decides alone")
    monkeypatch.setattr(server_module, "_users", lambda: (os.geteuid() + 1,))
    with pytest.raises(NoAnswer):
        ask(place, os.getpid(), "health")


def test_stale_sockets_are_removed_and_other_files_left(tmp_path: Path) -> None:
    place = private_folder(tmp_path / "lippycat")
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(str(place / "999999.sock"))
    dead.close()
    (place / "notes.txt").write_text("mine")
    assert set(sockets(place)) == {999999}
    with pytest.raises(NothingRuns):
        ask(place, 999999, "health")
    assert sockets(place) == {}
    (place / "7.sock").write_text("no socket")
    clean(place)
    assert sorted(os.listdir(place)) == ["notes.txt"]
    assert running(place) == []


def test_a_folder_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    for name, mode in (("open", 0o777), ("group", 0o770)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
        with pytest.raises(OSError, match="not a private folder"):
            private_folder(tmp_path / name)
        assert sockets(tmp_path / name) == {}
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OSError, match="not a private folder"):
        private_folder(tmp_path / "link")
    with pytest.raises(OSError, match="No such file"):
        private_folder(tmp_path / "no" / "where")


def test_the_folder_is_the_run_time_directory_or_a_private_one(tmp_path: Path) -> None:
    mine = tmp_path / str(os.geteuid())
    assert folder({"XDG_RUNTIME_DIR": str(tmp_path)}, tmp_path) == tmp_path / "lippycat"
    for value in ("", "relative", str(tmp_path / "gone"), __file__):
        assert folder({"XDG_RUNTIME_DIR": value}, tmp_path).name == f"lippycat-{os.geteuid()}"
    mine.mkdir()
    assert folder({}, tmp_path) == mine / "lippycat"
