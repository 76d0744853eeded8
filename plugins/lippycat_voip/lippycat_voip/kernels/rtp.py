"""The state of RTP streams (RFC 3550): `advance` is the only code that counts packets.

What the counts mean is written in docs/output.md, section Streams. Cells come from `kernels.cells`.
"""

from __future__ import annotations

from lippycat_core.columns import F64, I64
from lippycat_voip.stream_columns import (
    C_HASH,
    C_KEY,
    C_KIND,
    C_LEAD,
    C_NOW_NS,
    C_RECORD,
    C_RTP_TS,
    C_SEQ,
    C_SIZE,
    C_SLOT,
    C_TS_NS,
    C_TYPE,
    C_WIDTH,
    CELL_RTCP,
    CLOSED,
    CONFIRMED,
    EMPTY,
    EVENT,
    EVENT_ROOM,
    H_CELLS,
    H_DIGITS,
    H_EVENTS,
    H_FILL,
    H_FREE,
    H_NEXT,
    H_ROWS,
    H_SLOT,
    IN_USE,
    INDEXED,
    J_LAST,
    J_MAX,
    J_SUM,
    KEY_WORDS,
    MAP_WIDTH,
    MEDIA,
    S_ARRIVED_NS,
    S_BYTES,
    S_CURRENT,
    S_DIGIT,
    S_DUPLICATES,
    S_EXPECTED,
    S_EXPIRE_NS,
    S_FIRST_NS,
    S_FLAGS,
    S_HASH,
    S_HELD,
    S_HELD_AHEAD,
    S_HELD_LEAD,
    S_HELD_NS,
    S_HELD_RTP_TS,
    S_HELD_SIZE,
    S_HELD_TYPE,
    S_HIGHEST,
    S_JITTER,
    S_KEY,
    S_LAST_NS,
    S_LOWEST,
    S_MAP,
    S_MAX_GAP_NS,
    S_MORE_TYPES,
    S_NEXT_FREE,
    S_PACKETS,
    S_PREVIOUS,
    S_RECORD,
    S_REF_NS,
    S_REF_RTP_TS,
    S_REFERENCE,
    S_REORDERED,
    S_RESTARTS,
    S_RUN_LENGTH,
    S_SAMPLES,
    S_STRAY,
    S_TS_JUMPS,
    S_TYPES,
    S_WIDTH,
    S_WINDOW,
    SLOT_LIMIT,
    STOP_DONE,
    STOP_EVENTS,
    STOP_INDEX,
    STOP_NEW,
    STOP_ROWS,
    STOP_RTCP,
    TOMB,
    TYPE_COUNT,
    TYPE_ENTRIES,
    TYPE_NOT_EVENT,
    UNKNOWN,
)

WORD_BITS = 62  # bits used of a window word: the sign bit stays clear in both forms of the kernel
MAX_AHEAD = 3000  # MAX_DROPOUT of RFC 3550, A.1
MAX_BEHIND = 100  # MAX_MISORDER of RFC 3550, A.1
CONFIRMING_RUN = 4  # successive packets that make a heuristic stream
JUMP_SECONDS = 5
NO_PREVIOUS = -10


