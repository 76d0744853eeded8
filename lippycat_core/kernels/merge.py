"""Merging the records of several files by time into one batch. Files, refills and ends are the caller's.

A binary heap holds one entry a file: (time of its next record, number of the file), lowest first; equal times go by the
file's number. A file's own records keep their order, whatever their times.
"""

from __future__ import annotations

from lippycat_core.columns import I64, U8, Frame
from lippycat_core.kernels.copy import copy_bytes

# -- where a file's records lie in the pool: int64 -------------------------------------------------------------------
C_NEXT = 0  # pool row of its next record
C_END = 1  # pool row behind its last one
C_BYTES = 2  # begin of its part of the pool's slab; its offsets count from here
C_WIDTH = 3

# -- state: int64 ----------------------------------------------------------------------------------------------------
G_SIZE = 0  # files in the heap
G_POS = 1  # bytes of the batch's slab that are used
G_STOP = 2  # why the merge ended
G_WIDTH = 3

FULL = 0  # rows or bytes are used up
NEED = 1  # the file at the heap's top has no record left in the pool
EMPTY = 2  # no file is left

H_TIME, H_FILE, H_WIDTH = 0, 1, 2


def before(heap: I64, a: int, b: int) -> bool:
    """Whether entry `a` goes before entry `b`."""
    if heap[a * H_WIDTH + H_TIME] != heap[b * H_WIDTH + H_TIME]:
        return int(heap[a * H_WIDTH + H_TIME]) < int(heap[b * H_WIDTH + H_TIME])
    return int(heap[a * H_WIDTH + H_FILE]) < int(heap[b * H_WIDTH + H_FILE])


def settle(heap: I64, size: int, i: int) -> int:
    """Let entry `i` sink to its place below; returns that place."""
    while True:
        least = i
        for child in range(2 * i + 1, min(2 * i + 3, size)):
            if before(heap, child, least):
                least = child
        if least == i:
            return i
        for field in range(H_WIDTH):
            held = int(heap[i * H_WIDTH + field])
            heap[i * H_WIDTH + field] = heap[least * H_WIDTH + field]
            heap[least * H_WIDTH + field] = held
        i = least


def merge(
    pool: U8, source: Frame, cursors: I64, heap: I64, state: I64, slab: U8, frame: Frame, row: int, rows: int, nbytes: int
) -> int:
    """Copy the earliest records of the pool into rows from `row` up to `rows` and the first `nbytes` of `slab`, and return
    the row behind the last one filled. With NEED the file at the top of the heap still has its old time."""
    size = int(state[G_SIZE])
    pos = int(state[G_POS])
    stop = FULL
    while row < rows:
        if size == 0:
            stop = EMPTY
            break
        cursor = int(heap[H_FILE]) * C_WIDTH
        at = int(cursors[cursor + C_NEXT])
        if at >= int(cursors[cursor + C_END]):
            stop = NEED
            break
        caplen = int(source.caplen[at])
        if caplen > nbytes - pos:
            break
        begin = int(cursors[cursor + C_BYTES]) + int(source.off[at])
        copy_bytes(slab, pos, pool, begin, caplen)
        frame.ts_ns[row] = source.ts_ns[at]
        frame.off[row] = pos
        frame.caplen[row] = caplen
        frame.wirelen[row] = source.wirelen[at]
        frame.link[row] = source.link[at]
        pos += caplen
        row += 1
        at += 1
        cursors[cursor + C_NEXT] = at
        if at < int(cursors[cursor + C_END]):
            heap[H_TIME] = source.ts_ns[at]
            settle(heap, size, 0)
    state[G_POS] = pos
    state[G_STOP] = stop
    return row
