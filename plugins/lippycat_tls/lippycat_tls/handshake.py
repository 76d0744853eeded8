"""The handshake messages that say how records are protected: the two hellos, Finished and KeyUpdate. Others are passed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

CLIENT_HELLO, SERVER_HELLO, FINISHED, KEY_UPDATE = 1, 2, 20, 24
LONGEST = {CLIENT_HELLO: 1 << 16, SERVER_HELLO: 1 << 14, FINISHED: 256, KEY_UPDATE: 1}
"""Messages that are looked at, and how long they may be; one that is longer is passed over."""

ENCRYPT_THEN_MAC, EARLY_DATA, SUPPORTED_VERSIONS = 22, 42, 43

RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random number of a HelloRetryRequest (RFC 8446, section 4.1.3)."""

RELEASED = 0x100
"""Stands for TLS 1.3 as it was released, behind all its drafts."""

LAST_SHORT_HELLO = 21
"""The last draft whose ServerHello has neither session nor compression."""


class ClientHello(NamedTuple):
    """Of a ClientHello."""

    random: bytes
    early_data: bool


class ServerHello(NamedTuple):
    """Of a ServerHello. `draft` is 0 for TLS 1.2, RELEASED for 1.3."""

    random: bytes
    suite: int
    version: int
    draft: int
    mac_last: bool


class Messages:
    """Cuts a direction's handshake bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0

    def __len__(self) -> int:
        """Bytes held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take bytes and give (type, body) of the messages that are looked at."""
        self._buffer += data
        buffer = self._buffer
        while True:
            if self._skip:
                passed = min(self._skip, len(buffer))
                self._skip -= passed
                del buffer[:passed]
            if len(buffer) < 4:
                return
            kind, size = buffer[0], int.from_bytes(buffer[1:4], "big")
            if size > LONGEST.get(kind, 0):
                self._skip = size
                del buffer[:4]
                continue
            if len(buffer) < 4 + size:
                return
            body = bytes(buffer[4 : 4 + size])
            del buffer[: 4 + size]
            yield kind, body


class _Reader:
    """Fields of a message; reading behind its end gives nothing."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        data = self._data[self._at : self._at + size]
        self._at += size
        return data

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """Bytes behind their length, which takes `size` bytes."""
        return self.take(self.number(size))

    def extensions(self) -> dict[int, bytes]:
        inner = _Reader(self.vector(2))
        found: dict[int, bytes] = {}
        while inner._at < len(inner._data):
            kind = inner.number(2)
            found.setdefault(kind, inner.vector(2))
        return found


def client_hello(body: bytes) -> ClientHello:
    """RFC 8446, section 4.1.2; RFC 5246, section 7.4.1.2."""
    reader = _Reader(body)
    reader.take(2)
    random = reader.take(32)
    reader.vector(1)
    reader.vector(2)
    reader.vector(1)
    return ClientHello(random, EARLY_DATA in reader.extensions())


def server_hello(body: bytes) -> ServerHello:
    """RFC 8446, section 4.1.3; RFC 5246, section 7.4.1.3; and the drafts of TLS 1.3 from 18 on."""
    reader = _Reader(body)
    version = reader.number(2)
    random = reader.take(32)
    if version >> 8 == 0x7F and version & 0xFF <= LAST_SHORT_HELLO:
        return ServerHello(random, reader.number(2), 0x0304, version & 0xFF, False)
    reader.vector(1)
    suite = reader.number(2)
    reader.take(1)
    extensions = reader.extensions()
    chosen = int.from_bytes(extensions.get(SUPPORTED_VERSIONS, b""), "big")
    if chosen == 0x0304:
        return ServerHello(random, suite, 0x0304, RELEASED, False)
    if chosen >> 8 == 0x7F:
        return ServerHello(random, suite, 0x0304, chosen & 0xFF, False)
    return ServerHello(random, suite, version, 0, ENCRYPT_THEN_MAC in extensions)
