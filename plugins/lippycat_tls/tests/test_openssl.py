"""Against the openssl command, for what Python's ssl cannot be told to do: key updates (TLS 1.3) and renegotiation (TLS 1.2)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from peers import Said, certificates

from lippycat_core.interfaces.layer import TLS_KEY_LOG
from lippycat_tls.layer import Tls

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="no openssl command: key updates by another's hand are not tested")


class Relay:
    """Passes one connection on and keeps what went over it, in order."""

    def __init__(self, port: int) -> None:
        self.sent: list[Said] = []
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._to))
        back = threading.Thread(target=self._pass, args=(server, client, 1), daemon=True)
        back.start()
        self._pass(client, server, 0)
        back.join(10)

    def _pass(self, source: socket.socket, to: socket.socket, side: int) -> None:
        try:
            while data := source.recv(65536):
                with self._lock:
                    self.sent.append((side, data))
                    to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            return


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def peers(version: str, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], subprocess.Popen[bytes], Relay]]:
    """Client, server and what is between them."""
    assert OPENSSL is not None
    pem, port = str(certificates() / "rsa.pem"), free_port()
    server_command = [OPENSSL, "s_server", "-accept", f"127.0.0.1:{port}", "-cert", pem, "-key", pem, version]
    server_command += ["-client_renegotiation"] if version == "-tls1_2" else []
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(server_command, **pipes) as server:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        relay = Relay(port)
        client_command = [OPENSSL, "s_client", "-connect", f"127.0.0.1:{relay.port}", "-keylogfile", str(log), version]
        with subprocess.Popen(client_command, **pipes) as client:
            try:
                yield client, server, relay
            finally:
                client.kill()
                server.kill()


@pytest.mark.parametrize(("version", "command"), [("-tls1_3", b"K\n"), ("-tls1_3", b"k\n"), ("-tls1_2", b"R\n")])
def test_keys_that_change_under_way(tmp_path: Path, version: str, command: bytes) -> None:
    log = tmp_path / "keys"
    texts = [b"first line\n", b"second line\n", b"third line\n"]
    with peers(version, log) as (client, server, relay):
        time.sleep(0.7)
        for text in texts:
            for to, line in ((client, text), (server, b"server " + text), (client, command)):
                assert to.stdin is not None
                to.stdin.write(line)  # while keys change nothing else may be said
                to.stdin.flush()
                time.sleep(0.7)
    layer = Tls()
    layer.learn(TLS_KEY_LOG, log.read_bytes())
    session = layer.open()
    heard = [b"", b""]
    for side, data in list(relay.sent):
        for at, text in session.feed(side, data, 0):
            heard[at] += text
    assert heard == [b"".join(texts), b"".join(b"server " + text for text in texts)]
