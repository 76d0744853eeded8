"""Reads of big- and little-endian numbers that mean the same interpreted and compiled. The caller checks bounds.

Multiplication instead of shifts keeps compiled results int64 (see the package's rules).
"""

from __future__ import annotations

from lippycat_core.columns import U8


def u8(buf: U8, i: int) -> int:
    """The byte at `i`."""
    return int(buf[i]) + 0


def be16(buf: U8, i: int) -> int:
    """The big-endian 16-bit number at `i`."""
    return int(buf[i]) * 0x100 + int(buf[i + 1])


def be24(buf: U8, i: int) -> int:
    """The big-endian 24-bit number at `i`."""
    return int(buf[i]) * 0x10000 + int(buf[i + 1]) * 0x100 + int(buf[i + 2])


def be32(buf: U8, i: int) -> int:
    """The big-endian 32-bit number at `i`."""
    return int(buf[i]) * 0x1000000 + int(buf[i + 1]) * 0x10000 + int(buf[i + 2]) * 0x100 + int(buf[i + 3])


def le16(buf: U8, i: int) -> int:
    """The little-endian 16-bit number at `i`."""
    return int(buf[i + 1]) * 0x100 + int(buf[i])


def le32(buf: U8, i: int) -> int:
    """The little-endian 32-bit number at `i`."""
    return int(buf[i + 3]) * 0x1000000 + int(buf[i + 2]) * 0x10000 + int(buf[i + 1]) * 0x100 + int(buf[i])
