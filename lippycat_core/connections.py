"""TCP connections as reassembly keeps them: two directions, and what each was shown or waits for. No behaviour here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lippycat_core.addresses import Endpoint
from lippycat_core.sequence import SequenceSpace

NOWHERE: Endpoint = (0, 0, 0, 0, 0)


@dataclass(slots=True, eq=False)
class Connection:
    """Both directions of a TCP connection. `state[side]` is the owner's to use, `claim` what it answered; `ends[side]` is
    who sends to whom, known once the direction was seen."""

    owner: object = None
    claim: object = None
    state: list[Any] = field(default_factory=lambda: [None, None])
    ends: list[tuple[Endpoint, Endpoint]] = field(default_factory=lambda: [(NOWHERE, NOWHERE), (NOWHERE, NOWHERE)])
    last_ns: int = 0
    streams: list[Stream | None] = field(default_factory=lambda: [None, None])


@dataclass(slots=True, eq=False)
class Stream:
    """One direction: what waits for its place, and, until a dissector has decided, what it was shown."""

    connection: Connection
    slot: int
    side: int
    order: SequenceSpace | None  # None until the first byte's number is known
    tries: int
    head: bytearray = field(default_factory=bytearray)
    head_segments: int = 0
    shown: int = 0
    gap: int = 0  # bytes given up in front of the next run
    since_ns: int = 0  # when the hole at the front was found
    fin: int | None = None  # position behind the last byte

    @property
    def ended(self) -> bool:
        """Whether all bytes up to the FIN have had their turn."""
        return self.fin is not None and self.order is not None and self.order.next >= self.fin
