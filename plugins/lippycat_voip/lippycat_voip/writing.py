"""When records are written, and in which order: calls 32 s after their end, each behind its streams (docs/output.md, Order).

Due times are packet time and compared strictly, so neither the number of ticks nor their places show in the output.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import islice

from lippycat_core.events import Event
from lippycat_voip.callbuffer import CallBuffer
from lippycat_voip.calls import NEVER, Dialog
from lippycat_voip.filing import Filing
from lippycat_voip.losses import LossLog
from lippycat_voip.media import Media
from lippycat_voip.offers import Tie
from lippycat_voip.records import call_fields, call_state, dialog_fields, stream_record
from lippycat_voip.tally import Tally

REMEMBERED = 16_384
"""Written Call-IDs that are remembered, so that what trickles in of them does not look like a new dialog."""

OLDEST_AT_ONCE = 1024

MAX_WRITTEN = 1024
"""Streams written before their call that its record can still name."""


class Writer:
    """Turns dialogs and streams into events, once each, and counts what it wrote."""

    def __init__(self, media: Media, tally: Tally, *, filtering: bool, rtp_heuristic: bool, losses: LossLog) -> None:
        self.dialogs: dict[bytes, Dialog] = {}
        self.events: list[Event] = []
        self.call_states: dict[str, int] = {}
        self.dialogs_written = 0
        self.streams_written = 0
        self.rtp_packets = 0
        self.evicted: dict[str, int] = {}
        self._media = media
        self._tally = tally
        self._filtering = filtering
        self._rtp_heuristic = rtp_heuristic
        self._losses = losses
        self._queue: list[tuple[int, int, Dialog]] = []
        self._resting: OrderedDict[int, Dialog] = OrderedDict()  # dialogs that are no calls, longest silent first
        self._waiting: OrderedDict[int, Dialog] = OrderedDict()
        self._remembered: dict[bytes, None] = {}
        self._oldest: deque[Dialog] = deque()
        self.buffer: CallBuffer | None = None  # what undecided calls wait in
        self.filing: Filing | None = None  # where calls have files of their own

    # -- what is due -------------------------------------------------------------------------------------------------

    def schedule(self, dialog: Dialog, due_ns: int) -> None:
        """The dialog may be written when packet time has passed `due_ns`; NEVER takes that back."""
        dialog.due_ns = due_ns
        if due_ns < dialog.queued_ns:
            dialog.queued_ns = due_ns
            heappush(self._queue, (due_ns, dialog.serial, dialog))

    def rest(self, dialog: Dialog, due_ns: int) -> None:
        """The same for a dialog that is no call. Each time is later than all before."""
        dialog.due_ns = due_ns
        self._resting[dialog.serial] = dialog
        self._resting.move_to_end(dialog.serial)

    def wake(self, dialog: Dialog) -> None:
        """The dialog has become a call and is not due."""
        dialog.due_ns = NEVER
        self._resting.pop(dialog.serial, None)

    def close(self, dialog: Dialog) -> None:
        """Take no further message into the dialog; it is written when its turn comes."""
        if dialog.closed:
            return
        dialog.closed = True
        if self.buffer is not None:
            self.buffer.leave(dialog)
        self._resting.pop(dialog.serial, None)
        if self.dialogs.get(dialog.call_id) is dialog:
            del self.dialogs[dialog.call_id]
        if len(self._remembered) >= REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[dialog.call_id] = None

    def remembers(self, call_id: bytes) -> bool:
        """Whether a record of this Call-ID was written not long ago."""
        return call_id in self._remembered

    def take_events(self) -> list[Event]:
        """What was written since the last call."""
        events, self.events = self.events, []
        return events if self.buffer is None else self.buffer.take(events)

    def write_due(self, now_ns: int) -> Iterator[Event]:
        """Write what has become due before `now_ns`, in order of due time; ties by record number."""
        yield from self.take_events()
        queue = self._queue
        while (due_ns := self._next_due()) < now_ns:
            group: dict[int, Dialog] = {}
            while queue and queue[0][0] == due_ns:
                dialog = heappop(queue)[2]
                if dialog.queued_ns != due_ns:
                    continue  # queued again for an earlier time, and written then
                dialog.queued_ns = NEVER
                if dialog.due_ns == due_ns:
                    self.close(dialog)
                    group[dialog.serial] = dialog
                elif dialog.due_ns != NEVER:
                    self.schedule(dialog, dialog.due_ns)
            while self._resting and (dialog := next(iter(self._resting.values()))).due_ns == due_ns:
                self.close(dialog)
                group[dialog.serial] = dialog
            self._write_group(group, now_ns)
            yield from self.take_events()

    def _next_due(self) -> int:
        due_ns = self._queue[0][0] if self._queue else NEVER
        return min(due_ns, next(iter(self._resting.values())).due_ns) if self._resting else due_ns

    def _write_group(self, group: dict[int, Dialog], now_ns: int) -> None:
        """Write what can be; calls that share a stream with a call that goes on wait for it."""
        ready = dict(group)
        for dialog in group.values():
            for other in self._sharing(dialog):
                if other.serial in self._waiting:
                    ready[other.serial] = other
        for serial in sorted(ready):
            dialog = ready[serial]
            if all(other.closed for other in self._sharing(dialog)):
                self._waiting.pop(serial, None)
                self._write(dialog, now_ns)
            else:
                self._waiting[serial] = dialog

    @staticmethod
    def _sharing(dialog: Dialog) -> list[Dialog]:
        """Calls that own a stream of this one too."""
        session = dialog.call.session if dialog.call is not None else None
        if session is None:
            return []
        owners = {owner for tie in session.ties for owner in tie.owners if owner is not session}
        return [owner.call for owner in owners if isinstance(owner.call, Dialog)]

    # -- writing -----------------------------------------------------------------------------------------------------

    def _write(self, dialog: Dialog, now_ns: int) -> None:
        """The streams of a dialog that were not written before, then the dialog."""
        call = dialog.call
        session = call.session if call is not None else None
        ids: list[int] = []
        heard: list[dict[str, object]] = []
        one_way: bool | None = None
        if session is not None:
            streams = self._media.streams
            ties = sorted(session.ties, key=lambda tie: streams.record_id(tie.slot))
            ids = sorted({*(streams.record_id(tie.slot) for tie in ties), *(number for number, _ in session.written)})
            one_way = self._one_way(dialog, ties)
            fields = [(tie, stream_record(self._media, tie, self._losses)) for tie in ties if self._complete(tie, dialog)]
            heard = [record for _, record in fields]
            for tie, record in fields:
                self._write_stream(tie, record)
            for tie in tuple(session.ties):
                if self._complete(tie, dialog):
                    self._release(tie)
            session.forget(self._media)
            if call is not None and not session.ties:
                call.session = None  # dialog, call, session and its ends name each other
                session.ends.clear()
        if self.filing is not None and (not dialog.wanted or call is None):
            self.filing.over(dialog, None)
        if not dialog.wanted:
            return
        if self._filtering:
            self._tally.add(dialog.tally)
        if call is not None:
            state = call_state(call, now_ns)
            self.call_states[state] = self.call_states.get(state, 0) + 1
            described = call_fields(dialog, call, state, one_way, ids)
            self._emit("call", dialog.last_ns, dialog.record, described)
            if self.filing is not None:
                self.filing.over(dialog, described, heard)
        else:
            self.dialogs_written += 1
            self._emit("dialog", dialog.last_ns, dialog.record, dialog_fields(dialog, now_ns))

    @staticmethod
    def _complete(tie: Tie, dialog: Dialog) -> bool:
        """Whether no other call that goes on owns the stream."""
        return all(owner.call is dialog or (isinstance(owner.call, Dialog) and owner.call.closed) for owner in tie.owners)

    def _write_stream(self, tie: Tie, record: dict[str, object]) -> None:
        streams = self._media.streams
        if self._filtering and not any(isinstance(owner.call, Dialog) and owner.call.wanted for owner in tie.owners):
            return
        received = streams.received(tie.slot)
        self.streams_written += 1
        self.rtp_packets += received
        self._tally.packets += received
        self._emit("stream", streams.last_ns(tie.slot), streams.record_id(tie.slot), record)

    def _release(self, tie: Tie) -> None:
        self._leave_trace(tie)
        self._media.forget(tie.slot)
        self._media.streams.release(tie.slot)

    def _leave_trace(self, tie: Tie) -> None:
        """Owners that are written later name the stream too."""
        number, heard = self._media.streams.record_id(tie.slot), self._media.streams.packets(tie.slot) > 0
        for owner in tie.owners:
            role = owner.receiver_role(tie) if heard else None
            owner.written = (*owner.written[-MAX_WRITTEN + 1 :], (number, role))

    def _one_way(self, dialog: Dialog, ties: list[Tie]) -> bool | None:
        """Of an answered call: whether media came in one direction only; None without media, or while one side holds."""
        call = dialog.call
        if call is None or call.session is None or call.answer_ns is None:
            return None
        session = call.session
        heard = [tie for tie in ties if self._media.streams.packets(tie.slot)]
        roles = {session.receiver_role(tie) for tie in heard}
        roles.update(role for _, role in session.written)
        roles.discard(None)
        hosts = {(tie.src.end[:4], tie.dst.end[:4]) for tie in heard}
        if len(roles) == 2 or any(src != dst and (dst, src) in hosts for src, dst in hosts):
            return False
        return True if roles and session.two_way() else None

    def _emit(self, name: str, ts_ns: int, frame: int, fields: dict[str, object]) -> None:
        self.events.append(Event(name, ts_ns, frame, fields))

    # -- the end, and want of room -----------------------------------------------------------------------------------

    def write_rest(self, now_ns: int) -> Iterator[Event]:
        """The input has ended: what is due, what is left by record number, then streams of no call by theirs."""
        yield from self.write_due(now_ns)
        left = deque(sorted((*self._waiting.values(), *self.dialogs.values()), key=lambda dialog: dialog.serial))
        for dialog in left:
            self.close(dialog)
        self._waiting.clear()
        self._resting.clear()
        self._queue.clear()
        self._oldest.clear()
        while left:  # taken out one by one: what is written is free
            self._write(left.popleft(), now_ns)
            yield from self.take_events()
        for tie in self._media.unowned():
            self._write_unowned(tie)
            self._release(tie)
            yield from self.take_events()

    def _write_unowned(self, tie: Tie) -> None:
        if self._filtering or not self._rtp_heuristic or not self._media.streams.confirmed(tie.slot):
            return
        self._write_stream(tie, stream_record(self._media, tie, self._losses))

    def stream_evicted(self, slot: int) -> None:
        """The stream table gives a slot up: write its stream now."""
        tie = self._media.tie(slot)
        if tie is None:
            return
        if tie.owners:
            self._write_stream(tie, stream_record(self._media, tie, self._losses))
        else:
            self._write_unowned(tie)
        self._leave_trace(tie)
        self._media.forget(slot)

    def evict(self, now_ns: int) -> None:
        """Write one dialog before its time: the longest silent of no call, else the call that ended first, else the oldest."""
        dialog = self._first_ended() or self._first_begun()
        if dialog is None:
            return
        table = "calls" if dialog.call is not None else "dialogs"
        self.evicted[table] = self.evicted.get(table, 0) + 1
        self.close(dialog)
        dialog.queued_ns = NEVER
        self._waiting.pop(dialog.serial, None)
        self._write(dialog, now_ns)

    def _first_ended(self) -> Dialog | None:
        """Scans and keep-alives go before calls that may still get a packet."""
        if self._resting:
            return next(iter(self._resting.values()))
        if self._waiting:
            return next(iter(self._waiting.values()))
        while self._queue:
            due_ns, _, dialog = heappop(self._queue)
            if dialog.queued_ns != due_ns:
                continue
            dialog.queued_ns = NEVER
            if dialog.due_ns == due_ns:
                return dialog
            if dialog.due_ns != NEVER:
                self.schedule(dialog, dialog.due_ns)
        return None

    def _first_begun(self) -> Dialog | None:
        """The oldest dialog of the table, looked up for many evictions at once."""
        for _ in range(2):
            while self._oldest:
                dialog = self._oldest.popleft()
                if not dialog.closed:
                    return dialog
            self._oldest.extend(islice(self.dialogs.values(), OLDEST_AT_ONCE))
        return None

    def __len__(self) -> int:
        """Dialogs held."""
        return len(self.dialogs) + len(self._waiting)
