"""A day of live calls in less than a minute: memory and descriptors stay what they were, and tables within their bounds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("day_of_calls.py")
MIB = 1 << 20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc")


def day(*options: str) -> tuple[list[dict[str, int]], dict[str, int], dict[str, Any]]:
    """What the process held at each hour, its tables at the end, and its summary."""
    done = subprocess.run([sys.executable, SCRIPT, *options], check=True, capture_output=True, text=True, timeout=170)
    *hours, held, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["hour"] for one in hours] == list(range(1, len(hours) + 1))
    assert len(hours) >= 23
    return hours, held["held"], summary


def flat(hours: list[dict[str, int]]) -> None:
    """After four hours nothing more is taken but for Call-IDs that were written, of which 16,384 are remembered: 120 an hour."""
    later = [one["memory"] for one in hours[3:]]
    assert max(later) - later[0] < 1.5 * MIB
    assert len({one["descriptors"] for one in hours}) == 1


def test_calls_that_end_leave_nothing_behind() -> None:
    hours, held, summary = day()
    flat(hours)
    assert (held["calls"], held["streams"]) == (0, 0)
    assert held["tcp_connections"] < 100
    assert summary["calls"] == 2160
    assert summary["evicted"] == {}
    counts = summary["accounting"]
    assert counts["captured"] == counts["delivered"] + sum(counts["undecodable"].values())
    assert counts["undecodable"] == {"fragment_incomplete": 432}


def test_calls_that_never_end_are_given_up_at_the_bounds() -> None:
    hours, held, summary = day("--bounded")
    flat(hours)
    assert held["calls"] <= 300
    assert held["streams"] <= 400
    assert held["flows"] <= 512
    assert summary["evicted"]["calls"] > 1000
