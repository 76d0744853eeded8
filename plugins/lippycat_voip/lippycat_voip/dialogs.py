"""SIP messages in order become calls and other dialogs, by Call-ID (docs/output.md, Calls).

What runs for each message is here and kept short. What a message means for the call is `calls` and `states`, what its
SDP means `offers` and `media`, when records are written `writing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lippycat_core.addresses import Endpoint
from lippycat_core.events import Event
from lippycat_voip.callbuffer import CallBuffer
from lippycat_voip.calls import NEVER, NO_RESULT, Call, Dialog
from lippycat_voip.columns import (
    ACK,
    BYE,
    CANCEL,
    F_FAULTS,
    INFO,
    INVITE,
    M_BRANCH,
    M_CALL_ID,
    M_CSEQ,
    M_CSEQ_METHOD,
    M_CSEQ_TEXT,
    M_DIVERSION,
    M_FLAGS,
    M_FROM_TAG,
    M_METHOD,
    M_METHOD_TEXT,
    M_PAI,
    M_REASON,
    M_REASON_HEADER,
    M_REFER_TO,
    M_REPLACES,
    M_SEGMENTS,
    M_STATUS,
    M_TO_TAG,
    M_TRANSPORT,
    M_URI,
    METHODS,
    OTHER_METHOD,
    PRACK,
    UPDATE,
    Row,
)
from lippycat_voip.filing import Filing
from lippycat_voip.heads import ADDED_ON_THE_WAY, complete_head, read_head, read_reason, read_server, span, span_text
from lippycat_voip.info_digits import read_digits
from lippycat_voip.losses import LossLog
from lippycat_voip.media import Media, Streams
from lippycat_voip.negotiation import DIALOG_LINGER_NS, Negotiation
from lippycat_voip.offers import Path
from lippycat_voip.records import message_fields
from lippycat_voip.sdp import SessionDescription
from lippycat_voip.tally import Tally
from lippycat_voip.writing import Writer

COPY_NS = 100_000_000
"""The same message within this time is a second capture of it, later one it was sent again."""

MAX_LOG = 128 * 16
"""Bytes of a dialog's log (`calls.Dialog.log`): so many messages are remembered, then the older half is forgotten."""

_OFFERING = frozenset((ACK, PRACK, UPDATE))
"""Requests other than INVITE whose body is an offer or an answer (RFC 3261, 13.2.1; RFC 3262; RFC 3311)."""


@dataclass(frozen=True, slots=True)
class DialogOptions:
    """What the user chose. A Call-ID or filters select what is written; `losses` knows when the capture lost packets."""

    messages: bool = False
    call_id: str | None = None
    complete: int = 0  # mask of what messages must satisfy together (selection.py); 0: nothing
    rtp_heuristic: bool = True
    max_calls: int = 100_000
    buffer: CallBuffer | None = None  # where what is not decided yet waits, None where nothing that could wait is written
    losses: LossLog = field(default_factory=LossLog)
    filing: Filing | None = None  # where calls have files of their own


