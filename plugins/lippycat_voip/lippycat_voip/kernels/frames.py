"""Where the messages of all TCP directions of a segment begin and end: `frame` over runs as the core's kernel wrote them.

For directions of which nothing waits. A message over several runs of the segment is put together behind the records. What is
not whole at the end, and all that is out of the common way, is named for the framer, which looks at it run by run.
"""

from __future__ import annotations

from lippycat_core.columns import I32, I64, TCP, U8
from lippycat_core.kernels.copy import copy_bytes
from lippycat_core.kernels.tcp import R_FLOW, R_LEN, R_OFF, R_OWNER, R_ROW, R_WIDTH
from lippycat_voip.columns import SP_LEN, SP_OFF, SP_ROW, SP_SEGMENTS, SP_TRANSPORT, SP_WIDTH, SP_WIRE_LEN
from lippycat_voip.kernels.frame import BEGIN, BODY, FOUND, JUNK, LENGTH, LONGEST_START_LINE, MESSAGE, MIDLINE, NOTHING, frame
from lippycat_voip.kernels.sip import HEADER_LIMIT
from lippycat_voip.kernels.text import CR, LF

# One run's part of a message that is not whole yet: int32 each, by the run's number.
P_BEFORE = 0  # run that the part before it came in, -1 where the message begins here
P_BEGIN = 1  # where in the slab the part begins
P_HELD = 2  # bytes of the message up to the end of this part
P_NEED = 3  # bytes of the whole message, 0 where that is not known yet
P_LINE = 4  # L_ code at its end
P_SEGMENTS = 5
P_WIDTH = 6

L_FIRST = 0  # the first line has not ended
L_INSIDE = 1  # inside a later one
L_BEGIN = 2  # at the begin of a line, or carriage returns behind it

# What `frame_runs` is told and tells: int64 each.
F_ARENA = 0  # where in the slab there is room; moves with what is put there
F_SPANS = 1  # messages found
F_LATER = 2  # runs, or their ends, that the framer must look at
F_JUNK = 3  # bytes passed over
F_OVERSIZED = 4  # bodies not believed
F_OPEN = 5  # unfinished messages, and their bytes, at any time: the most
F_OPEN_BYTES = 6
F_WIDTH = 7

LATER = -1
"""The mark of a direction of which something waits, or that was given to the framer: its runs are left to it."""


def line_state(slab: U8, begin: int, end: int, state: int) -> tuple[int, bool]:
    """The L_ code behind these bytes, and whether an empty line ended in them."""
    empty = False
    for i in range(begin, end):
        byte = slab[i]
        if byte == LF:
            empty = empty or state == L_BEGIN
            state = L_BEGIN
        elif byte != CR and state == L_BEGIN:
            state = L_INSIDE
    return state, empty


def part_length(runs: I32, parts: I32, run: int) -> int:
    """Bytes of a run's part."""
    return int(runs[run * R_WIDTH + R_OFF]) + int(runs[run * R_WIDTH + R_LEN]) - int(parts[run * P_WIDTH + P_BEGIN])


def gather(slab: U8, runs: I32, parts: I32, last: int, to: int) -> int:
    """Put the parts of a message up to the one in run `last` at `to`, and return the run where it begins."""
    at = to + int(parts[last * P_WIDTH + P_HELD])
    run = last
    while True:
        length = part_length(runs, parts, run)
        at -= length
        copy_bytes(slab, at, slab, int(parts[run * P_WIDTH + P_BEGIN]), length)
        before = int(parts[run * P_WIDTH + P_BEFORE]) + 0
        if before < 0:
            return run
        run = before


def leave(parts: I32, last: int, later: I32, count: int) -> int:
    """Name the runs of a message's parts, back from `last`, for the framer; returns how many are named then."""
    run = last
    while run >= 0:
        later[2 * count] = run
        later[2 * count + 1] = parts[run * P_WIDTH + P_BEGIN]
        count += 1
        run = int(parts[run * P_WIDTH + P_BEFORE]) + 0
    return count


