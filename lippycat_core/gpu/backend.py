"""A match backend over any `Device`. What is done with the spans lies in `extract` and `search`."""

from __future__ import annotations

from collections.abc import Sequence

from lippycat_core.gpu.device import Device
from lippycat_core.gpu.extract import GpuExtractor
from lippycat_core.gpu.lanes import Lanes
from lippycat_core.gpu.memory import Budget
from lippycat_core.gpu.search import GpuMatcher
from lippycat_core.interfaces.match import PatternSet
from lippycat_core.matching.limits import check_names

BATCH_ROWS = 65_536
"""Spans that go to the device at once, where nobody says another number."""


class GpuBackend:
    """A `MatchBackend`. `batch_rows` is the most spans that go to the device at once, `max_memory` the most bytes that may be
    used there; 0 leaves either to the backend."""

    def __init__(self, name: str, device: Device, *, batch_rows: int = 0, max_memory: int = 0) -> None:
        self.name = name
        self.device = device.name
        self._device = device
        budget = Budget(device, max_memory)
        self.memory: int | None = None if device.unified and not max_memory else budget.limit
        self._lanes = Lanes(device, budget, batch_rows or BATCH_ROWS)

    def compile(self, patterns: PatternSet) -> GpuMatcher:
        """Make a matcher. FilterError for a pattern that cannot be, or for too many; DeviceFailed where the device has no
        room for its tables."""
        return GpuMatcher(self._lanes, patterns)

    def extractor(self, names: Sequence[bytes]) -> GpuExtractor:
        """Look for a header field by any of its names. ContractError for names that no field can have, and for too many."""
        check_names(names)
        return GpuExtractor(self._lanes, names)

    def close(self) -> None:
        """Give the device back."""
        self._lanes.clear()
        self._device.close()
