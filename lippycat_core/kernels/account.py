"""Counting what became of each record."""

from __future__ import annotations

from lippycat_core.columns import FILTERED, I64, Frame, Route

# Slots of the totals behind the counts by status (one count a status code, 0 to 31).
STATUSES = 32
T_BYTES = 32  # bytes on the wire of all records
T_FIRST = 33  # lowest capture time, ns
T_LAST = 34  # highest capture time, ns
T_WIDTH = 40


def tally(frame: Frame, route: Route, begin: int, end: int, seen: int, totals: I64) -> None:
    """Add rows `begin` to `end` to `totals`: a count by status, bytes on the wire, first and last capture time.

    `seen` is how many records were counted before; 0 makes the first row the reference of the times.
    """
    for i in range(begin, end):
        status = int(route.status[i])
        totals[status] += 1
        totals[T_BYTES] += int(frame.wirelen[i])
        ts_ns = int(frame.ts_ns[i])
        if seen + i == begin or ts_ns < int(totals[T_FIRST]):
            totals[T_FIRST] = ts_ns
        if seen + i == begin or ts_ns > int(totals[T_LAST]):
            totals[T_LAST] = ts_ns


def keep(route: Route, begin: int, end: int, limit: int) -> int:
    """The row behind the `limit`th one of the range that the capture filter let through, or -1 where there are fewer."""
    kept = 0
    for i in range(begin, end):
        if int(route.status[i]) != FILTERED:
            kept += 1
            if kept == limit:
                return i + 1
    return -1