class DialogTable:
    """All dialogs of a run. The stream table must tell `media.on_new` of new streams, `stream_evicted` of those that it
    gives up, and where `filtering`, `rtcp` of each RTCP datagram."""

    def __init__(self, streams: Streams, media: Media, options: DialogOptions) -> None:
        self._streams = streams
        self._media = media
        self._messages = options.messages
        self._max_calls = options.max_calls
        self._complete = options.complete
        self._filtering = options.complete != 0 or options.call_id is not None
        self._wanted_call = options.call_id.encode() if options.call_id is not None else None
        self._tally = Tally()
        self._writer = Writer(
            media,
            self._tally,
            filtering=self._filtering,
            rtp_heuristic=options.rtp_heuristic,
            losses=options.losses,
        )
        self._negotiation = Negotiation(media, self._writer)
        # Without a filter all is wanted from its beginning: messages never wait, and packets do for media alone.
        buffer = options.buffer
        self._buffer = buffer if self._filtering or (buffer is not None and buffer.packets is not None) else None
        self._writer.buffer = self._buffer if self._filtering else None
        self._writer.filing = options.filing
        self._dialogs = self._writer.dialogs
        self._serial = 0
        self._now_ns = 0

    # -- messages ----------------------------------------------------------------------------------------------------

    def message(
        self,
        mem: memoryview,
        row: Row,
        record: int,
        ts_ns: int,
        now_ns: int,
        src: Endpoint,
        dst: Endpoint,
        sdp: SessionDescription | None,
        mask: int = 0,
    ) -> Dialog | None:
        """Take one message: `row` is its row of the message table (columns.py, M_*), its spans lie in `mem`. Returns the
        dialog that it belongs to.

        Messages come in the order of the input. `now_ns` is the packet clock, `src` and `dst` the ends of its packet, `mask`
        which filters it satisfies.
        """
        if self._buffer is not None:
            self._buffer.clock(record, now_ns)
        if now_ns == ts_ns:
            now_ns = ts_ns  # one object where both are kept
        self._now_ns = now_ns
        at = row[M_CALL_ID]
        call_id = mem[at : at + row[M_CALL_ID + 1]].tobytes() if row[M_CALL_ID + 1] > 0 else b""
        dialog = self._dialogs.get(call_id)
        if dialog is None or dialog.due_ns < now_ns:
            dialog = self._begin(dialog, call_id, row, record, ts_ns, (src, dst))
            if dialog is None:
                self._lone(call_id, mem, row, record, ts_ns, src, dst, sdp)
                return None

        # -- the summary's counts, and what tells this message from others of the dialog
        tally = dialog.tally
        status = row[M_STATUS]
        at = row[M_TO_TAG]
        to_tag = mem[at : at + row[M_TO_TAG + 1]].tobytes() if row[M_TO_TAG + 1] > 0 else b""
        at = row[M_BRANCH]
        branch = mem[at : at + row[M_BRANCH + 1]].tobytes() if row[M_BRANCH + 1] > 0 else b""
        if status:
            method = row[M_CSEQ_METHOD]
            at = row[M_REASON]
            line = mem[at : at + row[M_REASON + 1]].tobytes() if row[M_REASON + 1] > 0 else b""
            tally.responses[status] = tally.responses.get(status, 0) + 1
            if method == OTHER_METHOD:
                line += span(mem, row, M_CSEQ_TEXT)
        else:
            method = row[M_METHOD]
            line = mem[row[M_METHOD_TEXT] : row[M_URI] + row[M_URI + 1]].tobytes()
            name = method if method != OTHER_METHOD else span_text(mem, row, M_METHOD_TEXT)
            tally.requests[name] = tally.requests.get(name, 0) + 1
        if row[M_FLAGS] & F_FAULTS:
            tally.faults(row[M_FLAGS])
        key = hash((row[M_CSEQ] * 0x100000 + status * 0x10 + method, line, branch, to_tag, src, dst)).to_bytes(
            8, "little", signed=True
        )

        dialog.messages += 1
        if ts_ns > dialog.last_ns:
            dialog.last_ns = ts_ns
        elif ts_ns < dialog.first_ns:
            dialog.first_ns = ts_ns
        if row[M_TRANSPORT] != dialog.transport:
            dialog.seen_over(row[M_TRANSPORT])
        if self._filtering:
            self._select(dialog, row, record, mask)

        place = dialog.log.find(key)
        if place < 0:
            dialog.log += key + ts_ns.to_bytes(8, "little", signed=True)
            if len(dialog.log) > MAX_LOG:
                dialog.log = dialog.log[MAX_LOG // 2 :]
            if method == INVITE:
                if status:
                    self._invite_answer(dialog, mem, row, record, ts_ns, to_tag, branch, line, (src, dst), sdp)
                else:
                    self._invite(dialog, mem, row, record, ts_ns, to_tag, branch, (src, dst), sdp)
            elif status:
                self._answer(dialog, mem, row, record, ts_ns, method, to_tag, line, (src, dst), sdp)
            else:
                self._request(dialog, mem, row, record, ts_ns, method, branch, (src, dst), sdp)
            kind = "new"
        else:
            place += 8
            before = int.from_bytes(dialog.log[place : place + 8], "little", signed=True)
            if -COPY_NS <= ts_ns - before <= COPY_NS:
                if ts_ns < before:  # records of several interfaces need not be in order
                    dialog.copied(before, ts_ns)
                else:
                    dialog.remember(place, ts_ns)
                dialog.copies += 1
                tally.copies += 1
                kind = "copy"
            else:
                dialog.remember(place, ts_ns)
                dialog.retransmissions += 1
                tally.retransmissions += 1
                kind = "retransmission"
        if self._messages and (dialog.wanted or self._buffer is not None):
            fields = message_fields(dialog.call_id, mem, row, record, ts_ns, kind, src, dst, sdp)
            event = Event("message", ts_ns, record, fields)
            if dialog.wanted or self._buffer is None:
                self._writer.events.append(event)
            else:
                self._buffer.hold(self._writer.events, event, dialog)
        if self._buffer is not None and not dialog.wanted and dialog.result.rank >= 2:
            self._buffer.leave(dialog)
        return dialog

    def _lone(
        self,
        call_id: bytes,
        mem: memoryview,
        row: Row,
        record: int,
        ts_ns: int,
        src: Endpoint,
        dst: Endpoint,
        sdp: SessionDescription | None,
    ) -> None:
        """A message that belongs to no dialog: it has no Call-ID, or that of one whose record was written."""
        if self._filtering:
            return  # and so to no wanted one
        tally = self._tally
        if row[M_STATUS]:
            tally.responses[row[M_STATUS]] = tally.responses.get(row[M_STATUS], 0) + 1
        else:
            method = row[M_METHOD]
            name = method if method != OTHER_METHOD else span_text(mem, row, M_METHOD_TEXT)
            tally.requests[name] = tally.requests.get(name, 0) + 1
        if row[M_FLAGS] & F_FAULTS:
            tally.faults(row[M_FLAGS])
        if call_id:
            tally.late += 1
        if self._messages:
            fields = message_fields(call_id, mem, row, record, ts_ns, "new", src, dst, sdp)
            self._writer.events.append(Event("message", ts_ns, record, fields))

    def _begin(self, expired: Dialog | None, call_id: bytes, row: Row, record: int, ts_ns: int, path: Path) -> Dialog | None:
        """The dialog of a new Call-ID; None where there is no Call-ID, or the message belongs to one whose time is over."""
        writer = self._writer
        if expired is not None:
            writer.close(expired)
        if not call_id:
            return None
        if writer.remembers(call_id) and (row[M_STATUS] or row[M_TO_TAG + 1] > 0 or row[M_METHOD] in (ACK, CANCEL)):
            return None
        while len(writer) >= self._max_calls:
            self._media.advance(record)
            writer.evict(self._now_ns)
        self._serial += 1
        dialog = Dialog(call_id, self._serial, record, path, ts_ns, self._now_ns, Tally() if self._filtering else self._tally)
        dialog.wanted = not self._filtering
        if self._buffer is not None and self._filtering and self._wanted_call in (None, call_id):
            self._buffer.begun(dialog)
        self._dialogs[call_id] = dialog
        return dialog

    # -- INVITE and its answers --------------------------------------------------------------------------------------

    def _become_call(self, dialog: Dialog) -> Call:
        """Any dialog becomes a call by its first INVITE, or answer to one."""
        call = dialog.call = Call()
        dialog.method = "INVITE"
        if dialog.head_rank:  # REGISTER and INVITE under one Call-ID
            dialog.result = NO_RESULT
            dialog.paths = ()
            dialog.head_rank = 0
            self._writer.wake(dialog)
        return call

    def _invite(
        self,
        dialog: Dialog,
        mem: memoryview,
        row: Row,
        record: int,
        ts_ns: int,
        to_tag: bytes,
        branch: bytes,
        path: Path,
        sdp: SessionDescription | None,
    ) -> None:
        call = dialog.call or self._become_call(dialog)
        from_tag, cseq = span(mem, row, M_FROM_TAG), row[M_CSEQ]
        if to_tag:
            call.reinvited(from_tag, cseq)
            if dialog.head_rank < 2:
                read_head(dialog, mem, row, 2)
                dialog.add_path(path)
        else:
            call.invited(from_tag, cseq, branch, ts_ns, self._now_ns)
            dialog.add_path(path)
            if dialog.head_rank < 3:
                read_head(dialog, mem, row, 3)
            elif row[M_PAI + 1] > 0 or row[M_DIVERSION + 1] > 0 or row[M_REPLACES + 1] > 0:
                complete_head(dialog, mem, row, ADDED_ON_THE_WAY)
        if dialog.due_ns != NEVER:
            self._negotiation.end(dialog, call, record)
        if sdp is not None:
            self._negotiation.describe(dialog, call, from_tag, (from_tag, cseq), path, record, self._now_ns, sdp)

    def _invite_answer(
        self,
        dialog: Dialog,
        mem: memoryview,
        row: Row,
        record: int,
        ts_ns: int,
        to_tag: bytes,
        branch: bytes,
        reason: bytes,
        path: Path,
        sdp: SessionDescription | None,
    ) -> None:
        call = dialog.call or self._become_call(dialog)
        status, cseq = row[M_STATUS], row[M_CSEQ]
        from_tag = span(mem, row, M_FROM_TAG)
        if not call.reinvites or call.is_initial(from_tag, cseq):
            if call.caller_tag is None and not call.reinvites:
                call.caller_tag = from_tag
            if not dialog.head_rank:
                read_head(dialog, mem, row, 1)
            if dialog.result.rank < 3:
                if to_tag:
                    dialog.to_tag = to_tag
                if status >= 200 or dialog.server is None:
                    read_server(dialog, mem, row)
            if row[M_DIVERSION + 1] > 0:
                complete_head(dialog, mem, row, (M_DIVERSION,))
            if status < 200:
                call.provisional(status, cseq, ts_ns)
            else:
                call.answered(status, cseq, branch, ts_ns, self._now_ns)
                dialog.result = dialog.result.after(status, reason, ts_ns)
                if row[M_REASON_HEADER + 1] > 0:
                    read_reason(dialog, mem, row)
        if sdp is not None or (status >= 200 and call.session is not None):
            self._negotiation.answer(dialog, call, to_tag, (from_tag, cseq), status, path, record, self._now_ns, sdp)
        if status >= 300 or dialog.due_ns != NEVER:
            self._negotiation.end(dialog, call, record)

    # -- other requests and answers ----------------------------------------------------------------------------------

    def _request(
        self,
        dialog: Dialog,
        mem: memoryview,
        row: Row,
        record: int,
        ts_ns: int,
        method: int,
        branch: bytes,
        path: Path,
        sdp: SessionDescription | None,
    ) -> None:
        call = dialog.call
        if call is None:
            if dialog.head_rank < 2 or (dialog.cseq_method == ACK != method):
                # An ACK is answered by nobody: where it comes first, the next request says what the dialog is.
                dialog.method = METHODS[method] if method != OTHER_METHOD else span_text(mem, row, M_METHOD_TEXT)
                dialog.cseq_method = method
                read_head(dialog, mem, row, 2)
            if method == dialog.cseq_method:
                dialog.add_path(path)
            self._refresh(dialog)
            return
        if method == ACK and sdp is None:
            return
        if dialog.head_rank < 2:
            read_head(dialog, mem, row, 2)
        from_tag, cseq = span(mem, row, M_FROM_TAG), row[M_CSEQ]
        if method in (BYE, CANCEL):
            if row[M_REASON_HEADER + 1] > 0:
                read_reason(dialog, mem, row)
            if method == BYE:
                call.hung_up(from_tag, ts_ns, self._now_ns)
            else:
                call.cancelled(from_tag, cseq, branch, ts_ns, self._now_ns)
            self._negotiation.end(dialog, call, record)
        elif sdp is not None and method in _OFFERING:
            transaction = (from_tag, cseq)
            self._negotiation.describe(dialog, call, from_tag, transaction, path, record, self._now_ns, sdp)
            if method == ACK:
                # The answer to an offer that came in the 2xx; the ACK has the INVITE's CSeq number.
                self._negotiation.accept(call, transaction)
        elif method == INFO:
            read_digits(call, from_tag, cseq, mem, row)
        elif row[M_REFER_TO + 1] > 0:
            dialog.refer_to = span(mem, row, M_REFER_TO)

    def _answer(
        self,
        dialog: Dialog,
        mem: memoryview,
        row: Row,
        record: int,
        ts_ns: int,
        method: int,
        to_tag: bytes,
        reason: bytes,
        path: Path,
        sdp: SessionDescription | None,
    ) -> None:
        status = row[M_STATUS]
        call = dialog.call
        if call is not None:
            if method in (UPDATE, PRACK) and (sdp is not None or (status >= 200 and call.session is not None)):
                transaction = (span(mem, row, M_FROM_TAG), row[M_CSEQ])
                self._negotiation.answer(dialog, call, to_tag, transaction, status, path, record, self._now_ns, sdp)
            return
        if not dialog.head_rank:
            dialog.method = METHODS[method] if method != OTHER_METHOD else span_text(mem, row, M_CSEQ_TEXT)
            dialog.cseq_method = method
            read_head(dialog, mem, row, 1)
        if method == dialog.cseq_method:
            if to_tag and dialog.result.rank < 3:
                dialog.to_tag = to_tag
            if status >= 200 or dialog.server is None:
                read_server(dialog, mem, row)
            if status >= 200:
                dialog.result = dialog.result.after(status, reason, ts_ns)
        self._refresh(dialog)

    def _refresh(self, dialog: Dialog) -> None:
        """A dialog that is no call is over some time after its last message."""
        self._writer.rest(dialog, self._now_ns + DIALOG_LINGER_NS)

    # -- what the user asked for -------------------------------------------------------------------------------------

    def _select(self, dialog: Dialog, row: Row, record: int, mask: int) -> None:
        """Count the dialog's packets, and what its messages satisfy, until that is all that was asked for."""
        tally = dialog.tally
        if record != tally.last_record:
            tally.last_record = record
            tally.packets += max(1, row[M_SEGMENTS])
        if dialog.wanted or (self._wanted_call is not None and dialog.call_id != self._wanted_call):
            return
        dialog.satisfied |= mask
        if dialog.satisfied == self._complete:
            self._want(dialog)

    def _want(self, dialog: Dialog) -> None:
        """The dialog is one that the user asked for: from its first message on, as far as that still waits."""
        if self._buffer is not None:
            self._buffer.want(dialog)
        dialog.wanted = True

    def rtcp(self, src: Endpoint, dst: Endpoint) -> None:
        """An RTCP datagram; needed only where `filtering`: it belongs to what its call belongs to."""
        sessions = self._media.sessions_of_rtcp(src, dst)
        calls = [session.call for session in sessions if isinstance(session.call, Dialog)]
        wanted = next((dialog for dialog in calls if dialog.wanted), calls[0] if calls else None)
        if wanted is not None:
            wanted.tally.packets += 1
            wanted.tally.rtcp_packets += 1

    @property
    def filtering(self) -> bool:
        """Whether the user asked for some calls only."""
        return self._filtering

    # -- time and the end --------------------------------------------------------------------------------------------

    def take_events(self) -> list[Event]:
        """Events that messages have caused since the last call (messages asked for, records written for want of room)."""
        return self._writer.take_events()

    def tick(self, now_ns: int) -> Iterator[Event]:
        """Packet time is `now_ns`: write what is due, forget what came to nothing. To be consumed at once."""
        yield from self._writer.write_due(now_ns)
        for slot in self._streams.sweep(now_ns):
            self._media.forget(slot)

    def finish(self, now_ns: int) -> Iterator[Event]:
        """The input has ended: write everything. Records are made as they are taken, so that all need not fit in memory."""
        if self._writer.buffer is not None:
            self._writer.buffer.finish(now_ns)
        yield from self._writer.write_rest(now_ns)

    def stream_evicted(self, slot: int) -> None:
        """The stream table is about to give up a slot for want of room."""
        self._writer.stream_evicted(slot)

    def summary(self) -> dict[str, object]:
        """The fields of the summary record that come from here."""
        writer = self._writer
        return {
            "sip": self._tally.fields(),
            "calls": sum(writer.call_states.values()),
            "call_states": {state: writer.call_states[state] for state in sorted(writer.call_states)},
            "dialogs": writer.dialogs_written,
            "streams": writer.streams_written,
            "rtp_packets": writer.rtp_packets,
            "rtcp_packets": self._tally.rtcp_packets if self._filtering else self._streams.rtcp_packets,
        }

    def evicted(self) -> dict[str, int]:
        """What was written before its time for want of room: `calls`, `dialogs`, `streams`."""
        streams = self._streams.evicted
        waiting = self._buffer.evicted if self._buffer is not None else 0
        counts = {**self._writer.evicted, "streams": streams, "call_buffer": waiting}
        return {table: count for table, count in counts.items() if count}

    def held(self) -> dict[str, int]:
        """Calls and other dialogs that are followed."""
        calls = sum(dialog.call is not None for dialog in self._dialogs.values())
        return {"calls": calls, "dialogs": len(self._dialogs) - calls}

    def repeated(self) -> dict[str, int]:
        """Messages that came more than once; with a user filter those of calls that were written."""
        return {"sip_copy": self._tally.copies, "sip_retransmission": self._tally.retransmissions}

    def wanted(self) -> int | None:
        """Packets of what the user asked for, as far as it was written; None where he asked for everything."""
        return self._tally.packets if self._filtering else None
