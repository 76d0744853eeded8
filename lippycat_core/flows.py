"""Flows: which directional conversation each row belongs to, the packet clock, and when a tick is due.

The table is bounded and the only owner of slots; who hangs state on a slot asks to be told when it is freed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from lippycat_core.addresses import Endpoint, host
from lippycat_core.batch import Batch
from lippycat_core.columns import I32, I64, UDP
from lippycat_core.errors import ContractError
from lippycat_core.interfaces.dissect import FlowInfo
from lippycat_core.kernels import flow as k
from lippycat_core.kernelset import Kernel, KernelSet

SMALLEST = 4096
IDLE_NS = 300 * 1_000_000_000
"""Silence after which a conversation's slots are free again; longer than any protocol timer that looks at flows."""

EVICT_SHARE = 16
"""At the bound one in so many flows goes at once, those silent longest: finding them costs a pass over the table."""


class FlowTable:
    """Directional UDP and TCP flows, at most `max_flows`, found by addresses, ports and protocol. Without `udp`, TCP alone:
    a lookup a packet is saved where nobody asks for the others.

    `cells` is a memoryview of the flat table (`kernels.flow` names its fields), good until the next `track`; `view` is
    the same memory in the form that the bound kernels take.
    """

    kernels: ClassVar[tuple[Kernel, ...]] = (k.track, k.release, k.reindex)

    def __init__(self, kernels: KernelSet, max_flows: int = 1 << 20, idle_ns: int = IDLE_NS, *, udp: bool = True) -> None:
        if max_flows < 2:
            raise ContractError(f"a flow table of {max_flows} flows cannot hold both directions of one conversation")
        self._max_flows = max_flows
        self._idle_ns = idle_ns
        self._evicted = 0
        self._next_sweep_ns = -1
        self._listeners: list[Callable[[Sequence[int]], None]] = []
        self._state: I64 = np.zeros(k.STATE_WIDTH, np.int64)
        self._state[[k.TICK_NS, k.TICK_RECORD, k.FREE]] = -1
        self._state[k.WITH_UDP] = udp
        self.table: I64 = np.zeros(0, np.int64)
        self._index: I32 = np.zeros(0, np.int32)
        self._kernels = kernels
        self._resize(min(SMALLEST, max_flows))
        self.bind(kernels)

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels (between two batches)."""
        self._kernels = kernels
        self._track = kernels[k.track]
        self._release = kernels[k.release]
        self._reindex = kernels[k.reindex]
        self._views()

    def watch(self, freed: Callable[[Sequence[int]], None]) -> None:
        """Call `freed(slots)` each time that slots are freed, before any of them is used again."""
        self._listeners.append(freed)

    def track(self, batch: Batch, begin: int) -> int:
        """Write `route.flow` and `route.now_ns` from row `begin` on and return the end of the segment.

        The segment ends at the end of the batch, in front of the first row where a tick is due (`tick_due`), or where
        flows must be evicted first. It may be empty; then a tick is due in front of `begin` itself.
        """
        row = begin
        views = batch.views
        while True:
            row = self._track(
                views.frame,
                views.net,
                views.transport,
                views.route,
                self.view,
                self._index_view,
                self._state_view,
                batch.first_record,
                row,
                batch.rows,
            )
            self._due_record = batch.first_record + row
            if self._cells_state[k.STOP] != k.S_FULL:
                return row
            if self.slots < self._max_flows:
                self._resize(min(2 * self.slots, self._max_flows))
                self._views()
                self._rebuild()
            elif row > begin:
                return row  # rows before this one still name the flows that are about to go
            else:
                self._evict()

    @property
    def tick_due(self) -> tuple[int, int] | None:
        """Packet clock and record number of the tick that is due in front of the row where `track` stopped, if one is."""
        if self._cells_state[k.STOP] != k.S_TICK:
            return None
        return self._cells_state[k.NOW_NS], self._due_record

    def advance(self, clock_ns: int, record: int) -> None:
        """No packet before `clock_ns` will come any more (a live capture): the packet clock is at least that, and where it is
        time, a tick is due in front of record number `record`, however few packets there were."""
        state = self._cells_state
        state[k.NOW_NS] = max(state[k.NOW_NS], clock_ns)
        if state[k.NOW_NS] - state[k.TICK_NS] >= k.TICK_AFTER_NS:
            state[k.STOP] = k.S_TICK
            self._due_record = record

    def tick(self, now_ns: int, record: int) -> None:
        """Note that the tick happened, and free what was silent for too long (looked for eight times in that span)."""
        self._cells_state[k.TICK_NS] = now_ns
        self._cells_state[k.TICK_RECORD] = record
        self._cells_state[k.STOP] = k.S_END
        if now_ns >= self._next_sweep_ns:
            self._next_sweep_ns = now_ns + self._idle_ns // 8
            self._free(now_ns - self._idle_ns, open_too=False, limit=self.slots)

    @property
    def now_ns(self) -> int:
        """The packet clock: the highest capture time of any row so far, 0 before the first."""
        return self._cells_state[k.NOW_NS]

    @property
    def slots(self) -> int:
        """Flows that the table has room for now."""
        return len(self.table) // k.WIDTH

    def __len__(self) -> int:
        """Flows in the table."""
        return self._cells_state[k.LIVE]

    def evicted(self) -> Mapping[str, int]:
        """Flows given up because the table was full."""
        return {"flows": self._evicted} if self._evicted else {}

    def peer(self, slot: int) -> int:
        """The slot of the other direction, -1 where it was not seen."""
        return self.cells[slot * k.WIDTH + k.PEER]

    def side(self, slot: int) -> int:
        """0 for the direction of the conversation's first packet, 1 for the other."""
        return self.cells[slot * k.WIDTH + k.SIDE]

    def ports(self, slot: int) -> tuple[int, int]:
        """Source and destination port of the direction."""
        word = self.cells[slot * k.WIDTH + k.PORTS]
        return word >> 24 & 0xFFFF, word >> 8 & 0xFFFF

    def ends(self, slot: int) -> tuple[Endpoint, Endpoint]:
        """Source and destination of the direction."""
        cell = slot * k.WIDTH
        src_hi, src_lo = self.cells[cell + k.SRC_HI], self.cells[cell + k.SRC_LO]
        dst_hi, dst_lo = self.cells[cell + k.DST_HI], self.cells[cell + k.DST_LO]
        sport, dport = self.ports(slot)
        return (*_words(src_hi), *_words(src_lo), sport), (*_words(dst_hi), *_words(dst_lo), dport)

    def info(self, slot: int) -> FlowInfo:
        """The conversation's ends, as its first packet had them."""
        cell = slot * k.WIDTH
        src = host(*_words(self.cells[cell + k.SRC_HI]), *_words(self.cells[cell + k.SRC_LO]))
        dst = host(*_words(self.cells[cell + k.DST_HI]), *_words(self.cells[cell + k.DST_LO]))
        sport, dport = self.ports(slot)
        if self.cells[cell + k.SIDE] == 1:
            src, sport, dst, dport = dst, dport, src, sport
        udp = self.cells[cell + k.PORTS] & 0xFF == UDP
        return FlowInfo("udp" if udp else "tcp", src, sport, dst, dport)

    def _resize(self, slots: int) -> None:
        table = np.zeros(slots * k.WIDTH, np.int64)
        table[: len(self.table)] = self.table
        self.table = table
        places = SMALLEST
        while places < 2 * slots:
            places *= 2
        self._index = np.full(places, -1, np.int32)
        self._freed: I32 = np.zeros(slots, np.int32)

    def _views(self) -> None:
        self.cells = memoryview(self.table.data)
        self._cells_state = memoryview(self._state.data)
        self.view: I64 = self._kernels.view(self.table)
        self._state_view: I64 = self._kernels.view(self._state)
        self._index_view: I32 = self._kernels.view(self._index)
        self._freed_view: I32 = self._kernels.view(self._freed)

    def _rebuild(self) -> None:
        self._reindex(self.view, self._index_view, self._state_view)

    def _free(self, before_ns: int, *, open_too: bool, limit: int) -> int:
        count = self._release(self.view, self._state_view, before_ns, open_too, limit, self._freed_view)
        if count:
            self._rebuild()
            freed = self._freed[:count].tolist()
            for listener in self._listeners:
                listener(freed)
        return count

    def _evict(self) -> None:
        rows = self.table.reshape(-1, k.WIDTH)
        peers = rows[:, k.PEER]
        last = np.where(peers >= 0, np.maximum(rows[:, k.LAST_NS], rows[peers, k.LAST_NS]), rows[:, k.LAST_NS])
        share = max(1, len(last) // EVICT_SHARE)
        oldest_ns = int(np.partition(last, share - 1)[share - 1])
        self._evicted += self._free(oldest_ns + 1, open_too=True, limit=share)


def _words(pair: int) -> tuple[int, int]:
    return (pair >> 32) + 0x80000000, pair & 0xFFFFFFFF
