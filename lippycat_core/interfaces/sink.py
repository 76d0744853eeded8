"""Where events go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lippycat_core.batch import Batch
from lippycat_core.events import Event


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
