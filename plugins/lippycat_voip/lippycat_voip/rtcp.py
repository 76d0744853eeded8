"""What RTCP says about streams: report counts, loss and jitter as the receiver saw them, round-trip time.

An SR counts for its sender's stream. A report block about an SSRC belongs to the stream of that SSRC between the same two
addresses in the opposite direction. The probe stands somewhere between the ends: `rtt_ms` is the way from the probe to
the receiver and back (RFC 3550, 6.4.1, with the times at which the SR and its answer passed the probe instead of the
sender's clock). Both directions' values added are the round trip between the ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lippycat_core.addresses import Endpoint
from lippycat_voip.stream_columns import (
    R_ABOUT,
    R_DLSR,
    R_FRACTION,
    R_HIGHEST,
    R_JITTER,
    R_KIND,
    R_LOST,
    R_LSR,
    R_NTP,
    SENDER,
)

REMEMBERED_REPORTS = 8  # sender reports that an answer is matched with
SAME_SOURCE = 64  # streams of one SSRC between two addresses among which RTCP looks for its own

StreamKey = tuple[Endpoint, Endpoint, int]
"""Source, destination, SSRC."""


class ReportLog:
    """What the RTCP of both ends said about one stream."""

    __slots__ = ("_sent", "fraction", "highest", "jitter", "lost", "rr", "rtt_ns", "sr")

    def __init__(self) -> None:
        self.sr = 0
        self.rr = 0
        self.lost: int | None = None
        self.highest = 0
        self.fraction = 0
        self.jitter = 0
        self.rtt_ns: int | None = None
        self._sent: dict[int, int] = {}

    def sender_report(self, row: Sequence[int], ts_ns: int) -> None:
        """Take an SR of the stream's sender; `row` is one row of `kernels.rtcp.reports`."""
        self.sr += 1
        self._sent.pop(row[R_NTP], None)
        self._sent[row[R_NTP]] = ts_ns
        if len(self._sent) > REMEMBERED_REPORTS:
            del self._sent[next(iter(self._sent))]

    def block(self, row: Sequence[int], ts_ns: int) -> None:
        """Take a report block about the stream."""
        self.rr += 1
        self.lost = row[R_LOST]
        self.highest = row[R_HIGHEST]
        self.fraction = row[R_FRACTION]
        self.jitter = row[R_JITTER]
        seen_ns = self._sent.get(row[R_LSR]) if row[R_LSR] else None
        if seen_ns is not None:
            trip_ns = ts_ns - seen_ns - row[R_DLSR] * 1_000_000_000 // 65536
            if trip_ns >= 0:
                self.rtt_ns = trip_ns

    def record(self, first_seq: int, clock_rate: int | None) -> dict[str, object]:
        """The stream record's `rtcp`; values are those of the last report.

        `reported_loss_pct` is the cumulative loss over what the receiver expected: its extended highest sequence number
        less `first_seq`, the first that the probe saw, plus 1. Where that cannot be (a receiver that counts from elsewhere)
        it is the report's own fraction lost.
        """
        lost_pct: float | None = None
        if self.lost is not None:
            expected = self.highest - first_seq + 1
            if expected > 0 and self.lost <= expected:
                lost_pct = round(max(0.0, 100.0 * self.lost / expected), 4)
            else:
                lost_pct = round(100.0 * self.fraction / 256, 4)
        known_jitter = self.lost is not None and clock_rate
        return {
            "sr": self.sr,
            "rr": self.rr,
            "reported_lost": self.lost,
            "reported_loss_pct": lost_pct,
            "reported_jitter_ms": round(self.jitter * 1000.0 / clock_rate, 6) if known_jitter and clock_rate else None,
            "rtt_ms": None if self.rtt_ns is None else round(self.rtt_ns / 1e6, 6),
        }


def low_key(src3: int, dst3: int, ssrc: int) -> int:
    """The last words of both addresses and the SSRC: enough to find a stream by, what else differs is compared then."""
    return src3 << 64 | dst3 << 32 | ssrc


class ReportBook:
    """The report logs of all streams, and the way from an RTCP datagram to its streams.

    `key` gives a slot's stream key, `low` a part of it as one number (`low_key`).
    """

    def __init__(self, key: Callable[[int], StreamKey], low: Callable[[int], int]) -> None:
        self._key = key
        self._low = low
        self._logs: dict[int, ReportLog] = {}
        # slots by low key, newest last; a plain number where it is one, as it nearly always is
        self._slots: dict[int, dict[int, None] | int] = {}

    def add(self, slot: int) -> None:
        """A new stream."""
        low = self._low(slot)
        there = self._slots.get(low)
        if there is None:
            self._slots[low] = slot
        elif isinstance(there, int):
            self._slots[low] = {there: None, slot: None}
        else:
            there[slot] = None

    def drop(self, slot: int) -> None:
        """A stream is given up; its row can still be read."""
        low = self._low(slot)
        there = self._slots.get(low)
        if isinstance(there, dict):
            there.pop(slot, None)
            if not there:
                del self._slots[low]
        elif there == slot:
            del self._slots[low]
        self._logs.pop(slot, None)

    def log(self, slot: int) -> ReportLog | None:
        """What RTCP said about a stream, None where nothing."""
        return self._logs.get(slot)

    def find(self, src: Endpoint, dst: Endpoint, ssrc: int) -> int | None:
        """The stream of `ssrc` from `src`'s address to `dst`'s, given the ports that its RTCP uses: first one with the RTP
        ports that belong to those (RFC 3550, 11; RFC 5761), else the newest."""
        there = self._slots.get(low_key(src[3], dst[3], ssrc))
        if there is None:
            return None
        newest: int | None = None
        for slot in (there,) if isinstance(there, int) else reversed(list(there)[-SAME_SOURCE:]):
            a, b, _ = self._key(slot)
            if a[:4] != src[:4] or b[:4] != dst[:4]:
                continue
            if src[4] - a[4] in (0, 1) and dst[4] - b[4] in (0, 1):
                return slot
            if newest is None:
                newest = slot
        return newest

    def take(self, rows: Sequence[Sequence[int]], src: Endpoint, dst: Endpoint, ts_ns: int) -> int | None:
        """Take the report rows of one datagram that `src` sent to `dst`; the first stream that they are about."""
        about: int | None = None
        for row in rows:
            sender = row[R_KIND] == SENDER
            slot = self.find(src, dst, row[R_ABOUT]) if sender else self.find(dst, src, row[R_ABOUT])
            if slot is None:
                continue
            about = slot if about is None else about
            log = self._logs.setdefault(slot, ReportLog())
            if sender:
                log.sender_report(row, ts_ns)
            else:
                log.block(row, ts_ns)
        return about
