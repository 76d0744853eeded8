"""The buffer drivers that are always there: fixed, adaptive and ring. What each means stands in docs/settings.md.

None of them resizes memory in place: a view that `peek` gave stays what it was.
"""

from __future__ import annotations

from typing import Any, ClassVar

from lippycat_core.interfaces.buffer import StreamBuffer
from lippycat_core.interfaces.provider import Fitness

SIZE = 64 * 1024
"""What fixed and ring hold: who speaks SIP must be able to take messages of 65,535 bytes (RFC 3261, section 18.1.1)."""

FIRST = 1024
"""What buffers begin with; memory is taken as bytes come, so that many short messages find room."""

MOST = 2 << 20
"""The bound of adaptive: the largest SIP message that is believed, with room for its header section."""

QUIET = 8
"""Times in a row that a quarter of its memory was enough, after which adaptive gives half of it back."""


class _Flat:
    """Bytes in one piece of memory that is as large as it must be, up to `most`."""

    __slots__ = ("_begin", "_end", "_memory", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._memory = bytearray()
        self._begin = self._end = 0

    def append(self, data: memoryview) -> int:
        """Keep `data`, or lose it where it does not fit."""
        if len(self) + len(data) > self._most:
            return len(data)
        if self._end + len(data) > len(self._memory):
            self._move(self.cost(len(data)))
        self._memory[self._end : self._end + len(data)] = data
        self._end += len(data)
        return 0

    def peek(self) -> memoryview:
        """The bytes held."""
        return memoryview(self._memory)[self._begin : self._end]

    def consume(self, count: int) -> None:
        """Let the oldest go."""
        self._begin += count
        if self._begin >= self._end:
            self._begin = self._end = 0

    def cost(self, more: int) -> int:
        """The next power of two that has room, up to the most; no less than it has."""
        need = len(self) + more
        if need <= len(self._memory) or need > self._most:
            return len(self._memory)
        return min(max(FIRST, 1 << (need - 1).bit_length()), self._most)

    def shrink(self) -> None:
        """Go down to what is held."""
        need = len(self)
        size = min(max(FIRST, 1 << (need - 1).bit_length()), self._most) if need else 0
        if size < len(self._memory):
            self._move(size)

    def _move(self, size: int) -> None:
        held = bytes(self.peek())
        self._memory = bytearray(size)
        self._memory[: len(held)] = held
        self._begin, self._end = 0, len(held)

    def __len__(self) -> int:
        return self._end - self._begin


class FixedBuffer(_Flat):
    """One size: a segment that does not fit is lost."""

    __slots__ = ()

    def __init__(self, size: int = SIZE) -> None:
        super().__init__(size)


class AdaptiveBuffer(_Flat):
    """Grows by doubling up to a bound, and gives memory back when it was not needed for a while."""

    __slots__ = ("_quiet", "_used")

    def __init__(self, most: int = MOST) -> None:
        super().__init__(most)
        self._used = 0  # the most that was held since the buffer was last empty
        self._quiet = 0

    def append(self, data: memoryview) -> int:
        """Keep `data`, growing up to the bound; lose it beyond."""
        lost = super().append(data)
        self._used = max(self._used, len(self))
        return lost

    def consume(self, count: int) -> None:
        """Let the oldest go. An empty buffer looks back at how much of its memory it needed."""
        super().consume(count)
        if len(self):
            return
        self._quiet = self._quiet + 1 if self._used * 4 <= len(self._memory) else 0
        self._used = 0
        if self._quiet >= QUIET and len(self._memory) > FIRST:
            self._quiet = 0
            self._memory = bytearray(len(self._memory) // 2)


class RingBuffer:
    """The newest bytes: what does not fit takes the place of the oldest."""

    __slots__ = ("_at", "_length", "_memory", "_size")

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._memory = bytearray()
        self._at = 0  # of the oldest byte
        self._length = 0

    def append(self, data: memoryview) -> int:
        """Keep `data`, or the end of it, at the cost of the oldest bytes."""
        lost = max(0, self._length + len(data) - self._size)
        gone = min(lost, self._length)
        self._at = (self._at + gone) % (len(self._memory) or 1)
        self._length -= gone
        data = data[lost - gone :]
        size = self.cost(len(data))
        if size > len(self._memory):
            self._move(size)
        to = (self._at + self._length) % (size or 1)
        first = min(len(data), size - to)
        self._memory[to : to + first] = data[:first]
        self._memory[: len(data) - first] = data[first:]
        self._length += len(data)
        return lost

    def peek(self) -> memoryview:
        """The bytes held, laid out in one piece."""
        if self._at + self._length > len(self._memory):
            self._move(len(self._memory))
        return memoryview(self._memory)[self._at : self._at + self._length]

    def consume(self, count: int) -> None:
        """Let the oldest go."""
        self._length = max(0, self._length - count)
        self._at = (self._at + count) % (len(self._memory) or 1) if self._length else 0

    def cost(self, more: int) -> int:
        """The next power of two that has room, up to its size; no less than it has."""
        need = min(self._length + more, self._size)
        if need <= len(self._memory):
            return len(self._memory)
        return min(max(FIRST, 1 << (need - 1).bit_length()), self._size)

    def shrink(self) -> None:
        """Go down to what is held."""
        size = min(max(FIRST, 1 << (self._length - 1).bit_length()), self._size) if self._length else 0
        if size < len(self._memory):
            self._move(size)

    def _move(self, size: int) -> None:
        turned = self._memory[self._at :] + self._memory[: self._at]
        self._memory = bytearray(size)
        self._memory[: self._length] = turned[: self._length]
        self._at = 0

    def __len__(self) -> int:
        return self._length


class Strategy:
    """Makes buffers of one class."""

    def __init__(self, name: str, kind: type[FixedBuffer] | type[AdaptiveBuffer] | type[RingBuffer]) -> None:
        self.name = name
        self.overwrites = kind is RingBuffer
        self.holds = MOST if kind is AdaptiveBuffer else SIZE
        self._kind = kind

    def create(self) -> StreamBuffer:
        """A new empty buffer."""
        return self._kind()


class _Provider:
    name: ClassVar[str]
    priority: ClassVar[int]
    kind: ClassVar[type[FixedBuffer] | type[AdaptiveBuffer] | type[RingBuffer]]

    def probe(self) -> Fitness:
        """Always fit."""
        return Fitness(self.priority)

    def open(self, **options: Any) -> Strategy:
        """The strategy; it has no options."""
        return Strategy(self.name, self.kind)


class FixedProvider(_Provider):
    """`fixed`."""

    name, priority, kind = "fixed", 10, FixedBuffer


class AdaptiveProvider(_Provider):
    """`adaptive`, which loses least."""

    name, priority, kind = "adaptive", 30, AdaptiveBuffer


class RingProvider(_Provider):
    """`ring`."""

    name, priority, kind = "ring", 20, RingBuffer
