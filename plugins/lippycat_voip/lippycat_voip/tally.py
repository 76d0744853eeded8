"""Counts of SIP messages for the summary."""

from __future__ import annotations

from lippycat_voip.columns import F_MALFORMED, F_TRUNCATED, METHODS


class Tally:
    """Messages by method and by code. With a user filter each dialog has one of its own, added up when it is wanted."""

    __slots__ = (
        "copies",
        "last_record",
        "late",
        "malformed",
        "packets",
        "requests",
        "responses",
        "retransmissions",
        "rtcp_packets",
        "truncated",
    )

    def __init__(self) -> None:
        self.requests: dict[int | str, int] = {}  # by number of the method, or by name where it has none
        self.responses: dict[int, int] = {}
        self.malformed = 0
        self.truncated = 0  # cut by the snap length
        self.retransmissions = 0
        self.copies = 0
        self.late = 0  # of a Call-ID whose record was written before
        self.packets = 0  # captured packets and RTCP datagrams, counted where the user asked for some calls only
        self.rtcp_packets = 0
        self.last_record = 0

    def faults(self, flags: int) -> None:
        """A message with these flags (columns.py, F_*) was cut or is no proper one."""
        if flags & F_MALFORMED:
            self.malformed += 1
        if flags & F_TRUNCATED:
            self.truncated += 1

    def add(self, other: Tally) -> None:
        """Take the counts of `other` too."""
        for method, count in other.requests.items():
            self.requests[method] = self.requests.get(method, 0) + count
        for code, count in other.responses.items():
            self.responses[code] = self.responses.get(code, 0) + count
        self.malformed += other.malformed
        self.truncated += other.truncated
        self.retransmissions += other.retransmissions
        self.copies += other.copies
        self.late += other.late
        self.packets += other.packets
        self.rtcp_packets += other.rtcp_packets

    def fields(self) -> dict[str, object]:
        """The summary's `sip` object."""
        requests = {METHODS[name] if isinstance(name, int) else name: count for name, count in self.requests.items()}
        return {
            "messages": sum(requests.values()) + sum(self.responses.values()),
            "requests": {method: requests[method] for method in sorted(requests)},
            "responses": {str(code): self.responses[code] for code in sorted(self.responses)},
            "malformed": self.malformed,
            "truncated": self.truncated,
            "retransmissions": self.retransmissions,
            "copies": self.copies,
            "late": self.late,
        }
