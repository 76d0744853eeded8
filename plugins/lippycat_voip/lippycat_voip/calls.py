"""What is kept of one Call-ID: counts, the headers that its record shows, and for a call its state, result and times.

Messages arrive here as plain values, each once (copies and retransmissions are sorted out before). Nothing here reads
message bytes, knows media, or decides when a record is written.
"""

from __future__ import annotations

from typing import NamedTuple

from lippycat_voip.offers import CALLEE, CALLER, Path, Session
from lippycat_voip.states import (
    BYE,
    CANCEL,
    CHALLENGES,
    EVENT_OF_STATUS,
    EVENTS,
    INVITED,
    NEW,
    NEXT,
    NO_EVENT,
    OVER,
    REFUSALS,
    REINVITED,
)
from lippycat_voip.tally import Tally

NEVER = 1 << 62
"""A due time that does not come."""

FORK_PATIENCE_NS = 180_000_000_000
"""How long an INVITE without a final answer on one branch keeps a call open that was refused on another (RFC 3261,
16.6, Timer C: proxies give up after three minutes)."""

MAX_ATTEMPTS = 16
MAX_REINVITES = 64
MAX_PATHS = 64
MAX_BRANCHES = 64


class Result(NamedTuple):
    """The answer that counts: the first 2xx, else the last final answer that is no challenge, else the last challenge."""

    rank: int  # 3 a 2xx, 2 another final answer, 1 a challenge, 0 none
    code: int
    reason: bytes
    ts_ns: int

    def after(self, code: int, reason: bytes, ts_ns: int) -> Result:
        """The result when one more final answer has come."""
        rank = 3 if code < 300 else 1 if code in (401, 407) else 2
        if rank > self.rank or (rank == self.rank and rank < 3):
            return Result(rank, code, reason, ts_ns)
        return self


NO_RESULT = Result(0, 0, b"", 0)


HEAD_FIELDS = ("from_value", "to_value", "request_uri", "user_agent", "identity", "diversion", "replaces", "refer_to")
HEAD_SEPARATOR = b"\r\n\r\n"
"""An empty line, which no header value can hold."""


class Attempt:
    """One CSeq of the initial INVITE."""

    __slots__ = ("cseq", "invited_ns", "ringing_ns")

    def __init__(self, cseq: int, invited_ns: int) -> None:
        self.cseq = cseq
        self.invited_ns = invited_ns
        self.ringing_ns: int | None = None  # first 18x


_TIMES = ("ringing_ns", "answer_ns", "cancel_ns", "terminated_ns", "bye_ns")
"""Capture times of messages that a call keeps."""


