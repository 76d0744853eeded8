"""TCP connections as reassembly keeps them: two directions, and what each was shown or waits for. No behaviour here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lippycat_core.addresses import Endpoint
from lippycat_core.batch import Batch
from lippycat_core.sequence import SequenceSpace

NOWHERE: Endpoint = (0, 0, 0, 0, 0)


@dataclass(slots=True, eq=False)
class Connection:
    """Both directions of a TCP connection. `state[side]` is the owner's to use, `claim` what it answered; `ends[side]` is
    who sends to whom, known once there is an owner."""

    owner: object = None
    claim: object = None
    state: list[Any] = field(default_factory=lambda: [None, None])
    ends: list[tuple[Endpoint, Endpoint]] = field(default_factory=lambda: [(NOWHERE, NOWHERE), (NOWHERE, NOWHERE)])
    transport: str = "tcp"  # what carries the bytes: of a stream inside another its layer's word
    streams: list[Stream | None] = field(default_factory=lambda: [None, None])


@dataclass(slots=True, eq=False)
class Stream:
    """One direction: what waits for its place, and, until a dissector has decided, what it was shown."""

    connection: Connection
    slot: int
    side: int
    order: SequenceSpace | None  # None until the first byte's number is known
    head: bytearray = field(default_factory=bytearray)
    head_segments: int = 0
    head_records: list[int] = field(default_factory=list)
    gap: int = 0  # bytes given up in front of the next run
    since_ns: int = 0  # when the hole at the front was found
    fin: int | None = None  # position behind the last byte

    @property
    def ended(self) -> bool:
        """Whether all bytes up to the FIN have had their turn."""
        return self.fin is not None and self.order is not None and self.order.next >= self.fin


class TcpRows(NamedTuple):
    """What of a batch's TCP rows is read here, as memoryviews: a read gives a plain int whatever kernels are bound."""

    flow: memoryview
    now_ns: memoryview
    flags: memoryview
    seq: memoryview
    ack: memoryview
    off: memoryview
    captured: memoryview
    wire: memoryview

    @classmethod
    def of(cls, batch: Batch) -> TcpRows:
        """The columns of a batch."""
        t, r = batch.transport, batch.route
        columns = (r.flow, r.now_ns, t.tcp_flags, t.seq, t.ack, t.pay_off, t.pay_len, t.pay_wire)
        return cls(*(memoryview(column.data) for column in columns))
