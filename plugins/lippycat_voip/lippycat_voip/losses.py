"""When the capture itself lost packets, so that a stream can say whether that was while it ran. Nothing else lives here."""

from __future__ import annotations

MOST_SPANS = 4096
"""Spans that are remembered; of more, the two oldest become one, which then covers what lies between them too."""

CLOSE_NS = 1_000_000_000
"""Spans so close to each other are one."""


class LossLog:
    """Spans of capture time in which packets were dropped, in the order of time. Until the first `note` nothing is known."""

    def __init__(self) -> None:
        self._known = False
        self._spans: list[tuple[int, int]] = []

    def note(self, since_ns: int, until_ns: int) -> None:
        """Packets were dropped between the two times; (0, 0): none were since it was noted last."""
        self._known = True
        if not until_ns:
            return
        if self._spans and since_ns - self._spans[-1][1] <= CLOSE_NS:
            self._spans[-1] = self._spans[-1][0], max(until_ns, self._spans[-1][1])
            return
        self._spans.append((since_ns, until_ns))
        if len(self._spans) > MOST_SPANS:
            self._spans[:2] = [(self._spans[0][0], self._spans[1][1])]

    def during(self, first_ns: int, last_ns: int) -> str:
        """Whether packets were dropped while a stream ran: `yes`, `no`, or `unknown` where the capture cannot tell (files)."""
        if not self._known:
            return "unknown"
        for since_ns, until_ns in reversed(self._spans):
            if until_ns < first_ns:
                break
            if since_ns <= last_ns:
                return "yes"
        return "no"
