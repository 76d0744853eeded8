"""Packed files: zstd and gzip, in streams of which everything that was written can be read, though the end is missing.

Level 0 stores: a valid file of that form without the work of compressing.
"""

from __future__ import annotations

import gzip
import zlib
from typing import Any, NamedTuple, Protocol

from lippycat_core.builtin.outputs import Output
from lippycat_core.errors import UsageError
from lippycat_core.writing.stage import Stage

MOST_LEVEL = 19
GZIP_MOST_LEVEL = 9
GZIP_WINDOW = 31
"""zlib's code for the largest window and a gzip header."""

# zstd frames (RFC 8878, section 3.1.1)
ZSTD_MAGIC = (0xFD2FB528).to_bytes(4, "little")
STORED_HEADER = ZSTD_MAGIC + bytes([0, 0x38])
"""No checksum, no size, a window of 128 KiB."""
MOST_BLOCK = 128 << 10


class Form(NamedTuple):
    """What a file's name says of its content."""

    pcapng: bool
    packing: str  # "zst", "gz" or nothing
    ending: str  # as written, with the dot


def form_of(path: str) -> Form:
    """The form that a name's ending asks for: `.pcap`, `.pcapng` (anything else is pcap), and `.zst` or `.gz` behind it."""
    name = path.rpartition("/")[2]
    stem, packing, ending = name, "", ""
    for kind in ("zst", "gz"):
        if name.endswith(f".{kind}"):
            stem, packing, ending = name[: -len(kind) - 1], kind, f".{kind}"
    for inner in (".pcapng", ".pcap"):
        if stem.endswith(inner):
            return Form(inner == ".pcapng", packing, inner + ending)
    return Form(False, packing, ending)


class Packer(Protocol):
    """One packed stream."""

    def pack(self, data: bytes | memoryview) -> bytes:
        """What to write of `data`, so that a reader gets all of it."""
        ...

    def end(self) -> bytes:
        """What ends the stream."""
        ...


def packer(packing: str, level: int) -> Packer:
    """A new stream. UsageError where zstd is asked for and not installed."""
    if packing == "gz":
        return _Gzip(level)
    return _Stored() if level == 0 else _Zstd(level)


def unpacked(data: bytes, packing: str) -> bytes:
    """What streams of ours, one behind the other, hold."""
    if packing == "gz":
        return gzip.decompress(data)
    if not packing:
        return data
    import zstandard

    whole: bytes = zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(data)
    return whole


class _Gzip:
    def __init__(self, level: int) -> None:
        self._stream = zlib.compressobj(min(level, GZIP_MOST_LEVEL), zlib.DEFLATED, GZIP_WINDOW)

    def pack(self, data: bytes | memoryview) -> bytes:
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._stream.flush(zlib.Z_FINISH)


class _Zstd:
    def __init__(self, level: int) -> None:
        try:
            import zstandard
        except ImportError:
            raise UsageError(
                "zstd is not installed: install lippycat-core[zstd], name a file without .zst, or say --tcp-compression-level 0"
            ) from None
        self._block, self._finish = zstandard.COMPRESSOBJ_FLUSH_BLOCK, zstandard.COMPRESSOBJ_FLUSH_FINISH
        self._stream: Any = zstandard.ZstdCompressor(level=level).compressobj()

    def pack(self, data: bytes | memoryview) -> bytes:
        packed: bytes = self._stream.compress(data) + self._stream.flush(self._block)
        return packed

    def end(self) -> bytes:
        rest: bytes = self._stream.flush(self._finish)
        return rest


class _Stored:
    """zstd frames of raw blocks."""

    def __init__(self) -> None:
        self._begun = False

    def pack(self, data: bytes | memoryview) -> bytes:
        view = memoryview(data)
        parts = [] if self._begun else [STORED_HEADER]
        self._begun = True
        for at in range(0, len(view), MOST_BLOCK):
            part = view[at : at + MOST_BLOCK]
            parts += [_raw_block(len(part), last=False), bytes(part)]
        return b"".join(parts)

    def end(self) -> bytes:
        return (b"" if self._begun else STORED_HEADER) + _raw_block(0, last=True)


def _raw_block(size: int, *, last: bool) -> bytes:
    return (size << 3 | last).to_bytes(3, "little")


class PackedOutput(Stage):
    """An `Output` that packs what goes to another."""

    def __init__(self, output: Output, packing: str, level: int) -> None:
        stream = packer(packing, level)
        super().__init__(output, stream.pack, stream.end)
