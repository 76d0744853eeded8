"""Which RTP stream belongs to which call: endpoints that SDP announced, matched with streams that were found by content.

Offers and answers themselves are kept in `offers`; what streams measure is `streams`' business. Nothing here reads a
message or decides when a call has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from lippycat_core.addresses import Endpoint
from lippycat_voip.offers import AnnouncedEnd, Session, Socket, Tie, with_tie, without_tie

LOOKBACK_NS = 32_000_000_000
"""How long before the SDP that announces it a stream may have had its last packet, to be the announced one."""

MAX_OWNERS = 64
"""Live calls that may own one stream; further ones that announce the same endpoint do not become owners."""

MAX_SECURED = 65_536


class Streams(Protocol):
    """What is used of `streams.StreamTable`."""

    evicted: int
    rtcp_packets: int

    def advance(self, until_record: int) -> None:
        """Count packets of records below `until_record`."""
        ...

    def clock_ns(self) -> int:
        """The packet clock at the packet for which `on_new` is called."""
        ...

    def key(self, slot: int) -> tuple[Endpoint, Endpoint, int]:
        """Source, destination, SSRC."""
        ...

    def first_ns(self, slot: int) -> int:
        """Time of the first packet."""
        ...

    def last_ns(self, slot: int) -> int:
        """Time of the last packet."""
        ...

    def record_id(self, slot: int) -> int:
        """Record number of the first packet."""
        ...

    def packets(self, slot: int) -> int:
        """Distinct packets."""
        ...

    def received(self, slot: int) -> int:
        """All packets."""
        ...

    def confirmed(self, slot: int) -> bool:
        """Whether the heuristic took it for RTP."""
        ...

    def codec_map(self, codecs: tuple[tuple[int, str, int], ...]) -> int:
        """The number of a payload map."""
        ...

    def announce(self, slot: int, map_id: int) -> None:
        """SDP announced the stream."""
        ...

    def expire_at(self, slot: int, ns: int) -> None:
        """A packet later than `ns` begins a new stream."""
        ...

    def close(self, slot: int) -> None:
        """The next packet begins a new stream."""
        ...

    def release(self, slot: int) -> None:
        """Free the slot."""
        ...

    def sweep(self, now_ns: int) -> Iterable[int]:
        """Release candidates that came to nothing."""
        ...

    def record(self, slot: int) -> Mapping[str, object]:
        """Fields that come from packets."""
        ...


class Watch(Protocol):
    """Who is told whose streams are (`following.Follower`)."""

    def owned(self, slot: int, sessions: Sequence[Session]) -> None:
        """These sessions announce the stream."""
        ...

    def forgotten(self, slot: int) -> None:
        """The stream is about to be released."""
        ...


class Media:
    """Sockets of streams and announcements, and the ties between streams and calls.

    Every change of what is announced must be preceded by `advance(record)` with the number of the record that makes it,
    so that packets in front of it were counted under the old state.
    """

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self.watch: Watch | None = None
        self._sockets: dict[Endpoint, Socket] = {}
        self._ties: dict[int, Tie] = {}
        self._secured: dict[tuple[Endpoint, Endpoint], None] = {}
        self._maps: dict[tuple[tuple[tuple[int, str, int], ...], tuple[tuple[int, str, int], ...]], int] = {}
        self._advanced = 0

    # -- what the stream table says ----------------------------------------------------------------------------------

    def advance(self, record: int) -> None:
        """Let the stream table count everything in front of `record`; free where that was done before."""
        if record != self._advanced:
            self._advanced = record
            self.streams.advance(record)

    def on_new(self, slot: int) -> None:
        """A stream has begun: tie it to the calls that announce one of its ends."""
        src, dst, ssrc = self.streams.key(slot)
        tie = Tie(slot, self._socket(src), self._socket(dst), ssrc)
        self._ties[slot] = tie
        tie.src.ties = with_tie(tie.src.ties, tie)
        if tie.dst is not tie.src:
            tie.dst.ties = with_tie(tie.dst.ties, tie)
        owners = self._match(tie, self.streams.clock_ns())
        if owners:
            self._own(tie, owners)

    def forget(self, slot: int) -> None:
        """The slot was released."""
        if self.watch is not None:
            self.watch.forgotten(slot)
        tie = self._ties.pop(slot, None)
        if tie is None:
            return
        for socket in (tie.src, tie.dst):
            socket.ties = without_tie(socket.ties, tie)
            self._drop_unused(socket)
        for session in tie.owners:
            session.ties = without_tie(session.ties, tie)
        tie.owners = ()

    def tie(self, slot: int) -> Tie | None:
        """The tie of a slot in use."""
        return self._ties.get(slot)

    def unowned(self) -> list[Tie]:
        """Streams of no call, by their first record."""
        return sorted((tie for tie in self._ties.values() if not tie.owners), key=lambda tie: self.streams.record_id(tie.slot))

    # -- what signalling says ----------------------------------------------------------------------------------------

    def hold(self, session: Session, end: Endpoint) -> Socket:
        """The socket of an announced endpoint, created where nobody knows it yet."""
        return self._socket(end)

    def announce(self, announced: AnnouncedEnd) -> None:
        """A session's description has begun to name this endpoint."""
        socket = announced.socket
        others = socket.announced
        if len(others) >= MAX_OWNERS:
            least = next((other for other in others if other.session.over), others[0])
            others = tuple(other for other in others if other is not least)
        socket.announced = (*others, announced)

    def withdraw(self, announced: AnnouncedEnd) -> None:
        """No description of the session names this endpoint any more; streams that were tied through it stay tied."""
        socket = announced.socket
        socket.announced = tuple(other for other in socket.announced if other is not announced)
        self._drop_unused(socket)

    def changed(self, session: Session, now_ns: int, ends: Iterable[AnnouncedEnd]) -> None:
        """A session names new `ends`, or describes known ones anew: tie streams to it, and give its streams their codecs."""
        for announced in ends:
            for tie in tuple(announced.socket.ties):
                if session not in tie.owners and not tie.closed:
                    self._reconsider(tie, session, now_ns)
        for tie in session.ties:
            self._describe(tie)

    def ended(self, session: Session) -> None:
        """The session's `over` or `expire_ns` has changed: its call has ended, or goes on after all."""
        for tie in session.ties:
            self._set_expiry(tie)

    def secured(self, src: Endpoint, dst: Endpoint) -> None:
        """DTLS or ZRTP was seen between two endpoints."""
        key = (src, dst) if src < dst else (dst, src)
        if key not in self._secured:
            if len(self._secured) >= MAX_SECURED:
                del self._secured[next(iter(self._secured))]
            self._secured[key] = None

    def is_secured(self, tie: Tie) -> bool:
        """Whether DTLS or ZRTP was seen between the ends of a stream."""
        src, dst = tie.src.end, tie.dst.end
        return ((src, dst) if src < dst else (dst, src)) in self._secured

    def sessions_of_rtcp(self, src: Endpoint, dst: Endpoint) -> tuple[Session, ...]:
        """Sessions that an RTCP datagram belongs to: muxed (RFC 5761), by a=rtcp (RFC 3605), or next to RTP (RFC 3550, 11)."""
        for end in (dst, src):
            below = (*end[:4], end[4] - 1)
            for candidate in (end, below):
                socket = self._sockets.get(candidate)
                if socket is not None and socket.announced:
                    return tuple(announced.session for announced in socket.announced)
        return ()

    # -- matching ----------------------------------------------------------------------------------------------------

    def _socket(self, end: Endpoint) -> Socket:
        socket = self._sockets.get(end)
        if socket is None:
            socket = self._sockets[end] = Socket(end)
        return socket

    def _drop_unused(self, socket: Socket) -> None:
        if not socket.ties and not socket.announced:
            self._sockets.pop(socket.end, None)

    def _match(self, tie: Tie, now_ns: int) -> tuple[Session, ...]:
        """Sessions that announce the stream: live ones before those that ended less than 32 s ago, its destination before
        its source (symmetric RTP, RFC 4961); all of the same kind, the one whose call began first in front."""
        to, by = tie.dst.announced, tie.src.announced
        if not to and not by:
            return ()
        for announcements in (to, by):
            live = {announced.session for announced in announcements if announced.session.is_live(now_ns)}
            if live:
                return tuple(sorted(live, key=_age))
        for announcements in (to, by):
            lingering = [announced.session for announced in announcements if announced.session.expire_ns >= now_ns]
            if lingering:
                # Only the latest: the earlier ones had ended when it began.
                return (max(lingering, key=_age),)
        return ()

    def _reconsider(self, tie: Tie, session: Session, now_ns: int) -> None:
        """`session` has begun to announce an end of a known stream."""
        owners = self._match(tie, now_ns)
        if session not in owners:
            return
        if tie.owners:
            if all(owner.over for owner in tie.owners):
                self._close(tie)
            elif len(tie.owners) < MAX_OWNERS:
                self._own(tie, tuple(sorted({*tie.owners, session}, key=_age)))
        elif self.streams.last_ns(tie.slot) >= now_ns - LOOKBACK_NS:
            self._own(tie, owners)
        else:
            self._close(tie)

    def _close(self, tie: Tie) -> None:
        tie.closed = True
        self.streams.close(tie.slot)

    def _own(self, tie: Tie, owners: tuple[Session, ...]) -> None:
        for session in owners:
            if session not in tie.owners:
                session.ties = with_tie(session.ties, tie)
        tie.owners = owners
        if self.watch is not None:
            self.watch.owned(tie.slot, owners)
        self._describe(tie)
        self._set_expiry(tie)

    def _set_expiry(self, tie: Tie) -> None:
        ends = [owner.expire_ns for owner in tie.owners]
        self.streams.expire_at(tie.slot, max(ends) if all(ends) else 0)

    def _describe(self, tie: Tie) -> None:
        """Give a stream the payload map of the call that owns it first: types mean what the receiver's description says
        (RFC 3264, 5.1), what that leaves open the sender's."""
        receiver, sender = tie.owners[0].ends_of(tie)
        key = (receiver.codecs if receiver is not None else (), sender.codecs if sender is not None else ())
        number = self._maps.get(key)
        if number is None:
            named = {codec[0] for codec in key[0]}
            number = self.streams.codec_map((*key[0], *(codec for codec in key[1] if codec[0] not in named)))
            if len(self._maps) < MAX_SECURED:
                self._maps[key] = number
        if number != tie.map_id:
            tie.map_id = number
            self.streams.announce(tie.slot, number)


def _age(session: Session) -> int:
    return session.serial
