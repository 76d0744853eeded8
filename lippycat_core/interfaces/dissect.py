"""`lippycat.dissect`: who understands what packets carry.

Two shapes. A `Dissector` is the simple one: it claims ports or first bytes as data and gets one `Session` a flow, fed
with bytes: no socket, clock, thread or log. A `BulkDissector` is the fast one: it marks rows of a batch as its own with a
kernel and gets whole segments of a batch at once. An entry point names a class of either shape, called without arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from lippycat_core.addresses import Endpoint
from lippycat_core.batch import Batch
from lippycat_core.events import Event
from lippycat_core.kernelset import Kernel, KernelSet


@dataclass(frozen=True, slots=True)
class Claim:
    """What a dissector wants: packets of `transport` with one of `ports` at either end (none: any port) whose payload, or
    stream, begins with one of `prefixes` (none: anything)."""

    transport: Literal["udp", "tcp"]
    ports: tuple[int, ...] = ()
    prefixes: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class FlowInfo:
    """One flow's ends, as the first packet had them: `src` sent it. Addresses are text as in RFC 5952."""

    transport: Literal["udp", "tcp"]
    src: str
    sport: int
    dst: str
    dport: int


class Session(Protocol):
    """One flow's conversation. Side 0 is the flow's `src`, side 1 its `dst`."""

    def feed(self, side: int, data: bytes, ts_ns: int) -> Iterable[Event | tuple[str, Mapping[str, object]]]:
        """Take a datagram, or the next bytes of a stream in order, and give what it shows: events, or (name, fields)
        pairs where the time and record number of the packet at hand are right."""
        ...


@runtime_checkable
class Dissector(Protocol):
    """The simple shape. A session may also have `gap(side, missing)` and `close(ts_ns)`, both giving events too."""

    name: ClassVar[str]
    claims: ClassVar[tuple[Claim, ...]]

    def open(self, flow: FlowInfo) -> Session:
        """Begin a session for a flow that a claim matched."""
        ...


class Connection(Protocol):
    """A TCP connection, one inside it, or an SCTP association as its owner sees it, the same object for both directions."""

    owner: object  # the dissector that claimed it
    state: list[Any]  # the owner's to use, by side
    ends: list[tuple[Endpoint, Endpoint]]  # by side: who sends, and to whom
    transport: str  # tcp, sctp, or what a layer calls itself: tls, ws, wss


@dataclass(slots=True)
class Run:
    """Bytes of one direction of a claimed TCP connection, next in order: a span of the batch's slab."""

    row: int  # row that made them available
    flow: int  # flow slot of that direction; -1 of an SCTP association, which has none
    connection: Connection
    side: int
    off: int
    length: int
    segments: int  # captured segments whose bytes these are
    gap: int = 0  # bytes missing in front of this run, given up on; a run may have a gap and no bytes
    last: bool = False  # the connection is over: nothing of it follows
    records: Sequence[int] = ()  # numbers of the records that these bytes came in, some perhaps in batches before
    whole: bool = False  # these bytes are one whole message by what carried them (RFC 7118, 4168)


@runtime_checkable
class MindsLosses(Protocol):
    """A dissector that wants to know whether the capture itself lost packets."""

    def losses(self, since_ns: int, until_ns: int) -> None:
        """A live capture dropped packets between these two capture times; (0, 0): none since it was asked last. Called with
        each batch; never called where nobody can know (files)."""
        ...


@dataclass(slots=True)
class Segment:
    """Rows `begin` to `end` (exclusive) of a batch, decoded, tracked and routed, and the TCP runs that they completed.

    `kept` has the numbers of those of its records whose TCP bytes wait: for a missing segment, until somebody can tell
    whose the connection is, or, of a layer's handshake, for the first bytes inside. They are in the `records` of a
    later run, or, where nobody wants the connection, in none.
    """

    batch: Batch
    begin: int
    end: int
    runs: Sequence[Run]
    kept: Sequence[int] = ()
    hand_over: Callable[[Iterable[Event]], None] | None = None  # where set: takes events at once, instead of at the end


@runtime_checkable
class Observed(Protocol):
    """What a dissector may say of itself while it runs (docs/control.md); asked between two batches at most once a second."""

    def held(self) -> Mapping[str, int]:
        """Entries in its tables now, by table; the names are those of `evicted`."""
        ...

    def repeated(self) -> Mapping[str, int]:
        """What came more than once so far, by what it was."""
        ...


@runtime_checkable
class KeepsStreams(Protocol):
    """A dissector that keeps bytes of TCP streams until a message is whole, and says how much; asked like `Observed`."""

    def tcp_figures(self) -> Mapping[str, int]:
        """How things stand: `buffers` in use, of them `open` ones with bytes, `pooled` ones for reuse, `held_bytes` of
        `max_bytes`, `unfinished` messages, `batch_size` messages looked at together."""
        ...


@runtime_checkable
class BulkDissector(Protocol):
    """The fast shape. All its methods are called in the order of the input, never for one packet alone."""

    @property
    def name(self) -> str:
        """What it is called; its entry point's name."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it tells apart; kind k of these is `base + k` in the route column."""
        ...

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """Everything `bind` will ask for, so that a compiler can be ahead."""
        ...

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels; called before the first batch and again when a compiler has finished."""
        ...

    def route(self, batch: Batch, begin: int, end: int, base: int) -> None:
        """Write `base + k` into the kind of each UDP row in the range that is ours and is still 0."""
        ...

    def claim_stream(self, head: memoryview) -> bool | None:
        """Whether a TCP stream that begins so is ours; None while `head` is too short to tell."""
        ...

    def rows(self, segment: Segment) -> Iterable[Event]:
        """Look at a segment and give what it completed."""
        ...

    def tick(self, now_ns: int, record: int) -> Iterable[Event]:
        """Packet time has reached `now_ns` before record number `record`: time-outs, evictions, what is due."""
        ...

    def finish(self, now_ns: int) -> Iterable[Event]:
        """The input has ended: give what is left, in the output contract's order."""
        ...

    def summary(self) -> Mapping[str, object]:
        """This dissector's fields of the summary record."""
        ...

    def evicted(self) -> Mapping[str, int]:
        """Entries given up for want of room, by table."""
        ...

    def wanted(self) -> int | None:
        """How many packets belong to what the user asked for; None where no user filter is set (all are delivered)."""
        ...
