"""Which files are meant, and the one line that each bad input gets."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lippycat_core.builtin.files import FileProvider, expand, open_source
from lippycat_core.builtin.filesource import FileSource
from lippycat_core.errors import InputError, LippycatError, UsageError
from lippycat_core.interfaces.capture import CaptureSource
from lippycat_core.interfaces.provider import Provider
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.capture import CaptureSuite
from lippycat_core.testing.packets import Record, pcap
from lippycat_core.testing.pcapng import Blocks

Read = Callable[..., Any]
RECORDS = [Record(10**18 + i, b"packet %d" % i) for i in range(20)]
CAPTURE = pcap(RECORDS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.pcap").write_bytes(CAPTURE)
    (tmp_path / "a.pcapng").write_bytes(Blocks().file([(1, b"a")]))
    (tmp_path / "c.cap.gz").write_bytes(gzip.compress(CAPTURE))
    (tmp_path / "notes.txt").write_text("no capture")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "d.pcap").write_bytes(CAPTURE)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "x.bz2").write_bytes(b"BZh9")
    (tmp_path / "odd[1].pcap").write_bytes(CAPTURE)
    return tmp_path


@pytest.mark.parametrize(
    ("paths", "files"),
    [
        (["b.pcap"], ["b.pcap"]),
        (["b.pcap", "a.pcapng"], ["b.pcap", "a.pcapng"]),
        (["."], ["./a.pcapng", "./b.pcap", "./c.cap.gz", "./odd[1].pcap"]),
        (["sub"], ["sub/d.pcap"]),
        (["*.pcap"], ["b.pcap", "odd[1].pcap"]),
        (["?.pcap*", "sub"], ["a.pcapng", "b.pcap", "sub/d.pcap"]),
        (["**/*.pcap"], ["b.pcap", "odd[1].pcap", "sub/d.pcap"]),
        (["s*"], ["sub/d.pcap"]),
        (["odd[1].pcap"], ["odd[1].pcap"]),
        (["*.pcap", "b.pcap", "b.pcap"], ["b.pcap", "odd[1].pcap"]),
        (["-", "b.pcap"], ["-", "b.pcap"]),
        (["missing.pcap"], ["missing.pcap"]),
    ],
)
def test_what_paths_mean(folder: Path, paths: list[str], files: list[str]) -> None:
    assert expand(paths) == files


@pytest.mark.parametrize(
    ("paths", "error", "message"),
    [
        ([], UsageError, "no capture file is named: name files, directories or patterns, or - for standard input"),
        (["b.pcap", ""], UsageError, "an empty file name: name a capture file, or - for standard input"),
        (["*.erf"], InputError, "*.erf: no file matches: check the pattern, and what directory it starts from"),
        (["none"], InputError, "none: holds no capture files: name a directory with pcap or pcapng files in it"),
        (["missing.pcap"], InputError, "missing.pcap: cannot be read (No such file or directory): check the path"),
        (["b.pcap", "missing.pcap"], InputError, "missing.pcap: cannot be read (No such file or directory): check the path"),
        (["b.pcap/x"], InputError, "b.pcap/x: cannot be read (Not a directory): check the path"),
        (["a\0b"], InputError, "'a\\x00b': cannot be a file's name: check the path"),
        (["empty"], InputError, "empty: is empty (0 bytes): name a capture file"),
        (
            ["notes.txt"],
            InputError,
            "notes.txt: not a capture file (no pcap or pcapng header): name a file that tcpdump, Wireshark or lc wrote",
        ),
        (["none/x.bz2"], InputError, "none/x.bz2: is packed with bzip2: unpack it first (gzip and zstd are read as they are)"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(folder: Path, paths: list[str], error: type[LippycatError], message: str) -> None:
    with pytest.raises(error) as caught:
        open_source(paths, Interpreted())
    assert str(caught.value) == message
    assert caught.value.exit_code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything: unreadable files not tested")
def test_an_unreadable_file(folder: Path) -> None:
    (folder / "b.pcap").chmod(0)
    for paths in (["b.pcap"], ["."]):
        with pytest.raises(InputError, match=r"b.pcap: cannot be read \(Permission denied\): ask for read permission"):
            open_source(paths, Interpreted())


def test_a_file_that_the_system_refuses(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError) as caught:
        open_source(["b.pcap"], Interpreted())
    reason = "b.pcap: cannot be read (Permission denied): ask for read permission, or run as a user who has it"
    assert str(caught.value) == reason


def test_a_directory_that_the_system_refuses(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(InputError, match=r"sub: cannot be read \(Permission denied\): ask for read permission"):
        expand(["sub"])


def test_a_disk_that_fails_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(InputError, match=r"b.pcap: cannot be read \(Input/output error\): check the disk"):
        FileSource("b.pcap", Interpreted())


def test_a_packed_file_on_a_disk_that_fails(folder: Path, monkeypatch: pytest.MonkeyPatch, read: Read) -> None:
    (folder / "c.cap.gz").write_bytes(gzip.compress(pcap([Record(1, os.urandom(60_000))] * 10)))
    source = FileSource("c.cap.gz", Interpreted())

    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "readv", fail)
    reading = read(source)
    assert len(reading.packets) == 1  # what was inside the first chunk
    assert [fault.what for fault in reading.faults] == ["truncated"]
    assert "reading on failed (Input/output error)" in reading.faults[0].detail


def test_a_disk_that_fails_in_mid_file_is_a_fault(folder: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    source = FileSource("b.pcap", Interpreted())

    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "readv", fail)
    (fault,) = read(source).faults
    assert (fault.what, fault.detail) == ("truncated", "record 1 at byte 24: reading on failed (Input/output error)")


def _child(code: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60, **how)


READ_STDIN = """
from lippycat_core.batch import Batch
from lippycat_core.builtin.files import open_source
from lippycat_core.errors import InputError
from lippycat_core.kernelset import Interpreted
kernels = Interpreted()
try:
    source = open_source(["-"], kernels)
