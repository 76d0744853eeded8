"""Figures of match backends: time by size of batch, and who is the fastest at which. No NumPy: `auto` reads them early."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

Curve = Mapping[int, float]
"""ns a span by spans at once."""

SIZES = (64, 256, 1024, 4096, 16_384, 65_536)
"""Spans at once that are measured."""


def near(curve: Curve, rows: int) -> float:
    """ns a span at the measured size next to `rows`."""
    return curve[min(curve, key=lambda size: max(size, rows) / min(size, rows))]


class Stretch(NamedTuple):
    """Batches of `low` to `high` spans, at which `name` is the fastest."""

    name: str
    low: int
    high: int

    def holds(self, rows: int) -> bool:
        """Whether it goes over batches of `rows` spans."""
        return self.low <= rows <= self.high


def stretches(curves: Mapping[str, Curve], sizes: Sequence[int] = SIZES) -> list[Stretch]:
    """Who is the fastest from where to where, where there are several. Ties go to who comes first."""
    found: list[Stretch] = []
    for rows in sizes if len(curves) > 1 else ():
        name = min(curves, key=lambda name: near(curves[name], rows))
        if found and found[-1].name == name:
            found[-1] = found[-1]._replace(high=rows)
        else:
            found.append(Stretch(name, rows, rows))
    return found
