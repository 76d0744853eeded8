"""Writing captures: what is written is read back, by us and by others, and no fault of a disk or a name goes unsaid."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import RawPcapNgReader, RawPcapReader

from lippycat_core.batch import Batch
from lippycat_core.builtin import pcapwriter
from lippycat_core.builtin.filesource import FileSource
from lippycat_core.builtin.pcapwriter import PcapWriter
from lippycat_core.columns import FILTERED, LINK_TYPE
from lippycat_core.errors import OutputError, UsageError
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.packets import Record, pcap
from lippycat_core.testing.pcapng import Blocks

Read = Callable[..., Any]
TS = 1_700_000_000_123_456_789
RECORDS = [Record(TS + i, bytes([i % 256]) * (i * 31 % 400), i * 31 % 400 + i % 3) for i in range(300)]


def copy(source: FileSource, writer: PcapWriter, kernels: KernelSet, capacity: int = 4096, drop: Sequence[int] = ()) -> None:
    batch = Batch(kernels, capacity=capacity)
    record = 1
    batch.clear(record)
    while source.fill(batch, 0):
        for row in range(batch.rows):
            batch.route.status[row] = FILTERED if record + row in drop else LINK_TYPE if row % 5 == 0 else 1
        writer.packets(batch)
        writer.emit([])
        record += batch.rows
        batch.clear(record)
    writer.close()
    writer.close()
    source.close()


@pytest.fixture
def original(tmp_path: Path) -> str:
    path = tmp_path / "original"
    path.write_bytes(pcap(RECORDS, link=113))
    return str(path)


@pytest.mark.parametrize("capacity", [1, 7, 4096])
@pytest.mark.parametrize("name", ["out.pcap", "out.pcapng", "out"])
def test_what_is_written_is_read_back(
    tmp_path: Path, kernels: KernelSet, read: Read, original: str, name: str, capacity: int
) -> None:
    path = str(tmp_path / name)
    copy(FileSource(original, kernels), PcapWriter(path, [original]), kernels, capacity, drop=[1, 50, 300])
    wanted = [(*record, 113) for i, record in enumerate(RECORDS, 1) if i not in (1, 50, 300)]
    assert read(FileSource(path, kernels)) == (wanted, [])


def test_the_pcap_form(tmp_path: Path, original: str) -> None:
    """Nanoseconds, little-endian, whatever came in: byte for byte what the plain writer of the tests makes."""
    path = tmp_path / "out.pcap"
    copy(FileSource(original, Interpreted()), PcapWriter(str(path)), Interpreted())
    assert path.read_bytes() == Path(original).read_bytes()


def test_a_new_link_type_where_the_buffer_is_full(
    tmp_path: Path, kernels: KernelSet, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcapwriter, "OUT_BYTES", 200)
    make, source, path = Blocks(), tmp_path / "in", str(tmp_path / "out.pcapng")
    blocks = [make.interface(link) + make.enhanced(TS // 1000, bytes(10 + link), interface=link) for link in range(20)]
    source.write_bytes(make.section() + b"".join(blocks))
    copy(FileSource(str(source), kernels), PcapWriter(path), kernels)
    assert read(FileSource(path, kernels)) == read(FileSource(str(source), kernels))


def test_others_read_it_too(tmp_path: Path, original: str) -> None:
    for name, reader in (("out.pcap", RawPcapReader), ("out.pcapng", RawPcapNgReader)):
        path = str(tmp_path / name)
        copy(FileSource(original, Interpreted()), PcapWriter(path), Interpreted())
        with reader(path) as records:
            assert [(data, meta.wirelen) for data, meta in records] == [(record.data, record.wirelen) for record in RECORDS]


def test_longer_than_what_is_put_together_at_a_time(
    tmp_path: Path, kernels: KernelSet, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcapwriter, "OUT_BYTES", 262_144 + 1024)
    source = tmp_path / "in"
    source.write_bytes(pcap([Record(i, bytes([i]) * size) for i, size in enumerate([262_144, 1, 262_144, 100_000, 100_000, 3])]))
    for name in ("out.pcap", "out.pcapng"):
        path = str(tmp_path / name)
        copy(FileSource(str(source), kernels), PcapWriter(path), kernels)
        assert read(FileSource(path, kernels)) == read(FileSource(str(source), kernels))


def _mixed(tmp_path: Path) -> str:
    path = tmp_path / "mixed"
    make = Blocks()
    data = make.section() + b"".join(make.interface(link) for link in (1, 101, 1))
    data += b"".join(make.enhanced(TS // 1000 + i, b"%d" % i, interface=i % 3) for i in range(9))
    path.write_bytes(data)
    return str(path)


def test_several_link_types_go_into_pcapng(tmp_path: Path, kernels: KernelSet, read: Read) -> None:
    source, path = _mixed(tmp_path), str(tmp_path / "out.pcapng")
    copy(FileSource(source, kernels), PcapWriter(path), kernels, 2)
    assert read(FileSource(path, kernels)) == read(FileSource(source, kernels))


def test_several_link_types_into_pcap_is_an_error_that_says_so(tmp_path: Path, read: Read) -> None:
    source, path = _mixed(tmp_path), str(tmp_path / "out.pcap")
    with pytest.raises(OutputError) as caught:
        copy(FileSource(source, Interpreted()), PcapWriter(path), Interpreted())
    assert str(caught.value) == (
        f"{path}: a pcap file holds one link type, and the packets have 1 and 101: write to a name that ends in .pcapng"
    )
    assert len(read(FileSource(path, Interpreted())).packets) == 1  # what came before it is there


def test_more_link_types_than_anyone_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcapwriter, "MOST_LINKS", 1)
    with pytest.raises(OutputError, match="more than 1 link types: filter the input"):
        copy(FileSource(_mixed(tmp_path), Interpreted()), PcapWriter(str(tmp_path / "o.pcapng")), Interpreted())


@pytest.mark.parametrize("name", ["out.pcap", "out.pcapng"])
def test_no_packets_still_make_a_capture(tmp_path: Path, read: Read, name: str) -> None:
    path = str(tmp_path / name)
    PcapWriter(path).close()
    assert read(FileSource(path, Interpreted())) == ([], [])


def test_an_input_is_never_overwritten(tmp_path: Path, original: str) -> None:
    os.link(original, tmp_path / "other name")
    before = Path(original).read_bytes()
    for path in (original, str(tmp_path / "other name")):
        with pytest.raises(UsageError, match="is being read: write to another file"):
            PcapWriter(path, [str(tmp_path / "missing"), original])
    assert Path(original).read_bytes() == before


@pytest.mark.parametrize("place", ["missing/out.pcap", "", "a\0b"])
def test_a_place_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    with pytest.raises(OutputError, match=r": cannot be written \(.+\): choose another place") as caught:
        PcapWriter(os.path.join(tmp_path, place))
    assert "\n" not in str(caught.value)


def test_a_full_disk(original: str) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here: a full disk is not tested")
    writer = PcapWriter("/dev/full")
    reason = r"/dev/full: cannot be written \(No space left on device\): choose another place, or make room there"
    with pytest.raises(OutputError, match=reason):
        copy(FileSource(original, Interpreted()), writer, Interpreted())
    writer.close()


COPY = """
import sys
from lippycat_core.batch import Batch
from lippycat_core.builtin.filesource import FileSource
from lippycat_core.builtin.pcapwriter import PcapWriter
from lippycat_core.errors import LippycatError
from lippycat_core.kernelset import Interpreted
kernels = Interpreted()
source, batch = FileSource(sys.argv[1], kernels), Batch(kernels)
try:
    writer = PcapWriter("-")
    while source.fill(batch, 0):
        writer.packets(batch)
    writer.close()
