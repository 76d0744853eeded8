"""`lippycat.buffer`: how bytes of one TCP direction wait for a whole message."""

from __future__ import annotations

from typing import Protocol


class StreamBuffer(Protocol):
    """Bytes of one direction of one connection, in order."""

    def append(self, data: memoryview) -> int:
        """Keep `data` and return how many bytes were lost by that (0 where all fit)."""
        ...

    def peek(self) -> memoryview:
        """The bytes held, oldest first; valid until the next call of any other method."""
        ...

    def consume(self, count: int) -> None:
        """Let the oldest `count` bytes go."""
        ...

    def __len__(self) -> int:
        """Bytes held."""
        ...


class BufferStrategy(Protocol):
    """What a buffer driver's `open()` returns."""

    name: str

    def create(self) -> StreamBuffer:
        """A new empty buffer."""
        ...
