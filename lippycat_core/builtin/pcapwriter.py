"""The sink that writes packets to a capture file. Putting records together is a kernel; the file is here."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Sequence
from io import FileIO

import numpy as np

from lippycat_core.batch import DEFAULT_BYTES, LARGEST_RECORD, Batch
from lippycat_core.builtin.pipes import open_output, reader_gone
from lippycat_core.builtin.rawinput import STDIN
from lippycat_core.columns import I32, U8, Frame
from lippycat_core.errors import OutputError, UsageError
from lippycat_core.events import Event
from lippycat_core.kernels import pack
from lippycat_core.kernels.walk import INTERFACE_DESCRIPTION, LARGEST_CAPLEN, SECTION_HEADER
from lippycat_core.kernelset import Kernel, KernelSet

STDOUT = "-"
PCAPNG_ENDING = ".pcapng"
PACKED_ENDINGS = (".gz", ".zst")
NANOSECOND_MAGIC = 0xA1B23C4D
ETHERNET = 1
"""Link type of a pcap file into which no packet came."""
MOST_LINKS = 256
OUT_BYTES = max(DEFAULT_BYTES, LARGEST_RECORD)

# pcapng options (draft-ietf-opsawg-pcapng, sections 4.1 and 4.2)
SHB_USERAPPL, IF_TSRESOL = 4, 9
BYTE_ORDER_MAGIC = 0x1A2B3C4D
UNKNOWN_SECTION_LENGTH = -1
NANOSECONDS = 9


class PcapWriter:
    """A `Sink` that writes each packet which the capture filter kept to `path`, or to standard output for `-`.

    The file is pcapng where `path` ends in .pcapng, else pcap; both little-endian with nanoseconds (pcap magic
    0xa1b23c4d). A pcap file holds one link type: a second one is an OutputError that says so. Raises OutputError where the
    file cannot be written, UsageError where that is one of `inputs` or named like a packed one; a reader that went away is a
    BrokenPipeError.
    """

    def __init__(self, path: str, inputs: Sequence[str] = ()) -> None:
        self._name = "standard output" if path == STDOUT else path
        self._pcapng = path.endswith(PCAPNG_ENDING)
        self._out = np.zeros(OUT_BYTES, np.uint8)
        self._links = np.zeros(MOST_LINKS, np.int32)
        self._known = 0
        self._state = np.zeros(pack.P_WIDTH, np.int64)
        self._file: FileIO | None = None
        if not path:
            raise UsageError("an empty file name: name the file to write, or - for standard output")
        if path.endswith(PACKED_ENDINGS):
            raise UsageError(f"{path}: packets are written unpacked: name a .pcap or .pcapng file, and pack it afterwards")
        for source in inputs:
            if path != STDOUT and _same_file(path, source):
                raise UsageError(f"{path}: is being read: write to another file")
        self._kernels: KernelSet | None = None
        self._file = self._open(path)
        if self._pcapng:
            self._put(_section_header())

    @property
    def kernels(self) -> Sequence[Kernel]:
        """What the batches' kernel set will be asked for."""
        return (pack.pack_pcapng if self._pcapng else pack.pack_pcap,)

    def packets(self, batch: Batch) -> None:
        """See Sink. The batch's own kernels are used, for its columns have the form that these take."""
        views = batch.views
        self.records(batch.kernels, views.slab, views.frame, views.route.status, 0, batch.rows)

    def records(self, kernels: KernelSet, slab: U8, frame: Frame, status: I32, begin: int, end: int) -> None:
        """Write rows [begin, end) whose `status` is not FILTERED; slab and columns have the form that `kernels` take."""
        if kernels is not self._kernels:
            self._bind(kernels)
        row = begin
        stop = pack.FULL
        while stop != pack.DONE:
            row = self._pack(slab, frame, status, self._links_view, self._known, self._out_view, self._state_view, row, end)
            stop = int(self._state[pack.P_STOP])
            if stop == pack.NEW_LINK:
                self._add_link(int(self._state[pack.P_LINK]))
            else:
                self._flush()

    def emit(self, events: Sequence[Event]) -> None:
        """See Sink; a capture file holds no events."""

    def close(self) -> None:
        """See Sink; may be called twice. A pcap file without packets gets its header now."""
        if self._file is None:
            return
        if not self._known and not self._pcapng:
            self._add_link(ETHERNET)
        self._flush()
        file, self._file = self._file, None
        try:
            file.close()
        except OSError as error:
            raise self._cannot_write(error) from None

    def _bind(self, kernels: KernelSet) -> None:
        self._kernels = kernels
        (kernel,) = self.kernels
        self._pack = kernels[kernel]
        self._out_view = kernels.view(self._out)
        self._links_view = kernels.view(self._links)
        self._state_view = kernels.view(self._state)

    def _open(self, path: str) -> FileIO:
        if path != STDOUT:
            try:
                return FileIO(path, "w", opener=open_output)
            except (OSError, ValueError) as error:
                raise self._cannot_write(error) from None
        if sys.stdout.isatty():
            raise UsageError("standard output: is a terminal: send the packets to a file or a pipe")
        sys.stdout.flush()
        return FileIO(sys.stdout.fileno(), "w", closefd=False)

    def _add_link(self, link: int) -> None:
        """Announce a link type: a pcap file's header, or another interface of a pcapng file."""
        if self._known == (MOST_LINKS if self._pcapng else 1):
            self._flush()
            self._give_up()
            if self._pcapng:
                raise OutputError(f"{self._name}: more than {MOST_LINKS} link types: filter the input (-f)")
            first = int(self._links[0])
            raise OutputError(
                f"{self._name}: a pcap file holds one link type, and the packets have {first} and {link}: "
                f"write to a name that ends in {PCAPNG_ENDING}"
            )
        self._put(_interface_description(link) if self._pcapng else _pcap_header(link))
        self._links[self._known] = link
        self._known += 1

    def _put(self, data: bytes) -> None:
        """Append a header to what is to be written."""
        if len(data) > len(self._out) - int(self._state[pack.P_POS]):
            self._flush()
        pos = int(self._state[pack.P_POS])
        self._out[pos : pos + len(data)] = np.frombuffer(data, np.uint8)
        self._state[pack.P_POS] = pos + len(data)

    def _flush(self) -> None:
        """Write what was put together."""
        left = memoryview(self._out.data)[: int(self._state[pack.P_POS])]
        self._state[pack.P_POS] = 0
        if not left and self._file is not None and reader_gone(self._file.fileno()):
            self._give_up()  # where no packet comes, no write would tell
            raise BrokenPipeError
        try:
            while left and self._file is not None:
                left = left[self._file.write(left) :]
        except BrokenPipeError:
            self._give_up()
            raise
        except OSError as error:
            self._give_up()
            raise self._cannot_write(error) from None

    def _give_up(self) -> None:
        """Let the file go after a fault, so that closing does not meet it again."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _cannot_write(self, error: OSError | ValueError) -> OutputError:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return OutputError(f"{self._name}: cannot be written ({reason}): choose another place, or make room there")


def _same_file(path: str, source: str) -> bool:
    """Whether both are one file on disk (under whatever names); false where one does not exist."""
    try:
        status = os.fstat(sys.stdin.fileno()) if source == STDIN else os.stat(source)
        return os.path.samestat(os.stat(path), status)
    except (AttributeError, OSError, ValueError):
        return False


def _pcap_header(link: int) -> bytes:
    return struct.pack("<IHHiIII", NANOSECOND_MAGIC, 2, 4, 0, 0, LARGEST_CAPLEN, link)


def _block(kind: int, content: bytes) -> bytes:
    total = struct.pack("<I", len(content) + 12)
    return struct.pack("<I", kind) + total + content + total


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _section_header() -> bytes:
    options = _option(SHB_USERAPPL, b"lippycat") + _option(0, b"")
    return _block(SECTION_HEADER, struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, UNKNOWN_SECTION_LENGTH) + options)


def _interface_description(link: int) -> bytes:
    options = _option(IF_TSRESOL, bytes([NANOSECONDS])) + _option(0, b"")
    return _block(INTERFACE_DESCRIPTION, struct.pack("<HHI", link, 0, LARGEST_CAPLEN) + options)
