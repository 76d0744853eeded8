"""SIP messages in order become calls and other dialogs, by Call-ID (docs/output.md, Calls).

What runs for each message is here and kept short. What a message means for the call is `calls` and `states`, what its
SDP means `offers` and `media`, when records are written `writing`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lippycat_core.addresses import Endpoint, endpoint
from lippycat_core.builtin.match import PureProvider
from lippycat_core.events import Event
from lippycat_voip.calls import MAX_DIGITS, NEVER, Call, Dialog, Result
from lippycat_voip.columns import (
    ACK,
    BYE,
    CANCEL,
    F_MALFORMED,
    INFO,
    INVITE,
    M_BODY,
    M_BRANCH,
    M_CALL_ID,
    M_CONTENT_TYPE,
    M_CSEQ,
    M_CSEQ_METHOD,
    M_CSEQ_TEXT,
    M_DIVERSION,
    M_FLAGS,
    M_FROM,
    M_FROM_TAG,
    M_METHOD,
    M_METHOD_TEXT,
    M_PAI,
    M_PPI,
    M_REASON,
    M_REASON_HEADER,
    M_REFER_TO,
    M_REPLACES,
    M_SEGMENTS,
    M_SERVER,
    M_STATUS,
    M_TO,
    M_TO_TAG,
    M_TRANSPORT,
    M_URI,
    M_USER_AGENT,
    METHODS,
    OTHER_METHOD,
    PRACK,
    PUBLISH,
    REGISTER,
    SUBSCRIBE,
    UPDATE,
)
from lippycat_voip.media import Media, Streams
from lippycat_voip.offers import CALLEE, CALLER, Session
from lippycat_voip.records import sdp_fields
from lippycat_voip.sdp import SessionDescription
from lippycat_voip.sip import q850_cause, text
from lippycat_voip.tally import Tally
from lippycat_voip.users import UserFilter, read_names
from lippycat_voip.writing import Writer

LINGER_NS = 32_000_000_000
"""A call is written so much packet time after its end (64 * T1: no transaction lives longer)."""

SOFT_STATE_LINGER_NS = 3_600_000_000_000
"""The same for dialogs that live by being refreshed under one Call-ID (RFC 3261, 10.2.4; RFC 6665; RFC 3903)."""

_SOFT_STATE = frozenset((REGISTER, SUBSCRIBE, PUBLISH))

COPY_NS = 100_000_000
"""The same message within this time is a second capture of it, later one it was sent again."""

MAX_SEEN = 512
"""Messages of one dialog that copies are told by; a re-INVITE storm pushes out the oldest."""

_TCP = 6
_SIGNAL = re.compile(rb"^[ \t]*Signal[ \t]*=[ \t]*([0-9]{1,2}|[*#A-Da-d])[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)
_PLAIN_DIGITS = re.compile(rb"\s*([0-9*#A-Da-d]{1,32})\s*\Z")
_EVENT_DIGITS = "0123456789*#ABCD"


@dataclass(frozen=True, slots=True)
class DialogOptions:
    """What the user chose. A Call-ID or users select what is written; `capture_loss` is what streams say of the capture."""

    messages: bool = False
    call_id: str | None = None
    sip_users: Sequence[str] = ()  # comma lists (users.py)
    sip_user_file: str | None = None
    rtp_heuristic: bool = True
    max_calls: int = 100_000
    capture_loss: str = "unknown"


class DialogTable:
    """All dialogs of a run. The stream table must tell `media.on_new` of new streams, `stream_evicted` of those that it
    gives up, and where `filtering`, `rtcp` of each RTCP datagram. Raises FilterError or InputError for a bad user list."""

    def __init__(self, streams: Streams, media: Media, options: DialogOptions) -> None:
        self._streams = streams
        self._media = media
        self._options = options
        self._users: UserFilter | None = None
        if options.sip_users or options.sip_user_file is not None:
            names = read_names(options.sip_users, options.sip_user_file)
            self._users = UserFilter(names, PureProvider().open())
        self._filtering = self._users is not None or options.call_id is not None
        self._wanted_call = options.call_id.encode() if options.call_id is not None else None
        self._tally = Tally()
        self._writer = Writer(
            media,
            self._tally,
            filtering=self._filtering,
            rtp_heuristic=options.rtp_heuristic,
            capture_loss=options.capture_loss,
        )
        self._dialogs = self._writer.dialogs
        self._serial = 0
        self._now_ns = 0

    # -- messages ----------------------------------------------------------------------------------------------------

    def message(
        self,
        mem: memoryview,
        ints: list[int],
        base: int,
        record: int,
        ts_ns: int,
        now_ns: int,
        src: Endpoint,
        dst: Endpoint,
        sdp: SessionDescription | None,
    ) -> None:
        """Take one message: its row begins at `ints[base]` (columns.py, M_*), its spans lie in `mem`.

        Messages come in the order of the input. `now_ns` is the packet clock, `src` and `dst` the ends of its packet.
        """
        self._now_ns = now_ns
        at, length = ints[base + M_CALL_ID], ints[base + M_CALL_ID + 1]
        if length <= 0:
            if not self._filtering:
                _count(self._tally, mem, ints, base)
            return
        call_id = bytes(mem[at : at + length])
        dialog = self._dialogs.get(call_id)
        if dialog is None or dialog.due_ns < now_ns:
            dialog = self._begin(dialog, call_id, ints, base, record, ts_ns, src, dst)
            if dialog is None:
                _count(self._tally, mem, ints, base)
                self._tally.late += 1
                return
        status, cseq = ints[base + M_STATUS], ints[base + M_CSEQ]
        tally = dialog.tally
        tally.messages += 1
        at = ints[base + M_TO_TAG]
        to_tag = bytes(mem[at : at + ints[base + M_TO_TAG + 1]]) if ints[base + M_TO_TAG + 1] > 0 else b""
        at = ints[base + M_BRANCH]
        branch = bytes(mem[at : at + ints[base + M_BRANCH + 1]]) if ints[base + M_BRANCH + 1] > 0 else b""
        if status:
            method = ints[base + M_CSEQ_METHOD]
            at = ints[base + M_REASON]
            line = bytes(mem[at : at + ints[base + M_REASON + 1]]) if ints[base + M_REASON + 1] > 0 else b""
            tally.responses[status] = tally.responses.get(status, 0) + 1
        else:
            method = ints[base + M_METHOD]
            at = ints[base + M_METHOD_TEXT]
            line = bytes(mem[at : ints[base + M_URI] + ints[base + M_URI + 1]])
            name = METHODS[method] if method != OTHER_METHOD else _span_text(mem, ints, base + M_METHOD_TEXT)
            tally.requests[name] = tally.requests.get(name, 0) + 1
        if ints[base + M_FLAGS] & F_MALFORMED:
            tally.malformed += 1
        if method == OTHER_METHOD and status:
            key = hash((status, line, cseq, _span(mem, ints, base + M_CSEQ_TEXT), branch, to_tag, src, dst))
        else:
            key = hash((status, line, cseq, method, branch, to_tag, src, dst))

        dialog.messages += 1
        if ts_ns > dialog.last_ns:
            dialog.last_ns = ts_ns
        elif ts_ns < dialog.first_ns:
            dialog.first_ns = ts_ns
        dialog.transports |= 2 if ints[base + M_TRANSPORT] == _TCP else 1
        if self._filtering:
            self._select(dialog, mem, ints, base, record)

        seen = dialog.seen
        before = seen.get(key)
        seen[key] = ts_ns
        if before is None:
            if len(seen) > MAX_SEEN:
                del seen[next(iter(seen))]
            if method == INVITE:
                if status:
                    self._invite_answer(dialog, mem, ints, base, record, ts_ns, to_tag, branch, line, (src, dst), sdp)
                else:
                    self._invite(dialog, mem, ints, base, record, ts_ns, to_tag, branch, (src, dst), sdp)
            elif status:
                self._answer(dialog, mem, ints, base, record, ts_ns, method, to_tag, line, (src, dst), sdp)
            else:
                self._request(dialog, mem, ints, base, record, ts_ns, method, branch, (src, dst), sdp)
            kind = "new"
        elif -COPY_NS <= ts_ns - before <= COPY_NS:
            dialog.copies += 1
            tally.copies += 1
            kind = "copy"
        else:
            dialog.retransmissions += 1
            tally.retransmissions += 1
            kind = "retransmission"
        if self._options.messages and dialog.wanted:
            self._report(dialog, mem, ints, base, record, ts_ns, kind, src, dst, sdp)

    def _begin(
        self,
        expired: Dialog | None,
        call_id: bytes,
        ints: list[int],
        base: int,
        record: int,
        ts_ns: int,
        src: Endpoint,
        dst: Endpoint,
    ) -> Dialog | None:
        """The dialog of a new Call-ID; None where the message belongs to one whose time is over."""
        writer = self._writer
        if expired is not None:
            writer.close(expired)
        if writer.remembers(call_id) and (
            ints[base + M_STATUS] or ints[base + M_TO_TAG + 1] > 0 or ints[base + M_METHOD] in (ACK, CANCEL)
        ):
            return None
        while len(writer) >= self._options.max_calls:
            self._media.advance(record)
            writer.evict(self._now_ns)
        self._serial += 1
        dialog = Dialog(call_id, self._serial, record, src, dst, ts_ns, Tally() if self._filtering else self._tally)
        dialog.started_now_ns = self._now_ns
        dialog.wanted = not self._filtering
        self._dialogs[call_id] = dialog
        return dialog

    # -- INVITE and its answers --------------------------------------------------------------------------------------

    def _call_of(self, dialog: Dialog) -> Call:
        """The call of a dialog; any other dialog becomes one by its first INVITE."""
        call = dialog.call
        if call is None:
            call = dialog.call = Call()
            dialog.method = "INVITE"
            dialog.result = Result()
            dialog.paths = ()
            dialog.head_rank = 0
            self._writer.schedule(dialog, NEVER)
        return call

    def _invite(
        self,
        dialog: Dialog,
        mem: memoryview,
        ints: list[int],
        base: int,
        record: int,
        ts_ns: int,
        to_tag: bytes,
        branch: bytes,
        path: tuple[Endpoint, Endpoint],
        sdp: SessionDescription | None,
    ) -> None:
        call = self._call_of(dialog)
        from_tag = _span(mem, ints, base + M_FROM_TAG)
        if to_tag:
            call.reinvited(from_tag, ints[base + M_CSEQ])
            if dialog.head_rank < 2:
                self._read_head(dialog, mem, ints, base, 2)
                dialog.add_path(*path)
        else:
            call.invited(from_tag, ints[base + M_CSEQ], branch, ts_ns, self._now_ns)
            dialog.add_path(*path)
            if dialog.head_rank < 3:
                self._read_head(dialog, mem, ints, base, 3)
        if dialog.due_ns != NEVER:
            self._end(dialog, call, record)
        if sdp is not None:
            self._describe(dialog, call, from_tag, from_tag, ints[base + M_CSEQ], path, record, sdp)

    def _invite_answer(
        self,
        dialog: Dialog,
        mem: memoryview,
        ints: list[int],
        base: int,
        record: int,
        ts_ns: int,
        to_tag: bytes,
        branch: bytes,
        reason: bytes,
        path: tuple[Endpoint, Endpoint],
        sdp: SessionDescription | None,
    ) -> None:
        call = self._call_of(dialog)
        status, cseq = ints[base + M_STATUS], ints[base + M_CSEQ]
        from_tag = _span(mem, ints, base + M_FROM_TAG)
        if call.is_initial(from_tag, cseq):
            if call.caller_tag is None and not call.reinvites:
                call.caller_tag = from_tag
            if not dialog.head_rank:
                self._read_head(dialog, mem, ints, base, 1)
            if dialog.result.rank < 3:
                if to_tag:
                    dialog.to_tag = to_tag
                self._read_server(dialog, mem, ints, base, status)
            if status < 200:
                call.provisional(status, cseq, ts_ns)
            else:
                call.answered(status, cseq, branch, ts_ns, self._now_ns)
                dialog.result.take(status, reason, ts_ns)
                if ints[base + M_REASON_HEADER + 1] > 0:
                    self._read_reason(dialog, mem, ints, base)
        if sdp is not None or (status >= 200 and call.session is not None):
            self._negotiate(dialog, call, from_tag, to_tag, cseq, status, path, record, sdp)
        if status >= 200:
            self._end(dialog, call, record)

    # -- other requests and answers ----------------------------------------------------------------------------------

    def _request(
        self,
        dialog: Dialog,
        mem: memoryview,
        ints: list[int],
        base: int,
        record: int,
        ts_ns: int,
        method: int,
        branch: bytes,
        path: tuple[Endpoint, Endpoint],
        sdp: SessionDescription | None,
    ) -> None:
        call = dialog.call
        if call is None:
            if dialog.head_rank < 2:
                dialog.method = METHODS[method] if method != OTHER_METHOD else _span_text(mem, ints, base + M_METHOD_TEXT)
                dialog.cseq_method = method
                self._read_head(dialog, mem, ints, base, 2)
            if method == dialog.cseq_method:
                dialog.add_path(*path)
            self._refresh(dialog)
            return
        if dialog.head_rank < 2:
            self._read_head(dialog, mem, ints, base, 2)
        if method in (BYE, CANCEL):
            from_tag = _span(mem, ints, base + M_FROM_TAG)
            if ints[base + M_REASON_HEADER + 1] > 0:
                self._read_reason(dialog, mem, ints, base)
            if method == BYE:
                call.hung_up(from_tag, ts_ns, self._now_ns)
            else:
                call.cancelled(from_tag, ints[base + M_CSEQ], branch, ts_ns, self._now_ns)
            self._end(dialog, call, record)
        elif sdp is not None:
            from_tag, cseq = _span(mem, ints, base + M_FROM_TAG), ints[base + M_CSEQ]
            self._describe(dialog, call, from_tag, from_tag, cseq, path, record, sdp)
            if method == ACK and call.session is not None:
                # The answer to an offer that came in the 2xx; the ACK has the INVITE's CSeq number.
                call.session.accept(self._media, (from_tag, cseq))
                self._media.changed(call.session, self._now_ns, ())
        elif method == INFO:
            self._read_digits(call, mem, ints, base)
        elif ints[base + M_REFER_TO + 1] > 0:
            dialog.refer_to = _span(mem, ints, base + M_REFER_TO)

    def _answer(
        self,
        dialog: Dialog,
        mem: memoryview,
        ints: list[int],
        base: int,
        record: int,
        ts_ns: int,
        method: int,
        to_tag: bytes,
        reason: bytes,
        path: tuple[Endpoint, Endpoint],
        sdp: SessionDescription | None,
    ) -> None:
        status = ints[base + M_STATUS]
        call = dialog.call
        if call is not None:
            if method in (UPDATE, PRACK) and (sdp is not None or (status >= 200 and call.session is not None)):
                from_tag = _span(mem, ints, base + M_FROM_TAG)
                self._negotiate(dialog, call, from_tag, to_tag, ints[base + M_CSEQ], status, path, record, sdp)
            return
        if not dialog.head_rank:
            dialog.method = METHODS[method] if method != OTHER_METHOD else _span_text(mem, ints, base + M_CSEQ_TEXT)
            dialog.cseq_method = method
            self._read_head(dialog, mem, ints, base, 1)
        if method == dialog.cseq_method:
            if to_tag and dialog.result.rank < 3:
                dialog.to_tag = to_tag
            self._read_server(dialog, mem, ints, base, status)
            if status >= 200:
                dialog.result.take(status, reason, ts_ns)
        self._refresh(dialog)

    def _refresh(self, dialog: Dialog) -> None:
        """A dialog that is no call is over some time after its last message, once there was a final answer."""
        if dialog.result.rank:
            linger_ns = SOFT_STATE_LINGER_NS if dialog.cseq_method in _SOFT_STATE else LINGER_NS
            self._writer.schedule(dialog, self._now_ns + linger_ns)

    # -- what a message does to media --------------------------------------------------------------------------------

    def _describe(
        self,
        dialog: Dialog,
        call: Call,
        by: bytes,
        from_tag: bytes,
        cseq: int,
        path: tuple[Endpoint, Endpoint],
        record: int,
        sdp: SessionDescription,
    ) -> None:
        """`by` (a tag) sent a description in the transaction that `from_tag` began."""
        self._media.advance(record)
        session = call.session
        if session is None:
            session = call.session = Session(dialog, dialog.serial)
            session.over = call.over
            session.expire_ns = dialog.due_ns if dialog.due_ns != NEVER else 0
        caller = call.caller_tag if call.caller_tag is not None else from_tag
        role = CALLER if by == caller else CALLEE
        ends = session.describe(self._media, by, role, (from_tag, cseq), path, sdp)
        self._media.changed(session, self._now_ns, ends)

    def _negotiate(
        self,
        dialog: Dialog,
        call: Call,
        from_tag: bytes,
        to_tag: bytes,
        cseq: int,
        status: int,
        path: tuple[Endpoint, Endpoint],
        record: int,
        sdp: SessionDescription | None,
    ) -> None:
        """An answer to a request that may have carried an offer: 1xx may describe, 2xx settles, the rest takes back."""
        self._media.advance(record)
        if sdp is not None and status < 300:
            self._describe(dialog, call, to_tag, from_tag, cseq, path, record, sdp)
        session = call.session
        if session is None or status < 200:
            return
        if status < 300:
            session.accept(self._media, (from_tag, cseq))
            self._media.changed(session, self._now_ns, ())
        else:
            session.refuse(self._media, (from_tag, cseq), path)

    def _end(self, dialog: Dialog, call: Call, record: int) -> None:
        """The call's end may have come, moved, or been taken back."""
        due_ns = call.over_ns(LINGER_NS)
        if due_ns == dialog.due_ns:
            return
        session = call.session
        if session is not None:
            self._media.advance(record)
            session.over = call.over
            session.expire_ns = due_ns if due_ns != NEVER else 0
            self._media.ended(session)
        self._writer.schedule(dialog, due_ns)

    # -- what records show -------------------------------------------------------------------------------------------

    @staticmethod
    def _read_head(dialog: Dialog, mem: memoryview, ints: list[int], base: int, rank: int) -> None:
        """Take the headers of the message that stands for the dialog: the initial INVITE, else the first request."""
        dialog.head_rank = rank
        dialog.from_value = _span(mem, ints, base + M_FROM)
        dialog.to_value = _span(mem, ints, base + M_TO)
        if rank == 1:
            return
        dialog.request_uri = _span(mem, ints, base + M_URI)
        dialog.user_agent = _optional(mem, ints, base + M_USER_AGENT)
        dialog.identity = _optional(mem, ints, base + M_PAI)
        dialog.diversion = _optional(mem, ints, base + M_DIVERSION)
        dialog.replaces = _optional(mem, ints, base + M_REPLACES)
        dialog.refer_to = _optional(mem, ints, base + M_REFER_TO)

    @staticmethod
    def _read_server(dialog: Dialog, mem: memoryview, ints: list[int], base: int, status: int) -> None:
        """Who answers: by the final answer, else by the first that says so."""
        if dialog.server is not None and status < 200:
            return
        at = base + (M_SERVER if ints[base + M_SERVER + 1] > 0 else M_USER_AGENT)
        if ints[at + 1] > 0:
            dialog.server = _span(mem, ints, at)

    @staticmethod
    def _read_reason(dialog: Dialog, mem: memoryview, ints: list[int], base: int) -> None:
        """Keep the first Reason header with a Q.850 cause (RFC 3326)."""
        value = _span(mem, ints, base + M_REASON_HEADER)
        if dialog.reason_header is None and q850_cause(value) is not None:
            dialog.reason_header = value

    @staticmethod
    def _read_digits(call: Call, mem: memoryview, ints: list[int], base: int) -> None:
        """Digits of an INFO body: `Signal=5` lines of application/dtmf-relay, or the digits alone of application/dtmf."""
        info = (_span(mem, ints, base + M_FROM_TAG), ints[base + M_CSEQ])
        if info == call.last_info or len(call.digits) >= MAX_DIGITS:
            return  # the same INFO on another hop
        call.last_info = info
        kind = _span(mem, ints, base + M_CONTENT_TYPE).partition(b";")[0].strip().lower()
        body = _span(mem, ints, base + M_BODY)[:1024]
        if kind == b"application/dtmf-relay" or kind == b"application/dtmf":
            signals = _SIGNAL.findall(body)
            if signals:
                call.digits += "".join(map(_digit, signals))
            elif kind == b"application/dtmf":
                plain = _PLAIN_DIGITS.match(body)
                if plain is not None:
                    call.digits += _digit(plain.group(1)) if plain.group(1).isdigit() else plain.group(1).decode().upper()

    # -- what the user asked for -------------------------------------------------------------------------------------

    def _select(self, dialog: Dialog, mem: memoryview, ints: list[int], base: int, record: int) -> None:
        """Decide whether the dialog is wanted, and count its packets."""
        if record != dialog.last_record:
            dialog.last_record = record
            dialog.packets += max(1, ints[base + M_SEGMENTS])
        if dialog.wanted or (self._wanted_call is not None and dialog.call_id != self._wanted_call):
            return
        users = self._users
        dialog.wanted = users is None or any(
            ints[base + span + 1] > 0 and users.wants(_span(mem, ints, base + span))
            for span in (M_FROM, M_TO, M_PAI, M_PPI, M_URI)
        )

    def rtcp(self, src: Endpoint, dst: Endpoint) -> None:
        """An RTCP datagram; needed only where `filtering`: it belongs to what its call belongs to."""
        sessions = self._media.sessions_of_rtcp(src, dst)
        calls = [session.call for session in sessions if isinstance(session.call, Dialog)]
        wanted = next((dialog for dialog in calls if dialog.wanted), calls[0] if calls else None)
        if wanted is not None:
            wanted.packets += 1
            wanted.rtcp_packets += 1

    @property
    def filtering(self) -> bool:
        """Whether the user asked for some calls only."""
        return self._filtering

    def _report(
        self,
        dialog: Dialog,
        mem: memoryview,
        ints: list[int],
        base: int,
        record: int,
        ts_ns: int,
        kind: str,
        src: Endpoint,
        dst: Endpoint,
        sdp: SessionDescription | None,
    ) -> None:
        status = ints[base + M_STATUS]
        method = (
            METHODS[ints[base + M_METHOD]]
            if ints[base + M_METHOD] != OTHER_METHOD
            else _span_text(mem, ints, base + M_METHOD_TEXT)
        )
        cseq = ints[base + M_CSEQ]
        fields: dict[str, object] = {
            "call_id": text(dialog.call_id),
            "ns": ts_ns,
            "frame": record,
            "src": endpoint(src),
            "dst": endpoint(dst),
            "transport": "tcp" if ints[base + M_TRANSPORT] == _TCP else "udp",
            **({"code": status, "reason": _span_text(mem, ints, base + M_REASON)} if status else {"method": method}),
            "cseq": f"{cseq} {_span_text(mem, ints, base + M_CSEQ_TEXT)}" if cseq >= 0 else None,
            "kind": kind,
            "sdp": sdp_fields(sdp),
        }
        self._writer.events.append(Event("message", ts_ns, record, fields))

    # -- time and the end --------------------------------------------------------------------------------------------

    def take_events(self) -> list[Event]:
        """Events that messages have caused since the last call (messages asked for, records written for want of room)."""
        events = self._writer.events
        self._writer.events = []
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Packet time is `now_ns`: write what is due, forget what came to nothing."""
        self._writer.write_due(now_ns)
        for slot in self._streams.sweep(now_ns):
            self._media.forget(slot)
        return self.take_events()

    def finish(self, now_ns: int) -> list[Event]:
        """The input has ended: write everything."""
        self._writer.write_rest(now_ns)
        return self.take_events()

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
            "rtcp_packets": self._writer.rtcp_packets if self._filtering else self._streams.rtcp_packets,
        }

    def evicted(self) -> dict[str, int]:
        """What was written before its time for want of room: `calls`, `dialogs`, `streams`."""
        streams = self._streams.evicted
        return {**self._writer.evicted, **({"streams": streams} if streams else {})}

    def wanted(self) -> int | None:
        """Packets of what the user asked for, as far as it was written; None where he asked for everything."""
        return self._writer.wanted_packets if self._filtering else None


def _span(mem: memoryview, ints: list[int], at: int) -> bytes:
    length = ints[at + 1]
    if length <= 0:
        return b""
    off = ints[at]
    return bytes(mem[off : off + length])


def _optional(mem: memoryview, ints: list[int], at: int) -> bytes | None:
    return _span(mem, ints, at) if ints[at + 1] > 0 else None


def _span_text(mem: memoryview, ints: list[int], at: int) -> str:
    return text(_span(mem, ints, at))


def _digit(signal: bytes) -> str:
    """A signal as its key: `5`, `*`, or the event number of RFC 4733 (10 is *, 11 is #)."""
    if signal.isdigit():
        number = int(signal)
        return _EVENT_DIGITS[number] if number < len(_EVENT_DIGITS) else ""
    return signal.decode().upper()


def _count(tally: Tally, mem: memoryview, ints: list[int], base: int) -> None:
    """Count a message that belongs to no dialog."""
    status = ints[base + M_STATUS]
    tally.messages += 1
    if status:
        tally.responses[status] = tally.responses.get(status, 0) + 1
    else:
        method = ints[base + M_METHOD]
        name = METHODS[method] if method != OTHER_METHOD else _span_text(mem, ints, base + M_METHOD_TEXT)
        tally.requests[name] = tally.requests.get(name, 0) + 1
    if ints[base + M_FLAGS] & F_MALFORMED:
        tally.malformed += 1