def frame_runs(
    slab: U8,
    runs: I32,
    count: int,
    owner: int,
    marks: I32,
    parts: I32,
    state: I64,
    largest_body: int,
    most: int,
    spans: I32,
    keys: I32,
    later: I32,
    out: I64,
) -> None:
    """Find the messages in the runs of `owner`.

    `spans` gets `SP_` fields of each message, in the order in which they are complete, `keys` the number of the run that
    completed it. `later` gets pairs of a run's number and an offset from which on the framer must look at it, in no order.
    `marks` has LATER for directions by flow slot of which all runs are left to the framer, else 0; those that a message was
    left of are LATER afterwards. `most` bytes of an unfinished message fit in a stream buffer. `parts` and `later` have room
    for all runs, `spans` and `keys` for as many messages as will be looked for; the slab is not written beyond its end.
    """
    arena = int(state[F_ARENA]) + 0
    found_spans = 0
    left = 0
    junk = 0
    oversized = 0
    is_open = 0
    open_bytes = 0
    most_open = 0
    most_bytes = 0
    room = min(len(spans) // SP_WIDTH, len(keys))
    for i in range(count):
        row = i * R_WIDTH
        if runs[row + R_OWNER] != owner:
            continue
        slot = int(runs[row + R_FLOW]) + 0
        off = int(runs[row + R_OFF]) + 0
        length = int(runs[row + R_LEN]) + 0
        if slot < 0 or slot >= len(marks) or off < 0 or length < 0 or off + length > len(slab):
            continue
        part = i * P_WIDTH
        parts[part + P_BEFORE] = -1
        parts[part + P_BEGIN] = off
        mark = int(marks[slot]) + 0
        if mark < 0:
            left = leave(parts, i, later, left)
            continue
        at = off
        end = off + length
        segments = 1
        before = mark - 1
        joined = -1  # where the parts up to here were put together
        held = 0
        first = i
        spans_before = found_spans
        junk_before = junk
        oversized_before = oversized
        if before >= 0:
            held = int(parts[before * P_WIDTH + P_HELD]) + 0
            need = int(parts[before * P_WIDTH + P_NEED]) + 0
            line = int(parts[before * P_WIDTH + P_LINE]) + 0
            segments = int(parts[before * P_WIDTH + P_SEGMENTS]) + 1
            parts[part + P_BEFORE] = before
            whole = need > 0 and held + length >= need
            enough = whole
            if need == 0:
                was_first = line == L_FIRST
                line, empty = line_state(slab, off, end, line)
                if was_first:
                    enough = line != L_FIRST or held + length > LONGEST_START_LINE
                else:
                    enough = empty or held + length >= HEADER_LIMIT
            copied = need if whole else held + length
            fits = held + length <= most if not enough else arena + copied <= len(slab) and found_spans < room
            if not fits or not enough:
                if fits:
                    parts[part + P_HELD] = held + length
                    parts[part + P_NEED] = need
                    parts[part + P_LINE] = line
                    parts[part + P_SEGMENTS] = segments
                    marks[slot] = i + 1
                    open_bytes += length
                    most_bytes = max(most_bytes, open_bytes)
                else:
                    marks[slot] = LATER
                    left = leave(parts, i, later, left)
                    is_open -= 1
                    open_bytes -= held
                continue
            is_open -= 1
            open_bytes -= held
            marks[slot] = 0
            first = gather(slab, runs, parts, before, arena)
            copy_bytes(slab, arena + held, slab, off, copied - held)
            if whole:
                span = found_spans * SP_WIDTH
                spans[span + SP_ROW] = runs[row + R_ROW]
                spans[span + SP_TRANSPORT] = TCP
                spans[span + SP_OFF] = arena
                spans[span + SP_LEN] = need
                spans[span + SP_WIRE_LEN] = need
                spans[span + SP_SEGMENTS] = segments
                keys[found_spans] = i
                found_spans += 1
                spans_before = found_spans
                at = off + need - held
                parts[part + P_BEFORE] = -1
                first = i
                segments = 1
            else:
                joined = arena
                at = arena
                end = arena + copied
            arena += copied
        while at < end:
            frame(slab, at, end, out)
            found = int(out[FOUND]) + 0
            begin = int(out[BEGIN]) + 0
            body = int(out[BODY]) + 0
            given = int(out[LENGTH]) + 0
            if found == NOTHING:
                junk += int(out[JUNK])
                break
            if found == MESSAGE and given > largest_body:
                oversized += 1
                junk += int(out[JUNK]) + body - begin
                at = body
                continue
            stop = body + max(given, 0)
            if found == MESSAGE and stop <= end and found_spans < room:
                junk += int(out[JUNK])
                span = found_spans * SP_WIDTH
                spans[span + SP_ROW] = runs[row + R_ROW]
                spans[span + SP_TRANSPORT] = TCP
                spans[span + SP_OFF] = begin
                spans[span + SP_LEN] = stop - begin
                spans[span + SP_WIRE_LEN] = stop - begin
                spans[span + SP_SEGMENTS] = segments
                keys[found_spans] = i
                found_spans += 1
                segments = 1
                at = stop
                continue
            # An unfinished message, or what the framer must see: from `at`, in the run or in what was put together, to the end.
            waits = found != MIDLINE and end - begin <= most and (found != MESSAGE or stop > end)
            if joined >= 0:
                passed = begin - joined
                if waits and found_spans == spans_before and passed < part_length(runs, parts, first):
                    parts[first * P_WIDTH + P_BEGIN] += passed
                elif waits and passed >= held:
                    parts[part + P_BEFORE] = -1
                    parts[part + P_BEGIN] = off + passed - held
                else:
                    found_spans = spans_before
                    junk = junk_before
                    oversized = oversized_before
                    waits = False
            elif waits:
                parts[part + P_BEGIN] = begin
            else:
                parts[part + P_BEGIN] = at
            if waits:
                junk += int(out[JUNK])
                parts[part + P_HELD] = end - begin
                parts[part + P_NEED] = stop - begin if found == MESSAGE else 0
                parts[part + P_SEGMENTS] = segments
                line = L_INSIDE
                if found != MESSAGE:
                    line, _ = line_state(slab, begin, end, L_FIRST)
                parts[part + P_LINE] = line
                marks[slot] = i + 1
                is_open += 1
                open_bytes += end - begin
                most_open = max(most_open, is_open)
                most_bytes = max(most_bytes, open_bytes)
            else:
                marks[slot] = LATER
                left = leave(parts, i, later, left)
            break
    for i in range(count):
        slot = int(runs[i * R_WIDTH + R_FLOW]) + 0
        if 0 <= slot < len(marks) and marks[slot] == i + 1 and runs[i * R_WIDTH + R_OWNER] == owner:
            left = leave(parts, i, later, left)
            marks[slot] = LATER
    state[F_ARENA] = arena
    state[F_SPANS] = found_spans
    state[F_LATER] = left
    state[F_JUNK] = junk
    state[F_OVERSIZED] = oversized
    state[F_OPEN] = most_open
    state[F_OPEN_BYTES] = most_bytes
