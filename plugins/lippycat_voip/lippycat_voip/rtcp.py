"""What RTCP says about streams: report counts, loss and jitter as the receiver saw them, round-trip time.

An SR counts for its sender's stream. A report block about an SSRC belongs to the stream of that SSRC between the same two
addresses in the opposite direction. The probe stands somewhere between the ends: `rtt_ms` is the way from the probe to
the receiver and back (RFC 3550, 6.4.1, with the times at which the SR and its answer passed the probe instead of the
sender's clock). Both directions' values added are the round trip between the ends.
"""

from __future__ import annotations

from lippycat_voip.stream_columns import R_DLSR, R_FRACTION, R_HIGHEST, R_JITTER, R_LOST, R_LSR, R_NTP

REMEMBERED_REPORTS = 8  # sender reports that an answer is matched with


class ReportLog:
    """What the RTCP of both ends said about one stream."""

    __slots__ = ("_sent", "datagrams", "fraction", "highest", "jitter", "lost", "rr", "rtt_ns", "sr")

    def __init__(self) -> None:
        self.sr = 0
        self.rr = 0
        self.datagrams = 0
        self.lost: int | None = None
        self.highest = 0
        self.fraction = 0
        self.jitter = 0
        self.rtt_ns: int | None = None
        self._sent: dict[int, int] = {}

    def sender_report(self, row: list[int], ts_ns: int) -> None:
        """Take an SR of the stream's sender; `row` is one row of `kernels.rtcp.reports`."""
        self.sr += 1
        self._sent.pop(row[R_NTP], None)
        self._sent[row[R_NTP]] = ts_ns
        if len(self._sent) > REMEMBERED_REPORTS:
            del self._sent[next(iter(self._sent))]

    def block(self, row: list[int], ts_ns: int) -> None:
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