except InputError as error:
    raise SystemExit(str(error))
batch, rows = Batch(kernels), 0
while source.fill(batch, 1000):
    rows += batch.rows
print(rows, source.progress().bytes_total, [fault.what for fault in source.faults()])
"""


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_is_a_pipe_or_a_file(folder: Path, pack: Callable[[bytes], bytes]) -> None:
    assert _child(READ_STDIN, input=pack(CAPTURE)).stdout == b"20 None []\n"
    assert _child(READ_STDIN, input=pack(CAPTURE)[:-9]).stdout.endswith(b"None ['truncated']\n")
    with open("b.pcap", "rb") as file:
        assert _child(READ_STDIN, stdin=file).stdout == b"20 %d []\n" % len(CAPTURE)


def test_standard_input_without_a_capture(folder: Path) -> None:
    assert _child(READ_STDIN, input=b"").stderr == b"standard input: is empty (0 bytes): name a capture file\n"
    closed = _child("import os, sys; sys.stdin.close(); os.close(0)\n" + READ_STDIN)
    assert closed.stderr == b"standard input: is closed: pipe a capture into it, or name a file\n"


def test_a_terminal_is_no_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = os.openpty()
    with open(slave) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with pytest.raises(InputError, match="standard input: is a terminal"):
            open_source(["-"], Interpreted())
    os.close(master)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_gives_what_it_has_and_waits_no_longer_than_asked(
    tmp_path: Path, kernels: KernelSet, pack: Callable[[bytes], bytes]
) -> None:
    from lippycat_core.batch import Batch

    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = os.open(fifo, os.O_RDWR)
    packed = pack(CAPTURE)
    os.write(writer, packed[:-30])
    source = open_source([str(fifo)], kernels)
    batch = Batch(kernels)
    rows = 0
    while source.fill(batch, 10) and batch.rows:
        rows += batch.rows
    assert 0 < rows < 20
    os.write(writer, packed[-30:])
    reader = os.open(fifo, os.O_RDONLY)  # so that closing the writer ends the pipe, not the capture
    os.close(writer)
    while source.fill(batch, 10):
        rows += batch.rows
    os.close(reader)
    assert rows == 20
    assert list(source.faults()) == []


def test_the_provider_is_cheap_and_fits() -> None:
    provider = FileProvider()
    assert isinstance(provider, Provider)
    assert provider.probe().fits
    code = "import sys, lippycat_core.builtin.files as f; f.FileProvider().probe(); raise SystemExit('numpy' in sys.modules)"
    assert _child(code).returncode == 0


class TestAsCaptureDriver(CaptureSuite):
    @pytest.fixture(autouse=True)
    def _file(self, folder: Path) -> None:
        self.path = str(folder / "b.pcap")

    def open(self, kernels: KernelSet) -> CaptureSource:
        return FileProvider().open(paths=[self.path], kernels=kernels)

    def expected(self) -> list[Record]:
        return RECORDS


def test_the_captures_hold_what_their_truth_says(captures: Path, kernels: KernelSet, read: Read) -> None:
    truths = sorted(captures.glob("*.truth.json"))
    assert truths
    for truth_file in truths:
        truth = json.loads(truth_file.read_text())["capture"]
        reading = read(FileSource(str(truth_file)[: -len(".truth.json")], kernels))
        assert len(reading.packets) == truth["packets"], truth_file.name
        assert sum(packet.wirelen for packet in reading.packets) == truth["bytes_on_wire"], truth_file.name
        faults = [fault.what for fault in reading.faults]
        # The one damaged file's first record claims 587 MB: corrupt, with no packets.
        assert faults == (["corrupt"] if truth_file.name.startswith("aboutsip-pkts__cool") else [])


def test_the_captures_of_a_folder_are_found(captures: Path) -> None:
    truths = {str(path)[: -len(".truth.json")] for path in captures.glob("*.truth.json")}
    assert set(expand([str(captures)])) == truths
