"""Packets on their way out: which wait for a decision, which go, and the copy of those that wait behind their batch's end.

A row has one owner (an index into `verdicts`), 0 where it is nobody's. What an owner is, and who decides, is not known here.
"""

from __future__ import annotations

from lippycat_core.columns import DECODED, FILTERED, FRESH, I32, I64, U8, Frame, Route
from lippycat_core.kernels.copy import copy_bytes
from lippycat_voip.stream_columns import C_KIND, C_RECORD, C_SLOT, C_WIDTH, CELL_RTP

UNDECIDED, UNWANTED, WANTED = 0, 1, 2
"""Verdicts of owners."""

WANTED_ID = 2
"""The owner of all that is wanted from the beginning."""

# Marks of rows: statuses of the core, so that the writer of packets can take them as they are
WAITS, OUT, LEFT_OUT = FRESH, DECODED, FILTERED

ROW_COST = 32
"""What a packet that waits takes beside its bytes."""

# -- state: int64 ----------------------------------------------------------------------------------------------------
W_WAITING = 0  # packets that wait, in chunks and in the batch
W_BYTES = 1  # what those of them take that are not unwanted
W_STOP = 2  # why `admit` ended
W_POS = 3  # bytes of the chunk at hand that are used
W_ROWS = 4  # rows of it that are used
W_WIDTH = 5

DONE = 0
LATE = 1  # the row's clock has passed a deadline; it was not looked at
FULL = 2  # with the row before, more bytes wait than may


def spread(cells: I64, at: int, end: int, slots: I32, owners: I32, first_record: int, listing: bool) -> int:
    """Give the rows of counted RTP cells from `at` up to `end` the owner of their stream (`slots`), and return where it ended:
    with `listing`, at the first cell whose packet confirmed a stream (or came after that) which is not wanted yet."""
    while at < end:
        c = at * C_WIDTH
        if cells[c + C_KIND] == CELL_RTP:
            owner = int(slots[cells[c + C_SLOT] >> 1])
            if listing and cells[c + C_SLOT] & 1 and owner != WANTED_ID:
                break
            owners[cells[c + C_RECORD] - first_record] = owner
        at += 1
    return at


def tag_media(cells: I64, at: int, end: int, slots: I32, tags: I32, first_record: int) -> None:
    """Give the rows of counted RTP cells from `at` up to `end` the tag of their stream (`slots`)."""
    while at < end:
        c = at * C_WIDTH
        if cells[c + C_KIND] == CELL_RTP:
            tags[cells[c + C_RECORD] - first_record] = slots[cells[c + C_SLOT] >> 1]
        at += 1


def admit(
    frame: Frame,
    route: Route,
    owners: I32,
    verdicts: I32,
    entries: I64,
    weights: I64,
    marks: I32,
    state: I64,
    row: int,
    end: int,
    deadline_ns: int,
    most_bytes: int,
) -> int:
    """Mark rows from `row` up to `end`: OUT where nothing waits in front, WAITS (one more of its owner's `entries`, so many bytes
    more of its `weights`), LEFT_OUT. Returns the row that it ended at; `state[W_STOP]` says why."""
    stop = DONE
    while row < end:
        if route.now_ns[row] > deadline_ns:
            stop = LATE
            break
        owner = int(owners[row])
        verdict = int(verdicts[owner])
        if verdict == UNWANTED:
            marks[row] = LEFT_OUT
        elif verdict == WANTED and state[W_WAITING] == 0:
            marks[row] = OUT
        else:
            marks[row] = WAITS
            entries[owner] += 1
            state[W_WAITING] += 1
            weights[owner] += int(frame.caplen[row]) + ROW_COST
            state[W_BYTES] += int(frame.caplen[row]) + ROW_COST
            if state[W_BYTES] > most_bytes:
                row += 1
                stop = FULL
                break
        row += 1
    state[W_STOP] = stop
    return row


def settle(
    owners: I32, verdicts: I32, entries: I64, weights: I64, marks: I32, frame: Frame, state: I64, row: int, end: int
) -> int:
    """Mark rows from `row` up to `end` that wait and are decided, and return the first that is not. What an unwanted owner's
    packets weigh was taken off when it was decided."""
    while row < end:
        if marks[row] == WAITS:
            owner = int(owners[row])
            verdict = int(verdicts[owner])
            if verdict == UNDECIDED:
                break
            entries[owner] -= 1
            state[W_WAITING] -= 1
            if verdict == WANTED:
                weights[owner] -= int(frame.caplen[row]) + ROW_COST
                state[W_BYTES] -= int(frame.caplen[row]) + ROW_COST
                marks[row] = OUT
            else:
                marks[row] = LEFT_OUT
        row += 1
    return row


def bury(owners: I32, verdicts: I32, entries: I64, marks: I32, state: I64, row: int, end: int) -> None:
    """Mark rows from `row` up to `end` that wait in vain."""
    for i in range(row, end):
        if marks[i] == WAITS and verdicts[owners[i]] == UNWANTED:
            entries[owners[i]] -= 1
            state[W_WAITING] -= 1
            marks[i] = LEFT_OUT


def store(
    slab: U8,
    frame: Frame,
    owners: I32,
    marks: I32,
    row: int,
    end: int,
    held: U8,
    held_frame: Frame,
    held_owners: I32,
    held_marks: I32,
    state: I64,
) -> int:
    """Copy rows from `row` up to `end` that wait behind what a chunk holds, and return the first that found no room."""
    rows = int(state[W_ROWS])
    pos = int(state[W_POS])
    while row < end:
        if marks[row] == WAITS:
            caplen = int(frame.caplen[row])
            if rows == len(held_owners) or caplen > len(held) - pos:
                break
            copy_bytes(held, pos, slab, int(frame.off[row]), caplen)
            held_frame.ts_ns[rows] = frame.ts_ns[row]
            held_frame.off[rows] = pos
            held_frame.caplen[rows] = caplen
            held_frame.wirelen[rows] = frame.wirelen[row]
            held_frame.link[rows] = frame.link[row]
            held_owners[rows] = owners[row]
            held_marks[rows] = WAITS
            pos += caplen
            rows += 1
        row += 1
    state[W_ROWS] = rows
    state[W_POS] = pos
    return row
