"""Finding fragments among a batch's rows, and keeping the packet clock on the way."""

from __future__ import annotations

from lippycat_core.columns import FRAGMENT, I64, Frame, Route


def next_fragment(frame: Frame, route: Route, begin: int, end: int, clock: I64) -> int:
    """The first row from `begin` on whose status is FRAGMENT, or `end`. Raises `clock[0]` to the highest capture time of the
    rows it went over, the found one included."""
    now_ns = int(clock[0]) + 0
    found = end
    for row in range(begin, end):
        ts_ns = int(frame.ts_ns[row]) + 0
        if ts_ns > now_ns:
            now_ns = ts_ns
        if route.status[row] == FRAGMENT:
            found = row
            break
    clock[0] = now_ns
    return found
