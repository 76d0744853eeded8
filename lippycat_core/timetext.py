"""Times as people and programs read them. The clock is never read here."""

from __future__ import annotations

import datetime

_EPOCH = datetime.datetime(1970, 1, 1)


def rfc3339(ts_ns: int | None) -> str | None:
    """UTC with nine digits, `2026-11-23T17:05:04.000000001Z`; None stays None, and so does what no calendar holds."""
    if ts_ns is None:
        return None
    seconds, ns = divmod(ts_ns, 1_000_000_000)
    try:
        day = _EPOCH + datetime.timedelta(seconds=seconds)
    except OverflowError:
        return None
    return f"{day:%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"
