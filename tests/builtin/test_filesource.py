"""One file as a source: what holds for every format. Batches, memory, and other readers' opinion."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import RawPcapNgReader, RawPcapReader

from lippycat_core.batch import LARGEST_RECORD, Batch
from lippycat_core.builtin.filesource import FileSource
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.packets import Record, pcap
from lippycat_core.testing.pcapng import Blocks

Read = Callable[..., Any]
RECORDS = [Record(10**18 + 1000 * i, bytes([i % 256]) * (i * 37 % 700)) for i in range(2000)]
FILES = {
    "pcap": pcap(RECORDS),
    "pcapng": Blocks().file([(record.ts_ns // 1000, record.data) for record in RECORDS]),
    "pcap.gz": gzip.compress(pcap(RECORDS, big_endian=True, nanoseconds=False), 1),
}


@pytest.mark.parametrize("capacity", [1, 2, 3, 100, 4096])
@pytest.mark.parametrize("read_bytes", [1, 5000, 512 * 1024])
@pytest.mark.parametrize("form", FILES)
def test_nothing_depends_on_where_batches_and_reads_end(
    tmp_path: Path, read: Read, form: str, capacity: int, read_bytes: int
) -> None:
    path = tmp_path / "a"
    path.write_bytes(FILES[form])
    if read_bytes == 1:  # every split of a shorter file
        path.write_bytes(pcap(RECORDS[:30]))
    reading = read(FileSource(str(path), Interpreted(), read_bytes), capacity)
    wanted = RECORDS[:30] if read_bytes == 1 else RECORDS
    assert [(packet.ts_ns, packet.data) for packet in reading.packets] == [(record.ts_ns, record.data) for record in wanted]
    assert reading.faults == []


def test_the_smallest_slab_holds_the_longest_record(tmp_path: Path, kernels: KernelSet) -> None:
    longest = bytes(262_144)
    path = tmp_path / "a"
    path.write_bytes(pcap([Record(1, b"short"), Record(2, longest), Record(3, longest), Record(4, b"short")]))
    batch = Batch(kernels, nbytes=LARGEST_RECORD)
    source = FileSource(str(path), kernels)
    rows = 0
    while source.fill(batch, 0):
        rows += batch.rows
        batch.clear(rows + 1)
    assert rows == 4


def ng_time(meta: Any) -> int:
    return int((meta.tshigh << 32 | meta.tslow) * 10**9 // meta.tsresol)


@pytest.mark.parametrize("reader", [RawPcapReader, RawPcapNgReader])
def test_scapy_reads_the_same(captures: Path, read: Read, reader: Any) -> None:
    checked = 0
    for path in sorted(captures.glob("*.pcap" if reader is RawPcapReader else "*.pcapng")):
        if path.name.startswith("aboutsip-pkts__cool"):
            continue  # damaged: told elsewhere
        packets = read(FileSource(str(path), Interpreted()), 100).packets
        if reader is RawPcapReader:
            with RawPcapReader(str(path)) as records:
                unit_ns = 1 if records.nano else 1000
                wanted = [(m.sec * 10**9 + m.usec * unit_ns, data, m.wirelen) for data, m in records]
        else:
            with RawPcapNgReader(str(path)) as records:
                wanted = [(ng_time(meta), data, meta.wirelen) for data, meta in records]
        assert [packet[:3] for packet in packets] == wanted
        checked += len(wanted)
    assert checked > 100


def test_a_long_file_costs_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    """Resident memory of whole processes: 50 MB of capture against 5 MB."""
    code = """
import sys
from lippycat_core.batch import Batch
from lippycat_core.builtin.files import open_source
from lippycat_core.kernelset import Interpreted
kernels = Interpreted()
batch = Batch(kernels)
source = open_source(sys.argv[1:], kernels)
rows = 0
while source.fill(batch, 0):
    rows += batch.rows
    batch.clear(rows + 1)
print(rows, next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    peaks = []
    for count in (80, 800):
        path = tmp_path / "a.pcap"
        path.write_bytes(pcap(Record(i, bytes(65_535)) for i in range(count)))
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=True)
        rows, peak_kilobytes = map(int, done.stdout.split())
        assert rows == count
        peaks.append(peak_kilobytes)
    assert peaks[1] <= peaks[0] + 4096


def test_the_source_may_be_bound_again_between_two_batches(tmp_path: Path, kernels: KernelSet) -> None:
    path = tmp_path / "a"
    path.write_bytes(FILES["pcapng"])
    source = FileSource(str(path), Interpreted())
    batch = Batch(Interpreted(), capacity=70)
    rows = 0
    for i in range(5):
        batch.clear(rows + 1)
        assert source.fill(batch, 0)
        rows += batch.rows
        now = kernels if i % 2 == 0 else Interpreted()
        source.bind(now)
        batch.bind(now)
    while source.fill(batch, 0):
        rows += batch.rows
        batch.clear(rows + 1)
    assert rows == len(RECORDS)
    source.close()
