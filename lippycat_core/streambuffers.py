"""The stream buffers of a run: how many there are, what memory they take, and which goes for want of room.

What a stream's bytes lie in is a buffer driver's business (`interfaces/buffer.py`), what they mean their owner's. An owner's
key stands for one direction of a connection. All of it follows the order of the calls and packet time; and what is given up
follows from what is held alone, not from what memory earlier messages happened to leave behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from lippycat_core.interfaces.buffer import BufferStrategy, Sized, StreamBuffer

KEPT, LOST, OVERWRITTEN = 0, 1, 2
"""What `StreamBuffers.append` did: all is kept; the bytes were lost; older ones were."""

LEAST = 1024
"""What a buffer takes at least, in `StreamBuffers.certainly`."""


@dataclass(slots=True, eq=False)
class _Entry:
    buffer: StreamBuffer
    cost: int = 0  # bytes of memory that it takes
    need: int = 0  # bytes that a new buffer would take for what it holds
    touched_ns: int = 0


def _forget(key: Hashable) -> None:
    """Who has nothing to clean up."""


class StreamBuffers:
    """Buffers by key, each with bytes in it, at most `max_buffers`; their memory and the pool's is at most `max_bytes`:
    `held_bytes` never exceeds it.

    For want of room the pool goes first, then memory that buffers have but do not need, then the least recently used buffer;
    its owner is told by `on_evicted(key)`. One untouched for `max_age_ns` goes too; ages are looked at every `cleanup_ns`.
    Released buffers wait for reuse, at most `pool_size`. With `shrink` a released buffer gives its memory back at once.
    """

    def __init__(
        self,
        strategy: BufferStrategy,
        *,
        max_buffers: int = 5000,
        max_bytes: int = 50 << 20,
        max_age_ns: int = 300 * 1_000_000_000,
        cleanup_ns: int = 60 * 1_000_000_000,
        pool_size: int = 1000,
        shrink: bool = False,
    ) -> None:
        self.on_evicted: Callable[[Hashable], None] = _forget
        self.strategy = strategy
        self.holds = strategy.holds if isinstance(strategy, Sized) else 0
        """Bytes that fit in one buffer for certain, where the strategy says."""
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self.peak_bytes = 0
        self._max_buffers = max_buffers
        self._max_age_ns = max_age_ns
        self._cleanup_ns = cleanup_ns
        self._pool_size = pool_size
        self._shrink = shrink
        self._model = strategy.create()  # stays empty: what a new buffer would take
        self._open: dict[Hashable, _Entry] = {}  # least recently used first
        self._needed = 0
        self._pool: list[StreamBuffer] = []
        self._pooled_bytes = 0
        self._looked_ns: int | None = None
        self._given_up: Counter[str] = Counter()

    # -- one stream -------------------------------------------------------------------------------------------------------

    def append(self, key: Hashable, data: memoryview, now_ns: int) -> int:
        """Keep `data` behind what the key's buffer has: KEPT, LOST or OVERWRITTEN. May release other keys' buffers."""
        entry = self._open.pop(key, None) or self._new()
        entry.touched_ns = now_ns
        buffer, did = entry.buffer, KEPT
        need = max(entry.need, self._model.cost(len(buffer) + len(data)))
        if not self._room_for(entry, len(data), need - entry.need):
            self._given_up["tcp_buffer_bytes"] += 1
            did = LOST
        elif lost := buffer.append(data):
            did = OVERWRITTEN if self.strategy.overwrites else LOST
            if did == LOST:
                self._given_up["tcp_buffer_full"] += 1
            else:
                self._given_up["tcp_buffer_overwritten"] += lost
        self._charge(entry, entry.need if did == LOST else need)
        if len(buffer):
            self._open[key] = entry
        else:
            self._release(entry)
        return did

    def peek(self, key: Hashable) -> memoryview:
        """What the key's buffer holds, valid until the next call; nothing where it has none."""
        entry = self._open.get(key)
        return entry.buffer.peek() if entry is not None else memoryview(b"")

    def release(self, key: Hashable) -> None:
        """The key's bytes are not needed any more: its buffer may serve another."""
        entry = self._open.pop(key, None)
        if entry is not None:
            self._release(entry)

    def certainly(self, more: int, nbytes: int) -> bool:
        """Whether `more` buffers and `nbytes` bytes in them and in those that are there would find room without anything being
        given up, each buffer taking at most the next power of two, or the least that there is."""
        worst = 2 * (self._needed + nbytes) + more * LEAST
        return len(self._open) + more <= self._max_buffers and worst <= self.max_bytes

    # -- all of them ------------------------------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> None:
        """Release what was untouched for too long, where it is time to look."""
        if self._looked_ns is None:
            self._looked_ns = now_ns
        if now_ns - self._looked_ns < self._cleanup_ns:
            return
        self._looked_ns = now_ns
        old = []
        for key, entry in self._open.items():
            if now_ns - entry.touched_ns < self._max_age_ns:
                break
            old.append(key)
        for key in old:
            self._evict(key, "tcp_buffer_age")

    def evicted(self) -> Mapping[str, int]:
        """What was given up: buffers, by the bound that was hit; segments that did not fit; bytes overwritten."""
        return dict(self._given_up)

    def figures(self) -> Mapping[str, int]:
        """How things stand now: buffers and bytes."""
        return {
            "buffers": len(self._open),
            "open": len(self._open),
            "pooled": len(self._pool),
            "held_bytes": self.held_bytes,
            "peak_bytes": self.peak_bytes,
            "max_bytes": self.max_bytes,
        }

    def _new(self) -> _Entry:
        while len(self._open) >= self._max_buffers:
            self._evict(next(iter(self._open)), "tcp_buffers")
        if not self._pool:
            return _Entry(self.strategy.create())
        buffer = self._pool.pop()
        cost = buffer.cost(0)
        self._pooled_bytes -= cost
        return _Entry(buffer, cost)

    def _charge(self, entry: _Entry, need: int) -> None:
        cost = entry.buffer.cost(0)
        self.held_bytes += cost - entry.cost
        self._needed += need - entry.need
        entry.cost, entry.need = cost, need
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)

    def _room_for(self, entry: _Entry, more: int, need: int) -> bool:
        """Make room for `more` bytes in a buffer, which is not among the open ones meanwhile, and will need so much more."""
        buffer = entry.buffer
        while need > 0 and self._needed + need > self.max_bytes:
            if not self._open:
                return False
            self._evict(next(iter(self._open)), "tcp_buffer_bytes")
        while (memory := buffer.cost(more) - entry.cost) > 0 and self.held_bytes + memory > self.max_bytes:
            if self._pool:
                self._drop_pooled()
            elif self._give_back(entry):
                continue
            elif self._open:
                self._evict(next(iter(self._open)), "tcp_buffer_bytes")
            else:
                return False
        return True

    def _give_back(self, entry: _Entry) -> bool:
        """Let a buffer give back what it does not need; False where none does."""
        if self.held_bytes - self._pooled_bytes <= self._needed:
            return False
        for one in (*self._open.values(), entry):
            before = one.cost
            if before > one.need:
                one.buffer.shrink()
                self._charge(one, one.need)
                if one.cost < before:
                    return True
        return False

    def _drop_pooled(self) -> None:
        cost = self._pool.pop().cost(0)
        self._pooled_bytes -= cost
        self.held_bytes -= cost

    def _evict(self, key: Hashable, why: str) -> None:
        """Release a buffer that its owner still needs."""
        self._given_up[why] += 1
        self._release(self._open.pop(key))
        self.on_evicted(key)

    def _release(self, entry: _Entry) -> None:
        buffer = entry.buffer
        buffer.consume(len(buffer))
        if self._shrink:
            buffer.shrink()
        self._charge(entry, 0)
        if len(self._pool) < self._pool_size:
            self._pool.append(buffer)
            self._pooled_bytes += entry.cost
        else:
            self.held_bytes -= entry.cost
