"""The one loop: batches from a source through the stages to the sinks. It gets its parts and knows no host and no plugin.

A reader fills a batch, filters and decodes it (its state is the input's alone); the worker does everything that
remembers. With two threads the reader runs ahead by a few batches (`batchqueue`), and the results of a file are the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from lippycat_core.batch import DEFAULT_BYTES, DEFAULT_ROWS, LARGEST_RECORD, Batch
from lippycat_core.batchqueue import BatchQueue, QueueRules, QueueState
from lippycat_core.columns import FILTERED, OTHER, UNDECODABLE_REASONS
from lippycat_core.errors import PluginError
from lippycat_core.events import Event
from lippycat_core.filters import CaptureFilter
from lippycat_core.flows import FlowTable
from lippycat_core.fragments import FragmentTable
from lippycat_core.interfaces.capture import CaptureSource, Fault, Progress, TellsMore
from lippycat_core.interfaces.compiler import Compiler
from lippycat_core.interfaces.dissect import BulkDissector, MindsLosses, Segment
from lippycat_core.interfaces.sink import Injector, Settles, Sink
from lippycat_core.kernels.account import STATUSES, T_BYTES, T_FIRST, T_LAST, T_WIDTH, keep, tally
from lippycat_core.kernels.decode import decode
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_core.layers import Layers
from lippycat_core.reassembly import TcpReassembly
from lippycat_core.routing import Router
from lippycat_core.runs import RunTable
from lippycat_core.sctp import SctpAssociations
from lippycat_core.timetext import rfc3339

FILL_TIMEOUT_MS = 200

MANY_EVENTS = 1000
"""Events that are kept at most until their batch is done."""


class Hooks(Protocol):
    """What the pipeline calls of the hooks (hookspecs.py), once a run or once a batch."""

    def run_started(self) -> object:
        """The first batch is about to be read."""
        ...

    def events(self, events: Sequence[Event]) -> object:
        """Events of one batch, in order."""
        ...

    def run_ended(self, summary: Mapping[str, object]) -> object:
        """The summary record, when all is done."""
        ...


@dataclass(slots=True)
class Outcome:
    """How a run ended: its summary record, what was wrong with the input, and whether it was asked to stop."""

    summary: dict[str, object]
    faults: Sequence[Fault] = ()
    stopped: bool = False


@dataclass(slots=True)
class Parts:
    """What a pipeline is made of; `flows`, `fragments` and `tcp` are bounded tables with their own limits. The `injector` gets
    its packets from sinks."""

    source: CaptureSource
    dissectors: Sequence[BulkDissector]
    sinks: Sequence[Sink]
    flows: FlowTable
    fragments: FragmentTable
    tcp: TcpReassembly
    capture_filter: CaptureFilter | None = None
    hooks: Hooks | None = None
    layers: Layers | None = None
    sctp: SctpAssociations | None = None
    injector: Injector | None = None


@dataclass(slots=True)
class Pace:
    """How a run goes: threads (1 or 2), batch size, when to stop; `packet_limit` counts packets that the filter kept. With
    `at_once` events that a dissector hands over go to the sinks then, instead of with their batch. `queue` is what holds for
    batches between two threads."""

    threads: int = 1
    batch_bytes: int = DEFAULT_BYTES
    batch_packets: int = DEFAULT_ROWS
    packet_limit: int | None = None
    at_once: bool = False
    queue: QueueRules = field(default_factory=QueueRules)
    stop: Callable[[], bool] = field(default=lambda: False)
    on_progress: Callable[[Progress, int], None] | None = None
    on_batch: Callable[[int, float], None] | None = None  # rows and seconds of a batch that was worked on, `busy` held


@dataclass(slots=True)
class Speed:
    """Which kernels run: `kernels` first; where a `compiler` is given, its own as soon as they are `ready`."""

    kernels: KernelSet
    compiler: Compiler | None = None
    wanted: Sequence[Kernel] = ()
    on_failure: Callable[[str], None] | None = None


class Pipeline:
    """One run over one source; `run` may be called once. Another thread that holds `busy` sees the state between two batches."""

    def __init__(self, parts: Parts, pace: Pace, speed: Speed) -> None:
        self.busy = threading.Lock()
        self._dropped: Mapping[str, int] = {}  # as the source said last, in the thread that reads it
        self._parts = parts
        self._pace = pace
        self._speed = speed
        self._router = Router(parts.dissectors)
        self._totals = np.zeros(T_WIDTH, np.int64)
        self._queue: BatchQueue | None = None
        self._numbered = 0  # records that the worker was given
        self._kept = 0
        self._stopped = False
        self._reader_kernels = speed.kernels
        self._worker_kernels: KernelSet | None = None
        self._events: list[Event] = []
        self._started = 0.0
        self._seconds = 0.0

    # -- the reader: everything whose only state is the input ---------------------------------------------------------

    def _bind_reader(self, kernels: KernelSet) -> None:
        self._reader_kernels = kernels
        self._decode = kernels[decode]
        self._keep = kernels[keep]
        self._parts.source.bind(kernels)
        if self._parts.capture_filter is not None:
            self._parts.capture_filter.bind(kernels)

    def _change_over(self) -> None:
        """Take the compiler's kernels once its cache is complete; a failure leaves the run as it is and is said once."""
        compiler = self._speed.compiler
        if compiler is None or not compiler.ready(self._speed.wanted):
            return
        self._speed.compiler = None
        try:
            kernels = compiler.load(self._speed.wanted)
        except (PluginError, OSError) as error:
            if self._speed.on_failure is not None:
                self._speed.on_failure(str(error))
            return
        self._bind_reader(kernels)

    def _read(self, batch: Batch) -> bool:
        """Fill, filter and decode one batch; False when the input has ended."""
        if self._pace.stop():
            self._stopped = True
            return False
        if self._pace.packet_limit is not None and self._kept >= self._pace.packet_limit:
            return False
        self._change_over()
        batch.clear(1)
        if batch.kernels is not self._reader_kernels:
            batch.bind(self._reader_kernels)
        filled = self._parts.source.fill(batch, FILL_TIMEOUT_MS)
        self._dropped = self._parts.source.dropped()
        if not filled:
            return False
        if self._parts.capture_filter is not None:
            self._parts.capture_filter.apply(batch)
        if self._pace.packet_limit is not None:
            self._cut(batch, self._pace.packet_limit - self._kept)
        views = batch.views
        fragments, segments = self._decode(views.slab, views.frame, views.net, views.transport, views.route, 0, batch.rows)
        batch.may_have_fragments = fragments > 0
        batch.may_have_tcp = segments + fragments > 0
        return True

    def _cut(self, batch: Batch, room: int) -> None:
        """Let the run end with the packet that fills the limit."""
        end = self._keep(batch.views.route, 0, batch.rows, room)
        if end >= 0:
            batch.rows = end
            self._kept += room
        else:
            self._kept += _kept(batch)

    def _new_batch(self, rows: int) -> Batch:
        times = max(1, rows // self._pace.batch_packets)  # a queue may want larger ones than were asked for
        return Batch(self._reader_kernels, times * self._pace.batch_bytes, rows)

    def _batches(self) -> Iterator[Batch]:
        if self._pace.threads == 1:
            batch = self._new_batch(self._pace.batch_packets)
            while self._read(batch):
                yield batch
        else:
            yield from self._batches_ahead()

    def _batches_ahead(self) -> Iterator[Batch]:
        """The same batches, read by a thread of their own."""
        waiting = self._queue = BatchQueue(self._pace.queue, self._new_batch, self._pace.batch_packets)
        reader = threading.Thread(target=self._read_all, args=(waiting,), name="lc-reader", daemon=True)
        reader.start()
        try:
            while (batch := waiting.get()) is not None:
                yield batch
                waiting.give_back(batch)
        finally:
            waiting.close()
            reader.join()

    def _read_all(self, waiting: BatchQueue) -> None:
        """What the reader's thread does."""
        try:
            batch = waiting.blank()
            while not waiting.closed and self._read(batch):
                dropped = waiting.dropped_full
                again = waiting.put(batch)
                if waiting.dropped_full > dropped and self._pace.packet_limit is not None:
                    self._kept -= _kept(batch)  # they are still to come
                batch = again or waiting.blank()
            waiting.end()
        except BaseException as error:  # whatever it is, the worker must hear of it
            waiting.end(error)

    # -- the worker: everything that remembers --------------------------------------------------------------------------

    def _bind_worker(self, kernels: KernelSet) -> None:
        self._worker_kernels = kernels
        self._tally = kernels[tally]
        self._totals_view = kernels.view(self._totals)
        self._parts.flows.bind(kernels)
        self._parts.fragments.bind(kernels)
        self._parts.tcp.bind(kernels)
        for dissector in self._parts.dissectors:
            dissector.bind(kernels)

    def _work(self, batch: Batch) -> None:
        if batch.kernels is not self._worker_kernels:
            self._bind_worker(batch.kernels)
        parts = self._parts
        batch.first_record = self._numbered + 1
        self._numbered += batch.rows
        self._tell_losses(batch.lost)
        if parts.layers is not None:
            parts.layers.begin(batch)
        parts.fragments.join(batch)
        begin = 0
        while begin < batch.rows:
            end = parts.flows.track(batch, begin)
            if end > begin:
                self._router.route(batch, begin, end)
                runs, kept = self._streams(batch, begin, end)
                segment = Segment(batch, begin, end, runs, kept, self._now if self._pace.at_once else None)
                for dissector in parts.dissectors:
                    self._events.extend(dissector.rows(segment))
            if (due := parts.flows.tick_due) is not None:
                self._tick(*due)
            begin = end
        if batch.clock_ns:
            parts.flows.advance(batch.clock_ns, batch.first_record + batch.rows)
            if (due := parts.flows.tick_due) is not None:
                self._tick(*due)
        self._tally(batch.views.frame, batch.views.route, 0, batch.rows, batch.first_record - 1, self._totals_view)
        self._hand_over(batch)

    def _tell_losses(self, lost: tuple[int, int] | None) -> None:
        if lost is None:
            return
        for dissector in self._parts.dissectors:
            if isinstance(dissector, MindsLosses):
                dissector.losses(*lost)

    def _streams(self, batch: Batch, begin: int, end: int) -> tuple[RunTable, list[int]]:
        """The runs of a segment, read through their layers, and the records whose bytes wait."""
        tcp, layers = self._parts.tcp, self._parts.layers
        runs = tcp.segment(batch, begin, end)
        kept = tcp.kept
        if layers is not None:
            runs = layers.segment(batch, begin, runs)
            kept = [*kept, *layers.kept]
        if self._parts.sctp is not None and (others := self._parts.sctp.segment(batch, begin, end)):
            runs.merge(others)
        return runs, kept if self._parts.sctp is None else [*kept, *self._parts.sctp.kept]

    def _work_alone(self, batch: Batch) -> None:
        begun = time.perf_counter()
        with self.busy:
            self._work(batch)
            if self._pace.on_batch is not None:
                self._pace.on_batch(batch.rows, time.perf_counter() - begun)

    def _tick(self, now_ns: int, record: int) -> None:
        if self._parts.layers is not None:
            self._parts.layers.tick()
        self._parts.tcp.tick(now_ns)
        if self._parts.sctp is not None:
            self._parts.sctp.tick(now_ns)
        self._parts.flows.tick(now_ns, record)
        for dissector in self._parts.dissectors:
            self._take(dissector.tick(now_ns, record))

    def _take(self, events: Iterable[Event]) -> None:
        """Events of which there may be very many at once, made as they are taken: handed over before they pile up."""
        for event in events:
            self._events.append(event)
            if len(self._events) >= MANY_EVENTS:
                self._hand_over(None)

    def _now(self, events: Iterable[Event]) -> None:
        """Events that do not wait for their batch's end."""
        self._events.extend(events)
        self._hand_over(None)

    def _hand_over(self, batch: Batch | None) -> None:
        events, self._events = self._events, []
        if events:
            for sink in self._parts.sinks:
                sink.emit(events)
            if self._parts.hooks is not None:
                self._parts.hooks.events(events)
        if batch is not None:
            for sink in self._parts.sinks:
                sink.packets(batch)

    # -- the run ----------------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Read the source to its end, or until `stop()`; events and at last the summary go to the sinks."""
        parts = self._parts
        if parts.hooks is not None:
            parts.hooks.run_started()
        self._started = time.perf_counter()
        self._bind_reader(self._speed.kernels)
        try:
            for batch in self._batches():
                self._work_alone(batch)
                if self._pace.on_progress is not None:
                    self._pace.on_progress(parts.source.progress(), batch.first_record - 1 + batch.rows)
            self._seconds = time.perf_counter() - self._started
            with self.busy:
                self._finish()
            self._inject_the_rest()
            with self.busy:
                summary = self.summary()
                for sink in parts.sinks:
                    sink.emit([Event("summary", parts.flows.now_ns, self._counted(), summary)])
                if parts.hooks is not None:
                    parts.hooks.run_ended(summary)
        finally:
            parts.source.close()
            for sink in parts.sinks:
                sink.close()
        return Outcome(summary, tuple(parts.source.faults()), self._stopped)

    def _finish(self) -> None:
        """The input has ended: what still waits is given up or written."""
        parts = self._parts
        if self._worker_kernels is None:
            self._bind_worker(self._reader_kernels)
        self._dropped = parts.source.dropped()
        if self._queue is not None:
            self._tell_losses(self._queue.owed())
        parts.fragments.finish()
        now_ns = parts.flows.now_ns
        if self._counted():
            self._flush_streams(now_ns)
        for dissector in parts.dissectors:
            self._take(dissector.finish(now_ns))
        self._hand_over(None)

    def _inject_the_rest(self) -> None:
        """So that the summary has what became of it. It may take as long as the capture did, and nobody is `busy` meanwhile."""
        if self._parts.injector is None:
            return
        for sink in self._parts.sinks:
            if isinstance(sink, Settles):
                sink.settle()
        self._parts.injector.end()

    def _flush_streams(self, now_ns: int) -> None:
        """Bytes that waited for a missing segment go out as if they came with the last record."""
        batch = Batch(self._kernels_bound(), LARGEST_RECORD, 1)
        batch.clear(self._counted())
        batch.rows = 1
        batch.frame.ts_ns[0] = batch.route.now_ns[0] = now_ns
        batch.route.status[0] = OTHER
        batch.route.flow[0] = -1
        runs = self._parts.tcp.finish(batch)
        if self._parts.layers is not None:
            runs = self._parts.layers.segment(batch, 0, runs)
        if self._parts.sctp is not None:
            runs.extend(self._parts.sctp.finish(batch))
        if runs:
            for dissector in self._parts.dissectors:
                self._events.extend(dissector.rows(Segment(batch, 0, 1, runs)))

    def _kernels_bound(self) -> KernelSet:
        return self._worker_kernels or self._speed.kernels

    def _counted(self) -> int:
        return int(self._totals[:STATUSES].sum())

    def accounting(self) -> dict[str, object]:
        """Captured = delivered + filtered + dropped + undecodable; each record is in exactly one."""
        counts = self._totals
        captured = self._counted()
        filtered = int(counts[FILTERED])
        undecodable = {name: int(counts[code]) for code, name in UNDECODABLE_REASONS.items() if counts[code]}
        if self._parts.fragments.incomplete:
            undecodable["fragment_incomplete"] = self._parts.fragments.incomplete
        delivered = captured - filtered - sum(undecodable.values())
        wanted = [count for d in self._parts.dissectors if (count := d.wanted()) is not None]
        if wanted:
            filtered += delivered - sum(wanted)
            delivered = sum(wanted)
        dropped = {**self._dropped, **(self._queue.dropped() if self._queue is not None else {})}
        return {
            "captured": captured + sum(dropped.values()),
            "delivered": delivered,
            "filtered": filtered,
            "dropped": dropped,
            "undecodable": undecodable,
        }

    def summary(self) -> dict[str, object]:
        """The summary record without its head, as docs/output.md defines it."""
        counted = self._counted()
        first_ns = int(self._totals[T_FIRST]) if counted else None
        last_ns = int(self._totals[T_LAST]) if counted else None
        summary: dict[str, object] = {
            "first": rfc3339(first_ns),
            "last": rfc3339(last_ns),
            "first_ns": first_ns,
            "last_ns": last_ns,
            "packets": counted,
            "bytes": int(self._totals[T_BYTES]),
        }
        for dissector in self._parts.dissectors:
            summary.update(dissector.summary())
        summary["accounting"] = self.accounting()
        if isinstance(self._parts.source, TellsMore):
            summary["capture"] = dict(self._parts.source.report())
        if self._parts.injector is not None:
            summary["vif"] = dict(self._parts.injector.results())
        summary["evicted"] = self.evicted()
        summary["backend"] = self._kernels_bound().name
        summary["seconds"] = round(self._seconds, 6)
        return summary

    @property
    def parts(self) -> Parts:
        """What the pipeline is made of."""
        return self._parts

    @property
    def waiting(self) -> QueueState:
        """The queue in front of the worker."""
        return QueueState() if self._queue is None else self._queue.state

    @property
    def wire_bytes(self) -> int:
        """Bytes on the wire of all records so far."""
        return int(self._totals[T_BYTES])

    def evicted(self) -> dict[str, int]:
        """What bounded tables gave up so far, by table; those that gave up nothing are left out."""
        tables: list[Mapping[str, int]] = [self._parts.flows.evicted(), self._parts.fragments.evicted, self._parts.tcp.evicted()]
        tables += [] if self._parts.layers is None else [self._parts.layers.evicted()]
        tables += [] if self._parts.sctp is None else [self._parts.sctp.evicted()]
        tables += [dissector.evicted() for dissector in self._parts.dissectors]
        total: dict[str, int] = {}
        for table in tables:
            for name, count in table.items():
                if count:
                    total[name] = total.get(name, 0) + count
        return total


def _kept(batch: Batch) -> int:
    """How many packets the capture filter kept."""
    return int(np.count_nonzero(batch.route.status[: batch.rows] != FILTERED))
