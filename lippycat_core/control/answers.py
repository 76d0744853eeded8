"""What is answered on each topic, as JSON objects (docs/control.md); how it is shown to people is the command's business."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from lippycat_core.control import protocol
from lippycat_core.control.reading import resident_bytes

if TYPE_CHECKING:
    from lippycat_core.control.monitor import Monitor

TOP = 25
"""Rows of `heap`."""


class Answers:
    """The topics of one run."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._topics: Mapping[str, Callable[[], object]] = {
            "health": partial(self._with_snapshot, health),
            "summary": partial(self._with_snapshot, summary),
            "metrics": partial(self._with_snapshot, metrics),
            "streams": partial(self._with_snapshot, streams),
            "buffers": partial(self._with_snapshot, buffers),
            "alerts": self._alerts,
            "config": self._config,
            "stacks": self._stacks,
            "heap": self._heap,
        }

    def reply(self, line: bytes) -> bytes:
        """One request line, one answer."""
        return protocol.reply(line, os.getpid(), self._topics)

    def _head(self) -> dict[str, object]:
        counts = self._monitor.book.counts()
        return {
            "healthy": not any(counts.values()),
            "status": "degraded" if any(counts.values()) else "healthy",
            "command": self._monitor.watch.command,
            "inputs": list(self._monitor.watch.inputs),
            "alerts_active": counts,
        }

    def _with_snapshot(self, part: Callable[[Mapping[str, Any]], Mapping[str, object]]) -> dict[str, object]:
        snapshot = self._monitor.snapshot()
        age_s = round(time.monotonic() - snapshot.taken, 3)
        return {**self._head(), "age_s": age_s, **part(snapshot.as_json())}

    def _alerts(self) -> dict[str, object]:
        book = self._monitor.book
        return {**self._head(), "alerts": [state.as_json() for state in (*book.active, *book.cleared)]}

    def _config(self) -> dict[str, object]:
        return {**self._head(), "config": list(self._monitor.watch.config())}

    def _stacks(self) -> dict[str, object]:
        frames = sys._current_frames()
        threads = [
            {
                "name": thread.name,
                "ident": thread.ident,
                "native_id": thread.native_id,
                "stack": _stack(frames.get(thread.ident or 0)),
            }
            for thread in threading.enumerate()
        ]
        return {**self._head(), "threads": threads}

    def _heap(self) -> dict[str, object]:
        import tracemalloc  # here and below what only a person asks for: the run loads it when it must

        traced = tracemalloc.is_tracing()
        return {**self._head(), "resident_bytes": resident_bytes(), **(_traced() if traced else _objects())}


def health(m: Mapping[str, Any]) -> dict[str, object]:
    """What says whether the run is well."""
    return {
        "uptime_s": m["lippycat_uptime_seconds"],
        "last_packet_s": m["lippycat_last_packet_seconds"],
        "packets": m["lippycat_packets_total"],
        "drop_pct": percent(sum(m["lippycat_packets_dropped_total"].values()), m["lippycat_packets_total"]),
        "undecodable_pct": percent(sum(m["lippycat_packets_undecodable_total"].values()), m["lippycat_packets_total"]),
        "queue": m["lippycat_queue_batches"],
        "queue_limit": m["lippycat_queue_limit_batches"],
        "tcp_buffer_pct": max(
            percent(m["lippycat_tcp_buffer_bytes"], m["lippycat_tcp_buffer_limit_bytes"]),
            percent(m["lippycat_stream_buffer_bytes"], m["lippycat_stream_buffer_limit_bytes"]),
        ),
        "resident_bytes": m["lippycat_resident_memory_bytes"],
    }


def summary(m: Mapping[str, Any]) -> dict[str, object]:
    """All in short: what became of the packets, what is held, what was given up."""
    return {
        **health(m),
        "accounting": {
            "captured": m["lippycat_packets_total"],
            "delivered": m["lippycat_packets_delivered_total"],
            "filtered": m["lippycat_packets_filtered_total"],
            "dropped": _seen(m["lippycat_packets_dropped_total"]),
            "undecodable": _seen(m["lippycat_packets_undecodable_total"]),
        },
        "bytes": m["lippycat_bytes_total"],
        "entries": m["lippycat_entries"],
        "evicted": _seen(m["lippycat_evicted_total"]),
        "batches": m["lippycat_batch_seconds"]["count"],
        "batch_ms": round(1000 * m["lippycat_batch_seconds"]["sum"] / max(1, m["lippycat_batch_seconds"]["count"]), 3),
        "match_batches": _seen(m["lippycat_match_batches_total"]),
    }


def metrics(m: Mapping[str, Any]) -> dict[str, object]:
    """Every metric of the registry."""
    return {"metrics": m}


def streams(m: Mapping[str, Any]) -> dict[str, object]:
    """What is followed: conversations, connections, calls, streams; and what came twice or was given up."""
    return {
        "entries": m["lippycat_entries"],
        "evicted": _seen(m["lippycat_evicted_total"]),
        "repeated": m["lippycat_repeated_total"],
        "flows_limit": m["lippycat_flows_limit"],
    }


def buffers(m: Mapping[str, Any]) -> dict[str, object]:
    """What is held back: TCP segments, messages that are not whole, fragments, batches; and what was lost before them."""
    return {
        "tcp_bytes": m["lippycat_tcp_buffer_bytes"],
        "tcp_limit_bytes": m["lippycat_tcp_buffer_limit_bytes"],
        "stream_bytes": m["lippycat_stream_buffer_bytes"],
        "stream_limit_bytes": m["lippycat_stream_buffer_limit_bytes"],
        "stream_buffers": m["lippycat_stream_buffers"],
        "unfinished": m["lippycat_unfinished_messages"],
        "tcp_batch": m["lippycat_tcp_batch_messages"],
        "fragment_bytes": m["lippycat_fragment_buffer_bytes"],
        "fragment_limit_bytes": m["lippycat_fragment_buffer_limit_bytes"],
        "queue": m["lippycat_queue_batches"],
        "queue_limit": m["lippycat_queue_limit_batches"],
        "queue_bytes": m["lippycat_queue_bytes"],
        "queue_limit_bytes": m["lippycat_queue_limit_bytes"],
        "batch_limit_packets": m["lippycat_batch_limit_packets"],
        "dropped": _seen(m["lippycat_packets_dropped_total"]),
        "drop_pct": percent(sum(m["lippycat_packets_dropped_total"].values()), m["lippycat_packets_total"]),
    }


def percent(part: float, whole: float) -> float:
    """A share in per cent, 0 of nothing."""
    return round(100 * part / whole, 3) if whole else 0.0


def _seen(counts: Mapping[str, int]) -> dict[str, int]:
    return {label: count for label, count in counts.items() if count}


def _stack(frame: Any) -> list[str]:
    """The stack's lines, outermost first; nothing where the thread has just ended."""
    import traceback

    if frame is None:
        return []
    return [f"{entry.filename}:{entry.lineno} {entry.name}" for entry in traceback.extract_stack(frame, limit=64)]


def _traced() -> dict[str, object]:
    import tracemalloc

    statistics = tracemalloc.take_snapshot().statistics("lineno")[:TOP]
    return {
        "by": "line",
        "rows": [{"what": str(one.traceback), "count": one.count, "bytes": one.size} for one in statistics],
    }


def _objects() -> dict[str, object]:
    kinds = Counter(type(thing).__qualname__ for thing in gc.get_objects())
    return {"by": "type", "rows": [{"what": kind, "count": count, "bytes": None} for kind, count in kinds.most_common(TOP)]}
