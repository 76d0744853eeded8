"""Digits from RFC 4733 events: which of the packets' events are digits of their own."""

from __future__ import annotations

DIGITS = "0123456789*#ABCD"  # events 0 to 15 (RFC 4733, 3.2)
SEGMENT = 0xFFFF  # a long event goes on in a segment whose timestamp is so much later (RFC 4733, 2.5.1.3)
REMEMBERED = 64  # events that a late packet is held against
LONGEST = 4096  # digits kept a stream


class DigitLog:
    """The digits of one stream in order of arrival, each with its payload type."""

    __slots__ = ("_digits", "_seen")

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int, int], None] = {}
        self._digits: list[tuple[int, str]] = []

    def add(self, run: int, rtp_ts: int, payload_type: int, event: int) -> None:
        """Take an event 0 to 15 of a packet. One digit per (run, timestamp, event); a segment is no digit of its own."""
        key = (run, rtp_ts, event)
        if key in self._seen:
            return
        before = (run, (rtp_ts - SEGMENT) & 0xFFFFFFFF, event)
        after = (run, (rtp_ts + SEGMENT) & 0xFFFFFFFF, event)
        known = before in self._seen or after in self._seen
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        if not known and len(self._digits) < LONGEST:
            self._digits.append((payload_type, DIGITS[event]))

    def text(self, payload_types: frozenset[int]) -> str | None:
        """The digits sent with one of `payload_types`; None where there are none."""
        return "".join(digit for payload_type, digit in self._digits if payload_type in payload_types) or None
