"""Offers and answers of one call (RFC 3264): which endpoints its current descriptions name, and what they say of them.

One message's body becomes a `Description`. It names its endpoints at once; it is settled when its transaction is
answered 2xx, and taken back when that is refused. Streams are `media`'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from lippycat_core.addresses import Endpoint
from lippycat_voip.sdp import Codec, SessionDescription

CALLER, CALLEE = 0, 1

MAX_DESCRIPTIONS = 32
MAX_ENDS = 64
"""What one call may have of each at a time; the oldest goes first."""

FEW = 8

UNSPECIFIED = frozenset(((0, 0, 0, 0), (0, 0, 0xFFFF, 0)))

Transaction = tuple[bytes, int]
"""From tag and CSeq number of the request: what its answers carry too."""

Path = tuple[Endpoint, Endpoint]
"""Source and destination of the message. On each hop the same offer may name other endpoints (media relays)."""


Ties: TypeAlias = "tuple[Tie, ...] | dict[Tie, None]"
"""Streams in the order in which they were tied."""


def with_tie(ties: Ties, tie: Tie) -> Ties:
    """`ties` and one more: a tuple while they are few, as nearly always; a dict for a flood of them."""
    if isinstance(ties, dict):
        ties[tie] = None
        return ties
    return (*ties, tie) if len(ties) < FEW else dict.fromkeys((*ties, tie))


def without_tie(ties: Ties, tie: Tie) -> Ties:
    """`ties` without one of them."""
    if isinstance(ties, dict):
        ties.pop(tie, None)
        return ties
    return tuple(other for other in ties if other is not tie)


class Socket:
    """One transport address: the streams that begin or end there, and the calls that announce it."""

    __slots__ = ("announced", "end", "ties")

    def __init__(self, end: Endpoint) -> None:
        self.end = end
        self.ties: Ties = ()
        self.announced: tuple[AnnouncedEnd, ...] = ()


class AnnouncedEnd:
    """One endpoint as one call's descriptions name it; `holds` counts the descriptions that do so now."""

    __slots__ = ("codecs", "holds", "line", "role", "secure", "session", "socket", "two_way")

    def __init__(self, session: Session, socket: Socket) -> None:
        self.session = session
        self.socket = socket
        self.holds = 0
        self.role = CALLER  # whose description it is
        self.line = 0  # which m= line
        self.secure = False
        self.two_way = True
        self.codecs: tuple[Codec, ...] = ()


class Tie:
    """A stream and the sessions that own it, the one whose call began first in front."""

    __slots__ = ("closed", "dst", "map_id", "owners", "slot", "src", "ssrc")

    def __init__(self, slot: int, src: Socket, dst: Socket, ssrc: int) -> None:
        self.slot = slot
        self.src = src
        self.dst = dst
        self.ssrc = ssrc
        self.owners: tuple[Session, ...] = ()
        self.map_id = -1
        self.closed = False  # later packets of the key are another stream


class Description:
    """What one party said in one transaction on one path."""

    __slots__ = ("by", "ends", "path", "settled", "transaction")

    def __init__(self, by: bytes, transaction: Transaction, path: Path) -> None:
        self.by = by
        self.transaction = transaction
        self.path = path
        self.settled = False
        self.ends: tuple[AnnouncedEnd, ...] = ()


def _with_earlier(codecs: tuple[Codec, ...], earlier: tuple[Codec, ...]) -> tuple[Codec, ...]:
    """What an endpoint's payload types mean: a number that is no longer offered keeps its meaning (RFC 3264, 8.3.2), and
    several m= lines may share one endpoint (RFC 9143)."""
    if not earlier or earlier == codecs:
        return codecs
    named = {codec[0] for codec in codecs}
    return (*codecs, *(codec for codec in earlier if codec[0] not in named))


class Register(Protocol):
    """Where endpoints are announced: `media.Media`."""

    def hold(self, session: Session, end: Endpoint) -> Socket:
        """The socket of an endpoint."""
        ...

    def announce(self, announced: AnnouncedEnd) -> None:
        """The endpoint is named now."""
        ...

    def withdraw(self, announced: AnnouncedEnd) -> None:
        """The endpoint is not named any more."""
        ...


