"""Where events and packets go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from lippycat_core.batch import Batch
from lippycat_core.columns import I32, U8, Frame
from lippycat_core.events import Event
from lippycat_core.kernelset import Kernel, KernelSet


class Sink(Protocol):
    """Takes what a run produces; copies what it keeps, for the batch is used again. A sink that runs kernels names them as
    `kernelset.UsesKernels` says."""

    def packets(self, batch: Batch) -> None:
        """Called once a batch, after it was decoded and dissected and after `emit` for the events it showed."""
        ...

    def emit(self, events: Sequence[Event]) -> None:
        """Called once a batch at most, with its events in order."""
        ...

    def close(self) -> None:
        """Finish what is written; called also when the run is cut short."""
        ...


@runtime_checkable
class Settles(Protocol):
    """A sink that chooses packets which others inject."""

    def settle(self) -> None:
        """Hand on what was decided when the input ended; called once, before the summary is made of it."""
        ...


class Injector(Protocol):
    """What puts packets of the run on a network, at a time of their own."""

    def end(self) -> None:
        """The input is over, and the sinks have settled: send what waits. `results` are final then."""
        ...

    def results(self) -> Mapping[str, int]:
        """Packets by what became of them so far: the field `vif` of the summary."""
        ...


class PacketWriter(Protocol):
    """Where packets go that a sink has chosen: a file, an interface, several of them (`builtin/tee.py`)."""

    @property
    def kernels(self) -> Sequence[Kernel]:
        """All kernels that `records` asks a kernel set for."""
        ...

    def records(self, kernels: KernelSet, slab: U8, frame: Frame, status: I32, begin: int, end: int) -> None:
        """Take rows [begin, end) whose `status` is not FILTERED, copied before it returns; slab and columns have the form that
        `kernels` take. OutputError where they cannot be written, BrokenPipeError where a reader has gone away."""
        ...

    def close(self) -> None:
        """Finish what is written; may be called twice."""
        ...


class PacketSink(PacketWriter):
    """A packet writer that is a `Sink` too, by itself: it gets every row of a batch, and lets events pass."""

    def packets(self, batch: Batch) -> None:
        """See Sink. The batch's own kernels are used, for its columns have the form that these take."""
        views = batch.views
        self.records(batch.kernels, views.slab, views.frame, views.route.status, 0, batch.rows)

    def emit(self, events: Sequence[Event]) -> None:
        """See Sink; a capture file holds no events, and an interface gets none."""
