"""Conformance of capture sources: derive, say how to open one and what it must give."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lippycat_core.batch import Batch
from lippycat_core.columns import FRESH
from lippycat_core.interfaces.capture import CaptureSource
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.packets import Record


class CaptureSuite:
    """Holds a `CaptureSource` to its contract: `open` gives a fresh one each time, `expected` what it captures."""

    def open(self, kernels: KernelSet) -> CaptureSource:
        """A fresh source that will give exactly `expected()`."""
        raise AssertionError("derive from CaptureSuite and say how to open the source")

    def expected(self) -> Sequence[Record]:
        """The records that the source gives, in order."""
        raise AssertionError("derive from CaptureSuite and say what the source gives")

    @staticmethod
    def _read(source: CaptureSource, kernels: KernelSet, capacity: int) -> list[Record]:
        source.bind(kernels)
        batch = Batch(kernels, capacity=capacity)
        got: list[Record] = []
        idle = 0
        batch.clear(1)
        while idle < 50 and source.fill(batch, 100):
            assert batch.rows <= capacity
            idle = 0 if batch.rows else idle + 1
            for row in range(batch.rows):
                frame = batch.frame
                off, caplen = int(frame.off[row]), int(frame.caplen[row])
                assert 0 <= off <= off + caplen <= batch.source_bytes
                assert batch.route.status[row] == FRESH
                got.append(Record(int(frame.ts_ns[row]), bytes(batch.mem[off : off + caplen]), int(frame.wirelen[row])))
            batch.clear(len(got) + 1)
        return got

    @pytest.mark.parametrize("capacity", [1, 2, 7, 4096])
    def test_gives_every_record_once_and_in_order(self, capacity: int) -> None:
        kernels = Interpreted()
        source = self.open(kernels)
        try:
            got = self._read(source, kernels, capacity)
        finally:
            source.close()
        wanted = [
            record._replace(wirelen=len(record.data) if record.wirelen is None else record.wirelen) for record in self.expected()
        ]
        assert got == wanted

    def test_says_how_far_it_is(self) -> None:
        kernels = Interpreted()
        source = self.open(kernels)
        self._read(source, kernels, 4096)
        progress = source.progress()
        assert progress.bytes_done > 0
        assert progress.bytes_total is None or progress.bytes_done <= progress.bytes_total
        source.close()

    def test_counts_are_named_and_not_negative(self) -> None:
        source = self.open(Interpreted())
        assert all(name and count >= 0 for name, count in source.dropped().items())
        source.close()

    def test_may_be_closed_twice(self) -> None:
        source = self.open(Interpreted())
        source.close()
        source.close()
        assert list(source.faults()) == []
