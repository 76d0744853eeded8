"""Several packet writers as one: all get everything, and all are closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lippycat_core.batch import Batch
from lippycat_core.builtin.filesource import FileSource
from lippycat_core.builtin.pcapwriter import PcapWriter
from lippycat_core.builtin.tee import Tee
from lippycat_core.errors import OutputError
from lippycat_core.kernelset import KernelSet
from lippycat_core.testing.packets import Record, pcap


class Breaks:
    kernels = ()

    def __init__(self) -> None:
        self.closed = 0

    def records(self, *_: object) -> None:
        raise OutputError("this one is full")

    def close(self) -> None:
        self.closed += 1
        raise OutputError("cannot be closed")


def test_all_get_the_same_packets(tmp_path: Path, kernels: KernelSet) -> None:
    source = tmp_path / "in.pcap"
    source.write_bytes(pcap([Record(1_000_000_000, b"one", 3), Record(2_000_000_000, b"other", 5)]))
    names = [tmp_path / "a.pcap", tmp_path / "b.pcap"]
    tee = Tee([PcapWriter(str(name)) for name in names])
    batch, reader = Batch(kernels), FileSource(str(source), kernels)
    batch.clear(1)
    assert reader.fill(batch, 0)
    batch.route.status[: batch.rows] = 1
    tee.records(kernels, batch.views.slab, batch.views.frame, batch.views.route.status, 0, batch.rows)
    tee.close()
    assert names[0].read_bytes() == names[1].read_bytes()
    assert len(names[0].read_bytes()) == 24 + 2 * 16 + 8


def test_one_that_fails_keeps_no_other_from_its_end(tmp_path: Path) -> None:
    breaks, path = Breaks(), tmp_path / "a.pcap"
    tee = Tee([breaks, PcapWriter(str(path))])
    with pytest.raises(OutputError, match="cannot be closed"):
        tee.close()
    assert breaks.closed == 1
    assert len(path.read_bytes()) == 24
