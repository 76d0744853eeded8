"""`lippycat.layers`: what carries another byte stream inside a TCP connection, like TLS or WebSocket.

An entry point names a class, called without arguments. What a layer gives is offered to the other layers and to the dissectors
again, so that TLS, WebSocket and SIP find each other. No socket, clock, thread or log: bytes in, bytes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Protocol, runtime_checkable

TLS_KEY_LOG = 0x544C534B
"""Type of secrets that are lines of an NSS key log (draft-ietf-opsawg-pcapng, section 4.7)."""


class Unreadable(Exception):
    """Raised by a session that cannot read on (lost bytes, a missing key, damage): the connection is let go, and counted."""


class Unwanted(Exception):
    """Raised by a session that finds nothing for anybody (an upgrade refused): the connection is let go."""


class LayerSession(Protocol):
    """One connection. Sides are those of the connection: 0 and 1, either may be the client's."""

    def feed(self, side: int, data: bytes, ts_ns: int) -> Iterable[tuple[int, bytes]]:
        """Take the next bytes of one direction, cut anywhere, and give what they show as (side, bytes), each side in order;
        bytes of the other side too, where these were missing for them. Raises Unreadable or Unwanted."""
        ...

    def gap(self, side: int, missing: int) -> None:
        """So many bytes of one direction were lost in front of the next."""
        ...

    def held(self, side: int) -> int:
        """Bytes of one direction that were taken and may still be part of what is given."""
        ...

    def cost(self) -> int:
        """Bytes of memory that the session takes, about, those that are held included. What a feed leaves behind must be
        bounded; the core closes the session that was silent longest where all together take too much."""
        ...


@runtime_checkable
class StreamLayer(Protocol):
    """A layer. It may also have `head_limit`: bytes after which `claim_stream` must know (1,024 without)."""

    name: ClassVar[str]

    over: ClassVar[Mapping[str, str]]
    """What the transport that it makes is called, by what carries it: {"tcp": "ws", "tls": "wss"}; over others its own name."""

    messages: ClassVar[bool]
    """Whether each piece that a session gives is one whole message of what it carries."""

    def claim_stream(self, head: memoryview) -> bool | None:
        """Whether a direction that begins so is this layer's; None while `head` is too short to tell. Cheap: it is asked
        about every TCP connection."""
        ...

    def open(self) -> LayerSession:
        """Begin a connection; its first `feed` has what was claimed."""
        ...


@runtime_checkable
class NeedsSecrets(Protocol):
    """A layer that reads nothing without secrets. Its sessions have `resume()`: what was held for want of a secret that is
    known by now, as (side, bytes)."""

    def learn(self, kind: int, data: bytes) -> None:
        """Take secrets of a pcapng secrets type, lines of a key log mostly. Those of other types are passed over."""
        ...

    def expect(self, more: bool) -> None:
        """Whether secrets may still come for connections that have begun. Called before the first batch."""
        ...
