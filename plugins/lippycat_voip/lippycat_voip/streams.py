"""The stream table: every RTP stream from its first packet on, found by content alone.

It owns the rows, their index and the payload maps, runs the RTP kernels, and takes what they hand out (new
streams, RTCP, events). Which call a stream belongs to is not its business.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterator
from typing import cast

import numpy as np

from lippycat_core.addresses import Endpoint
from lippycat_core.columns import F64, I64, U8
from lippycat_core.interfaces.dissect import Segment
from lippycat_core.kernelset import Interpreted, Kernel, KernelSet
from lippycat_voip.codecs import CodecLine, PayloadMap
from lippycat_voip.dtmf import DigitLog
from lippycat_voip.kernels.cells import gather
from lippycat_voip.kernels.rtcp import compound, reports
from lippycat_voip.kernels.rtp import advance, reindex
from lippycat_voip.rtcp import ReportBook, low_key
from lippycat_voip.stream_columns import (
    ANNOUNCED,
    C_CAPLEN,
    C_KEY,
    C_NOW_NS,
    C_OFF,
    C_RECORD,
    C_TS_NS,
    C_WIDTH,
    C_WIRELEN,
    CACHE_LINE,
    CLOSED,
    CONFIRMED,
    EMPTY,
    H_CELLS,
    H_DIGITS,
    H_EVENTS,
    H_FILL,
    H_FREE,
    H_NEXT,
    H_ROWS,
    H_SLOT,
    H_WIDTH,
    IN_USE,
    INDEXED,
    KEY_WORDS,
    MAP_WIDTH,
    R_WIDTH,
    REPORT_ROOM,
    S_DUPLICATES,
    S_EXPIRE_NS,
    S_FIRST_NS,
    S_FLAGS,
    S_HASH,
    S_HELD,
    S_JITTER,
    S_KEY,
    S_LAST_NS,
    S_MAP,
    S_NEXT_FREE,
    S_PACKETS,
    S_RECORD,
    S_STRAY,
    S_WIDTH,
    SLOT_LIMIT,
    STOP_EVENTS,
    STOP_INDEX,
    STOP_NEW,
    STOP_ROWS,
    STOP_RTCP,
    TOMB,
)
from lippycat_voip.stream_records import ends, stream_fields

KERNELS: tuple[Kernel, ...] = (gather, advance, reindex, compound, reports)
"""What `StreamTable.bind` asks a kernel set for."""

FIRST_ROWS = 256
MAX_MAPS = 4096
CANDIDATE_IDLE_NS = 32_000_000_000  # a candidate that was never confirmed is forgotten after so much packet time
EVICTED_SHARE = 16  # a full table gives up one row in so many at once where these are candidates or closed
LIVE_SHARE = 256  # and one in so many where none is
END = 2**63 - 1


def empty_rows(count: int) -> I64:
    """Zeroed rows that begin at a cache line. Memory that no stream has used yet stays untouched."""
    room = np.zeros(count * S_WIDTH + CACHE_LINE // 8, np.int64)
    skip = -room.ctypes.data // 8 % (CACHE_LINE // 8)
    return room[skip : skip + count * S_WIDTH]


class StreamTable:
    """Up to `max_streams` streams by slot number.

    `on_new(slot)` is called for each new stream before its first packet is counted, so that `announce` may set its payload
    map in time (it must not close that one); `on_evict(slot)` before a slot is given up for want of room, while its numbers
    can still be read; `on_rtcp(src, dst)` with the ends of each RTCP datagram. A datagram between ends for which
    `rtcp_announced(src, dst)` holds need not be an exact compound packet (SRTCP, RFC 5506, senders that pad).
    """

    def __init__(
        self,
        max_streams: int = 200_000,
        on_new: Callable[[int], None] | None = None,
        on_evict: Callable[[int], None] | None = None,
        on_rtcp: Callable[[Endpoint, Endpoint], None] | None = None,
        rtcp_announced: Callable[[Endpoint, Endpoint], bool] | None = None,
        seed: int | None = None,
    ) -> None:
        self.max_streams = max(1, min(max_streams, SLOT_LIMIT - 1))
        self.evicted = 0
        self.rtcp_packets = 0
        self._on_new = on_new
        self._on_evict = on_evict
        self._on_rtcp = on_rtcp
        self._rtcp_announced = rtcp_announced
        # The hash decides places in the index only, never a result; unknown to whoever sends the packets.
        self._seed = int.from_bytes(os.urandom(4), "big") if seed is None else seed & 0xFFFFFFFF
        rows = min(FIRST_ROWS, self.max_streams)
        self._state = empty_rows(rows)
        self._index: I64 = np.full(4 * FIRST_ROWS, EMPTY, np.int64)
        self._head: I64 = np.zeros(H_WIDTH, np.int64)
        self._cells: I64 = np.zeros(256 * C_WIDTH, np.int64)
        self._report_rows: I64 = np.zeros(REPORT_ROOM * R_WIDTH, np.int64)
        self._head[H_FREE] = -1
        self._maps = [PayloadMap()]
        self._map_ids: dict[tuple[CodecLine, ...], int] = {(): 0}
        self._map_cells: I64 = np.array(self._maps[0].cells(), np.int64)
        self._candidates: list[tuple[int, int, int]] = []  # heap: when idle for too long, record, slot; looked at again then
        self._digits: dict[int, DigitLog] = {}
        self._reports = ReportBook(self.key, self._low_key)
        self._slab: U8 = np.zeros(0, np.uint8)
        self._about: int | None = None
        self.bind(Interpreted())

    # -- kernels and their tables ------------------------------------------------------------------------------------

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels; state is kept."""
        self._kernels = kernels
        self._gather = kernels[gather]
        self._advance = kernels[advance]
        self._reindex = kernels[reindex]
        self._is_compound = kernels[compound]
        self._read_reports = kernels[reports]
        self._view_tables()

    def _view_tables(self) -> None:
        view = self._kernels.view
        floats: F64 = self._state.view(np.float64)
        self._tables = (
            view(self._cells),
            view(self._state),
            view(floats),
            view(self._index),
            view(self._head),
            view(self._map_cells),
        )
        self._report_view = view(self._report_rows)
        self._mem = memoryview(self._state.data)
        self._floats = cast("memoryview[float]", memoryview(floats.data))
        self._top = memoryview(self._head.data)

    def _grow_rows(self) -> None:
        rows = len(self._state) // S_WIDTH
        more = min(2 * rows, self.max_streams)
        state = empty_rows(more)
        state[: len(self._state)] = self._state
        self._state = state
        self._view_tables()

    def _rebuild_index(self) -> None:
        rows = self._top[H_ROWS]
        flags = self._state[S_FLAGS : rows * S_WIDTH : S_WIDTH]
        live = int(np.count_nonzero(flags & INDEXED))
        places = len(self._index)
        while live * 4 > places:
            places *= 2
        self._index = np.full(places, EMPTY, np.int64)
        self._view_tables()
        self._top[H_FILL] = self._reindex(self._tables[1], rows, self._tables[3])

    # -- packets -----------------------------------------------------------------------------------------------------

    def load(self, segment: Segment, base: int) -> int:
        """Take the RTP and RTCP rows of a segment, whose kinds count from `base`, and return how many cells they made.

        Every cell of the segment before must have been counted (`advance()`).
        """
        batch = segment.batch
        rows = segment.end - segment.begin
        if rows * C_WIDTH > len(self._cells):
            self._cells = np.zeros(max(rows * C_WIDTH, 2 * len(self._cells)), np.int64)
            self._view_tables()
        views = batch.views
        count = self._gather(
            views.slab,
            views.frame,
            views.net,
            views.transport,
            views.route,
            segment.begin,
            segment.end,
            batch.first_record,
            base,
            self._seed,
            self._tables[0],
        )
        self._slab = views.slab
        self._top[H_NEXT] = 0
        self._top[H_CELLS] = count
        return count

    def advance(self, until_record: int = END) -> None:
        """Count the loaded packets whose record number is below `until_record`."""
        top = self._top
        if top[H_NEXT] == top[H_CELLS] or self._cells[top[H_NEXT] * C_WIDTH + C_RECORD] >= until_record:
            return  # as between most SIP messages: not worth a call of the kernel
        while True:
            stop = self._advance(*self._tables, until_record)
            if self._top[H_DIGITS]:
                self._take_events()
            if stop == STOP_NEW:
                self._begin(self._top[H_SLOT])
            elif stop == STOP_RTCP:
                self._take_rtcp(self._top[H_SLOT])
            elif stop == STOP_ROWS:
                if len(self._state) // S_WIDTH < self.max_streams:
                    self._grow_rows()
                else:
                    self._evict()
            elif stop == STOP_INDEX:
                self._rebuild_index()
            elif stop != STOP_EVENTS:
                return

    def _begin(self, slot: int) -> None:
        self._reports.add(slot)
        heapq.heappush(self._candidates, (self.first_ns(slot) + CANDIDATE_IDLE_NS, self.record_id(slot), slot))
        if self._on_new is not None:
            self._on_new(slot)

    def _low_key(self, slot: int) -> int:
        at, mem = slot * S_WIDTH + S_KEY, self._mem
        return low_key(mem[at] >> 16, mem[at + 1] >> 16, mem[at + KEY_WORDS - 1])

    def _take_events(self) -> None:
        top = self._top
        for at in range(H_EVENTS, H_EVENTS + 4 * top[H_DIGITS], 4):
            slot, code = top[at], top[at + 3]
            log = self._digits.get(slot)
            if log is None:
                log = self._digits[slot] = DigitLog()
            log.add(top[at + 1], top[at + 2], code >> 4, code & 15)
        top[H_DIGITS] = 0

    def _take_rtcp(self, cell: int) -> None:
        c: list[int] = self._cells[cell * C_WIDTH : (cell + 1) * C_WIDTH].tolist()
        src, dst, _ = ends(c[C_KEY : C_KEY + KEY_WORDS])
        exact = self._is_compound(self._slab, c[C_OFF], c[C_CAPLEN], c[C_WIRELEN])
        if not exact and (self._rtcp_announced is None or not self._rtcp_announced(src, dst)):
            return
        self.rtcp_packets += 1
        count = self._read_reports(self._slab, c[C_OFF], c[C_CAPLEN], self._report_view)
        said = self._report_rows[: count * R_WIDTH].reshape(-1, R_WIDTH).tolist()
        self._about = self._reports.take(said, src, dst, c[C_TS_NS])
        if self._on_rtcp is not None:
            self._on_rtcp(src, dst)

    # -- what an owner reads -----------------------------------------------------------------------------------------

    def key(self, slot: int) -> tuple[Endpoint, Endpoint, int]:
        """Source, destination and SSRC."""
        at = slot * S_WIDTH
        return ends(self._mem[at + S_KEY : at + S_KEY + KEY_WORDS].tolist())

    def clock_ns(self) -> int:
        """The packet clock at the packet that comes next: while `on_new` runs, at the new stream's first."""
        return int(self._cells[self._top[H_NEXT] * C_WIDTH + C_NOW_NS])

    def next_record(self) -> int:
        """The number of the record that comes next: while `on_new` runs, of the new stream's first; END behind the last."""
        at = self._top[H_NEXT]
        return int(self._cells[at * C_WIDTH + C_RECORD]) if at < self._top[H_CELLS] else END

    def counted(self) -> tuple[I64, int]:
        """The loaded cells in the form that kernels take, and how many of them were counted."""
        return self._tables[0], self._top[H_NEXT]

    def report(self) -> tuple[int, int | None]:
        """While `on_rtcp` runs: the datagram's record, and the first stream that it reports about, if it is known."""
        return int(self._cells[self._top[H_SLOT] * C_WIDTH + C_RECORD]), self._about

    def first_ns(self, slot: int) -> int:
        """Capture time of the first packet."""
        return self._mem[slot * S_WIDTH + S_FIRST_NS]

    def last_ns(self, slot: int) -> int:
        """Highest capture time of a packet so far."""
        return self._mem[slot * S_WIDTH + S_LAST_NS]

    def record_id(self, slot: int) -> int:
        """Record number of the first packet."""
        return self._mem[slot * S_WIDTH + S_RECORD]

    def packets(self, slot: int) -> int:
        """Packets with different extended sequence numbers."""
        return self._mem[slot * S_WIDTH + S_PACKETS]

    def received(self, slot: int) -> int:
        """All RTP packets of the stream, duplicates and stray ones included."""
        at, mem = slot * S_WIDTH, self._mem
        return mem[at + S_PACKETS] + mem[at + S_DUPLICATES] + mem[at + S_STRAY] + (1 if mem[at + S_HELD] >= 0 else 0)

    def announced(self, slot: int) -> bool:
        """Whether SDP announced it."""
        return self._mem[slot * S_WIDTH + S_FLAGS] & ANNOUNCED != 0

    def confirmed(self, slot: int) -> bool:
        """Whether the heuristic took it for RTP."""
        return self._mem[slot * S_WIDTH + S_FLAGS] & CONFIRMED != 0

    def live(self) -> Iterator[int]:
        """All slots in use, ascending."""
        rows = self._top[H_ROWS]
        yield from np.flatnonzero(self._state[S_FLAGS : rows * S_WIDTH : S_WIDTH] & IN_USE).tolist()

    def __len__(self) -> int:
        return int(np.count_nonzero(self._state[S_FLAGS : self._top[H_ROWS] * S_WIDTH : S_WIDTH] & IN_USE))

    def record(self, slot: int) -> dict[str, object]:
        """The fields of the stream record that come from packets (see `stream_records.stream_fields`)."""
        at = slot * S_WIDTH
        row: list[int] = self._mem[at : at + S_WIDTH].tolist()
        jitter = list(self._floats[at + S_JITTER : at + S_JITTER + 3])
        return stream_fields(row, jitter, self._maps[row[S_MAP]], self._digits.get(slot), self._reports.log(slot))

    # -- what an owner decides ---------------------------------------------------------------------------------------

    def codec_map(self, codecs: tuple[CodecLine, ...]) -> int:
        """The number of the payload map of these rtpmaps; map 0 has the static types of RFC 3551 only.

        Equal tuples get the same number. Past `MAX_MAPS` different ones the answer is 0.
        """
        number = self._map_ids.get(codecs)
        if number is None:
            if len(self._maps) >= MAX_MAPS:
                return 0
            number = self._map_ids[codecs] = len(self._maps)
            self._maps.append(PayloadMap(codecs))
            if (number + 1) * MAP_WIDTH > len(self._map_cells):
                self._map_cells = np.concatenate((self._map_cells, np.zeros_like(self._map_cells)))
                self._view_tables()
            self._map_cells[number * MAP_WIDTH : (number + 1) * MAP_WIDTH] = self._maps[number].cells()
        return number

    def announce(self, slot: int, map_id: int) -> None:
        """SDP announced the stream; from its next packet on types mean what `codec_map` number `map_id` says."""
        self._mem[slot * S_WIDTH + S_FLAGS] |= ANNOUNCED
        self._mem[slot * S_WIDTH + S_MAP] = map_id

    def expire_at(self, slot: int, ns: int) -> None:
        """A packet of this key later than `ns` of packet time begins a new stream; 0 takes that back."""
        self._mem[slot * S_WIDTH + S_EXPIRE_NS] = ns

    def close(self, slot: int) -> None:
        """The next packet of this key begins a new stream; the numbers of this one can be read until `release`."""
        self._mem[slot * S_WIDTH + S_FLAGS] |= CLOSED

    def release(self, slot: int) -> None:
        """Free the slot; its number may be used again at once."""
        at, mem = slot * S_WIDTH, self._mem
        flags = mem[at + S_FLAGS]
        if not flags & IN_USE:
            return
        if flags & INDEXED:
            index = memoryview(self._index.data)
            mask, entry = len(index) - 1, mem[at + S_HASH] * SLOT_LIMIT + slot
            place = mem[at + S_HASH] & mask
            while index[place] != entry:
                place = (place + 1) & mask
            index[place] = TOMB
        self._reports.drop(slot)
        self._digits.pop(slot, None)
        mem[at + S_FLAGS] = 0
        mem[at + S_NEXT_FREE] = self._top[H_FREE]
        self._top[H_FREE] = slot

    # -- house-keeping -----------------------------------------------------------------------------------------------

    def sweep(self, now_ns: int) -> list[int]:
        """Release what was neither announced nor confirmed and has been idle for 32 s of packet time; those slots."""
        mem, swept = self._mem, []
        while self._candidates and self._candidates[0][0] < now_ns:
            _, record, slot = heapq.heappop(self._candidates)
            at = slot * S_WIDTH
            if mem[at + S_RECORD] != record or mem[at + S_FLAGS] & (IN_USE | ANNOUNCED | CONFIRMED) != IN_USE:
                continue  # released, or listed by now
            due_ns = mem[at + S_LAST_NS] + CANDIDATE_IDLE_NS
            if due_ns < now_ns:
                self.release(slot)
                swept.append(slot)
            else:
                heapq.heappush(self._candidates, (due_ns, record, slot))
        return swept

    def _evict(self) -> None:
        """Give up the oldest: candidates first, then closed streams, then the others, each by last packet."""
        rows = self._top[H_ROWS]
        flags = self._state[S_FLAGS : rows * S_WIDTH : S_WIDTH]
        last_ns = self._state[S_LAST_NS : rows * S_WIDTH : S_WIDTH]
        rank = np.where(flags & (ANNOUNCED | CONFIRMED) == 0, 0, np.where(flags & CLOSED, 1, 2))
        order = np.lexsort((np.arange(rows), last_ns, rank))
        spare = min(self.max_streams // EVICTED_SHARE, int(np.count_nonzero(rank < 2)))
        for slot in order[: max(1, spare or self.max_streams // LIVE_SHARE)].tolist():
            if not self._mem[slot * S_WIDTH + S_FLAGS] & IN_USE:
                continue  # released by the owner along with one before
            if self._on_evict is not None:
                self._on_evict(slot)
            self.release(slot)
            self.evicted += 1
        if len(self._candidates) > 2 * self.max_streams:
            self._candidates = [due for due in self._candidates if self._mem[due[2] * S_WIDTH + S_RECORD] == due[1]]
            heapq.heapify(self._candidates)