class Call:
    """The INVITE side of a Call-ID."""

    __slots__ = (
        "accepted_cseq",
        "answer_ns",
        "attempts",
        "branches",
        "bye_ns",
        "bye_tag",
        "caller_tag",
        "cancel_ns",
        "digits",
        "ended_now_ns",
        "invited_now_ns",
        "last_info",
        "left",
        "reinvites",
        "ringing_ns",
        "session",
        "state",
        "terminated_ns",
    )

    def __init__(self) -> None:
        self.state = NEW
        self.session: Session | None = None
        self.caller_tag: bytes | None = None
        self.attempts: tuple[Attempt, ...] = ()
        self.reinvites: tuple[tuple[bytes, int], ...] = ()  # From tag and CSeq of INVITEs inside the dialog
        self.branches: tuple[bytes, ...] = ()  # top Via branches of initial INVITEs without a final answer
        self.accepted_cseq = -1
        self.invited_now_ns = 0  # packet clock at the last initial INVITE
        self.ended_now_ns = 0  # packet clock at the last final answer, CANCEL or BYE
        self.ringing_ns: int | None = None
        self.answer_ns: int | None = None
        self.cancel_ns: int | None = None
        self.terminated_ns: int | None = None  # 487
        self.bye_ns: int | None = None
        self.bye_tag: bytes | None = None
        self.left = False  # a BYE, but no 2xx before it
        self.digits = ""
        self.last_info: tuple[bytes, int] | None = None

    def is_initial(self, from_tag: bytes, cseq: int) -> bool:
        """Whether an answer to an INVITE with this From tag and CSeq counts for the call's result: any does but those to
        a re-INVITE that was captured. Each side numbers its own requests, so the number alone tells nothing."""
        if not self.reinvites or (from_tag, cseq) not in self.reinvites:
            return True
        return from_tag == self.caller_tag and any(attempt.cseq == cseq for attempt in self.attempts)

    def role(self, from_tag: bytes) -> int:
        """Who sends requests with this From tag: CALLER or CALLEE."""
        return CALLER if self.caller_tag is None or from_tag == self.caller_tag else CALLEE

    def invited(self, from_tag: bytes, cseq: int, branch: bytes, ts_ns: int, now_ns: int) -> None:
        """An initial INVITE, on one more path or with another CSeq."""
        if branch not in self.branches and len(self.branches) < MAX_BRANCHES:
            self.branches = (*self.branches, branch)
        for attempt in self.attempts:
            if attempt.cseq == cseq:
                return
        if self.caller_tag is None:
            self.caller_tag = from_tag
        self.attempts = (*self.attempts[-MAX_ATTEMPTS + 1 :], Attempt(cseq, ts_ns))
        self.invited_now_ns = now_ns
        self.state = NEXT[self.state * EVENTS + INVITED]

    def reinvited(self, from_tag: bytes, cseq: int) -> None:
        """An INVITE inside a dialog. Where the set-up was not captured it proves that there was a 2xx."""
        if (from_tag, cseq) not in self.reinvites:
            self.reinvites = (*self.reinvites[-MAX_REINVITES + 1 :], (from_tag, cseq))
        if not self.attempts:
            self.state = NEXT[self.state * EVENTS + REINVITED]

    def provisional(self, code: int, cseq: int, ts_ns: int) -> None:
        """A 1xx to the initial INVITE."""
        event = EVENT_OF_STATUS[code]
        if event == NO_EVENT:
            return
        if 180 <= code <= 189:
            if self.ringing_ns is None:
                self.ringing_ns = ts_ns
            for attempt in self.attempts:
                if attempt.cseq == cseq and attempt.ringing_ns is None:
                    attempt.ringing_ns = ts_ns
        self.state = NEXT[self.state * EVENTS + event]

    def answered(self, code: int, cseq: int, branch: bytes, ts_ns: int, now_ns: int) -> None:
        """A final answer to the initial INVITE."""
        event = EVENT_OF_STATUS[code]
        if event == NO_EVENT:
            return
        self._ended_at(now_ns)
        self._close_branch(branch)
        if code < 300:
            if self.answer_ns is None:
                self.answer_ns = ts_ns
                self.accepted_cseq = cseq
            self.left = False
        elif code == 487 and self.terminated_ns is None:
            self.terminated_ns = ts_ns
        self.state = NEXT[self.state * EVENTS + event]

    def cancelled(self, from_tag: bytes, cseq: int, branch: bytes, ts_ns: int, now_ns: int) -> None:
        """A CANCEL, which carries the From tag, CSeq and branch of the INVITE that it cancels (RFC 3261, 9.1)."""
        if not self.is_initial(from_tag, cseq):
            return
        self._ended_at(now_ns)
        self._close_branch(branch)
        if self.cancel_ns is None:
            self.cancel_ns = ts_ns
        self.state = NEXT[self.state * EVENTS + CANCEL]

    def hung_up(self, from_tag: bytes, ts_ns: int, now_ns: int) -> None:
        """A BYE. It ends what was answered, and calls whose set-up was not captured. What merely rings keeps its state, but
        is over: the 2xx was lost, or somebody hung up an early dialog (RFC 3261, 15)."""
        if self.attempts and self.answer_ns is None:
            if not self.left and self.state not in REFUSALS:
                self.left = True
                self.ended_now_ns = now_ns
            return
        after = NEXT[self.state * EVENTS + BYE]
        if after != self.state and self.bye_ns is None:
            self.bye_ns, self.bye_tag = ts_ns, from_tag
            self.ended_now_ns = now_ns
        self.state = after

    def copied(self, ts_ns: int, earlier_ns: int) -> None:
        """A copy of the message from `ts_ns` was captured at `earlier_ns`, which stands further on in the input."""
        for name in _TIMES:
            if getattr(self, name) == ts_ns:
                setattr(self, name, earlier_ns)
        for attempt in self.attempts:
            if attempt.invited_ns == ts_ns:
                attempt.invited_ns = earlier_ns
            if attempt.ringing_ns == ts_ns:
                attempt.ringing_ns = earlier_ns

    def over_ns(self, linger_ns: int) -> int:
        """The packet time at which the call has been over for `linger_ns`; NEVER while it is not over."""
        if self.state in OVER or self.left:
            return self.ended_now_ns + linger_ns
        if self.state in REFUSALS:
            return self.ended_now_ns + linger_ns + (FORK_PATIENCE_NS if self.branches else 0)
        return NEVER

    def due_ns(self, linger_ns: int, challenged_ns: int) -> int:
        """The packet time behind which the call's record may be written: when it has been over for `linger_ns`. A challenge
        asks for another INVITE, which people send when they have typed a password: `challenged_ns`."""
        return self.ended_now_ns + challenged_ns if self.state in CHALLENGES else self.over_ns(linger_ns)

    @property
    def over(self) -> bool:
        """Whether the call has ended (or was refused on every branch), so that a later call may take its endpoints."""
        return self.left or self.state in OVER or (self.state in REFUSALS and not self.branches)

    def _ended_at(self, now_ns: int) -> None:
        if self.state not in OVER:
            self.ended_now_ns = now_ns

    def _close_branch(self, branch: bytes) -> None:
        if branch in self.branches:
            self.branches = tuple(other for other in self.branches if other != branch)


