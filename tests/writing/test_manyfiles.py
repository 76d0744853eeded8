"""A disk that is full in the midst of a large write to a file of many: the pieces that fitted can be read."""

from __future__ import annotations

import errno
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography", reason="cryptography is not installed: encryption is not tested")

import zstandard

from lippycat_core.writing.encryption import RAW, Cut, Key, Secret, chunks
from lippycat_core.writing.manyfiles import ManyFiles, Target
from lippycat_core.writing.stage import PIECE

KEY = Key(Secret(bytes(range(32)), RAW))


def whole_chunks(data: bytes, key: Key) -> Iterator[bytes]:
    with suppress(Cut):
        yield from chunks(io.BytesIO(data), key)


@pytest.mark.parametrize(("packing", "key"), [("zst", None), ("gz", None), ("zst", KEY), ("gz", KEY), ("", KEY)])
def test_of_a_large_write_what_fits_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: str, key: Key | None
) -> None:
    path, data, write, room = str(tmp_path / "x"), os.urandom(600_000), os.write, [200_000]

    def full(fd: int, part: memoryview) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = write(fd, part[: room[0]])
        room[0] -= count
        return count

    failed: list[str] = []
    many = ManyFiles(1, 8, lambda path, error: failed.append(str(error)), pcapng=False, packing=packing, key=key)
    monkeypatch.setattr(os, "write", full)
    many.write(0, Target(path, 1), data, headed=True)
    monkeypatch.undo()
    many.close()
    assert "No space" in failed[0]
    kept = Path(path).read_bytes()
    if key is not None:
        kept = b"".join(whole_chunks(kept, key))
    if packing:
        reader: Any = zstandard.ZstdDecompressor().decompressobj() if packing == "zst" else zlib.decompressobj(31)
        kept = reader.decompress(kept)
    assert kept == data[: len(kept)]
    assert len(kept) == 3 * PIECE
