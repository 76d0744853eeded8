"""Which owner each packet has (`callbuffer`): a message's dialog, a stream, or what a part of one waits for.

Rows are given their owners in the order of the input and handed to `heldpackets`. That happens late, once a segment, where it
makes no difference; where a bound is near, or a deadline has passed, it happens in front of each message. Who is wanted, and
what SDP says, is decided elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from lippycat_core.addresses import Endpoint
from lippycat_core.batch import Batch
from lippycat_core.columns import DECODED, FRAGMENT, I32
from lippycat_core.interfaces.dissect import Run, Segment
from lippycat_core.kernelset import KernelSet
from lippycat_voip.callbuffer import DIALOG, LOOSE, NOBODY, PASSED_OVER, PATIENCE_NS, STREAM, TAKEN, CallBuffer, Owner
from lippycat_voip.calls import Dialog
from lippycat_voip.columns import K_STUN, K_ZRTP
from lippycat_voip.filing import Filing
from lippycat_voip.framer import Direction
from lippycat_voip.heldpackets import HeldPackets
from lippycat_voip.kernels.hold import UNDECIDED, UNWANTED, WANTED, spread
from lippycat_voip.media import Media
from lippycat_voip.offers import Session
from lippycat_voip.stream_columns import C_RECORD, C_SLOT, C_WIDTH
from lippycat_voip.streams import END, StreamTable

SHORTEST = 32
"""Bytes that a message with a Call-ID takes at least: what bounds the dialogs that a TCP segment can begin."""


class Follower:
    """Follows the packets of one run."""

    def __init__(self, buffer: CallBuffer, streams: StreamTable, media: Media, filing: Filing | None = None) -> None:
        self.held = HeldPackets(buffer)
        self._buffer = buffer
        self._streams = streams
        self._media = media
        self._filtering = self._listing = False
        self._slots: I32 = np.zeros(1024, np.int32)  # owner by stream
        self._loose: dict[int, Owner] = {}  # by record; undecided ones
        self._due: deque[tuple[int, Sequence[int], Sequence[Owner]]] = deque()
        self._others: deque[int] = deque()  # STUN, DTLS and ZRTP rows
        self._open = False
        self._exact = False
        self._limit = 0
        self._filing = filing  # where calls have files of their own
        if filing is not None:
            filing.join(buffer, streams)

    def ask(self, *, filtering: bool, listing: bool) -> None:
        """What is wanted: calls that a filter chooses, or else all signalling and announced media, and with `listing` what the
        heuristic takes for RTP."""
        self._filtering = filtering
        self._listing = listing and not filtering

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels."""
        self._kernels = kernels
        self._spread = kernels[spread]
        self._slots_view = kernels.view(self._slots)
        self.held.bind(kernels)
        if self._filing is not None:
            self._filing.bind(kernels)

    # -- segments ----------------------------------------------------------------------------------------------------

    def load(self, segment: Segment, base: int) -> None:
        """The segment's rows are next; the stream table has loaded its cells. Kinds count from `base`."""
        batch, begin, end = segment.batch, segment.begin, segment.end
        self.held.load(batch, begin, end)
        if self._filing is not None:
            self._filing.load(batch, begin, end)
        self._batch = batch
        self._first = batch.first_record
        self._begin, self._end = begin, end
        self._limit = 0
        self._cell = 0
        self._open = True
        buffer = self._buffer
        nbytes = int(batch.frame.caplen[begin:end].sum()) + 64 * (end - begin)
        dialogs = end - begin + sum(run.length for run in segment.runs) // SHORTEST
        span_ns = int(batch.route.now_ns[end - 1]) - int(batch.route.now_ns[begin])
        self._exact = (
            self.held.nbytes + nbytes > buffer.bounds.nbytes
            or buffer.undecided + dialogs > buffer.bounds.calls
            or span_ns > min(PATIENCE_NS, buffer.bounds.age_ns)
        )
        kinds = batch.route.kind[begin:end]
        self._others.extend((begin + np.flatnonzero((kinds >= base + K_STUN) & (kinds <= base + K_ZRTP))).tolist())
        if batch.may_have_fragments:
            for row in (begin + np.flatnonzero(batch.route.status[begin:end] == FRAGMENT)).tolist():
                self._piece(self._first + row, FRAGMENT)
            self._due.extend((row, records, ()) for row, records in batch.datagrams if begin <= row < end)
        for record in segment.kept:
            self._piece(record, DECODED)

    def rest(self) -> None:
        """All messages of the segment were taken: what media is left may be counted."""
        self._limit = END
        self._see_others(self._end)

    def finish_segment(self) -> None:
        """All packets of the segment were counted."""
        self._follow(END)
        self._open = False
        if self._filing is not None:
            self._filing.finish_segment()

    def finish(self, now_ns: int) -> None:
        """The input has ended, and so has all waiting."""
        self._buffer.finish(now_ns)
        self.held.settle()

    # -- in front of messages (callbuffer.Packets) -------------------------------------------------------------------

    def meet(self, record: int) -> None:
        """See `callbuffer.Packets`."""
        self._limit = record
        if self._others:
            self._see_others(record - self._first)
        if self._exact:
            self.catch_up(record)

    def catch_up(self, record: int) -> None:
        """See `callbuffer.Packets`."""
        self._media.advance(record)
        self._follow(record)

    def _follow(self, record: int) -> None:
        """Give rows in front of `record` their owners and let them go or wait; media in front of it was counted."""
        if not self._open:
            return
        end = min(record - self._first, self._end)
        while True:
            cells, counted = self._streams.counted()
            self._cell = self._spread(
                cells, self._cell, counted, self._slots_view, self.held.owners_view, self._first, self._listing
            )
            if self._cell == counted:
                self._pass(end)
                return
            at = self._cell * C_WIDTH
            self._pass(int(cells[at + C_RECORD]) - self._first)
            slot = int(cells[at + C_SLOT]) >> 1
            self._buffer.decide(self._buffer.owner(int(self._slots[slot])), WANTED)
            self._slots[slot] = TAKEN.id

    def _pass(self, end: int) -> None:
        """Let rows up to `end` go or wait, and tie what is whole on the way."""
        buffer = self._buffer
        while self._due and self._due[0][0] < end:
            row, records, over = self._due.popleft()
            self.held.admit(row + 1)
            owner = buffer.owner(int(self.held.owners[row]))
            for piece in filter(None, map(self._loose.get, records)):
                buffer.tie(piece, owner)
                buffer.seal(piece)
            for piece in over:
                if not piece.uses:
                    buffer.seal(piece)
        self.held.admit(end)

    def _here(self) -> int:
        """The record up to which rows may have their owners: the message or the packet of media at hand."""
        return min(self._limit, self._streams.next_record())

    # -- signalling --------------------------------------------------------------------------------------------------

    def _standing(self, dialog: Dialog | None) -> Owner:
        if dialog is not None:
            return self._buffer.dialog(dialog)
        return PASSED_OVER if self._filtering else TAKEN

    def datagram(self, row: int, dialog: Dialog | None) -> None:
        """The message of this row was taken by a dialog, or belongs to none."""
        self.held.owners[row] = self._standing(dialog).id
        if self._filing is not None:
            self._filing.datagram(row, dialog)

    def run(self, run: Run, direction: Direction, messages: int) -> list[Sequence[Owner]]:
        """A run completed so many messages: the packets behind each, as owners for `streamed`."""
        mine = [piece for record in run.records if (piece := self._piece(record, DECODED)) is not None]
        before = direction.carriers
        groups: list[Sequence[Owner]] = []
        if messages:
            groups = [[*before, *mine], *([mine] * (messages - 1))]
            direction.carriers = mine if direction.held else []
        elif direction.held:
            direction.carriers = [*before, *mine]
        else:
            direction.carriers = []
            for piece in before:
                piece.uses -= 1
            self._due.append((run.row, (), [*before, *mine]))
        for piece in mine:
            piece.uses += messages + (1 if direction.held else 0)
        return groups

    def ordered(self) -> None:
        """All runs of the segment were told."""
        self._due = deque(sorted(self._due, key=lambda due: due[0]))

    def streamed(self, carriers: Sequence[Owner], dialog: Dialog | None) -> None:
        """The message that these packets carry was taken by a dialog, or belongs to none."""
        standing = self._standing(dialog)
        for piece in carriers:
            piece.uses -= 1
            if self._filing is not None:
                self._filing.carried(piece.key, dialog)
            self._buffer.tie(piece, standing)
            if not piece.uses:
                self._buffer.seal(piece)

    def _piece(self, record: int, status: int) -> Owner | None:
        """The owner of a packet by itself, made where its row is in the segment at hand; None where it is decided."""
        piece = self._loose.get(record)
        row = record - self._first
        if piece is None and self._begin <= row < self._end and int(self._batch.route.status[row]) == status:
            now_ns = int(self._batch.route.now_ns[row])
            piece = self._loose[record] = self._buffer.new(LOOSE, record, record, now_ns)
            self.held.owners[row] = piece.id
            if self._filing is not None:
                self._filing.piece(piece)
        return piece

    # -- media -------------------------------------------------------------------------------------------------------

    def new_stream(self, slot: int) -> None:
        """A stream is about to begin: the media table has not heard of it."""
        record = self._streams.next_record()
        now_ns = self._streams.clock_ns()
        late = self._buffer.deadline_ns() < now_ns
        if self._exact or late:
            self._follow(record)
            self._buffer.expire(now_ns)
        if slot >= len(self._slots):
            self._slots = np.concatenate((self._slots, np.zeros(slot + 1, np.int32)))
            self._slots_view = self._kernels.view(self._slots)
        self._slots[slot] = 0
        if self._filing is not None:
            self._filing.new_stream(slot)

    def stream_begun(self, slot: int) -> None:
        """The media table has tied the stream to who announced it, if anybody has."""
        if not self._slots[slot]:
            owner = self._buffer.new(STREAM, slot, self._streams.next_record(), self._streams.clock_ns())
            self._slots[slot] = owner.id
        if self._filing is not None:
            tie = self._media.tie(slot)
            self._filing.stream_begun(slot, owned=tie is not None and bool(tie.owners))

    def owned(self, slot: int, sessions: Sequence[Session]) -> None:
        """These sessions announce the stream."""
        if self._filing is not None:
            self._filing.owned(slot, sessions)
        buffer, owner = self._buffer, self._buffer.owner(int(self._slots[slot]))
        standings = self._dialogs_of(sessions)
        if owner.verdict == WANTED:
            return
        if any(standing.verdict == WANTED for standing in standings):
            self._give(slot, TAKEN)
        elif owner.verdict == UNDECIDED:
            for standing in standings:
                buffer.tie(owner, standing)
            buffer.seal(owner)
        elif any(standing.verdict == UNDECIDED for standing in standings):
            again = buffer.new(STREAM, slot, self._here(), self._now_ns())
            self._give(slot, again)
            for standing in standings:
                buffer.tie(again, standing)
            buffer.seal(again)
        elif owner is NOBODY:
            self._give(slot, PASSED_OVER)

    def _now_ns(self) -> int:
        """The packet clock at the record at hand."""
        row = self._here() - self._first
        return int(self._batch.route.now_ns[min(row, self._end - 1)])

    def _give(self, slot: int, owner: Owner) -> None:
        """The stream's packets belong to `owner` from here on, and what waited for it is decided with it."""
        before = self._buffer.owner(int(self._slots[slot]))
        if before.verdict == UNDECIDED:
            self._buffer.decide(before, owner.verdict)
        elif before is not NOBODY and before.verdict == UNWANTED:
            self._follow(self._here())
        self._slots[slot] = owner.id

    def forgotten(self, slot: int) -> None:
        """The stream is gone; its slot may get another."""
        if self._filing is not None:
            self._filing.forgotten(slot)
        if slot < len(self._slots) and self._slots[slot]:
            self._follow(self._here())
            self._slots[slot] = 0

    def rtcp(self, src: Endpoint, dst: Endpoint) -> None:
        """The RTCP datagram at hand."""
        record, slot = self._streams.report()
        sessions = self._media.sessions_of_rtcp(src, dst)
        if self._filing is not None:
            self._filing.of_sessions(record - self._first, sessions, slot)
        if not self._filtering:
            owner = TAKEN.id
        elif sessions:
            owner = self._any_of(sessions, record).id
        else:
            owner = int(self._slots[slot]) if slot is not None else 0
        self.held.owners[record - self._first] = owner

    def _see_others(self, end: int) -> None:
        """STUN, DTLS and ZRTP between ends that somebody has announced by now is media of whoever did."""
        while self._others and self._others[0] < end:
            row = self._others.popleft()
            sessions = self._media.sessions_of_rtcp(*row_ends(self._batch, row))
            if sessions:
                self.held.owners[row] = self._any_of(sessions, self._first + row).id
                if self._filing is not None:
                    self._filing.of_sessions(row, sessions)

    def _any_of(self, sessions: Sequence[Session], record: int) -> Owner:
        """The owner of a packet that belongs to all of these sessions."""
        standings = self._dialogs_of(sessions)
        for standing in standings:
            if standing.verdict == WANTED:
                return standing
        undecided = [standing for standing in standings if standing.verdict == UNDECIDED]
        if len(undecided) < 2:
            return undecided[0] if undecided else PASSED_OVER
        now_ns = int(self._batch.route.now_ns[record - self._first])
        owner = self._buffer.new(LOOSE, -1, record, now_ns)
        for standing in undecided:
            self._buffer.tie(owner, standing)
        self._buffer.seal(owner)
        return owner

    def _dialogs_of(self, sessions: Sequence[Session]) -> list[Owner]:
        return [self._buffer.dialog(session.call) for session in sessions if isinstance(session.call, Dialog)]

    # -- verdicts (callbuffer.Packets) -------------------------------------------------------------------------------

    def wanted(self, dialog: Dialog) -> None:
        """See `callbuffer.Packets`: its streams are wanted too, also those that were passed over with it."""
        if self._filing is not None:
            self._filing.wanted(dialog)
        session = dialog.call.session if dialog.call is not None else None
        for tie in tuple(session.ties) if session is not None else ():
            self.owned(tie.slot, tie.owners)

    def decided(self, owner: Owner) -> None:
        """See `callbuffer.Packets`."""
        if owner.verdict == UNWANTED:
            self.held.forsake(owner.id)
            if owner.kind == DIALOG and self._filing is not None:
                self._filing.passed_over(owner.key)
        if owner.kind == LOOSE:
            self._loose.pop(owner.key, None)
        elif owner.kind == STREAM and int(self._slots[owner.key]) == owner.id:
            self._slots[owner.key] = (TAKEN if owner.verdict == WANTED else PASSED_OVER).id


def row_ends(batch: Batch, row: int) -> tuple[Endpoint, Endpoint]:
    """Source and destination of a UDP row."""
    net, transport = batch.net, batch.transport
    src = (int(net.src0[row]), int(net.src1[row]), int(net.src2[row]), int(net.src3[row]), int(transport.sport[row]))
    dst = (int(net.dst0[row]), int(net.dst1[row]), int(net.dst2[row]), int(net.dst3[row]), int(transport.dport[row]))
    return src, dst
