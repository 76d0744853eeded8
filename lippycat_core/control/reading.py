"""Where the numbers come from: a pipeline's own state, read between two of its batches."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, cast

from lippycat_core.control.metrics import LEVELS, BatchTimes, Snapshot, closed
from lippycat_core.interfaces.dissect import Observed
from lippycat_core.matching.fallback import FallbackBackend
from lippycat_core.pipeline import QUEUE_LIMIT, Parts, Pipeline


class Limits(NamedTuple):
    """Bounds of tables that do not say them themselves."""

    flows: int
    fragment_bytes: int


class Reading:
    """Reads a pipeline. `batches` are its times, kept by who is told of each batch; `match` is the backend, where one is used."""

    def __init__(self, pipeline: Pipeline, limits: Limits, match: FallbackBackend | None = None) -> None:
        self._pipeline = pipeline
        self._limits = limits
        self._match = match
        self.batches = BatchTimes()
        self.begun = self.last_packet = time.monotonic()
        self.bound = False  # whether the dissectors have seen a batch, and so can say what they hold

    def outcome(self) -> tuple[int, int, int]:
        """Packets captured, dropped and undecodable so far. Cheap, and near enough in the middle of a batch."""
        accounting = self._pipeline.accounting()
        dropped, undecodable = (_counts(accounting[name]) for name in ("dropped", "undecodable"))
        return cast(int, accounting["captured"]), sum(dropped.values()), sum(undecodable.values())

    def tcp_fill(self) -> float:
        """Share of the TCP buffers' memory that is in use: of the part that is fullest."""
        return max(held / limit for held, limit in _stream_memory(self._pipeline.parts) if limit)

    def queue_fill(self) -> float:
        """Share of the queue that was full when the worker took its last batch."""
        return self._pipeline.queued / QUEUE_LIMIT

    def match_failures(self) -> int:
        """Failures of match backends so far."""
        return 0 if self._match is None else len(self._match.failures)

    def snapshot(self, alerts: Mapping[str, int]) -> Snapshot:
        """All metrics; the pipeline must be between two batches. `alerts` are the active ones, by level."""
        pipeline, now = self._pipeline, time.monotonic()
        parts = pipeline.parts
        accounting = pipeline.accounting()
        held = Counter({"flows": len(parts.flows), "tcp_connections": parts.tcp.connections})
        repeated: Counter[str] = Counter()
        for dissector in parts.dissectors if self.bound else ():
            if isinstance(dissector, Observed):
                held.update(dissector.held())
                repeated.update(dissector.repeated())
        failures = Counter(failure.driver for failure in self._match.failures) if self._match is not None else {}
        labelled: dict[str, Mapping[str, int]] = {
            "lippycat_packets_dropped_total": _counts(accounting["dropped"]),
            "lippycat_packets_undecodable_total": _counts(accounting["undecodable"]),
            "lippycat_evicted_total": pipeline.evicted(),
            "lippycat_repeated_total": repeated,
            "lippycat_match_batches_total": self._match.batches if self._match is not None else {},
            "lippycat_match_failures_total": failures,
            "lippycat_entries": held,
            "lippycat_alerts": {level: alerts.get(level, 0) for level in LEVELS},
        }
        plain: dict[str, int | float] = {
            "lippycat_packets_total": cast(int, accounting["captured"]),
            "lippycat_packets_delivered_total": cast(int, accounting["delivered"]),
            "lippycat_packets_filtered_total": cast(int, accounting["filtered"]),
            "lippycat_bytes_total": pipeline.wire_bytes,
            "lippycat_flows_limit": self._limits.flows,
            "lippycat_tcp_buffer_bytes": sum(held for held, _ in _stream_memory(parts)),
            "lippycat_tcp_buffer_limit_bytes": sum(limit for _, limit in _stream_memory(parts)),
            "lippycat_fragment_buffer_bytes": parts.fragments.bytes_held,
            "lippycat_fragment_buffer_limit_bytes": self._limits.fragment_bytes,
            "lippycat_queue_batches": pipeline.queued,
            "lippycat_queue_limit_batches": QUEUE_LIMIT,
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
