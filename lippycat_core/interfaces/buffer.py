"""`lippycat.buffer`: what the bytes of one TCP direction lie in while they wait for a whole message.

A driver's `open()` gives a `BufferStrategy`; `streambuffers.StreamBuffers` makes buffers with it, counts their memory and
decides which of them goes for want of room.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable


class StreamBuffer(Protocol):
    """Bytes of one direction of one connection, in order."""

    def append(self, data: memoryview) -> int:
        """Keep `data` and return how many bytes were lost by that (0 where all fit): of `data`, all or nothing, or, where
        the strategy `overwrites`, the oldest ones."""
        ...

    def peek(self) -> memoryview:
        """The bytes held, oldest first; valid until the next call of any other method."""
        ...

    def consume(self, count: int) -> None:
        """Let the oldest `count` bytes go."""
        ...

    def cost(self, more: int) -> int:
        """Bytes of memory that the buffer takes once `more` bytes are appended: `append` takes no more than it says, and
        `cost(0)` is what it takes now. A new buffer takes none."""
        ...

    def shrink(self) -> None:
        """Give back what memory the bytes held do not need; an empty buffer then takes none."""
        ...

    def __len__(self) -> int:
        """Bytes held."""
        ...


class BufferStrategy(Protocol):
    """What a buffer driver's `open()` returns."""

    name: str
    overwrites: bool
    """Whether what does not fit takes the place of the oldest bytes, instead of being lost itself."""

    def create(self) -> StreamBuffer:
        """A new empty buffer."""
        ...


@runtime_checkable
class Sized(Protocol):
    """A `BufferStrategy` that says how much fits. Bytes that are together soon enough never go into its buffers, where
    nothing would be lost in them: so it must take what it says, and `cost` be at most the next power of two, or 1 KiB. Into
    buffers of one that does not say goes every segment of an unfinished message, as it comes."""

    holds: int
    """Bytes that a buffer holds at least before any is lost."""
