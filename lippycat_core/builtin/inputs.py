"""Opening an input of capture bytes, with its compression undone. Told by magic bytes, never by a file's name."""

from __future__ import annotations

from lippycat_core.builtin.compressed import GZIP_MAGIC, ZSTD_MAGIC, GzipInput, ZstdInput
from lippycat_core.builtin.rawinput import ByteInput, NotACapture, RawInput, cannot_read, open_raw
from lippycat_core.errors import InputError

LONGEST_MAGIC = 4

# Other wrappings that captures come in, so that the error can name them
FOREIGN_MAGICS = {b"BZh": "bzip2", b"\xfd7zX": "xz", b"\x04\x22\x4d\x18": "lz4", b"PK\x03\x04": "zip"}


def open_input(path: str) -> ByteInput:
    """Open a file, or standard input for `-`.

    Raises InputError where it cannot be read, is a directory or a terminal, or is zstd and the package for that is missing;
    NotACapture where it is empty or packed in another way.
    """
    raw = open_raw(path)
    try:
        return _unwrapped(raw)
    except OSError as error:
        raw.close()
        raise cannot_read(raw.name, error) from None
    except InputError:
        raw.close()
        raise


def _unwrapped(raw: RawInput) -> ByteInput:
    head = raw.peek(LONGEST_MAGIC)
    if not head:
        raise NotACapture(f"{raw.name}: is empty (0 bytes): name a capture file")
    if head.startswith(GZIP_MAGIC):
        return GzipInput(raw)
    if head == ZSTD_MAGIC:
        return ZstdInput(raw)
    for magic, kind in FOREIGN_MAGICS.items():
        if head.startswith(magic):
            raise NotACapture(f"{raw.name}: is packed with {kind}: unpack it first (gzip and zstd are read as they are)")
    return raw
