"""The driver over libpcap: the conformance kit with files for interfaces, merging by time, and what it refuses."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lippycat_core.batch import Batch
from lippycat_core.builtin.live import PcapProvider
from lippycat_core.errors import FilterError, InputError, UsageError
from lippycat_core.interfaces.capture import CaptureSource, LiveOptions, OwnEndpoint
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.capture import CaptureSuite
from lippycat_core.testing.packets import Record, ethernet, tcp, udp, write_pcap

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pcapy") is None, reason="pcapy-ng is not installed: nothing is captured through libpcap"
)

SECOND = 1_700_000_000 * 10**9


def records(times: Sequence[int], port: int = 1000) -> list[Record]:
    return [
        Record(SECOND + 1000 * us, ethernet(udp("10.0.0.1", port, "10.0.0.2", 5060, bytes([us % 256]) * 9)), 99) for us in times
    ]


def opened(files: dict[str, Path], options: LiveOptions | None = None) -> Any:
    """A source whose interfaces are files, all of which has come when it is asked to stop."""
    import pcapy

    from lippycat_core.builtin.pcapsource import PcapSource

    def activate(name: str, options: LiveOptions) -> tuple[Any, int]:
        return pcapy.open_offline(str(files[name])), 0

    return PcapSource(list(files), options, stop=lambda: True, activate=activate)


class TestConformance(CaptureSuite):
    """What the kit asks of any source."""

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self._path = write_pcap(tmp_path / "in.pcap", self.expected())

    def open(self, kernels: KernelSet) -> CaptureSource:
        source: CaptureSource = opened({"x0": self._path})
        return source

    def expected(self) -> Sequence[Record]:
        return [Record(one.ts_ns, one.data, len(one.data)) for one in records([1, 5, 4, 900, 1000])]


def taken(source: Any, capacity: int = 100) -> list[tuple[int, int, int]]:
    """(microseconds, source port, bytes on the wire) of all packets."""
    batch, got = Batch(Interpreted(), capacity=capacity), []
    batch.clear(1)
    while source.fill(batch, 10):
        for row in range(batch.rows):
            off = int(batch.frame.off[row])
            port = int.from_bytes(batch.mem[off + 34 : off + 36], "big")
            got.append(((int(batch.frame.ts_ns[row]) - SECOND) // 1000, port, int(batch.frame.wirelen[row])))
        batch.clear(1)
    source.close()
    return got


@pytest.mark.parametrize("capacity", [1, 3, 100])
def test_interfaces_are_merged_by_time_and_keep_their_own_order(tmp_path: Path, capacity: int) -> None:
    files = {
        "x0": write_pcap(tmp_path / "a.pcap", records([1, 5, 4, 9])),
        "x1": write_pcap(tmp_path / "b.pcap", records([2, 5, 20], 2000)),
    }
    assert [(us, port) for us, port, _ in taken(opened(files), capacity)] == [
        (1, 1000),
        (2, 2000),
        (5, 1000),
        (4, 1000),
        (5, 2000),
        (9, 1000),
        (20, 2000),
    ]


def test_lengths_on_the_wire_are_kept(tmp_path: Path) -> None:
    assert taken(opened({"x0": write_pcap(tmp_path / "a.pcap", records([1]))})) == [(1, 1000, 99)]


def test_filter_and_own_traffic_go_together(tmp_path: Path) -> None:
    ours = Record(SECOND, ethernet(tcp("10.0.0.1", 9464, "10.0.0.9", 4000, 1)))
    theirs = Record(SECOND + 1000, ethernet(tcp("10.0.0.3", 9464, "10.0.0.9", 4000, 1)))
    path = write_pcap(tmp_path / "a.pcap", [ours, theirs, *records([5])])
    own = (OwnEndpoint("tcp", "10.0.0.1", 9464),)
    assert [us for us, _, _ in taken(opened({"x0": path}, LiveOptions("tcp", own=own)))] == [1]
    assert [us for us, _, _ in taken(opened({"x0": path}, LiveOptions(own=own)))] == [1, 5]
    assert [us for us, _, _ in taken(opened({"x0": path}, LiveOptions("udp or tcp")))] == [0, 1, 5]


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "a.pcap", records([1]))
    with pytest.raises(FilterError, match="'udp prot 5' cannot be used"):
        opened({"x0": path}, LiveOptions("udp prot 5"))
    with pytest.raises(UsageError, match="--capture-threads: the capture driver pcap has one thread"):
        opened({"x0": path}, LiveOptions(threads=2))
    with pytest.raises(UsageError, match="an empty interface name"):
        opened({"": path})


def test_an_unknown_interface_is_an_error_with_those_there_are() -> None:
    with pytest.raises(InputError, match="no interface 'nosuchone'; there are "):
        PcapProvider().open(interfaces=["nosuchone"], kernels=Interpreted())


def test_the_link_type_is_known_before_the_first_packet(tmp_path: Path) -> None:
    a = write_pcap(tmp_path / "a.pcap", records([1]))
    b = write_pcap(tmp_path / "b.pcap", records([1]), link=101)
    found = []
    for files in ({"a": a}, {"a": a, "c": a}, {"b": b}, {"a": a, "b": b}):
        source = opened(files)
        found.append(source.link_type)
        source.close()
    assert found == [1, 1, 101, None]
