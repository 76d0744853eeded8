"""Whose a TCP connection is: asks dissectors what they say to a direction's first bytes, and how often.

How many segments a direction may still show lies in the flow's own row: most directions are nobody's, and nothing else is
kept of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lippycat_core.flows import FlowTable
from lippycat_core.kernels import flow as f
from lippycat_core.routing import Claimant, ClaimsConnections, content_first

HEAD_LIMIT = 1024
"""Bytes after which a dissector must know whether a stream is its own; a layer may have a `head_limit` of its own."""

TRIES_FROM_START = 2
"""Segments that are shown of a direction whose beginning was captured: its first, and the one behind a proxy's preface."""

TRIES_MID_STREAM = 16
"""The same of one that the capture begins inside of: one of them may begin a message."""

Ask = Callable[[memoryview, int, int], object]


class StreamClaims:
    """Asks `dissectors`, those that look at content alone first."""

    def __init__(self, flows: FlowTable, dissectors: Sequence[Claimant]) -> None:
        self._flows = flows
        self._asked: list[tuple[Claimant, Ask, int]] = []
        for dissector in content_first(dissectors):
            ask = dissector.claim_connection if isinstance(dissector, ClaimsConnections) else _by_content(dissector)
            self._asked.append((dissector, ask, getattr(dissector, "head_limit", HEAD_LIMIT)))

    def __bool__(self) -> bool:
        """Whether there is anybody to ask."""
        return bool(self._asked)

    def ask(self, slot: int, head: memoryview) -> tuple[Claimant, object] | bool:
        """The dissector that wants the direction that begins with `head`, and what it answered; False where none does;
        True while one whose turn comes first needs more bytes to tell."""
        sport, dport = self._flows.ports(slot)
        for dissector, ask, limit in self._asked:
            answer = ask(head, sport, dport)
            if answer:
                return dissector, answer
            if answer is None and len(head) < limit:
                return True
        return False

    def allow(self, slot: int) -> None:
        """Settle how many segments of a direction are shown, in front of its first."""
        cells, cell = self._flows.cells, slot * f.WIDTH
        if cells[cell + f.TCP_TRIES] == 0:
            cells[cell + f.TCP_TRIES] = TRIES_FROM_START if cells[cell + f.TCP_BASE] >= 0 else TRIES_MID_STREAM

    def in_vain(self, slot: int) -> bool:
        """Count a segment that nobody wanted; True, and the direction is refused, when it was the last to be shown."""
        cells, cell = self._flows.cells, slot * f.WIDTH
        self.allow(slot)
        left = cells[cell + f.TCP_TRIES] - 1
        cells[cell + f.TCP_TRIES] = left
        if left == 0:
            cells[cell + f.TCP_STATE] = f.T_REFUSED
        return left == 0


def _by_content(dissector: Claimant) -> Ask:
    return lambda head, sport, dport: dissector.claim_stream(head)
