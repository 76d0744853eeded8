"""What tests of written files share: reading one back, and writing packets with any writer in batches of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lippycat_core.batch import Batch
from lippycat_core.builtin.files import open_source
from lippycat_core.interfaces.capture import Fault
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.packets import Record, write_pcap


class Reading(NamedTuple):
    packets: list[Record]
    faults: Sequence[Fault]


@pytest.fixture
def read_back() -> Callable[[Path | str], Reading]:
    """Reads a capture file to its end."""

    def read(path: Path | str) -> Reading:
        source = open_source([str(path)], Interpreted())
        source.bind(Interpreted())
        batch = Batch(Interpreted())
        packets: list[Record] = []
        batch.clear(1)
        while source.fill(batch, 1000):
            frame = batch.frame
            for row in range(batch.rows):
                off = int(frame.off[row])
                data = bytes(batch.mem[off : off + int(frame.caplen[row])])
                packets.append(Record(int(frame.ts_ns[row]), data, int(frame.wirelen[row])))
            batch.clear(len(packets) + 1)
        source.close()
        return Reading(packets, list(source.faults()))

    return read


@pytest.fixture
def pour(tmp_path: Path) -> Callable[..., None]:
    """Writes records with a writer, in batches of so many rows, and closes it."""

    def write(records: Sequence[Record], writer: Any, capacity: int = 4096, kernels: KernelSet | None = None) -> None:
        kernels = kernels or Interpreted()
        path = tmp_path / "poured.pcap"
        write_pcap(path, list(records))
        source = open_source([str(path)], kernels)
        source.bind(kernels)
        batch = Batch(kernels, capacity=capacity)
        number = 1
        batch.clear(number)
        while source.fill(batch, 1000):
            batch.route.status[: batch.rows] = 1
            writer.packets(batch)
            number += batch.rows
            batch.clear(number)
        source.close()
        writer.close()
        writer.close()

    return write
