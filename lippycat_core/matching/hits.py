"""Hits in the order of the contract, from hits in any order. Nothing here knows who found them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lippycat_core.columns import I64
from lippycat_core.interfaces.match import Hits

NO_HITS = np.zeros(0, np.int32)


def in_order(hits: Hits) -> Hits:
    """The same hits ordered by row, pattern and offset: all three as one number, sorted and taken apart again, which is much
    faster than an order of three columns."""
    row, pattern, offset = hits
    if len(row) < 2:
        return hits
    bits = [int(column.max()).bit_length() for column in hits]
    if sum(bits) > 63:
        order = np.lexsort((offset, pattern, row))
        return Hits(row[order], pattern[order], offset[order])
    key: I64 = row.astype(np.int64)
    key <<= bits[1]
    key |= pattern
    key <<= bits[2]
    key |= offset
    key.sort()
    offset = (key & ((1 << bits[2]) - 1)).astype(np.int32)
    key >>= bits[2]
    pattern = (key & ((1 << bits[1]) - 1)).astype(np.int32)
    key >>= bits[1]
    return Hits(key.astype(np.int32), pattern, offset)


def first_a_row(hits: Hits) -> Hits:
    """Of ordered hits the first of each row."""
    if len(hits.row) < 2:
        return hits
    keep = np.concatenate([[True], hits.row[1:] != hits.row[:-1]])
    return Hits(hits.row[keep], hits.pattern[keep], hits.offset[keep])


def joined(parts: Sequence[Hits]) -> Hits:
    """Hits one behind the other."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Hits(NO_HITS, NO_HITS, NO_HITS)
    return Hits(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def once_a_row(hits: Hits, once: NDArray[np.bool_]) -> Hits:
    """Ordered hits without all but the first of a row and pattern where `once[pattern]`: who looks for rows at the same time
    may find a pattern of one hit a row several times."""
    again = (hits.row[1:] == hits.row[:-1]) & (hits.pattern[1:] == hits.pattern[:-1]) & once[hits.pattern[1:]]
    if not again.any():
        return hits
    keep = np.concatenate([[True], ~again])
    return Hits(hits.row[keep], hits.pattern[keep], hits.offset[keep])
