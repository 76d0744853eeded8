"""The VoIP dissector: marks its rows, collects a segment's messages, and hands them and the media on in the input's order.

What a message means is `dialogs`' business, what a packet of media counts for is `streams`'.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from types import MappingProxyType
from typing import ClassVar, cast

import numpy as np

from lippycat_core.addresses import Endpoint
from lippycat_core.batch import Batch
from lippycat_core.builtin.match import PureProvider
from lippycat_core.columns import I32, I64
from lippycat_core.errors import ContractError
from lippycat_core.events import Event
from lippycat_core.interfaces.dissect import Run, Segment
from lippycat_core.interfaces.match import MatchBackend
from lippycat_core.interfaces.sink import PacketWriter
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_core.runs import RunTable
from lippycat_core.streambuffers import StreamBuffers
from lippycat_voip.batching import BatchSize
from lippycat_voip.boundaries import Boundaries
from lippycat_voip.bulkframer import BulkFramer, Framed
from lippycat_voip.callbuffer import Bounds, CallBuffer, Owner
from lippycat_voip.columns import KINDS, M_WIDTH, SP_ROW, SP_TRANSPORT, SP_WIDTH
from lippycat_voip.dialogs import DialogOptions, DialogTable
from lippycat_voip.filing import Filing
from lippycat_voip.following import Follower, row_ends
from lippycat_voip.framer import LARGEST_BODY, Framer, claim_stream
from lippycat_voip.heldpackets import CallPackets
from lippycat_voip.kernels.cells import gather
from lippycat_voip.kernels.classify import classify
from lippycat_voip.kernels.collect import END_WIDTH, TIME_WIDTH, collect, ends
from lippycat_voip.kernels.frame import frame
from lippycat_voip.kernels.frames import frame_runs
from lippycat_voip.kernels.rtcp import compound, reports
from lippycat_voip.kernels.rtp import advance, reindex
from lippycat_voip.kernels.sdp import describe
from lippycat_voip.kernels.sip import parse
from lippycat_voip.losses import LossLog
from lippycat_voip.media import Media
from lippycat_voip.sdp import Descriptions
from lippycat_voip.selection import Filters, Selection
from lippycat_voip.streams import StreamTable
from lippycat_voip.transports import transport_number

CHUNK = 512
"""Messages that are parsed at once: their table (112 KB) stays in the cache with what is read from it."""

_NO_MASKS = [0] * CHUNK

_ROW, _END, _TIMES = Struct(f"{M_WIDTH}i"), Struct(f"{END_WIDTH}q"), Struct(f"{TIME_WIDTH}q")
"""What a kernel wrote of one message, as tuples: unpacking makes them faster than lists can be cut."""


@dataclass(frozen=True, slots=True)
class VoipOptions:
    """What the user asked for; `docs/output.md` says what each does to the records."""

    messages: bool = False
    call_id: str | None = None
    filters: Filters = field(default_factory=Filters)
    rtp_heuristic: bool = True
    max_calls: int = 100_000
    max_streams: int = 200_000
    match: MatchBackend | None = None  # what compares texts for filters; the core's own where none is given
    buffers: StreamBuffers | None = None  # what messages over TCP wait in
    batch_size: int = CHUNK  # messages over TCP that are looked at together
    tune_batches: bool = False  # let that follow how many there are
    packets: bool = False  # follow the packets of calls, for `VoipDissector.packets`
    filing: Filing | None = None  # gives each call a file of its own; `packets` must be asked for too
    bounds: Bounds = field(default_factory=Bounds)  # of what waits until a filter has decided


class VoipDissector:
    """SIP over UDP, TCP and what TCP carries, SDP, RTP and RTCP: gives `call`, `dialog`, `stream` and `message` events."""

    name: ClassVar[str] = "voip"
    kinds: ClassVar[tuple[str, ...]] = KINDS
    kernels: ClassVar[tuple[Kernel, ...]] = (
        classify,
        collect,
        ends,
        parse,
        describe,
        frame,
        frame_runs,
        gather,
        advance,
        reindex,
        compound,
        reports,
        *Selection.kernels,
    )

    def __init__(self, options: VoipOptions | None = None) -> None:
        options = VoipOptions() if options is None else options
        self._selection: Selection | None = None
        if options.filters.any:
            self._selection = Selection(options.filters, options.match or PureProvider().open(), most_messages=CHUNK)
        self._streams = StreamTable(options.max_streams, self._new_stream, self._evicted_stream, self._rtcp, self._rtcp_announced)
        self._media = Media(self._streams)
        buffer = CallBuffer(options.bounds) if options.packets or options.messages else None
        self._follower: Follower | None = None
        self._filing = options.filing
        if buffer is not None and options.packets:
            self._follower = Follower(buffer, self._streams, self._media, options.filing)
            buffer.packets = self._media.watch = self._follower
        self._losses = LossLog()
        self._dialogs = DialogTable(
            self._streams,
            self._media,
            DialogOptions(
                max_calls=options.max_calls,
                messages=options.messages,
                call_id=options.call_id,
                complete=self._selection.complete if self._selection is not None else 0,
                rtp_heuristic=options.rtp_heuristic,
                buffer=buffer,
                losses=self._losses,
                filing=options.filing,
            ),
        )
        if self._follower is not None:
            self._follower.ask(filtering=self._dialogs.filtering, listing=options.rtp_heuristic)
        self._descriptions = Descriptions()
        self._framer = Framer(buffers=options.buffers)
        self._boundaries = Boundaries()
        self._bulk_framer = BulkFramer(self._framer, LARGEST_BODY, self._frame_run)
        self._batch = BatchSize(options.batch_size, CHUNK, tuned=options.tune_batches)
        self._base = 0
        self._table: I32 = np.zeros(CHUNK * M_WIDTH, np.int32)
        self._who: I64 = np.zeros(CHUNK * 2 * END_WIDTH, np.int64)
        self._when: I64 = np.zeros(CHUNK * TIME_WIDTH, np.int64)
        self._spans: I32 = np.zeros(0, np.int32)
        self._rows: I32 = np.zeros(0, np.int32)

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels."""
        self._kernels = kernels
        self._classify = kernels[classify]
        self._collect = kernels[collect]
        self._find_ends = kernels[ends]
        self._parse = kernels[parse]
        self._table_view = kernels.view(self._table)
        self._who_view = kernels.view(self._who)
        self._when_view = kernels.view(self._when)
        self._resize(0)
        self._streams.bind(kernels)
        self._descriptions.bind(kernels)
        self._framer.bind(kernels)
        self._boundaries.bind(kernels)
        self._bulk_framer.bind(kernels)
        if self._selection is not None:
            self._selection.bind(kernels)
        if self._follower is not None:
            self._follower.bind(kernels)

    def packets(self, writer: PacketWriter | None) -> CallPackets:
        """A sink that writes the packets of what is wanted with `writer`, and those of calls to files of theirs, where there are;
        only where `VoipOptions.packets` asks for them."""
        if self._follower is None:
            raise ContractError("the packets of calls are not followed: make the dissector with VoipOptions(packets=True)")
        return CallPackets(self._follower.held, writer, self._filing)

    def _resize(self, rows: int) -> None:
        self._spans = np.zeros(rows * SP_WIDTH, np.int32)
        self._rows = np.zeros(rows, np.int32)
        self._spans_view = self._kernels.view(self._spans)
        self._rows_view = self._kernels.view(self._rows)

    def _new_stream(self, slot: int) -> None:
        follower = self._follower
        if follower is None:
            self._media.on_new(slot)
        else:
            follower.new_stream(slot)
            self._media.on_new(slot)
            follower.stream_begun(slot)

    def _evicted_stream(self, slot: int) -> None:
        self._dialogs.stream_evicted(slot)

    def _rtcp(self, src: Endpoint, dst: Endpoint) -> None:
        if self._dialogs.filtering:
            self._dialogs.rtcp(src, dst)
        if self._follower is not None:
            self._follower.rtcp(src, dst)

    def _rtcp_announced(self, src: Endpoint, dst: Endpoint) -> bool:
        return bool(self._media.sessions_of_rtcp(src, dst))

    # -- rows -------------------------------------------------------------------------------------------------------------

    def route(self, batch: Batch, begin: int, end: int, base: int) -> None:
        """Mark UDP rows by content."""
        self._base = base
        views = batch.views
        self._classify(views.slab, views.transport, views.net, views.route, begin, end, base)

    def claim_stream(self, head: memoryview) -> bool | None:
        """Whether a TCP stream begins with SIP."""
        return claim_stream(head)

    def rows(self, segment: Segment) -> Iterable[Event]:
        """Follow a segment: media up to each message that changes it, then the message."""
        batch = segment.batch
        if batch.capacity > len(self._rows):
            self._resize(batch.capacity)
        views = batch.views
        count, secured = self._collect(
            views.transport, views.route, segment.begin, segment.end, self._base, self._spans_view, self._rows_view
        )
        for row in self._rows[:secured].tolist():
            self._media.secured(*row_ends(batch, row))
        self._streams.load(segment, self._base)
        follower = self._follower
        if follower is not None:
            follower.load(segment, self._base)
        if segment.runs:
            self._mixed(segment, count)
        elif count:
            self._signalling(segment, self._spans, count, {})
        if follower is not None:
            follower.rest()
        self._streams.advance()
        if follower is not None:
            follower.finish_segment()
        return self._dialogs.take_events()

    def _mixed(self, segment: Segment, count: int) -> None:
        """Messages of datagrams and of streams, in the order of the rows that completed them."""
        carriers: list[Sequence[Owner]] = []  # packets behind each message, where they are followed
        if self._follower is None and isinstance(segment.runs, RunTable):
            framed = self._bulk_framer.frame(segment.batch, segment.runs, self)
        else:
            framed = self._one_by_one(segment, carriers)
        if self._follower is not None:
            self._follower.ordered()
        both = np.concatenate([self._spans[: count * SP_WIDTH], framed.spans]).reshape(-1, SP_WIDTH)
        streams, behind = framed.runs, dict(enumerate(carriers))
        if count:
            order = np.argsort(both[:, SP_ROW], kind="stable")
            places = {which - count: at for at, which in enumerate(order.tolist()) if which >= count}
            streams = {places[which]: run for which, run in streams.items()}
            behind = {places[which]: packets for which, packets in behind.items()}
            both = np.ascontiguousarray(both[order])
        together = self._batch.size if framed.messages else CHUNK
        self._signalling(segment, both.reshape(-1), len(both), streams, behind, together)
        if framed.messages:
            self._batch.note(framed.messages)

    def _frame_run(self, batch: Batch, run: Run, spans: list[int]) -> None:
        """Append the messages of one run, and say what carried them."""
        begin = len(spans)
        (self._boundaries if run.whole else self._framer).feed(batch, run, spans)
        if len(spans) > begin and run.connection.transport != "tcp":
            number = transport_number(run.connection.transport)
            spans[begin + SP_TRANSPORT :: SP_WIDTH] = [number] * ((len(spans) - begin) // SP_WIDTH)

    def _one_by_one(self, segment: Segment, carriers: list[Sequence[Owner]]) -> Framed:
        """Frame run by run, and learn what packets carry each message."""
        framed: list[int] = []
        owners: list[Run] = []
        for run in segment.runs:
            if run.connection.owner is self:
                self._frame_run(segment.batch, run, framed)
                completed = len(framed) // SP_WIDTH - len(owners)
                owners += [run] * completed
                if self._follower is not None:
                    carriers += self._follower.run(run, run.connection.state[run.side], completed)
        return Framed(np.array(framed, np.int32), len(owners), dict(enumerate(owners)))

    def _signalling(
        self,
        segment: Segment,
        spans: I32,
        count: int,
        streams: Mapping[int, Run],
        carriers: Mapping[int, Sequence[Owner]] = MappingProxyType({}),
        together: int = CHUNK,
    ) -> None:
        """Parse messages, so many `together`, and hand each to its dialog; `streams` names the run of those from TCP whose ends
        are not those of their row, `carriers` the packets of those from TCP that are followed."""
        follower, batch = self._follower, segment.batch
        views, mem, record0 = batch.views, batch.mem, batch.first_record
        message = self._dialogs.message
        for first in range(0, count, together):
            some = min(together, count - first)
            chunk = self._kernels.view(spans[first * SP_WIDTH : (first + some) * SP_WIDTH])
            self._parse(views.slab, chunk, some, self._table_view)
            self._find_ends(views.frame, views.net, views.transport, views.route, chunk, some, self._who_view, self._when_view)
            bodies = self._descriptions.read(views.slab, mem, self._table_view, some)
            for m, run in [(m, streams[first + m]) for m in range(some) if first + m in streams] if streams else ():
                src, dst = run.connection.ends[run.side]
                self._who[m * 2 * END_WIDTH : (m + 1) * 2 * END_WIDTH] = (*src, *dst)
            masks = _NO_MASKS[:some]
            if self._selection is not None:
                masks = self._selection.masks(batch.slab, views.slab, self._table, self._table_view, some, self._who, bodies)
            rows = _ROW.iter_unpack(self._table[: some * M_WIDTH].data)
            who = _END.iter_unpack(self._who[: some * 2 * END_WIDTH].data)
            when = _TIMES.iter_unpack(self._when[: some * TIME_WIDTH].data)
            for m, (row, src, dst, (ts_ns, now_ns), mask) in enumerate(zip(rows, who, who, when, masks, strict=True)):
                dialog = message(mem, row, record0 + row[0], ts_ns, now_ns, src, dst, bodies.get(m), mask)
                if segment.hand_over is not None and (events := self._dialogs.take_events()):
                    segment.hand_over(events)
                if follower is None:
                    continue
                if first + m in carriers:
                    follower.streamed(carriers[first + m], dialog)
                elif first + m not in streams:
                    follower.datagram(row[0], dialog)

    def tcp_figures(self) -> Mapping[str, int]:
        """How messages over TCP are kept and handed on now: stream buffers, bytes, messages looked at together."""
        return {**self._framer.buffers.figures(), "unfinished": self._framer.unfinished, "batch_size": self._batch.size}

    def losses(self, since_ns: int, until_ns: int) -> None:
        """See MindsLosses."""
        self._losses.note(since_ns, until_ns)

    # -- time and end -------------------------------------------------------------------------------------------------------

    def tick(self, now_ns: int, record: int) -> Iterable[Event]:
        """Write what is due; forget what was never confirmed."""
        self._framer.tick(now_ns)
        return self._dialogs.tick(now_ns)

    def finish(self, now_ns: int) -> Iterable[Event]:
        """Write all that is left."""
        if self._selection is not None:
            self._selection.close()
        if self._follower is not None:
            self._follower.finish(now_ns)
        return self._dialogs.finish(now_ns)

    def summary(self) -> Mapping[str, object]:
        """The SIP, call and media fields of the summary record."""
        summary = self._dialogs.summary()
        framer = self._framer
        unfinished = framer.dropped + framer.unfinished + self._boundaries.dropped
        streams = {"unfinished": unfinished, "oversized": framer.oversized}
        return {**summary, "sip": {**cast(Mapping[str, object], summary["sip"]), **streams}}

    def evicted(self) -> Mapping[str, int]:
        """What bounded tables gave up."""
        filed = self._filing.evicted if self._filing is not None else 0
        return {**self._dialogs.evicted(), **({"call_files": filed} if filed else {}), **self._framer.buffers.evicted()}

    def held(self) -> Mapping[str, int]:
        """Calls and dialogs that are not written yet, and streams, unconfirmed ones too."""
        return {**self._dialogs.held(), "streams": len(self._streams)}

    def repeated(self) -> Mapping[str, int]:
        """Captured copies and retransmissions of SIP messages, and RTP packets received again."""
        return {**self._dialogs.repeated(), "rtp_duplicate": self._streams.duplicates}

    def wanted(self) -> int | None:
        """Packets of the calls that a user filter keeps; None without one."""
        return self._dialogs.wanted()
