"""What the tests of sources and sinks share: a way to read a source to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest

from lippycat_core.batch import DEFAULT_ROWS, Batch
from lippycat_core.interfaces.capture import CaptureSource, Fault
from lippycat_core.kernelset import KernelSet


class Packet(NamedTuple):
    ts_ns: int
    data: bytes
    wirelen: int
    link: int


class Reading(NamedTuple):
    packets: list[Packet]
    faults: Sequence[Fault]


Read = Callable[..., Reading]


@pytest.fixture
def read(kernels: KernelSet) -> Read:
    """Reads a source to its end in batches of `capacity`, closes it, and gives its packets and faults."""

    def read_source(source: CaptureSource, capacity: int = DEFAULT_ROWS) -> Reading:
        source.bind(kernels)
        batch = Batch(kernels, capacity=capacity)
        packets: list[Packet] = []
        batch.clear(1)
        while source.fill(batch, 1000):
            assert batch.rows > 0 or batch.secrets, "a file gave nothing, but did not end"
            frame = batch.frame
            for row in range(batch.rows):
                off, caplen = int(frame.off[row]), int(frame.caplen[row])
                assert 0 <= off <= off + caplen <= batch.source_bytes
                data = bytes(batch.mem[off : off + caplen])
                packets.append(Packet(int(frame.ts_ns[row]), data, int(frame.wirelen[row]), int(frame.link[row])))
            batch.clear(len(packets) + 1)
        assert batch.rows == 0
        assert not source.fill(batch, 1000), "the end must stay the end"
        source.close()
        return Reading(packets, list(source.faults()))

    return read_source
