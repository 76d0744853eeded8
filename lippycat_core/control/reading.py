"""Where the numbers come from: a pipeline's own state, read between two of its batches."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

from lippycat_core.control.metrics import LEVELS, BatchTimes, Snapshot, closed
from lippycat_core.interfaces.dissect import KeepsStreams, Observed
from lippycat_core.matching.fallback import FallbackBackend
from lippycat_core.pipeline import Parts, Pipeline
from lippycat_core.writing.figures import Figures


class Limits(NamedTuple):
    """Bounds of tables that do not say them themselves."""

    flows: int
    fragment_bytes: int


class Reading:
    """Reads a pipeline. `batches` are its times, kept by who is told of each batch; `match` is the backend, where one is used,
    `injected` gives the packets for a virtual interface by result, `written` says what was written to files."""

    def __init__(
        self,
        pipeline: Pipeline,
        limits: Limits,
        match: FallbackBackend | None = None,
        injected: Callable[[], Mapping[str, int]] = dict,
        written: Callable[[], Figures] = Figures,
    ) -> None:
        self._pipeline = pipeline
        self._limits = limits
        self._match = match
        self._injected = injected
        self._written = written
        self.batches = BatchTimes()
        self.begun = self.last_packet = time.monotonic()
        self.bound = False  # whether the dissectors have seen a batch, and so can say what they hold

    def outcome(self) -> tuple[int, int, int]:
        """Packets captured, dropped and undecodable so far. Cheap, and near enough in the middle of a batch."""
        accounting = self._pipeline.accounting()
        dropped, undecodable = (_counts(accounting[name]) for name in ("dropped", "undecodable"))
        return cast(int, accounting["captured"]), sum(dropped.values()), sum(undecodable.values())

    def tcp_fill(self) -> float:
        """Share of the TCP memory that is in use, of the part that is fullest: segments that wait, messages that are not whole,
        what TLS and WebSocket hold, and SCTP."""
        kept = self._streams_kept()
        parts = [*_stream_memory(self._pipeline.parts), (kept["held_bytes"], kept["max_bytes"])]
        return max(held / max(1, limit) for held, limit in parts)

    def queue_fill(self) -> float:
        """Share of the queue that is full."""
        return self._pipeline.waiting.fill

    def _streams_kept(self) -> Counter[str]:
        """What dissectors keep of TCP streams, those together that keep some."""
        kept: Counter[str] = Counter()
        for dissector in self._pipeline.parts.dissectors:
            if isinstance(dissector, KeepsStreams):
                kept.update(dissector.tcp_figures())
        return kept

    def match_failures(self) -> int:
        """Failures of match backends so far."""
        return 0 if self._match is None else len(self._match.failures)

    def snapshot(self, alerts: Mapping[str, int]) -> Snapshot:
        """All metrics; the pipeline must be between two batches. `alerts` are the active ones, by level."""
        pipeline, now = self._pipeline, time.monotonic()
        parts, waiting = pipeline.parts, pipeline.waiting
        accounting = pipeline.accounting()
        held = Counter({"flows": len(parts.flows), "tcp_connections": parts.tcp.connections})
        repeated: Counter[str] = Counter()
        for dissector in parts.dissectors if self.bound else ():
            if isinstance(dissector, Observed):
                held.update(dissector.held())
                repeated.update(dissector.repeated())
        kept = self._streams_kept()
        failures = Counter(failure.driver for failure in self._match.failures) if self._match is not None else {}
        labelled: dict[str, Mapping[str, int]] = {
            "lippycat_packets_dropped_total": _counts(accounting["dropped"]),
            "lippycat_packets_undecodable_total": _counts(accounting["undecodable"]),
            "lippycat_evicted_total": pipeline.evicted(),
            "lippycat_repeated_total": repeated,
            "lippycat_vif_packets_total": self._injected(),
            "lippycat_match_batches_total": self._match.batches if self._match is not None else {},
            "lippycat_match_failures_total": failures,
            "lippycat_entries": held,
            "lippycat_stream_buffers": {
                "open": kept["open"],
                "idle": kept["buffers"] - kept["open"],
                "pooled": kept["pooled"],
            },
            "lippycat_alerts": {level: alerts.get(level, 0) for level in LEVELS},
        }
        written = self._written()
        plain: dict[str, int | float] = {
            "lippycat_written_packets_total": written.packets,
            "lippycat_written_bytes_total": written.nbytes,
            "lippycat_written_files_total": written.files,
            "lippycat_write_failures_total": written.failures,
            "lippycat_commands_total": written.commands,
            "lippycat_command_failures_total": written.command_failures,
            "lippycat_packets_total": cast(int, accounting["captured"]),
            "lippycat_packets_delivered_total": cast(int, accounting["delivered"]),
            "lippycat_packets_filtered_total": cast(int, accounting["filtered"]),
            "lippycat_bytes_total": pipeline.wire_bytes,
            "lippycat_flows_limit": self._limits.flows,
            "lippycat_tcp_buffer_bytes": sum(held for held, _ in _stream_memory(parts)),
            "lippycat_tcp_buffer_limit_bytes": sum(limit for _, limit in _stream_memory(parts)),
            "lippycat_stream_buffer_bytes": kept["held_bytes"],
            "lippycat_stream_buffer_limit_bytes": kept["max_bytes"],
            "lippycat_unfinished_messages": kept["unfinished"],
            "lippycat_tcp_batch_messages": kept["batch_size"],
            "lippycat_fragment_buffer_bytes": parts.fragments.bytes_held,
            "lippycat_fragment_buffer_limit_bytes": self._limits.fragment_bytes,
            "lippycat_queue_batches": waiting.batches,
            "lippycat_queue_limit_batches": waiting.limit,
            "lippycat_queue_bytes": waiting.nbytes,
            "lippycat_queue_limit_bytes": waiting.nbytes_limit,
            "lippycat_batch_limit_packets": waiting.rows,
            "lippycat_last_packet_seconds": round(now - self.last_packet, 3),
            "lippycat_resident_memory_bytes": resident_bytes(),
            "lippycat_uptime_seconds": round(now - self.begun, 3),
        }
        numbers = {**plain, **{name: closed(name, counts) for name, counts in labelled.items()}}
        return Snapshot(now, numbers, self.batches.histogram())


def _stream_memory(parts: Parts) -> list[tuple[int, int]]:
    """Bytes held and the most that may be, of reassembly, of layers and of SCTP: each has its part of one limit."""
    memory = [(parts.tcp.held_bytes, parts.tcp.bytes_limit)]
    if parts.layers is not None:
        memory.append((parts.layers.held_bytes, parts.layers.max_bytes))
    if parts.sctp is not None:
        memory.append((parts.sctp.held_bytes, parts.sctp.max_bytes))
    return memory


def _counts(value: object) -> Mapping[str, int]:
    return cast(Mapping[str, int], value)


def resident_bytes() -> int:
    """Memory of this process; where the system does not say it, the most that it ever was."""
    with contextlib.suppress(OSError), open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource  # not on every system

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
