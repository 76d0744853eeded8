"""pcapng blocks made by hand (draft-ietf-opsawg-pcapng), in either byte order: what tests of capture files are written with."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

Options = Sequence[tuple[int, bytes]]

COMMENT, IF_NAME, IF_TSRESOL, IF_TSOFFSET = 1, 2, 9, 14
TLS_KEY_LOG = 0x544C534B


class Blocks:
    """Makes blocks of one byte order, `<` or `>`; a file is their concatenation."""

    def __init__(self, order: str = "<") -> None:
        self._order = order

    def block(self, kind: int, content: bytes) -> bytes:
        """A block of any type around its content, which is padded to four bytes."""
        content += bytes(-len(content) % 4)
        total = struct.pack(self._order + "I", len(content) + 12)
        return struct.pack(self._order + "I", kind) + total + content + total

    def options(self, options: Options) -> bytes:
        """Options and their end; nothing where there are none."""
        if not options:
            return b""
        out = [struct.pack(self._order + "HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in options]
        return b"".join(out) + bytes(4)

    def section(self, options: Options = ()) -> bytes:
        """A Section Header Block of unknown length."""
        return self.block(0x0A0D0D0A, struct.pack(self._order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + self.options(options))

    def interface(self, link: int = 1, snaplen: int = 0, options: Options = ()) -> bytes:
        """An Interface Description Block."""
        return self.block(1, struct.pack(self._order + "HHI", link, 0, snaplen) + self.options(options))

    def enhanced(self, units: int, data: bytes, wirelen: int | None = None, interface: int = 0, options: Options = ()) -> bytes:
        """An Enhanced Packet Block; `units` is the time in the interface's resolution."""
        wirelen = len(data) if wirelen is None else wirelen
        head = struct.pack(self._order + "IIIII", interface, units >> 32, units & 0xFFFFFFFF, len(data), wirelen)
        return self.block(6, head + data + bytes(-len(data) % 4) + self.options(options))

    def simple(self, data: bytes, wirelen: int | None = None) -> bytes:
        """A Simple Packet Block."""
        return self.block(3, struct.pack(self._order + "I", len(data) if wirelen is None else wirelen) + data)

    def old_packet(self, units: int, data: bytes, wirelen: int | None = None, interface: int = 0) -> bytes:
        """An (obsolete) Packet Block that counts seven lost packets."""
        wirelen = len(data) if wirelen is None else wirelen
        head = struct.pack(self._order + "HHIIII", interface, 7, units >> 32, units & 0xFFFFFFFF, len(data), wirelen)
        return self.block(2, head + data)

    def secrets(self, data: bytes, kind: int = TLS_KEY_LOG) -> bytes:
        """A Decryption Secrets Block."""
        return self.block(10, struct.pack(self._order + "II", kind, len(data)) + data)

    def file(self, records: Iterable[tuple[int, bytes]], link: int = 1) -> bytes:
        """A whole file of one interface with (microseconds, data) records."""
        packets = b"".join(self.enhanced(units, data) for units, data in records)
        return self.section() + self.interface(link) + packets
