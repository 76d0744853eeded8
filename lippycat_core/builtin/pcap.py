"""The classic pcap format: its file header, and the records' walk bound to it. Reading and faults are filesource's."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from lippycat_core.builtin.rawinput import NotACapture
from lippycat_core.builtin.room import Room
from lippycat_core.builtin.window import Window
from lippycat_core.kernels import walk
from lippycat_core.kernelset import Kernel, KernelSet

FILE_HEADER_BYTES = 24
RECORD_HEADER_BYTES = 16
KUZNETZOV_HEADER_BYTES = 24
"""Alexey Kuznetzov's patched libpcap put interface, protocol and packet type behind the usual 16 bytes."""

# Magic as it lies in the file: (struct's byte order, nanoseconds in a sub-second unit, bytes of a record's header)
MAGICS: dict[bytes, tuple[str, int, int]] = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000, RECORD_HEADER_BYTES),
    b"\xa1\xb2\xc3\xd4": (">", 1000, RECORD_HEADER_BYTES),
    b"\x4d\x3c\xb2\xa1": ("<", 1, RECORD_HEADER_BYTES),
    b"\xa1\xb2\x3c\x4d": (">", 1, RECORD_HEADER_BYTES),
    b"\x34\xcd\xb2\xa1": ("<", 1000, KUZNETZOV_HEADER_BYTES),
    b"\xa1\xb2\xcd\x34": (">", 1000, KUZNETZOV_HEADER_BYTES),
}

EMPTY = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
"""The header of a file without records."""

LINK_MASK = 0xFFFF
"""The upper half of the link type field holds the length of the frame check sequence, where a writer cared."""


class PcapFormat:
    """Records of one classic pcap file. `header` is its first 24 bytes; raises NotACapture where it is cut."""

    header_bytes = FILE_HEADER_BYTES
    used_bytes = FILE_HEADER_BYTES
    kernels: Sequence[Kernel] = (walk.walk_pcap,)

    def __init__(self, name: str, header: bytes) -> None:
        if len(header) < FILE_HEADER_BYTES:
            raise NotACapture(f"{name}: not a capture file (its header is cut after {len(header)} bytes): get the whole file")
        order, unit_ns, record_header = MAGICS[header[:4]]
        (link,) = struct.unpack_from(order + "I", header, 20)
        self.secrets: list[tuple[int, bytes]] = []
        self.comments: list[tuple[int, str]] = []
        self.interfaces: list[str] = []
        self.state = np.zeros(walk.W_WIDTH, np.int64)
        self.state[walk.W_BIG] = order == ">"
        self.state[walk.W_UNIT_NS] = unit_ns
        self.state[walk.W_LINK] = link & LINK_MASK
        self.state[walk.W_HEADER] = record_header

    def bind(self, kernels: KernelSet) -> None:
        """See Format."""
        self._walk = kernels[walk.walk_pcap]
        self._state = kernels.view(self.state)

    def walk(self, room: Room, row: int, first_record: int) -> int:
        """See Format."""
        return self._walk(room.slab, self._state, room.frame, row, room.rows)

    def stopped(self, window: Window) -> str | None:
        """See Format. There is one thing that can be wrong with a record."""
        return f"claims {int(self.state[walk.W_VALUE])} captured bytes, more than any file may hold"
