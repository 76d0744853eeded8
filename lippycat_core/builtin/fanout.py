"""Several packet rings of one fanout group, each emptied by a thread of its own, merged by time.

The kernel puts all packets of a conversation into one ring (PACKET_FANOUT_HASH, the same for both directions). A thread reads
its ring into one of two places while the other is merged from; when both are full it waits, and its ring fills.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Sequence

import numpy as np

from lippycat_core.batch import LARGEST_RECORD, Batch
from lippycat_core.builtin.packetring import PacketRing
from lippycat_core.columns import I64, U8, Frame
from lippycat_core.kernels import lanes as k
from lippycat_core.kernels import ring
from lippycat_core.kernelset import Kernel, KernelSet

PLACE_ROWS = 4096
PLACE_BYTES = 512 * 1024
PLACES = 2
"""Where a thread reads its ring to: rows and bytes of one place, and how many it has."""

assert PLACE_BYTES >= LARGEST_RECORD


class Lane:
    """One ring, its thread and its places."""

    def __init__(self, ring: PacketRing, behind_ns: int, timeout_ms: int) -> None:
        self.ring = ring
        self.free: deque[int] = deque(range(PLACES))
        self.full: deque[tuple[int, int]] = deque()  # (place, rows)
        self.clock_ns = 0
        self.behind_ns = behind_ns
        self.timeout_ms = timeout_ms


class Fanout:
    """Reads `rings`. Packets are handed over at the latest when each ring has been seen empty `behind_ns` of time after them.
    `fill` is called by one thread, as is `bind`; what a ring's thread raised is raised there."""

    kernels: Sequence[Kernel] = (k.merge_lanes, ring.take)

    def __init__(self, rings: Sequence[PacketRing], kernels: KernelSet, *, behind_ns: int, timeout_ms: int) -> None:
        self._lanes = [Lane(one, behind_ns, timeout_ms) for one in rings]
        places = len(rings) * PLACES
        self._slab: U8 = np.zeros(places * PLACE_BYTES, np.uint8)
        off, caplen, wirelen, link = (np.zeros(places * PLACE_ROWS, np.int32) for _ in range(4))
        self._frame = Frame(np.zeros(places * PLACE_ROWS, np.int64), off, caplen, wirelen, link)
        self._cursors: I64 = np.zeros(len(rings) * k.L_WIDTH, np.int64)
        self._state: I64 = np.zeros(k.N_WIDTH, np.int64)
        self._taken: list[int | None] = [None] * len(rings)  # the place that is merged from
        self._changed = threading.Condition(threading.Lock())
        self._over = False
        self._error: BaseException | None = None
        self.bind(kernels)
        self._threads = [
            threading.Thread(target=self._empty, args=(number,), name=f"lc-capture-{number}", daemon=True)
            for number in range(len(rings))
        ]

    def start(self) -> None:
        """Let the threads read."""
        for thread in self._threads:
            thread.start()

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels."""
        self._merge = kernels[k.merge_lanes]
        self._views = (
            kernels.view(self._slab),
            kernels.view_all(self._frame),
            kernels.view(self._cursors),
            len(self._lanes),
            kernels.view(self._state),
        )
        rooms = []
        for place in range(len(self._lanes) * PLACES):
            rows = slice(place * PLACE_ROWS, (place + 1) * PLACE_ROWS)
            whole = self._frame
            frame = Frame(whole.ts_ns[rows], whole.off[rows], whole.caplen[rows], whole.wirelen[rows], whole.link[rows])
            slab = self._slab[place * PLACE_BYTES : (place + 1) * PLACE_BYTES]
            rooms.append((kernels.view(slab), kernels.view_all(frame)))
        # A ring's kernel and the views that it takes change together.
        self._bound = (rooms, [lane.ring.bound(kernels) for lane in self._lanes])

    # -- the threads ----------------------------------------------------------------------------------------------------

    def _empty(self, number: int) -> None:
        """What the thread of a ring does."""
        lane = self._lanes[number]
        try:
            while not self._over:
                asked_ns = time.time_ns()
                if not lane.ring.ready():
                    with self._changed:
                        lane.clock_ns = max(lane.clock_ns, asked_ns - lane.behind_ns)
                        self._changed.notify_all()
                    lane.ring.socket.wait(lane.timeout_ms)
                    continue
                place = self._place(lane)
                if place is None:
                    return
                rooms, bound = self._bound
                slab, frame = rooms[number * PLACES + place]
                rows, _ = lane.ring.fill(slab, frame, PLACE_ROWS, PLACE_BYTES, bound[number])
                with self._changed:
                    if rows:
                        lane.full.append((place, rows))
                    else:  # what loopback sent, passed over
                        lane.free.append(place)
                    self._changed.notify_all()
        except BaseException as error:  # whoever merges must hear of it
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _place(self, lane: Lane) -> int | None:
        """A free place, waited for; None when all is over."""
        with self._changed:
            self._changed.wait_for(lambda: lane.free or self._over)
            return lane.free.popleft() if lane.free else None

    # -- who merges -----------------------------------------------------------------------------------------------------

    def fill(self, batch: Batch, timeout_ms: int) -> tuple[int, int]:
        """Fill a batch with what is sure to be the earliest; give its rows, and a time before which nothing is missing. Without
        rows it waits so long at most."""
        end = time.monotonic() + timeout_ms / 1000
        self._state[k.N_POS] = 0
        rows = 0
        while True:
            with self._changed:
                if self._error is not None:
                    raise self._error
                self._refill()
            views = batch.views
            while rows < batch.capacity:
                rows = self._merge(*self._views, views.slab, views.frame, rows, batch.capacity, batch.source_bytes)
                if self._state[k.N_STOP] != k.NEED:
                    break
                with self._changed:
                    self._refill()
            if rows or time.monotonic() >= end:
                return rows, self._sure_ns()
            with self._changed:
                if not self._news():
                    self._changed.wait(max(0.0, end - time.monotonic()))

    def _refill(self) -> None:
        """Take over what threads have read, of lanes whose records are used up; else how far those are."""
        for number, lane in enumerate(self._lanes):
            cursor = number * k.L_WIDTH
            if self._cursors[cursor + k.L_NEXT] < self._cursors[cursor + k.L_END]:
                continue
            if (used := self._taken[number]) is not None:
                lane.free.append(used)
                self._taken[number] = None
                self._changed.notify_all()
            if not lane.full:
                self._cursors[cursor + k.L_CLOCK] = lane.clock_ns
                continue
            place, rows = lane.full.popleft()
            self._taken[number] = place
            first = (number * PLACES + place) * PLACE_ROWS
            self._cursors[cursor + k.L_NEXT] = first
            self._cursors[cursor + k.L_END] = first + rows
            self._cursors[cursor + k.L_BYTES] = (number * PLACES + place) * PLACE_BYTES

    def _news(self) -> bool:
        """Whether a lane has records or a later clock than the merge knows."""
        for number, lane in enumerate(self._lanes):
            cursor = number * k.L_WIDTH
            if self._cursors[cursor + k.L_NEXT] >= self._cursors[cursor + k.L_END] and (
                lane.full or lane.clock_ns > self._cursors[cursor + k.L_CLOCK]
            ):
                return True
        return False

    def _sure_ns(self) -> int:
        """Nothing before this time is still to be handed over."""
        times = []
        for number in range(len(self._lanes)):
            at, end, _, clock_ns = self._cursors[number * k.L_WIDTH : (number + 1) * k.L_WIDTH].tolist()
            times.append(int(self._frame.ts_ns[at]) if at < end else clock_ns)
        return min(times)

    def close(self) -> None:
        """End the threads."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        for thread in self._threads:
            with contextlib.suppress(RuntimeError):  # never started
                thread.join()
        self._bound = ([], [])
