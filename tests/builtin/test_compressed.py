"""gzip and zstd: the same records as the plain file, whatever the members, frames and cuts; and bounded memory."""

from __future__ import annotations

import gzip
import random
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lippycat_core.builtin.filesource import FileSource
from lippycat_core.builtin.inputs import open_input
from lippycat_core.errors import InputError
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.packets import Record, pcap

zstandard = pytest.importorskip("zstandard", reason="zstandard is not installed: zstd files not tested")
Read = Callable[..., Any]

rng = random.Random(7)
RECORDS = [Record(10**9 + i, rng.randbytes(rng.randrange(200)) + bytes(300)) for i in range(3000)]
PLAIN = pcap(RECORDS)


def gz(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def zst(data: bytes) -> bytes:
    return bytes(zstandard.ZstdCompressor(level=1, write_checksum=True).compress(data))


def zst_streamed(data: bytes) -> bytes:
    """No content size in the header, several blocks."""
    stream = zstandard.ZstdCompressor(level=3).compressobj()
    pieces = [stream.compress(data[i : i + 70_000]) for i in range(0, len(data), 70_000)]
    return b"".join([*pieces, stream.flush()])


SKIPPABLE = b"\x5a\x2a\x4d\x18\x05\0\0\0hello"
PACKED = {
    "gzip": gz(PLAIN),
    "gzip members": gz(PLAIN[:1000]) + gz(b"") + gz(PLAIN[1000:]),
    "gzip padded": gz(PLAIN) + bytes(100_000),
    "gzip padded between": gz(PLAIN[:5]) + bytes(1000) + gz(PLAIN[5:]),
    "zstd": zst(PLAIN),
    "zstd streamed": zst_streamed(PLAIN),
    "zstd frames": zst(PLAIN[:999]) + SKIPPABLE + zst_streamed(PLAIN[999:]) + SKIPPABLE,
    "zstd stored": zstandard.ZstdCompressor(level=1).compress(PLAIN[:24]) + zst(PLAIN[24:]),
}


@pytest.fixture
def opened(tmp_path: Path, kernels: KernelSet) -> Callable[[bytes], FileSource]:
    def open_bytes(data: bytes) -> FileSource:
        path = tmp_path / "a.pcap"  # the name says nothing of the compression
        path.write_bytes(data)
        return FileSource(str(path), kernels)

    return open_bytes


@pytest.mark.parametrize("form", PACKED)
def test_packed_files_give_the_plain_file(opened: Callable[[bytes], FileSource], read: Read, form: str) -> None:
    assert read(opened(PACKED[form])) == read(opened(PLAIN))
    assert read(opened(PACKED[form]), 5) == read(opened(PLAIN))


@pytest.mark.parametrize("form", ["gzip", "gzip members", "zstd", "zstd frames"])
def test_a_cut_stream_is_truncated_and_what_comes_before_is_given(
    opened: Callable[[bytes], FileSource], read: Read, form: str
) -> None:
    packed = PACKED[form]
    whole = read(opened(PLAIN)).packets
    last = 0
    for size in [*range(1100, len(packed), len(packed) // 23), len(packed) - 1]:
        reading = read(opened(packed[:size]))
        (fault,) = reading.faults
        assert fault.what == "truncated"
        assert fault.detail.endswith(" stream is cut")
        assert fault.detail.startswith(f"record {len(reading.packets) + 1} at byte ")
        assert reading.packets == whole[: len(reading.packets)]
        assert len(reading.packets) >= last
        last = len(reading.packets)
    assert last == len(RECORDS)


@pytest.mark.parametrize(("form", "at"), [("gzip", -8), ("gzip", 5000), ("zstd", -2), ("gzip padded", -1), ("zstd frames", -13)])
def test_a_damaged_stream_is_corrupt(opened: Callable[[bytes], FileSource], read: Read, form: str, at: int) -> None:
    damaged = bytearray(PACKED[form])
    damaged[at] ^= 0xFF
    reading = read(opened(bytes(damaged)))
    assert [fault.what for fault in reading.faults] == ["corrupt"]
    assert "zstd stream" in reading.faults[0].detail or "gzip stream" in reading.faults[0].detail


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(sorted(PACKED)),
    flips=st.lists(st.tuples(st.integers(4, 2**20), st.integers(1, 255)), max_size=4),
    cut=st.integers(0, 2**20),
)
def test_any_damage_ends_in_at_most_one_fault(
    tmp_path: Path, read: Read, form: str, flips: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(PACKED[form])
    for at, bits in flips:
        data[at % len(data)] ^= bits
    path = tmp_path / "a"
    path.write_bytes(data[: max(4, len(data) - cut % len(data))])
    try:
        source = FileSource(str(path), Interpreted())
    except InputError:
        return  # the capture's own header was hit
    assert len(read(source).faults) <= 1


@pytest.mark.parametrize("pack", [gz, zst])
def test_what_is_packed_must_be_a_capture(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a"
    for data in (b"hello, world", b"", b"\xd4\xc3"):
        path.write_bytes(pack(data))
        with pytest.raises(InputError, match=r"not a capture file \(no pcap or pcapng header\)"):
            FileSource(str(path), Interpreted())


@pytest.mark.parametrize("pack", [gz, zst])
def test_a_stream_cut_before_the_capture_begins_is_truncated(
    opened: Callable[[bytes], FileSource], read: Read, pack: Callable[[bytes], bytes]
) -> None:
    for packed in (pack(PLAIN)[:7], pack(PLAIN[:15])[:-2] if pack is gz else pack(b"") + pack(PLAIN)[:4]):
        reading = read(opened(packed))
        assert reading.packets == []
        assert [fault.what for fault in reading.faults] == ["truncated"]
        assert reading.faults[0].detail.startswith("record 1 at byte ")


def test_without_the_package_zstd_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(PACKED["zstd"])
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(InputError, match=r"pip install 'lippycat-core\[zstd\]'"):
        FileSource(str(path), Interpreted())


@pytest.mark.parametrize("pack", [gz, zst])
def test_a_bomb_is_unpacked_in_small_pieces(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a"
    path.write_bytes(pack(bytes(64 * 1024 * 1024)))
    room = memoryview(bytearray(100_000))
    source = open_input(str(path))
    tracemalloc.start()
    try:
        total = 0
        while got := source.readinto(room):
            total += got
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        source.close()
    assert total == 64 * 1024 * 1024
    assert peak < 2 * 1024 * 1024


@pytest.mark.parametrize(("magic", "kind"), [(b"BZh91AY", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x04\x22\x4d\x18@", "lz4")])
def test_other_packings_are_named(tmp_path: Path, magic: bytes, kind: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(magic)
    with pytest.raises(InputError, match=f"is packed with {kind}: unpack it first"):
        FileSource(str(path), Interpreted())


def test_progress_counts_the_packed_bytes(opened: Callable[[bytes], FileSource], read: Read) -> None:
    source = opened(PACKED["gzip"])
    read(source)
    assert source.progress().bytes_done == source.progress().bytes_total == len(PACKED["gzip"])