except BrokenPipeError:
    raise SystemExit("pipe")
except LippycatError as error:
    raise SystemExit(str(error))
"""


def test_standard_output(original: str) -> None:
    done = subprocess.run([sys.executable, "-c", COPY, original], capture_output=True, check=True)
    assert done.stdout == Path(original).read_bytes()


def test_a_reader_that_went_away_is_left_to_the_caller(original: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", COPY, original], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert done.stderr == b"pipe\n"


def test_a_terminal_gets_no_packets(original: str) -> None:
    master, slave = os.openpty()
    done = subprocess.run([sys.executable, "-c", COPY, original], stdout=slave, stderr=subprocess.PIPE, check=False)
    os.close(slave)
    os.close(master)
    assert done.stderr == b"standard output: is a terminal: send the packets to a file or a pipe\n"


@pytest.mark.parametrize(
    ("name", "link", "size"), [("x.pcap", 276, 24), ("x.pcap", None, 0), ("x.pcapng", None, 44), ("x.pcapng", 1, 76)]
)
def test_what_stands_before_the_first_packet_can_be_written_at_once(
    tmp_path: Path, name: str, link: int | None, size: int
) -> None:
    path = tmp_path / name
    writer = PcapWriter(str(path))
    writer.begin(link)
    assert path.stat().st_size == size
    if name == "x.pcap" and link is not None:
        assert path.read_bytes()[20:] == link.to_bytes(4, "little")
    written = path.read_bytes()
    writer.close()
    assert path.read_bytes().startswith(written)


def test_batches_may_change_their_kernels(tmp_path: Path, kernels: KernelSet, read: Read, original: str) -> None:
    """A compiler that finishes in mid-run changes the form of the columns."""
    path = str(tmp_path / "out.pcap")
    source, writer, batch = FileSource(original, Interpreted()), PcapWriter(path), Batch(Interpreted(), capacity=40)
    record = 1
    while source.fill(batch, 0):
        writer.packets(batch)
        record += batch.rows
        now = kernels if record % 80 == 41 else Interpreted()
        source.bind(now)
        batch.bind(now)
        batch.clear(record)
    writer.close()
    source.close()
    assert [packet.data for packet in read(FileSource(path, kernels)).packets] == [record.data for record in RECORDS]


@pytest.mark.parametrize(
    ("name", "message"),
    [("", "an empty file name"), ("out.pcap.gz", "written unpacked"), ("out.pcapng.zst", "written unpacked")],
)
def test_a_name_that_promises_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        PcapWriter(name)
    assert not list(tmp_path.iterdir())