class Dialog:
    """One Call-ID. `call` is there as soon as it is a call."""

    __slots__ = (
        "call",
        "call_id",
        "closed",
        "copies",
        "cseq_method",
        "due_ns",
        "first_ns",
        "head",
        "head_rank",
        "last_ns",
        "log",
        "messages",
        "method",
        "path",
        "paths",
        "queued_ns",
        "reason_header",
        "record",
        "refer_to",
        "result",
        "retransmissions",
        "satisfied",
        "serial",
        "server",
        "started_now_ns",
        "tally",
        "to_tag",
        "transport",
        "transports",
        "wanted",
    )

    def __init__(self, call_id: bytes, serial: int, record: int, path: Path, ts_ns: int, now_ns: int, tally: Tally) -> None:
        self.call_id = call_id
        self.serial = serial
        self.record = record  # of its first message
        self.path = path
        self.first_ns = self.last_ns = ts_ns
        self.started_now_ns = now_ns
        self.tally = tally
        self.wanted = True
        self.satisfied = 0  # filters that its messages satisfy (selection.py)
        self.messages = self.copies = self.retransmissions = 0
        self.transport = 0  # of the last message (IP protocol number)
        self.transports: tuple[int, ...] = ()
        self.log = b""  # 8 bytes that tell a message from others and 8 of its time, a message (a fifth of what a dict takes)
        self.method = ""
        self.cseq_method = 0
        self.head = b""  # HEAD_FIELDS of the message that stands for the dialog, in one piece
        self.head_rank = 0  # what message that is: 1 an answer, 2 a request, 3 the initial INVITE
        self.to_tag: bytes | None = None
        self.server: bytes | None = None
        self.reason_header: bytes | None = None
        self.refer_to: bytes | None = None
        self.paths: tuple[Path, ...] = ()  # hops on which the first request was seen
        self.result = NO_RESULT
        self.call: Call | None = None
        self.due_ns = NEVER  # packet time behind which the record may be written
        self.queued_ns = NEVER  # earliest time for which it waits in the queue
        self.closed = False  # no message is taken any more

    def kept(self, path: Path) -> Path:
        """The path in objects that the dialog keeps already, where it can be: ends take 170 bytes each."""
        src, dst = self.path
        if path[0] == src and path[1] == dst:
            return self.path
        return (dst, src) if path[0] == dst and path[1] == src else path

    def copied(self, ts_ns: int, earlier_ns: int) -> None:
        """See `Call.copied`."""
        if self.result.ts_ns == ts_ns:
            self.result = self.result._replace(ts_ns=earlier_ns)
        if self.call is not None:
            self.call.copied(ts_ns, earlier_ns)

    def remember(self, place: int, ts_ns: int) -> None:
        """The message whose time lies at `place` of the log was sent at `ts_ns`."""
        self.log = self.log[:place] + ts_ns.to_bytes(8, "little", signed=True) + self.log[place + 8 :]

    def seen_over(self, transport: int) -> None:
        """A message came by another transport than the one before."""
        self.transport = transport
        if transport not in self.transports:
            self.transports = (*self.transports, transport)

    def add_path(self, path: Path) -> None:
        """The first request was seen on this hop."""
        if path not in self.paths and len(self.paths) < MAX_PATHS:
            self.paths = (*self.paths, self.path if path == self.path else path)
