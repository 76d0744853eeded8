"""Hits in the order of the contract, from hits in any order. Nothing here knows who found them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lippycat_core.columns import I32, I64
from lippycat_core.interfaces.match import Hits

NO_HITS = np.zeros(0, np.int32)


def in_order(found: I32, *, first_only: bool, sort: bool = True) -> Hits:
    """The hits of `found`, three numbers each (row, pattern, offset), ordered by all three; with `first_only` the first of
    each row. Without `sort` they are in order already."""
    triples = found.reshape(-1, 3)
    if not len(triples):
        return Hits(NO_HITS, NO_HITS, NO_HITS)
    row, pattern, offset = triples[:, 0], triples[:, 1], triples[:, 2]
    if sort and len(triples) > 1:
        row, pattern, offset = _sorted(row, pattern, offset)
    if first_only and len(row) > 1:
        keep = np.concatenate([[True], row[1:] != row[:-1]])
        row, pattern, offset = row[keep], pattern[keep], offset[keep]
    return Hits(np.ascontiguousarray(row), np.ascontiguousarray(pattern), np.ascontiguousarray(offset))


def _sorted(row: I32, pattern: I32, offset: I32) -> tuple[I32, I32, I32]:
    """All three as one number, sorted and taken apart again: much faster than an order of three columns."""
    bits = [int(column.max()).bit_length() for column in (row, pattern, offset)]
    if sum(bits) > 63:
        order = np.lexsort((offset, pattern, row))
        return row[order], pattern[order], offset[order]
    key: I64 = (row.astype(np.int64) << (bits[1] + bits[2])) | (pattern.astype(np.int64) << bits[2]) | offset
    key.sort()
    return (
        (key >> (bits[1] + bits[2])).astype(np.int32),
        ((key >> bits[2]) & ((1 << bits[1]) - 1)).astype(np.int32),
        (key & ((1 << bits[2]) - 1)).astype(np.int32),
    )


def once_a_row(hits: Hits, once: NDArray[np.bool_]) -> Hits:
    """Ordered hits without all but the first of a row and pattern where `once[pattern]`: who looks for rows at the same time
    may find a pattern of one hit a row several times."""
    again = (hits.row[1:] == hits.row[:-1]) & (hits.pattern[1:] == hits.pattern[:-1]) & once[hits.pattern[1:]]
    if not again.any():
        return hits
    keep = np.concatenate([[True], ~again])
    return Hits(hits.row[keep], hits.pattern[keep], hits.offset[keep])
