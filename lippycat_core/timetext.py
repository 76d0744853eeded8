"""Times as people and programs read them. The clock is never read here."""

from __future__ import annotations

import time
from functools import lru_cache

NS = 1_000_000_000


def rfc3339(ts_ns: int | None) -> str | None:
    """UTC with nine digits, `2026-11-23T17:05:04.000000001Z`; None stays None, and so does what no calendar holds."""
    if ts_ns is None:
        return None
    second = _second(ts_ns // NS)
    return None if second is None else f"{second}.{ts_ns % NS:09d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str | None:
    try:
        t = time.gmtime(seconds)
    except (OverflowError, OSError, ValueError):
        return None
    if not 1 <= t.tm_year <= 9999:
        return None
    return f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d}T{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