class Session:
    """The media of one call. `call` is whatever the owner keeps there; `serial` orders calls by their first message.

    `over`: the call has ended. Packets up to `expire_ns` of packet time are still its own (0: no end in sight).
    """

    __slots__ = ("_descriptions", "call", "ends", "expire_ns", "over", "serial", "ties", "written")

    def __init__(self, call: object, serial: int) -> None:
        self.call = call
        self.serial = serial
        self.over = False
        self.expire_ns = 0
        self.ends: list[AnnouncedEnd] = []  # all that were ever named, also those no longer held
        self.ties: Ties = ()
        self.written: tuple[tuple[int, int | None], ...] = ()  # id and receiving party of streams that are no longer tied
        self._descriptions: list[Description] = []

    def is_live(self, now_ns: int) -> bool:
        """Whether the call has not ended by `now_ns`."""
        return not self.over and (self.expire_ns == 0 or self.expire_ns >= now_ns)

    # -- offers and answers ------------------------------------------------------------------------------------------

    def describe(
        self,
        register: Register,
        by: bytes,
        role: int,
        transaction: Transaction,
        path: Path,
        description: SessionDescription,
    ) -> tuple[AnnouncedEnd, ...]:
        """Take a body that `by` (a tag) sent; its endpoints are named from now on. Returns them."""
        held = self._hold(register, role, description)
        for known in self._descriptions:
            if known.transaction == transaction:
                if known.by == by and known.path == path:
                    before, known.ends = known.ends, held
                    self._release(register, before)
                    return held
                transaction = known.transaction  # one object for all
        if len(self._descriptions) >= MAX_DESCRIPTIONS:
            self._remove(register, self._descriptions[:1].__contains__)
        added = Description(by, transaction, path)
        added.ends = held
        self._descriptions.append(added)
        return held

    def accept(self, register: Register, transaction: Transaction) -> None:
        """The transaction was answered 2xx: what was said in it holds, and what the same parties said before does not,
        unless they said something newer meanwhile (an UPDATE while the INVITE was pending)."""
        others = False
        for known in self._descriptions:
            if known.transaction == transaction:
                known.settled = True
            else:
                others = True
        if others:
            latest = {known.by: known.transaction for known in self._descriptions if known.settled}
            self._remove(register, lambda known: known.settled and latest[known.by] != known.transaction)

    def refuse(self, register: Register, transaction: Transaction, path: Path) -> None:
        """The transaction was refused on `path` (the answer's): what was offered in it there is taken back."""
        pending = [known for known in self._descriptions if known.transaction == transaction and not known.settled]
        paths = {known.path for known in pending}
        if len(paths) > 1:
            # Seen on several hops: each refuses for itself. An answer may take another way than its request on a single one.
            pending = [known for known in pending if known.path in (path, (path[1], path[0]))]
        self._remove(register, pending.__contains__)

    def forget(self, register: Register) -> None:
        """The call is gone: nothing is named any more."""
        self._remove(register, lambda known: True)

    def _remove(self, register: Register, unwanted: Callable[[Description], bool]) -> None:
        kept = []
        for known in self._descriptions:
            if unwanted(known):
                self._release(register, known.ends)
            else:
                kept.append(known)
        self._descriptions = kept

    def _hold(self, register: Register, role: int, description: SessionDescription) -> tuple[AnnouncedEnd, ...]:
        held: list[AnnouncedEnd] = []
        for line, media in enumerate(description.media):
            address, first = media.address, media.port
            if media.secure is None or first == 0 or address is None or address in UNSPECIFIED:
                continue  # no RTP (`secure` is None), refused, unknown, or held the old way
            for port in range(first, min(first + 2 * media.ports, 0x10000), 2):  # RFC 4566, 5.14: RTP on every second port
                announced = self._end(register, (*address, port))
                if announced is None:
                    return tuple(held)
                announced.role = role
                announced.line = line
                announced.secure = media.secure
                announced.two_way = media.direction == "sendrecv"
                announced.codecs = _with_earlier(media.codecs, announced.codecs)
                announced.holds += 1
                if announced.holds == 1:
                    register.announce(announced)
                held.append(announced)
        return tuple(held)

    def _end(self, register: Register, end: Endpoint) -> AnnouncedEnd | None:
        """The endpoint's entry, kept when it is no longer named: streams are compared with all that the call ever named."""
        announced = self.end(end)
        if announced is None:
            if len(self.ends) >= MAX_ENDS:
                idle = next((known for known in self.ends if not known.holds), None)
                if idle is None:
                    return None
                self.ends.remove(idle)
            announced = AnnouncedEnd(self, register.hold(self, end))
            self.ends.append(announced)
        elif not announced.holds:
            announced.socket = register.hold(self, end)
        return announced

    def end(self, end: Endpoint) -> AnnouncedEnd | None:
        """What the call said of an endpoint, None where it never named it."""
        for announced in self.ends:
            if announced.socket.end == end:
                return announced
        return None

    def _release(self, register: Register, ends: tuple[AnnouncedEnd, ...]) -> None:
        for announced in ends:
            announced.holds -= 1
            if not announced.holds:
                register.withdraw(announced)

    # -- what descriptions say of a stream ---------------------------------------------------------------------------

    def ends_of(self, tie: Tie) -> tuple[AnnouncedEnd | None, AnnouncedEnd | None]:
        """How the call describes the stream's receiver and its sender: by their endpoints, and where media comes from or
        goes to elsewhere (NAT), by the other party's m= line of the same number."""
        receiver, sender = self.end(tie.dst.end), self.end(tie.src.end)
        if receiver is None and sender is not None:
            receiver = self._counterpart(sender)
        elif sender is None and receiver is not None:
            sender = self._counterpart(receiver)
        return receiver, sender

    def _counterpart(self, end: AnnouncedEnd) -> AnnouncedEnd | None:
        found = None
        for other in self.ends:
            if other.role != end.role and other.line == end.line and (found is None or other.holds):
                found = other
        return found

    def behind_nat(self, tie: Tie) -> bool:
        """Whether one end of the stream is announced and the other party announced another socket than the other end."""
        known = self.end(tie.dst.end)
        other = self.end(tie.src.end)
        if (known is None) == (other is None):
            return False
        end = known or other
        return end is not None and any(one.role != end.role for one in self.ends)

    def receiver_role(self, tie: Tie) -> int | None:
        """Which party a stream goes to."""
        receiver = self.end(tie.dst.end)
        if receiver is not None:
            return receiver.role
        sender = self.end(tie.src.end)
        return None if sender is None else CALLEE if sender.role == CALLER else CALLER

    def secure(self, tie: Tie) -> bool | None:
        """Whether SDP said SRTP (SAVP(F), crypto or fingerprint) of the stream: of every end that it described."""
        said = [end.secure for end in self.ends_of(tie) if end is not None]
        return all(said) if said else None

    def two_way(self) -> bool:
        """Whether every endpoint named now was offered for both directions."""
        return all(end.two_way for end in self.ends if end.holds)
