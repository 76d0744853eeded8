"""The stream buffers of a run: how many there are, what memory they take, and which goes for want of room.

What a stream's bytes lie in is a buffer driver's business (`interfaces/buffer.py`), what they mean their owner's. An owner's
key stands for one direction of a connection. All of it follows the order of the calls and packet time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from lippycat_core.interfaces.buffer import BufferStrategy, StreamBuffer

KEPT, LOST, OVERWRITTEN = 0, 1, 2
"""What `StreamBuffers.append` did: all is kept; the bytes were lost; older ones were."""


@dataclass(slots=True, eq=False)
class _Entry:
    buffer: StreamBuffer
    cost: int  # bytes of memory that are counted for it
    touched_ns: int


def _forget(key: Hashable) -> None:
    """Who has nothing to clean up."""


class StreamBuffers:
    """Buffers by key, at most `max_buffers`, their memory and the pool's at most `max_bytes`: `held_bytes` never exceeds it.

    For want of room the least recently used empty buffer goes, then the least recently used one with bytes in it; its
    owner is told by `on_evicted(key)`. One untouched for `max_age_ns` goes too; ages are looked at every `cleanup_ns`.
    Released buffers wait for reuse, at most `pool_size`. With `shrink` an emptied buffer gives its memory back at once.
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
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self.peak_bytes = 0
        self._max_buffers = max_buffers
        self._max_age_ns = max_age_ns
        self._cleanup_ns = cleanup_ns
        self._pool_size = pool_size
        self._shrink = shrink
        self._open: dict[Hashable, _Entry] = {}  # with bytes, least recently used first
        self._idle: dict[Hashable, _Entry] = {}  # empty, least recently used first
        self._pool: list[StreamBuffer] = []
        self._looked_ns: int | None = None
        self._given_up: Counter[str] = Counter()

    # -- one stream -------------------------------------------------------------------------------------------------------

    def append(self, key: Hashable, data: memoryview, now_ns: int) -> int:
        """Keep `data` behind what the key's buffer has: KEPT, LOST or OVERWRITTEN. May release other keys' buffers."""
        entry = self._open.pop(key, None) or self._idle.pop(key, None) or self._new(now_ns)
        entry.touched_ns = now_ns
        buffer, did = entry.buffer, KEPT
        if not self._room_for(buffer.cost(len(data)) - entry.cost):
            self._given_up["tcp_buffer_bytes"] += 1
            did = LOST
        elif lost := buffer.append(data):
            did = OVERWRITTEN if self.strategy.overwrites else LOST
            if did == LOST:
                self._given_up["tcp_buffer_full"] += 1
            else:
                self._given_up["tcp_buffer_overwritten"] += lost
        self._charge(entry)
        (self._open if len(buffer) else self._idle)[key] = entry
        return did

    def peek(self, key: Hashable) -> memoryview:
        """What the key's buffer holds, valid until the next call; nothing where it has none."""
        entry = self._open.get(key)
        return entry.buffer.peek() if entry is not None else memoryview(b"")

    def empty(self, key: Hashable, now_ns: int) -> None:
        """The key's bytes are not needed any more; its buffer stays for the next ones."""
        entry = self._open.pop(key, None)
        if entry is not None:
            entry.touched_ns = now_ns
            entry.buffer.consume(len(entry.buffer))
            if self._shrink:
                entry.buffer.shrink()
            self._charge(entry)
            self._idle[key] = entry

    def close(self, key: Hashable) -> None:
        """The stream is over: its buffer may serve another."""
        entry = self._open.pop(key, None) or self._idle.pop(key, None)
        if entry is not None:
            self._release(entry)

    # -- all of them ------------------------------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> None:
        """Release what was untouched for too long, where it is time to look."""
        if self._looked_ns is None:
            self._looked_ns = now_ns
        if now_ns - self._looked_ns < self._cleanup_ns:
            return
        self._looked_ns = now_ns
        for entries in (self._idle, self._open):
            old = []
            for key, entry in entries.items():
                if now_ns - entry.touched_ns < self._max_age_ns:
                    break
                old.append(key)
            for key in old:
                self._let_go(entries, key, "tcp_buffer_age")

    def evicted(self) -> Mapping[str, int]:
        """What was given up: buffers, by the bound that was hit; segments that did not fit; bytes overwritten."""
        return dict(self._given_up)

    def figures(self) -> Mapping[str, int]:
        """How things stand now: buffers and bytes."""
        return {
            "buffers": len(self._open) + len(self._idle),
            "open": len(self._open),
            "pooled": len(self._pool),
            "held_bytes": self.held_bytes,
            "peak_bytes": self.peak_bytes,
            "max_bytes": self.max_bytes,
        }

    def _new(self, now_ns: int) -> _Entry:
        while len(self._open) + len(self._idle) >= self._max_buffers:
            self._evict("tcp_buffers")
        buffer = self._pool.pop() if self._pool else self.strategy.create()
        return _Entry(buffer, buffer.cost(0), now_ns)

    def _charge(self, entry: _Entry) -> None:
        cost = entry.buffer.cost(0)
        self.held_bytes += cost - entry.cost
        entry.cost = cost
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)

    def _room_for(self, more: int) -> bool:
        while more > 0 and self.held_bytes + more > self.max_bytes:
            if self._pool:
                self.held_bytes -= self._pool.pop().cost(0)
            elif self._idle or self._open:
                self._evict("tcp_buffer_bytes")
            else:
                return False
        return True

    def _evict(self, why: str) -> None:
        entries = self._idle or self._open
        self._let_go(entries, next(iter(entries)), why)

    def _let_go(self, entries: dict[Hashable, _Entry], key: Hashable, why: str) -> None:
        """Release a buffer that its owner did not close; of those with nothing in them only the ones beyond the number of
        buffers are counted, for they cost nothing but a new buffer."""
        held = entries is self._open
        if held:
            self._given_up[why] += 1
        elif why == "tcp_buffers":
            self._given_up["tcp_buffers_idle"] += 1
        self._release(entries.pop(key))
        if held:
            self.on_evicted(key)

    def _release(self, entry: _Entry) -> None:
        buffer = entry.buffer
        buffer.consume(len(buffer))
        if self._shrink:
            buffer.shrink()
        self._charge(entry)
        if len(self._pool) < self._pool_size:
            self._pool.append(buffer)
        else:
            self.held_bytes -= entry.cost
