"""`lippycat.transport`: frames of bytes between nodes. A hunter dials, a processor listens; both see `Link`s."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Link(Protocol):
    """One connection; frames arrive whole, in order, or the link fails."""

    def send(self, frame: bytes, timeout_ms: int) -> bool:
        """Send a frame; False when the other side did not take it in time (nothing was sent)."""
        ...

    def receive(self, timeout_ms: int) -> bytes | None:
        """The next frame, or None when none came in time."""
        ...

    def close(self) -> None:
        """End the connection; may be called twice."""
        ...


class Transport(Protocol):
    """What a transport driver's `open()` returns."""

    name: str

    def dial(self, url: str) -> Link:
        """Connect to a listener."""
        ...

    def listen(self, url: str, accept: Callable[[Link], None]) -> Callable[[], None]:
        """Serve at `url`, calling `accept` for each peer; the answer ends it."""
        ...
