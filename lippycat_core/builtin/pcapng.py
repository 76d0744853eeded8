"""The pcapng format (draft-ietf-opsawg-pcapng): sections, interfaces, secrets and comments. The packet blocks' walk is a
kernel, reading and faults are filesource's."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import numpy as np

from lippycat_core.builtin.rawinput import NotACapture
from lippycat_core.builtin.room import Room
from lippycat_core.builtin.window import Window
from lippycat_core.columns import I64
from lippycat_core.kernels import walk
from lippycat_core.kernelset import Kernel, KernelSet

MAGIC = b"\x0a\x0d\x0d\x0a"
BYTE_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}

# Options (sections 3.5 and 4.2)
OPT_END, OPT_COMMENT = 0, 1
IF_NAME, IF_TSRESOL, IF_TSOFFSET = 2, 9, 14

# What an untrusted file may make us keep
MOST_INTERFACES = 65536
MOST_COMMENTS = 1000
MOST_SECRET_BYTES = 16 * 1024 * 1024
LONGEST_TEXT = 1024
NOTES_A_WALK = 64

NS = 1_000_000_000
MICROSECONDS = 6
"""if_tsresol where an interface does not say (section 4.2)."""


FAULTS = {
    walk.BAD_CAPLEN: "claims {} captured bytes, more than any file may hold",
    walk.BAD_LENGTH: "claims to be a block of {} bytes",
    walk.BAD_TRAILER: "its block ends with the length {}, not its own",
    walk.BAD_INTERFACE: "was captured on interface {}, which was not described",
    walk.BAD_CONTENT: "claims {} captured bytes, more than its block holds",
}
"""What is wrong where the walk stopped, of the walk's value."""


