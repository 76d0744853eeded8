"""Counts of SIP messages for the summary."""

from __future__ import annotations


class Tally:
    """Messages by method and by code. With a user filter each dialog has one of its own, added up when it is wanted."""

    __slots__ = ("copies", "late", "malformed", "messages", "requests", "responses", "retransmissions")

    def __init__(self) -> None:
        self.messages = 0
        self.requests: dict[str, int] = {}
        self.responses: dict[int, int] = {}
        self.malformed = 0
        self.retransmissions = 0
        self.copies = 0
        self.late = 0  # of a Call-ID whose record was written before

    def add(self, other: Tally) -> None:
        """Take the counts of `other` too."""
        self.messages += other.messages
        for method, count in other.requests.items():
            self.requests[method] = self.requests.get(method, 0) + count
        for code, count in other.responses.items():
            self.responses[code] = self.responses.get(code, 0) + count
        self.malformed += other.malformed
        self.retransmissions += other.retransmissions
        self.copies += other.copies
        self.late += other.late

    def fields(self) -> dict[str, object]:
        """The summary's `sip` object."""
        return {
            "messages": self.messages,
            "requests": {method: self.requests[method] for method in sorted(self.requests)},
            "responses": {str(code): self.responses[code] for code in sorted(self.responses)},
            "malformed": self.malformed,
            "retransmissions": self.retransmissions,
            "copies": self.copies,
            "late": self.late,
        }
