"""Runs simple dissectors (`interfaces.dissect.Dissector`) behind the face of one bulk dissector.

What a plugin raises ends that plugin's part in the run, never the run.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lippycat_core.batch import Batch
from lippycat_core.columns import I32
from lippycat_core.connections import Connection
from lippycat_core.errors import PluginError
from lippycat_core.events import Event
from lippycat_core.flows import FlowTable
from lippycat_core.interfaces.dissect import Dissector, Run, Segment, Session
from lippycat_core.kernels import route as k
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_core.routing import ClaimTable

MAX_SESSIONS = 1 << 16


@dataclass(slots=True)
class _Open:
    """A session and where it was last fed."""

    dissector: int
    session: Session
    ts_ns: int
    frame: int


class Sessions:
    """One session a conversation and dissector, at most `max_sessions` at once; the one silent longest goes first.

    `on_error(name, exception)` is called once for a dissector that raised or gave what is no event; it is then off.
    """

    name: ClassVar[str] = "sessions"
    kernels: ClassVar[tuple[Kernel, ...]] = (*ClaimTable.kernels, k.select)

    def __init__(
        self,
        dissectors: Sequence[Dissector],
        flows: FlowTable,
        on_error: Callable[[str, BaseException], None],
        max_sessions: int = MAX_SESSIONS,
    ) -> None:
        self.kinds: tuple[str, ...] = tuple(dissector.name for dissector in dissectors)
        self._dissectors = dissectors
        self._flows = flows
        self._on_error = on_error
        self._max_sessions = max_sessions
        self._claims = ClaimTable([dissector.claims for dissector in dissectors])
        self._off: set[int] = set()
        self._sessions: OrderedDict[Hashable, _Open] = OrderedDict()
        self._late: list[Event] = []  # said by sessions that were closed between two segments
        self._events = 0
        self._evicted = 0
        self._marked = 0
        self._base = 0
        self._rows: I32 = np.zeros(0, np.int32)
        flows.watch(self._freed)

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels."""
        self._kernels = kernels
        self._claims.bind(kernels)
        self._select = kernels[k.select]
        self._rows_view: I32 = kernels.view(self._rows)

    def route(self, batch: Batch, begin: int, end: int, base: int) -> None:
        """Claim UDP rows by port and first bytes."""
        self._base = base
        self._marked = self._claims.mark(batch, begin, end, base)

    def claim_stream(self, head: memoryview) -> bool | None:
        """Whether a claim without ports wants the stream."""
        answer = self.claim_connection(head, -1, -1)
        return None if answer is None else bool(answer)

    def claim_connection(self, head: memoryview, sport: int, dport: int) -> int | None:
        """1 + the number of the dissector that wants the connection, 0 for none, None while `head` is too short."""
        kind = self._claims.connection(head, sport, dport)
        if kind is None:
            return None
        return 0 if kind in self._off else kind + 1

    def rows(self, segment: Segment) -> Iterable[Event]:
        """Feed datagrams and runs in the order of the input."""
        events = self._late
        self._late = []
        datagrams = self._claimed(segment) if self._marked else []
        runs = [run for run in segment.runs if isinstance(run.connection, Connection) and run.connection.owner is self]
        at = 0
        for run in runs:
            while at < len(datagrams) and datagrams[at] < run.row:
                events += self._datagram(segment.batch, datagrams[at])
                at += 1
            events += self._run(segment.batch, run)
        for row in datagrams[at:]:
            events += self._datagram(segment.batch, row)
        self._events += len(events)
        return events

    def tick(self, now_ns: int, record: int) -> Iterable[Event]:
        """Sessions end with their flows; the next segment tells."""
        return ()

    def finish(self, now_ns: int) -> Iterable[Event]:
        """Close what is open, oldest first."""
        events = self._late
        self._late = []
        while self._sessions:
            events += self._close(next(iter(self._sessions)))
        self._events += len(events)
        return events

    def summary(self) -> Mapping[str, object]:
        """How many events simple dissectors gave."""
        return {"events": self._events}

    def evicted(self) -> Mapping[str, int]:
        """Sessions closed for want of room."""
        return {"sessions": self._evicted} if self._evicted else {}

    def held(self) -> Mapping[str, int]:
        """Open sessions."""
        return {"sessions": len(self._sessions)}

    def repeated(self) -> Mapping[str, int]:
        """Sessions see what comes; which of it came before they do not say."""
        return {}

    def wanted(self) -> int | None:
        """Nothing is filtered here."""
        return None

    # -- feeding ---------------------------------------------------------------------------------------------------------

    def _claimed(self, segment: Segment) -> list[int]:
        """Rows of this segment that `route` marked, in order."""
        if len(self._rows) < segment.batch.capacity:
            self._rows = np.zeros(segment.batch.capacity, np.int32)
            self._rows_view = self._kernels.view(self._rows)
        high = self._base + len(self.kinds)
        count = self._select(segment.batch.views.route, self._base, high, self._rows_view, segment.begin, segment.end)
        return list(map(int, self._rows[:count]))

    def _datagram(self, batch: Batch, row: int) -> list[Event]:
        dissector = int(batch.route.kind[row]) - self._base
        slot = int(batch.route.flow[row])
        if dissector in self._off or slot < 0:
            return []
        side = self._flows.side(slot)
        key = (slot if side == 0 else self._flows.peer(slot), dissector)
        off, length = int(batch.transport.pay_off[row]), int(batch.transport.pay_len[row])
        events = self._opened(key, dissector, slot, batch, row)
        return events + self._feed(key, side, bytes(batch.mem[off : off + length]))

    def _run(self, batch: Batch, run: Run) -> list[Event]:
        connection = run.connection
        assert isinstance(connection, Connection)
        dissector = connection.claim - 1 if isinstance(connection.claim, int) else -1
        events: list[Event] = []
        if dissector not in self._off and (run.length or connection in self._sessions):
            events += self._opened(connection, dissector, run.flow, batch, run.row)
            if run.gap:
                events += self._gap(connection, run.side, run.gap)
            if run.length:
                events += self._feed(connection, run.side, bytes(batch.mem[run.off : run.off + run.length]))
        if run.last and connection in self._sessions:
            events += self._close(connection)
        return events

    def _opened(self, key: Hashable, dissector: int, slot: int, batch: Batch, row: int) -> list[Event]:
        """See to it that there is a session, and that it knows which packet is at hand."""
        events: list[Event] = []
        ts_ns, frame = int(batch.frame.ts_ns[row]), batch.first_record + row
        known = self._sessions.get(key)
        if known is not None:
            known.ts_ns, known.frame = ts_ns, frame
            self._sessions.move_to_end(key)
            return events
        if len(self._sessions) >= self._max_sessions:
            self._evicted += 1
            events += self._close(next(iter(self._sessions)))
        try:
            session = self._dissectors[dissector].open(self._flows.info(slot))
        except (Exception, SystemExit) as error:
            self._switch_off(dissector, error)
        else:
            self._sessions[key] = _Open(dissector, session, ts_ns, frame)
        return events

    def _feed(self, key: Hashable, side: int, data: bytes) -> list[Event]:
        entry = self._sessions.get(key)
        return [] if entry is None else self._collect(entry, lambda: entry.session.feed(side, data, entry.ts_ns))

    def _gap(self, key: Hashable, side: int, missing: int) -> list[Event]:
        entry = self._sessions.get(key)
        gap = getattr(entry.session, "gap", None) if entry is not None else None
        return [] if entry is None or gap is None else self._collect(entry, lambda: gap(side, missing))

    def _close(self, key: Hashable) -> list[Event]:
        entry = self._sessions.pop(key)
        close = getattr(entry.session, "close", None)
        return [] if close is None else self._collect(entry, lambda: close(entry.ts_ns))

    def _collect(self, entry: _Open, call: Callable[[], Iterable[object] | None]) -> list[Event]:
        """What a session's method gives, as events; a session that raises takes its dissector out of the run."""
        events: list[Event] = []
        try:
            for said in call() or ():
                events.append(_event(said, entry))
        except (Exception, SystemExit) as error:
            self._switch_off(entry.dissector, error)
        return events

    def _switch_off(self, dissector: int, error: BaseException) -> None:
        if dissector in self._off:
            return
        self._off.add(dissector)
        for key in [key for key, entry in self._sessions.items() if entry.dissector == dissector]:
            del self._sessions[key]
        self._on_error(self.kinds[dissector], error)

    def _freed(self, slots: Sequence[int]) -> None:
        """Sessions of datagrams end with their flows; those of streams when reassembly says so."""
        for slot in slots if self._sessions else ():
            for dissector in range(len(self.kinds)):
                if (slot, dissector) in self._sessions:
                    self._late += self._close((slot, dissector))


def _event(said: object, entry: _Open) -> Event:
    if isinstance(said, Event):
        return said
    if isinstance(said, tuple) and len(said) == 2 and isinstance(said[0], str) and isinstance(said[1], Mapping):
        return Event(said[0], entry.ts_ns, entry.frame, said[1])
    raise PluginError(f"a session gives events or (name, fields) pairs, not {said!r:.80}")
