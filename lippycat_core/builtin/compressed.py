"""Decompressed bytes of gzip (RFC 1952) and zstd (RFC 8878) streams, in bounded memory. Nothing here knows captures.

A stream that is cut or damaged gives all bytes that can be had in front of that, then ends with a `problem`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from lippycat_core.builtin.rawinput import ByteInput, Problem
from lippycat_core.errors import InputError
from lippycat_core.interfaces.capture import Progress

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
CHUNK_BYTES = 64 * 1024


class _Unpacked:
    """The half of a `ByteInput` that is the same for all compressions: what is left over, and the file below."""

    def __init__(self, raw: ByteInput) -> None:
        self.name = raw.name
        self.problem: Problem | None = None
        self._raw = raw
        self._chunk = memoryview(bytearray(CHUNK_BYTES))

    def _more(self) -> bytes:
        """The next compressed bytes; empty at the end."""
        count = self._raw.readinto(self._chunk)
        if count == 0 and self._raw.problem is not None:
            self.problem = self._raw.problem
        return bytes(self._chunk[:count])

    def progress(self) -> Progress:
        """See ByteInput."""
        return self._raw.progress()

    def close(self) -> None:
        """See ByteInput."""
        self._raw.close()


class GzipInput(_Unpacked):
    """A `ByteInput` of one or more gzip members. Zero bytes behind the last one are padding (tapes, tar)."""

    def __init__(self, raw: ByteInput) -> None:
        super().__init__(raw)
        self._member: Any = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        self._packed = b""  # compressed bytes that are not used yet
        self._more_inside = False  # whether the last piece filled its room, so that the decompressor may hold more

    def wait(self, timeout_ms: int) -> bool:
        """See ByteInput."""
        return self._more_inside or bool(self._packed) or self._raw.wait(timeout_ms)

    def readinto(self, room: memoryview) -> int:
        """See ByteInput."""
        while self.problem is None:
            if self._member.eof:
                self._packed = self._member.unused_data or self._packed
                if not self._next_member():
                    return 0
            try:
                piece = self._member.decompress(self._packed, len(room))
            except zlib.error as error:
                self.problem = Problem("corrupt", f"the gzip stream is damaged ({error})")
                return 0
            self._packed = self._member.unconsumed_tail
            self._more_inside = len(piece) == len(room)
            if piece:
                room[: len(piece)] = piece
                return len(piece)
            if self._member.eof or self._packed:
                continue
            self._packed = self._more()
            if not self._packed:
                self.problem = self.problem or Problem("truncated", "the gzip stream is cut")
        return 0

    def _next_member(self) -> bool:
        """Begin the next member; False where there is none."""
        while not self._packed.strip(b"\0"):
            self._packed = self._more()
            if not self._packed:
                return False
        self._packed = self._packed.lstrip(b"\0")
        if not self._packed.startswith(GZIP_MAGIC[: len(self._packed)]):
            self.problem = Problem("corrupt", "what follows the gzip stream is no gzip stream")
            return False
        self._member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        return True


class ZstdInput(_Unpacked):
    """A `ByteInput` of one or more zstd frames.

    The decompressor is fed block by block: that bounds what it can give at once to 128 KB (RFC 8878, section
    3.1.1.2.4), whatever the compression ratio, and tells a stream that ends from one that is cut.
    """

    def __init__(self, raw: ByteInput) -> None:
        super().__init__(raw)
        try:
            import zstandard
        except ImportError:
            raise InputError(
                f"{raw.name}: is packed with zstd, which needs a package: pip install 'lippycat-core[zstd]'"
            ) from None
        self._decompressor = zstandard.ZstdDecompressor()
        self._error: type[Exception] = zstandard.ZstdError
        self._packed = bytearray()
        self._ready = memoryview(b"")
        self._pieces = self._unpack()

    def wait(self, timeout_ms: int) -> bool:
        """See ByteInput."""
        return bool(self._ready) or bool(self._packed) or self._raw.wait(timeout_ms)

    def readinto(self, room: memoryview) -> int:
        """See ByteInput."""
        while not self._ready:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._ready = memoryview(piece)
        count = min(len(room), len(self._ready))
        room[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _take(self, count: int) -> bytes:
        """The next `count` compressed bytes; fewer where the file ends."""
        while len(self._packed) < count:
            more = self._more()
            if not more:
                break
            self._packed += more
        taken = bytes(self._packed[:count])
        del self._packed[:count]
        return taken

    def _cut(self) -> None:
        self.problem = self.problem or Problem("truncated", "the zstd stream is cut")

    def _unpack(self) -> Iterator[bytes]:
        """Decompressed pieces of all frames (section 3.1)."""
        while magic := self._take(4):
            if len(magic) < 4:
                return self._cut()
            number = int.from_bytes(magic, "little")
            if number & 0xFFFFFFF0 == 0x184D2A50:  # a skippable frame (section 3.1.2)
                size = self._take(4)
                left = int.from_bytes(size, "little")
                while left > 0 and (skipped := len(self._take(min(left, CHUNK_BYTES)))):
                    left -= skipped
                if len(size) < 4 or left > 0:
                    return self._cut()
            elif magic == ZSTD_MAGIC:
                try:
                    yield from self._frame(magic)
                except self._error as error:
                    self.problem = Problem("corrupt", f"the zstd stream is damaged ({error})")
                if self.problem is not None:
                    return None
            else:
                self.problem = Problem("corrupt", "what follows the zstd stream's frame is no frame")
                return None
        return None

    def _frame(self, magic: bytes) -> Iterator[bytes]:
        """Decompressed pieces of one frame: header (section 3.1.1.1), blocks (3.1.1.2), checksum (3.1.1)."""
        frame = self._decompressor.decompressobj()
        descriptor = self._take(1)
        if not descriptor:
            return self._cut()
        flags = descriptor[0]
        single_segment, checksum = flags >> 5 & 1, flags >> 2 & 1
        content_size_bytes = (single_segment, 2, 4, 8)[flags >> 6]
        rest = (1 - single_segment) + (0, 1, 2, 4)[flags & 3] + content_size_bytes
        header = self._take(rest)
        if len(header) < rest:
            return self._cut()
        yield frame.decompress(magic + descriptor + header)
        last = 0
        while not last:
            head = self._take(3)
            fields = int.from_bytes(head, "little")
            last, kind, size = fields & 1, fields >> 1 & 3, fields >> 3
            stored = 1 if kind == 1 else size  # an RLE block stores one byte
            body = self._take(stored)
            if len(head) < 3 or len(body) < stored:
                return self._cut()
            yield frame.decompress(head + body)
        tail = self._take(4 * checksum)
        if len(tail) < 4 * checksum:
            return self._cut()
        if tail:
            yield frame.decompress(tail)
        return None
