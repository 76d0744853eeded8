"""Packed files: read back whole, and as far as they were written when the end is missing."""

from __future__ import annotations

import errno
import gzip
import os
import zlib
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.builtin.outputs import PlainOutput
from lippycat_core.builtin.pcapwriter import PcapWriter
from lippycat_core.testing.packets import Record
from lippycat_core.writing.crew import Crew
from lippycat_core.writing.files import Opener
from lippycat_core.writing.packing import PackedOutput, form_of, packer
from lippycat_core.writing.stage import PIECE

LEVELS = [("zst", 0), ("zst", 1), ("zst", 19), ("gz", 0), ("gz", 6), ("gz", 19)]
RECORDS = [Record(10**18 + i, bytes([i % 256]) * 200, 300) for i in range(500)]


def unpacked(packing: str, data: bytes) -> bytes:
    if packing == "gz":
        return gzip.decompress(data)
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


@settings(deadline=None)
@given(parts=st.lists(st.binary(max_size=3000), max_size=6), which=st.sampled_from(LEVELS))
def test_others_unpack_it(parts: list[bytes], which: tuple[str, int]) -> None:
    made = packer(*which)
    packed = b"".join(made.pack(part) for part in parts) + made.end()
    assert unpacked(which[0], packed) == b"".join(parts)


def test_level_0_stores_and_higher_ones_pack() -> None:
    data = b"the same again and again " * 20_000
    sizes = {}
    for packing, level in LEVELS:
        made = packer(packing, level)
        packed = made.pack(data) + made.end()
        assert unpacked(packing, packed) == data
        sizes[packing, level] = len(packed)
    assert len(data) < sizes["zst", 0] < len(data) * 1.001
    assert len(data) < sizes["gz", 0] < len(data) * 1.001
    assert max(sizes["zst", 1], sizes["gz", 6]) < len(data) / 50


@pytest.mark.parametrize(("packing", "level"), LEVELS)
def test_a_process_that_is_killed_leaves_all_that_was_written(
    tmp_path: Path, pour: Any, read_back: Any, packing: str, level: int
) -> None:
    """No close: what the writer handed over can be read, whatever comes after."""
    path = tmp_path / f"x.pcap.{packing}"
    writer = PcapWriter(str(path), output=Opener(Crew(1), level).open(str(path), pcapng=False, packing=packing), pcapng=False)

    class Killed:
        packets = staticmethod(writer.packets)

        def close(self) -> None:
            """As SIGKILL has it: not at all."""

    pour(RECORDS, Killed(), 90)
    assert read_back(path).packets == RECORDS


@pytest.mark.parametrize(("packing", "level"), LEVELS)
def test_a_full_disk_leaves_whole_pieces(tmp_path: Path, packing: str, level: int) -> None:
    class Full(PlainOutput):
        def write(self, data: bytes | memoryview) -> None:
            if self._written > 1000:
                raise OSError(errno.ENOSPC, "No space left on device")
            super().write(data)

    path = tmp_path / "x"
    output = PackedOutput(Full(str(path)), packing, level)
    written: list[bytes] = []

    def fill() -> None:
        for i in range(1000):
            piece = bytes([i % 256]) * 300 + bytes(range(256))
            output.write(piece)
            written.append(piece)

    with pytest.raises(OSError, match="No space"):
        fill()
    output.close()
    reader: Any = zstandard.ZstdDecompressor().decompressobj() if packing == "zst" else zlib.decompressobj(31)
    assert reader.decompress(path.read_bytes()) == b"".join(written)


@pytest.mark.parametrize(("packing", "level"), LEVELS)
def test_a_large_write_is_kept_as_far_as_it_fitted_or_was_not_cut_off(tmp_path: Path, packing: str, level: int) -> None:
    class Small(PlainOutput):
        def write(self, data: bytes | memoryview) -> None:
            if self._written + len(data) > 250_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            super().write(data)

    written = os.urandom(1_000_000)
    path = tmp_path / "x"
    output = PackedOutput(Small(str(path)), packing, level)
    with pytest.raises(OSError, match="No space"):
        output.write(written)
    output.close()
    for data in (path.read_bytes(), path.read_bytes()[:-1]):
        reader: Any = zstandard.ZstdDecompressor().decompressobj() if packing == "zst" else zlib.decompressobj(31)
        found = reader.decompress(data)
        assert written.startswith(found)
        assert len(found) >= (3 if len(data) == path.stat().st_size else 2) * PIECE


@pytest.mark.parametrize(
    ("name", "pcapng", "packing", "ending"),
    [
        ("a.pcap", False, "", ".pcap"),
        ("a.pcapng", True, "", ".pcapng"),
        ("d.x/a.pcap.zst", False, "zst", ".pcap.zst"),
        ("a.pcapng.gz", True, "gz", ".pcapng.gz"),
        ("a.gz", False, "gz", ".gz"),
        ("a", False, "", ""),
        ("x.pcapng/a", False, "", ""),
    ],
)
def test_a_name_says_the_form(name: str, pcapng: bool, packing: str, ending: str) -> None:
    assert form_of(name) == (pcapng, packing, ending)
