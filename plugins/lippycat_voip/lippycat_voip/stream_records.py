"""One stream's row as the fields of the stream record that packets alone decide (docs/output.md, Streams)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lippycat_core.addresses import Endpoint, endpoint
from lippycat_core.timetext import rfc3339
from lippycat_voip.codecs import PayloadMap
from lippycat_voip.dtmf import DigitLog
from lippycat_voip.kernels.cells import pair
from lippycat_voip.rtcp import ReportLog
from lippycat_voip.stream_columns import (
    COMFORT_NOISE,
    J_LAST,
    J_MAX,
    J_SUM,
    KEY_WORDS,
    S_BYTES,
    S_DUPLICATES,
    S_EXPECTED,
    S_FIRST_NS,
    S_HELD,
    S_HELD_AHEAD,
    S_HIGHEST,
    S_KEY,
    S_LAST_NS,
    S_LOWEST,
    S_MAX_GAP_NS,
    S_MORE_TYPES,
    S_PACKETS,
    S_RECORD,
    S_REORDERED,
    S_RESTARTS,
    S_SAMPLES,
    S_STRAY,
    S_TS_JUMPS,
    S_TYPES,
    TYPE_COUNT,
    TYPE_ENTRIES,
    TYPE_NOT_EVENT,
    UNKNOWN,
)


def unpair(packed: int) -> tuple[int, int]:
    """The two words that `kernels.cells.pair` put together."""
    return (packed >> 32) + 0x80000000, packed & 0xFFFFFFFF


NO_WORDS = pair(0, 0)
MAPPED = pair(0xFFFF, 0xFFFF)


def ends(words: Sequence[int]) -> tuple[Endpoint, Endpoint, int]:
    """Source, destination and SSRC of the six words of a key (see `stream_columns.S_KEY`)."""
    low_src, low_dst, top_src, top_dst, middle, ssrc = words
    if middle == MAPPED and top_src == top_dst == NO_WORDS:  # IPv4, nearly always
        return (
            (0, 0, 0xFFFF, low_src >> 16, low_src & 0xFFFF),
            (0, 0, 0xFFFF, low_dst >> 16, low_dst & 0xFFFF),
            ssrc,
        )
    src2, dst2 = unpair(middle)
    return (
        (*unpair(top_src), src2, low_src >> 16, low_src & 0xFFFF),
        (*unpair(top_dst), dst2, low_dst >> 16, low_dst & 0xFFFF),
        ssrc,
    )


def expected(row: Sequence[int]) -> int:
    """Packets that the sender sent as far as sequence numbers tell, all runs."""
    run = row[S_HIGHEST] - row[S_LOWEST] + 1 if row[S_HIGHEST] >= 0 else 0
    return row[S_EXPECTED] + run


def duplicates(row: Sequence[int]) -> int:
    """Duplicates, a held packet behind the highest included (nothing came that would prove a restart)."""
    return row[S_DUPLICATES] + (1 if row[S_HELD] >= 0 and row[S_HELD_AHEAD] == 0 else 0)


def stray(row: Sequence[int]) -> int:
    """Packets far ahead that nothing followed, a held one included."""
    return row[S_STRAY] + (1 if row[S_HELD] >= 0 and row[S_HELD_AHEAD] == 1 else 0)


class TypeEntry(NamedTuple):
    """What the row says of one payload type."""

    payload_type: int
    packets: int
    eventful: bool  # all payloads look like RFC 4733 events
    step: int  # timestamp step of most packets, 0 unknown


def type_entries(row: Sequence[int]) -> list[TypeEntry]:
    """The row's payload types in order of appearance."""
    entries = []
    for at in range(S_TYPES, S_TYPES + 2 * TYPE_ENTRIES, 2):
        word = row[at]
        if not word:
            break
        entries.append(TypeEntry(word & 127, word // TYPE_COUNT, not word & TYPE_NOT_EVENT, row[at + 1] & 0xFFFFFFFF))
    return entries


def payload_types(row: Sequence[int], entries: Sequence[TypeEntry]) -> list[int]:
    """All payload types seen, ascending."""
    types = {entry.payload_type for entry in entries}
    low, high = row[S_MORE_TYPES], row[S_MORE_TYPES + 1]
    if low or high:
        types.update(bit for bit in range(48) if low >> bit & 1)
        types.update(bit + (48 if bit < 16 else 80) for bit in range(48) if high >> bit & 1)
    return sorted(types)


def event_types(entries: Sequence[TypeEntry], meanings: PayloadMap) -> frozenset[int]:
    """Payload types that carry RFC 4733 events: by SDP, or dynamic ones whose payloads all look like it."""
    guessed = [
        entry.payload_type
        for entry in entries
        if entry.eventful and entry.payload_type >= 96 and meanings.classes[entry.payload_type] == UNKNOWN
    ]
    return meanings.events.union(guessed) if guessed else meanings.events


def main_type(entries: Sequence[TypeEntry], events: frozenset[int], meanings: PayloadMap) -> TypeEntry | None:
    """The payload type with most packets, events and comfort noise apart, the earliest of equals."""
    best: TypeEntry | None = None
    for entry in entries:
        if entry.payload_type in events or meanings.classes[entry.payload_type] == COMFORT_NOISE:
            continue
        if best is None or entry.packets > best.packets:
            best = entry
    return best


def duration_ms(timestamp_units: int, clock_rate: int) -> int | float:
    """A span of RTP timestamps in milliseconds, whole where it is."""
    if timestamp_units * 1000 % clock_rate == 0:
        return timestamp_units * 1000 // clock_rate
    return round(timestamp_units * 1000 / clock_rate, 3)


def to_nanoseconds(ms: float) -> float:
    """A duration that is not negative, in milliseconds to six places: a quarter of what `round` costs."""
    return int(ms * 1e6 + 0.5) / 1e6


def jitter_fields(row: Sequence[int], jitter: Sequence[float]) -> dict[str, float | None]:
    """`jitter_ms`: J after the last sample, its mean and its maximum over all; None each without a sample."""
    samples = row[S_SAMPLES]
    if not samples:
        return {"last": None, "mean": None, "max": None}
    return {
        "last": to_nanoseconds(jitter[J_LAST]),
        "mean": to_nanoseconds(jitter[J_SUM] / samples),
        "max": to_nanoseconds(jitter[J_MAX]),
    }


def stream_fields(
    row: Sequence[int],
    jitter: Sequence[float],
    meanings: PayloadMap,
    digits: DigitLog | None,
    reports: ReportLog | None,
) -> dict[str, object]:
    """The fields of a stream record that come from its packets, in the order of docs/output.md.

    `row` is the stream's state, `jitter` its three figures, `meanings` the payload map in force last.
    """
    src, dst, ssrc = ends(row[S_KEY : S_KEY + KEY_WORDS])
    entries = type_entries(row)
    events = event_types(entries, meanings)
    main = main_type(entries, events, meanings)
    codec = meanings.codecs.get(main.payload_type) if main is not None else None
    step = main.step if main is not None else 0
    clock_rate = codec.clock_rate if codec is not None and codec.clock_rate > 0 else None
    packets, wanted = row[S_PACKETS], expected(row)
    lost = wanted - packets
    first_seq = row[S_LOWEST] & 0xFFFF
    return {
        "id": row[S_RECORD],
        "ssrc": f"0x{ssrc:08x}",
        "src": endpoint(src),
        "dst": endpoint(dst),
        "transport": "udp",
        "payload_types": payload_types(row, entries),
        "codec": codec.name if codec is not None else None,
        "clock_rate": clock_rate,
        "ptime_ms": duration_ms(step, clock_rate) if step and clock_rate else None,
        "media": codec.media if codec is not None else None,
        "packets": packets,
        "bytes": row[S_BYTES],
        "expected": wanted,
        "lost": lost,
        "loss_pct": (round(100.0 * lost / wanted, 4) if lost else 0.0) if wanted else None,
        "duplicates": duplicates(row),
        "reordered": row[S_REORDERED],
        "restarts": row[S_RESTARTS],
        "stray": stray(row),
        "ts_jumps": row[S_TS_JUMPS],
        "jitter_ms": jitter_fields(row, jitter),
        "max_gap_ms": row[S_MAX_GAP_NS] / 1e6 if packets > 1 else None,
        "first": rfc3339(row[S_FIRST_NS]),
        "last": rfc3339(row[S_LAST_NS]),
        "first_ns": row[S_FIRST_NS],
        "last_ns": row[S_LAST_NS],
        "dtmf": digits.text(events) if digits is not None else None,
        "rtcp": reports.record(first_seq, clock_rate) if reports is not None else None,
    }
