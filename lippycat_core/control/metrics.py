"""Every metric once: name, kind, unit, help and its closed set of labels; and the snapshot in which numbers travel.

Names follow the convention of Prometheus, so that `lc debug metrics`, an exporter and a dashboard say the same word. Where the
numbers come from is `reading.py`'s business.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from lippycat_core.columns import UNDECODABLE_REASONS

OTHER = "other"
"""The label of what is in no set: a table or a backend that a plugin brought."""

HELD = ("flows", "tcp_connections", "sessions", "calls", "dialogs", "streams", OTHER)
EVICTED = (
    *HELD[:-1],
    "call_files",
    "fragments",
    "layer_bytes",
    "layer_unreadable",
    "sctp_associations",
    "sctp_bytes",
    "sctp_out_of_window",
    "sctp_timeout",
    "tcp_buffer_age",
    "tcp_buffer_bytes",
    "tcp_buffer_full",
    "tcp_buffer_overwritten",
    "tcp_buffers",
    "tcp_bytes",
    "tcp_heads",
    "tcp_out_of_window",
    "tcp_overlap_differs",
    "tcp_stream_pages",
    "tcp_timeout",
    OTHER,
)
DROPS = ("kernel", "interface", "damaged", "queue", "queue_time", OTHER)
REPEATED = ("sip_copy", "sip_retransmission", "rtp_duplicate", OTHER)
BACKENDS = ("pure", "simd", "opencl", "cuda", OTHER)
INJECTED = ("injected", "dropped", "skipped")
LEVELS = ("warning", "critical")
STREAM_BUFFERS = ("open", "idle", "pooled")


class Metric(NamedTuple):
    """One metric; `label` names what its values are told apart by, `values` all that there are."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    help: str
    label: str = ""
    values: tuple[str, ...] = ()


def _counter(name: str, unit: str, text: str, label: str = "", values: tuple[str, ...] = ()) -> Metric:
    return Metric(f"lippycat_{name}_total", "counter", unit, text, label, values)


def _gauge(name: str, unit: str, text: str, label: str = "", values: tuple[str, ...] = ()) -> Metric:
    return Metric(f"lippycat_{name}", "gauge", unit, text, label, values)


METRICS = (
    _counter("packets", "packets", "Captured, those that were dropped included."),
    _counter("packets_delivered", "packets", "Handed to dissectors and sinks."),
    _counter("packets_filtered", "packets", "Left out by a capture filter or a user filter."),
    _counter("packets_dropped", "packets", "Lost before they could be looked at.", "reason", DROPS),
    _counter("packets_undecodable", "packets", "Not understood.", "reason", tuple(UNDECODABLE_REASONS.values())),
    _counter("bytes", "bytes", "On the wire, of all packets that were looked at."),
    _counter("evicted", "entries", "Given up because a table was full or waited for too long.", "table", EVICTED),
    _counter("repeated", "items", "Came more than once.", "what", REPEATED),
    _counter("vif_packets", "packets", "For the virtual interface, by what became of them.", "result", INJECTED),
    _counter("match_batches", "batches", "Matched, by match backend.", "backend", BACKENDS),
    _counter("match_failures", "failures", "Failures of match backends.", "backend", BACKENDS),
    _counter("written_packets", "packets", "Written to files; one that is in several counts for each."),
    _counter("written_bytes", "bytes", "Written to files, packed and encrypted as they are there."),
    _counter("written_files", "files", "Begun."),
    _counter("write_failures", "files", "Ended because they could not be written."),
    _counter("commands", "commands", "Run for files and calls that were finished."),
    _counter("command_failures", "commands", "Failed, took too long, or were not run for want of room."),
    _gauge("entries", "entries", "In the tables now.", "table", HELD),
    _gauge("flows_limit", "entries", "Directions of conversations that the flow table may hold."),
    _gauge("tcp_buffer_bytes", "bytes", "Held of TCP segments that wait for a missing one, and by TLS, WebSocket and SCTP."),
    _gauge("tcp_buffer_limit_bytes", "bytes", "The most that they may be."),
    _gauge("stream_buffers", "buffers", "Of TCP streams: with bytes of a message, without, for reuse.", "state", STREAM_BUFFERS),
    _gauge("stream_buffer_bytes", "bytes", "Held of messages over TCP that are not whole."),
    _gauge("stream_buffer_limit_bytes", "bytes", "The most that they may be."),
    _gauge("unfinished_messages", "messages", "Over TCP, of which more must come."),
    _gauge("tcp_batch_messages", "messages", "Over TCP, that are looked at together now."),
    _gauge("fragment_buffer_bytes", "bytes", "Held of IP fragments."),
    _gauge("fragment_buffer_limit_bytes", "bytes", "The most that they may be."),
    _gauge("queue_batches", "batches", "Read and waiting for the worker (with two threads)."),
    _gauge("queue_limit_batches", "batches", "The most that can wait."),
    _gauge("queue_bytes", "bytes", "Memory of those that wait."),
    _gauge("queue_limit_bytes", "bytes", "The most that it may be; 0 where the number of batches is the only bound."),
    _gauge("batch_limit_packets", "packets", "Room in the batch that is read next; 0 with one thread."),
    Metric("lippycat_batch_seconds", "histogram", "seconds", "From a batch that was read to its results written."),
    _gauge("last_packet_seconds", "seconds", "Since the last batch with packets."),
    _gauge("alerts", "alerts", "Active now.", "level", LEVELS),
    _gauge("resident_memory_bytes", "bytes", "Memory of the process."),
    _gauge("uptime_seconds", "seconds", "Since the run began."),
)

BY_NAME = {metric.name: metric for metric in METRICS}

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper ends of the histogram's buckets, seconds; one more takes the rest."""

Numbers: TypeAlias = int | float | Mapping[str, int]
"""A number, or one by label."""


class Histogram(NamedTuple):
    """How many fell into each bucket of `BUCKETS_S`, and one for the rest; and their sum."""

    counts: tuple[int, ...] = (0,) * (len(BUCKETS_S) + 1)
    total: float = 0.0

    def as_json(self) -> dict[str, object]:
        """Counts up to each bucket's end, as Prometheus has them."""
        upto, ends = 0, {}
        for end, count in zip((*map(str, BUCKETS_S), "+Inf"), self.counts, strict=True):
            upto += count
            ends[end] = upto
        return {"count": upto, "sum": round(self.total, 6), "buckets": ends}


class BatchTimes:
    """Takes the seconds of each batch."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS_S) + 1)
        self._total = 0.0

    def add(self, seconds: float) -> None:
        """One batch more."""
        self._counts[bisect_left(BUCKETS_S, seconds)] += 1
        self._total += seconds

    def histogram(self) -> Histogram:
        """What it is now."""
        return Histogram(tuple(self._counts), self._total)


class Snapshot(NamedTuple):
    """All metrics but the histogram by name, as they were at one moment (`taken`, monotonic seconds)."""

    taken: float
    numbers: Mapping[str, Numbers]
    batch_seconds: Histogram

    def as_json(self) -> dict[str, object]:
        """Every metric by name: a number, an object by label, or the histogram."""
        return {
            metric.name: self.batch_seconds.as_json() if metric.kind == "histogram" else self.numbers[metric.name]
            for metric in METRICS
        }


def closed(name: str, counts: Mapping[str, int]) -> dict[str, int]:
    """Counts by the labels of the metric `name`, each of them there; what is called otherwise is `other`."""
    values = dict.fromkeys(BY_NAME[name].values, 0)
    for label, count in counts.items():
        values[label if label in values else OTHER] = values.get(label if label in values else OTHER, 0) + count
    return values
