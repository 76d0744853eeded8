"""Merging what several rings gave by time, as far as nothing that is still to come can be earlier. Filling is the caller's.

Each lane has records that lie in its part of a pool, in its own order, which stays; where it has none, a time before which none
will come. There are few lanes, so that each row looks at all of them.
"""

from __future__ import annotations

from lippycat_core.columns import I64, U8, Frame
from lippycat_core.kernels.copy import copy_bytes

# -- a lane: int64 ---------------------------------------------------------------------------------------------------
L_NEXT = 0  # pool row of its next record
L_END = 1  # pool row behind its last one
L_BYTES = 2  # begin of its part of the pool's slab; its offsets count from here
L_CLOCK = 3  # none of its records that are still to come is earlier
L_WIDTH = 4

# -- state: int64 ----------------------------------------------------------------------------------------------------
N_POS = 0  # bytes of the batch's slab that are used
N_STOP = 1  # why the merge ended
N_LANE = 2  # with NEED: whose records are used up
N_WIDTH = 3

FULL = 0  # rows or bytes are used up
NEED = 1  # a lane's records were used up; its clock is not to be believed before it was asked for more
WAIT = 2  # what is left is not sure to be the earliest, or nothing is left


def merge_lanes(
    pool: U8, source: Frame, lanes: I64, count: int, state: I64, slab: U8, frame: Frame, row: int, rows: int, nbytes: int
) -> int:
    """Copy the earliest records of the pool into rows from `row` up to `rows` and the first `nbytes` of `slab`, and return the
    row behind the last one filled. At equal times the lower lane goes first."""
    pos = int(state[N_POS])
    stop = FULL
    while row < rows:
        best = -1
        best_ns = 0
        sure_ns = 0
        waits = False
        for lane in range(count):
            cursor = lane * L_WIDTH
            at = int(lanes[cursor + L_NEXT])
            if at < int(lanes[cursor + L_END]):
                ts_ns = int(source.ts_ns[at])
                if best < 0 or ts_ns < best_ns:
                    best = lane
                    best_ns = ts_ns
            else:
                clock_ns = int(lanes[cursor + L_CLOCK])
                if not waits or clock_ns < sure_ns:
                    sure_ns = clock_ns
                waits = True
        if best < 0 or (waits and best_ns >= sure_ns):
            stop = WAIT
            break
        cursor = best * L_WIDTH
        at = int(lanes[cursor + L_NEXT])
        caplen = int(source.caplen[at])
        if caplen > nbytes - pos:
            break
        copy_bytes(slab, pos, pool, int(lanes[cursor + L_BYTES]) + int(source.off[at]), caplen)
        frame.ts_ns[row] = best_ns
        frame.off[row] = pos
        frame.caplen[row] = caplen
        frame.wirelen[row] = source.wirelen[at]
        frame.link[row] = source.link[at]
        pos += caplen
        row += 1
        at += 1
        lanes[cursor + L_NEXT] = at
        if at >= int(lanes[cursor + L_END]):
            state[N_LANE] = best
            stop = NEED
            break
    state[N_POS] = pos
    state[N_STOP] = stop
    return row
