"""`lippycat.capture`: where packets come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from lippycat_core.batch import Batch
from lippycat_core.kernelset import KernelSet


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with the input that ended it early; what came before it is good."""

    source: str
    what: str  # 'truncated' or 'corrupt'
    detail: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a source is; `bytes_total` is None where nobody can know (a pipe, an interface)."""

    bytes_done: int
    bytes_total: int | None


@dataclass(frozen=True, slots=True)
class OwnEndpoint:
    """Where this process itself is to be reached, or where it sends from: packets from and to it are not captured. `address` is
    an IPv4 or IPv6 address; 0.0.0.0 and :: stand for all of this host's."""

    transport: Literal["tcp", "udp"]
    address: str
    port: int


LARGEST_SNAPLEN = 262_144


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How to capture live: a pcap filter expression, bytes kept of each packet, promiscuous mode, the room for packets that wait
    in the kernel (the larger of both), whether latency goes before cost, whose packets are left out because they are this
    process's, how many threads share the work, the index of an interface that `any` leaves out (0: none), and whether the
    network card's clock gives the times. What a driver cannot do is a UsageError when it is opened."""

    expression: str | None = None
    snaplen: int = LARGEST_SNAPLEN
    promisc: bool = False
    buffer_bytes: int = 32 << 20
    buffer_packets: int = 0
    immediate: bool = False
    own: tuple[OwnEndpoint, ...] = ()
    threads: int = 1
    leave_out: int = 0
    hardware_times: bool = False

    @property
    def room_bytes(self) -> int:
        """Bytes of the room for packets that wait in the kernel."""
        return max(self.buffer_bytes, self.buffer_packets * min(self.snaplen + PACKET_HEAD_BYTES, PACKET_BYTES))


PACKET_BYTES, PACKET_HEAD_BYTES = 2048, 68
"""What a packet of `buffer_packets` is taken to need at most, and how much of that is not its own."""


class CaptureSource(Protocol):
    """An open source. It is used by one thread. One that runs kernels names them as `kernelset.UsesKernels` says."""

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels; called before the first `fill` and again when a compiler has finished."""
        ...

    def fill(self, batch: Batch, timeout_ms: int) -> bool:
        """Fill `batch` from row 0: `rows`, the `Frame` columns and status FRESH. False when the input has ended and
        nothing was filled; True with 0 rows when nothing came within `timeout_ms` (live only), or secrets alone. A source
        whose input brings secrets puts those that stand in front of row 0 into `secrets` of the batch, and ends a batch where
        others come; a live source also sets `clock_ns` and `lost`."""
        ...

    def dropped(self) -> Mapping[str, int]:
        """Packets lost before the batch, by reason; empty for files."""
        ...

    def faults(self) -> Sequence[Fault]:
        """What was wrong with the input so far."""
        ...

    def progress(self) -> Progress:
        """How far the source is."""
        ...

    def close(self) -> None:
        """Release files and sockets; may be called twice."""
        ...


@runtime_checkable
class KnowsLink(Protocol):
    """A live source that knows the link type of its packets before the first has come, so that whoever reads what is written
    can begin at once."""

    @property
    def link_type(self) -> int | None:
        """As in capture files (pcap-linktype(7)); None where interfaces differ, or one is not there yet."""
        ...


@runtime_checkable
class TellsMore(Protocol):
    """A source that has something to say in the summary record: the fields of its `capture`."""

    def report(self) -> Mapping[str, object]:
        """What is to be told of the capture as a whole, at its end."""
        ...