def advance(cells: I64, state: I64, floats: F64, index: I64, head: I64, maps: I64, until_record: int) -> int:
    """Count the loaded packets of records below `until_record`; the return value is a STOP_ code of `stream_columns`.

    Each call goes on where the last one stopped, so any slicing gives the same numbers. `index` has a power of two places;
    `floats` is the memory of `state` (S_JITTER).
    """
    mask = len(index) - 1
    at = head[H_NEXT]
    cell_count = head[H_CELLS]
    stop = STOP_DONE
    while at < cell_count:
        c = at * C_WIDTH
        if cells[c + C_RECORD] >= until_record:
            break
        if cells[c + C_KIND] == CELL_RTCP:
            head[H_SLOT] = at
            at += 1
            stop = STOP_RTCP
            break
        if head[H_DIGITS] + 2 > EVENT_ROOM:
            stop = STOP_EVENTS
            break

        # -- the stream of this key
        tag = cells[c + C_HASH] * SLOT_LIMIT
        place = cells[c + C_HASH] & mask
        grave = -1
        slot = -1
        while index[place] != EMPTY:
            entry = index[place]
            if entry == TOMB:
                if grave < 0:
                    grave = place
            elif entry - tag >= 0 and entry - tag < SLOT_LIMIT:
                s = (entry - tag) * S_WIDTH
                same = 1
                for k in range(KEY_WORDS):
                    if state[s + S_KEY + k] != cells[c + C_KEY + k]:
                        same = 0
                if same == 1:
                    slot = entry - tag
                    break
            place = (place + 1) & mask
        if slot >= 0:
            s = slot * S_WIDTH
            # A stream that was just made and holds no packet yet takes this one, whatever its owner has set since.
            if state[s + S_HIGHEST] >= 0 and (
                state[s + S_FLAGS] & CLOSED != 0 or (state[s + S_EXPIRE_NS] != 0 and cells[c + C_NOW_NS] > state[s + S_EXPIRE_NS])
            ):
                state[s + S_FLAGS] = (state[s + S_FLAGS] | CLOSED) & ~INDEXED
                index[place] = TOMB
                grave = place
                slot = -1
        if slot < 0:
            if (head[H_FILL] + 1) * 2 > len(index):
                stop = STOP_INDEX
                break
            slot = head[H_FREE]
            if slot >= 0:
                head[H_FREE] = state[slot * S_WIDTH + S_NEXT_FREE]
            else:
                slot = head[H_ROWS]
                if (slot + 1) * S_WIDTH > len(state):
                    stop = STOP_ROWS
                    break
                head[H_ROWS] = slot + 1
            if grave >= 0:
                place = grave
            else:
                head[H_FILL] += 1
            index[place] = tag + slot
            s = slot * S_WIDTH
            for k in range(S_WIDTH):
                state[s + k] = 0
            for k in range(KEY_WORDS):
                state[s + S_KEY + k] = cells[c + C_KEY + k]
            state[s + S_FLAGS] = IN_USE | INDEXED
            state[s + S_HIGHEST] = -1
            state[s + S_HELD] = -1
            state[s + S_PREVIOUS] = NO_PREVIOUS
            state[s + S_FIRST_NS] = cells[c + C_TS_NS]
            state[s + S_LAST_NS] = cells[c + C_TS_NS]
            state[s + S_RECORD] = cells[c + C_RECORD]
            state[s + S_HASH] = cells[c + C_HASH]
            head[H_SLOT] = slot
            stop = STOP_NEW
            break

        # -- this packet, and in front of it the one held back where this one proves a restart (RFC 3550, A.1)
        seq = cells[c + C_SEQ]
        rtp_ts = cells[c + C_RTP_TS]
        payload_type = cells[c + C_TYPE]
        size = cells[c + C_SIZE]
        ns = cells[c + C_TS_NS]
        lead = cells[c + C_LEAD]
        state[s + S_LAST_NS] = max(state[s + S_LAST_NS], ns)
        replayed = 0
        held = state[s + S_HELD]
        if held >= 0:
            state[s + S_HELD] = -1
            if seq == (held + 1) & 0xFFFF:
                state[s + S_EXPECTED] += state[s + S_HIGHEST] - state[s + S_LOWEST] + 1
                state[s + S_RESTARTS] += 1
                state[s + S_HIGHEST] = -1
                state[s + S_PREVIOUS] = NO_PREVIOUS
                state[s + S_REFERENCE] = 0
                state[s + S_DIGIT] = 0
                seq = held
                rtp_ts = state[s + S_HELD_RTP_TS]
                payload_type = state[s + S_HELD_TYPE]
                size = state[s + S_HELD_SIZE]
                ns = state[s + S_HELD_NS]
                lead = state[s + S_HELD_LEAD]
                replayed = 1
            elif state[s + S_HELD_AHEAD] == 1:
                state[s + S_STRAY] += 1
                state[s + S_RUN_LENGTH] = 0
                state[s + S_PREVIOUS] = NO_PREVIOUS
            else:
                state[s + S_DUPLICATES] += 1

        while True:
            fresh = 1
            highest = state[s + S_HIGHEST]
            if highest < 0:
                extended = seq + 0x10000  # room below for packets that overtook the first
                state[s + S_HIGHEST] = extended
                state[s + S_LOWEST] = extended
                state[s + S_WINDOW] = 1
                state[s + S_WINDOW + 1] = 0
            else:
                step = (seq - highest) & 0xFFFF
                if step >= 0x8000:
                    step -= 0x10000
                extended = highest + step
                if step > MAX_AHEAD or step < -MAX_BEHIND:
                    state[s + S_HELD] = seq
                    state[s + S_HELD_RTP_TS] = rtp_ts
                    state[s + S_HELD_TYPE] = payload_type
                    state[s + S_HELD_SIZE] = size
                    state[s + S_HELD_NS] = ns
                    state[s + S_HELD_LEAD] = lead
                    state[s + S_HELD_AHEAD] = 1 if step > 0 else 0
                    fresh = 0
                elif step > 0:
                    low = state[s + S_WINDOW]
                    if step < WORD_BITS:
                        kept = WORD_BITS - step
                        above = (state[s + S_WINDOW + 1] & ((1 << kept) - 1)) << step
                        state[s + S_WINDOW + 1] = above | (low >> kept)
                        state[s + S_WINDOW] = ((low & ((1 << kept) - 1)) << step) | 1
                    else:
                        shift = step - WORD_BITS
                        if shift < WORD_BITS:
                            state[s + S_WINDOW + 1] = (low & ((1 << (WORD_BITS - shift)) - 1)) << shift
                        else:
                            state[s + S_WINDOW + 1] = 0
                        state[s + S_WINDOW] = 1
                    state[s + S_HIGHEST] = extended
                else:
                    word = s + S_WINDOW
                    bit = -step
                    if bit >= WORD_BITS:
                        word += 1
                        bit -= WORD_BITS
                    if (state[word] >> bit) & 1:
                        state[s + S_DUPLICATES] += 1
                        fresh = 0
                    else:
                        state[word] |= 1 << bit
                        state[s + S_REORDERED] += 1
                        state[s + S_LOWEST] = min(state[s + S_LOWEST], extended)
            if fresh == 1:
                gap = ns - state[s + S_ARRIVED_NS]
                if state[s + S_PACKETS] > 0 and gap > state[s + S_MAX_GAP_NS]:
                    state[s + S_MAX_GAP_NS] = gap
                state[s + S_ARRIVED_NS] = ns
                state[s + S_PACKETS] += 1
                state[s + S_BYTES] += size
                consecutive = extended == state[s + S_PREVIOUS] + 1
                state[s + S_PREVIOUS] = extended

                if state[s + S_FLAGS] & CONFIRMED == 0:
                    if 35 <= payload_type <= 95:
                        state[s + S_RUN_LENGTH] = 0
                    elif consecutive:
                        state[s + S_RUN_LENGTH] += 1
                    else:
                        state[s + S_RUN_LENGTH] = 1
                    if state[s + S_RUN_LENGTH] >= CONFIRMING_RUN:
                        state[s + S_FLAGS] |= CONFIRMED

                # the entry of this payload type
                e = s + S_TYPES + 2 * state[s + S_CURRENT]
                if state[e] & 127 != payload_type or state[e] == 0:
                    entry = 0
                    e = s + S_TYPES
                    while entry < TYPE_ENTRIES and state[e] != 0 and state[e] & 127 != payload_type:
                        entry += 1
                        e += 2
                    if entry == TYPE_ENTRIES:
                        e = -1
                        if payload_type < 48:
                            state[s + S_MORE_TYPES] |= 1 << payload_type
                        elif payload_type < 64:
                            state[s + S_MORE_TYPES + 1] |= 1 << (payload_type - 48)
                        else:
                            state[s + S_MORE_TYPES + 1] |= 1 << (payload_type - 80)
                    else:
                        state[s + S_CURRENT] = entry
                        if state[e] == 0:
                            state[e] = payload_type
                if e >= 0:
                    state[e] += TYPE_COUNT

                meaning = maps[state[s + S_MAP] * MAP_WIDTH + payload_type]
                kind = meaning & 3
                clock = meaning >> 2
                if kind == EVENT or (kind == UNKNOWN and payload_type >= 96 and e >= 0):
                    event = 255
                    if lead >= 0:
                        event = lead >> 24
                    if kind == UNKNOWN and (size != 4 or event > 16):
                        if state[e] & TYPE_NOT_EVENT == 0:
                            state[e] += TYPE_NOT_EVENT
                    elif event <= 15 and (kind == EVENT or state[e] & TYPE_NOT_EVENT == 0):
                        digit = rtp_ts * 16 + event + 1
                        if state[s + S_DIGIT] != digit:
                            state[s + S_DIGIT] = digit
                            out = H_EVENTS + 4 * head[H_DIGITS]
                            head[out] = slot
                            head[out + 1] = state[s + S_RESTARTS]
                            head[out + 2] = rtp_ts
                            head[out + 3] = payload_type * 16 + event
                            head[H_DIGITS] += 1

                if kind == MEDIA and clock > 0:
                    reference = payload_type + 1 + clock * 256
                    if state[s + S_REFERENCE] == reference:
                        passed = (rtp_ts - state[s + S_REF_RTP_TS]) & 0xFFFFFFFF
                        if passed >= 0x80000000:
                            passed -= 0x100000000
                        if passed > JUMP_SECONDS * clock or passed < -JUMP_SECONDS * clock:
                            state[s + S_TS_JUMPS] += 1
                        else:
                            # RFC 3550, A.8, in milliseconds so that J outlives a change of clock
                            late = (ns - state[s + S_REF_NS]) / 1e6 - passed * 1000.0 / clock
                            if late < 0.0:
                                late = -late
                            j = floats[s + S_JITTER + J_LAST]
                            j += (late - j) / 16.0
                            floats[s + S_JITTER + J_LAST] = j
                            floats[s + S_JITTER + J_SUM] += j
                            if j > floats[s + S_JITTER + J_MAX]:
                                floats[s + S_JITTER + J_MAX] = j
                            state[s + S_SAMPLES] += 1
                            if consecutive and passed > 0 and e >= 0:
                                # the majority's step survives pairing off unlike ones (Boyer and Moore)
                                votes = state[e + 1]
                                if votes & 0xFFFFFFFF == passed:
                                    state[e + 1] = votes + 0x100000000
                                elif votes < 0x100000000:
                                    state[e + 1] = 0x100000000 + passed
                                else:
                                    state[e + 1] = votes - 0x100000000
                    state[s + S_REFERENCE] = reference
                    state[s + S_REF_RTP_TS] = rtp_ts
                    state[s + S_REF_NS] = ns
                else:
                    state[s + S_REFERENCE] = 0
            if replayed == 0:
                break
            replayed = 0
            seq = cells[c + C_SEQ]
            rtp_ts = cells[c + C_RTP_TS]
            payload_type = cells[c + C_TYPE]
            size = cells[c + C_SIZE]
            ns = cells[c + C_TS_NS]
            lead = cells[c + C_LEAD]
        cells[c + C_SLOT] = slot * 2 + (1 if state[s + S_FLAGS] & CONFIRMED else 0)
        at += 1
    head[H_NEXT] = at
    return stop


def reindex(state: I64, rows: int, index: I64) -> int:
    """Fill the empty `index` with the rows that packets are led to and return how many they are."""
    mask = len(index) - 1
    count = 0
    for slot in range(rows):
        s = slot * S_WIDTH
        if state[s + S_FLAGS] & INDEXED:
            place = state[s + S_HASH] & mask
            while index[place] != EMPTY:
                place = (place + 1) & mask
            index[place] = state[s + S_HASH] * SLOT_LIMIT + slot
            count += 1
    return count