class PcapngFormat:
    """Blocks of one pcapng file. `header` is its first 12 bytes; raises NotACapture where they begin no section."""

    header_bytes = 12
    used_bytes = 0
    kernels: Sequence[Kernel] = (walk.walk_pcapng,)

    def __init__(self, name: str, header: bytes) -> None:
        if header[8:12] not in BYTE_ORDERS:
            raise NotACapture(f"{name}: not a capture file (a pcapng block, but no byte-order magic): get the whole file")
        self.secrets: list[tuple[int, bytes]] = []
        self.comments: list[tuple[int, str]] = []
        self.interfaces: list[str] = []
        self.state = np.zeros(walk.W_WIDTH, np.int64)
        self._order = "<"
        self._secret_bytes = 0
        self._table: I64 = np.zeros(4 * walk.I_WIDTH, np.int64)
        self._notes = np.zeros(NOTES_A_WALK * walk.N_WIDTH, np.int32)

    def bind(self, kernels: KernelSet) -> None:
        """See Format."""
        self._kernels = kernels
        self._walk = kernels[walk.walk_pcapng]
        self._state = kernels.view(self.state)
        self._interfaces = kernels.view(self._table)
        self._note_views = kernels.view(self._notes)

    def walk(self, room: Room, row: int, first_record: int) -> int:
        """See Format."""
        end = self._walk(room.slab, self._state, self._interfaces, room.frame, self._note_views, row, room.rows)
        for i in range(int(self.state[walk.W_NOTES])):
            note_row, off, length = self._notes[i * walk.N_WIDTH : (i + 1) * walk.N_WIDTH].tolist()
            self._comment(first_record + note_row - row, bytes(room.mem[off : off + length]))
        return end

    def stopped(self, window: Window) -> str | None:
        """See Format."""
        stop = int(self.state[walk.W_STOP])
        return self._block(window) if stop == walk.BLOCK else FAULTS[stop].format(int(self.state[walk.W_VALUE]))

    def _block(self, window: Window) -> str | None:
        """A block that the walk does not read."""
        head = window.head(12)
        section = head[:4] == MAGIC
        if section:
            order = BYTE_ORDERS.get(head[8:12])
            if order is None:
                return "a section without byte-order magic"
            self._order = order
        kind, total = struct.unpack_from(self._order + "II", head)
        padded = (total + 3) // 4 * 4
        shortest = {walk.SECTION_HEADER: 28, walk.INTERFACE_DESCRIPTION: 20, walk.DECRYPTION_SECRETS: 20}.get(kind, 12)
        if not shortest <= total <= walk.LARGEST_BLOCK:
            return FAULTS[walk.BAD_LENGTH].format(total)
        block = window.take(padded)
        if block is None:
            return None
        (trailer,) = struct.unpack_from(self._order + "I", block, padded - 4)
        if trailer != total:  # in an unknown block too: whether it lay whole in the slab must not show
            return FAULTS[walk.BAD_TRAILER].format(trailer)
        content = block[8:-4]
        if kind == walk.SECTION_HEADER:
            self._section(content)
        elif kind == walk.INTERFACE_DESCRIPTION:
            return self._interface(content)
        elif kind == walk.DECRYPTION_SECRETS:
            self._secret(content)
        return None

    def _section(self, content: bytes) -> None:
        """A Section Header Block (section 4.1): what was described before it is void."""
        self.state[walk.W_BIG] = self._order == ">"
        self.state[walk.W_INTERFACES] = 0
        for code, value in self._options(content[16:]):
            if code == OPT_COMMENT:
                self._comment(0, value)

    def _interface(self, content: bytes) -> str | None:
        """An Interface Description Block (section 4.2)."""
        number = int(self.state[walk.W_INTERFACES])
        if number >= MOST_INTERFACES:
            return f"more than {MOST_INTERFACES} interfaces in a section"
        link, _, snaplen = struct.unpack_from(self._order + "HHI", content)
        name, resolution, offset_s = "", MICROSECONDS, 0
        for code, value in self._options(content[8:]):
            if code == OPT_COMMENT:
                self._comment(0, value)
            elif code == IF_NAME:
                name = _text(value)
            elif code == IF_TSRESOL and value:
                resolution = value[0]
            elif code == IF_TSOFFSET and len(value) >= 8:
                (offset_s,) = struct.unpack_from(self._order + "q", value)
        if (number + 1) * walk.I_WIDTH > len(self._table):
            self._table = np.concatenate([self._table, np.zeros_like(self._table)])
            self._interfaces = self._kernels.view(self._table)
        row = interface_row(link, snaplen, resolution, offset_s)
        self._table[number * walk.I_WIDTH : (number + 1) * walk.I_WIDTH] = row
        self.state[walk.W_INTERFACES] = number + 1
        if len(self.interfaces) < MOST_INTERFACES:
            self.interfaces.append(name)
        return None

    def _secret(self, content: bytes) -> None:
        """A Decryption Secrets Block (section 4.7)."""
        kind, length = struct.unpack_from(self._order + "II", content)
        data = content[8 : 8 + length]
        if self._secret_bytes + len(data) <= MOST_SECRET_BYTES:
            self._secret_bytes += len(data)
            self.secrets.append((kind, data))

    def _comment(self, record: int, value: bytes) -> None:
        if len(self.comments) < MOST_COMMENTS:
            self.comments.append((record, _text(value)))

    def _options(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Options up to the first that is not whole."""
        at = 0
        while at + 4 <= len(data):
            code, length = struct.unpack_from(self._order + "HH", data, at)
            if code == OPT_END or at + 4 + length > len(data):
                return
            yield code, data[at + 4 : at + 4 + length]
            at += 4 + (length + 3) // 4 * 4


def interface_row(link: int, snaplen: int, resolution: int, offset_s: int) -> list[int]:
    """An interface as the walk wants it (I_ fields). `resolution` is if_tsresol's byte: a power of 10, or of 2 with the
    highest bit set; the walk cuts what is finer than a nanosecond."""
    base, exponent = (2, resolution & 0x7F) if resolution & 0x80 else (10, resolution)
    per_second = base**exponent
    row = [0] * walk.I_WIDTH
    row[walk.I_LINK] = link
    row[walk.I_SNAPLEN] = snaplen
    if NS % per_second == 0:
        row[walk.I_MUL] = NS // per_second
        row[walk.I_LIMIT] = walk.LARGEST_TS_NS * per_second // NS
    else:
        # The walk multiplies a remainder below I_PER with 10**9, so I_PER may be 2**33 at most.
        finest = 2**32 if base == 2 else NS
        row[walk.I_PRE] = min(max(per_second // finest, 1), 2**63 - 1)
        row[walk.I_PER] = min(per_second, finest)
    row[walk.I_OFFSET_NS] = min(max(offset_s * NS, -walk.LARGEST_TS_NS), walk.LARGEST_TS_NS)
    return row


def _text(value: bytes) -> str:
    return value[:LONGEST_TEXT].decode("utf-8", "replace").rstrip("\0")
