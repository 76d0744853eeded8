"""A bulk dissector that does nothing: derive from it, and write only what the test is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lippycat_core.batch import Batch
from lippycat_core.events import Event
from lippycat_core.interfaces.dissect import Segment
from lippycat_core.kernelset import Kernel, KernelSet


class QuietDissector:
    """Claims nothing and says nothing."""

    name: str = "quiet"
    kinds: tuple[str, ...] = ()
    kernels: tuple[Kernel, ...] = ()

    def bind(self, kernels: KernelSet) -> None:
        """Nothing to bind."""

    def route(self, batch: Batch, begin: int, end: int, base: int) -> None:
        """No row is marked."""

    def claim_stream(self, head: memoryview) -> bool | None:
        """No stream is wanted."""
        return False

    def rows(self, segment: Segment) -> Iterable[Event]:
        """No event."""
        return ()

    def tick(self, now_ns: int, record: int) -> Iterable[Event]:
        """No event."""
        return ()

    def finish(self, now_ns: int) -> Iterable[Event]:
        """No event."""
        return ()

    def summary(self) -> Mapping[str, object]:
        """No field."""
        return {}

    def evicted(self) -> Mapping[str, int]:
        """Nothing was given up."""
        return {}

    def wanted(self) -> int | None:
        """No filter is set."""
        return None
