"""Which bytes of a slab travel to a device, and where they lie there. Nothing is copied here but by `pack`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lippycat_core.columns import I32, I64, U8

GAP = 1024
"""Bytes between two spans that travel along: copying them costs less than beginning another copy from Python does."""


class Layout(NamedTuple):
    """Runs of the slab, [begin, end), put one behind the other from `place` on; `off` is where each span begins then."""

    begin: I64
    end: I64
    place: I64
    off: I32
    nbytes: int


def layout(off: I32, length: I32) -> Layout:
    """Runs that cover the spans, which may lie in any order and over each other; there is at least one, and no length is
    negative."""
    begin = off.astype(np.int64)
    end = begin + length
    order = None if (begin[1:] >= begin[:-1]).all() else np.argsort(begin, kind="stable")
    if order is not None:
        begin, end = begin[order], end[order]
    end = np.maximum.accumulate(end)
    first = np.ones(len(begin), bool)
    first[1:] = begin[1:] - end[:-1] > GAP
    run_begin = begin[first]
    run_end = end[np.append(np.flatnonzero(first)[1:] - 1, len(end) - 1)]
    place = np.cumsum(run_end - run_begin) - (run_end - run_begin)
    moved = begin + (place - run_begin)[np.cumsum(first) - 1]
    if order is None:
        put = moved.astype(np.int32)
    else:
        put = np.empty(len(moved), np.int32)
        put[order] = moved
    return Layout(run_begin, run_end, place, put, int((run_end - run_begin).sum()))


def pack(slab: U8, wanted: Layout, into: U8) -> None:
    """Copy the runs."""
    for begin, end, place in zip(wanted.begin.tolist(), wanted.end.tolist(), wanted.place.tolist(), strict=True):
        into[place : place + end - begin] = slab[begin:end]
