"""The sink that writes packets to a capture file. Putting records together is a kernel; the file is here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from lippycat_core.batch import DEFAULT_BYTES, LARGEST_RECORD
from lippycat_core.builtin.blocks import interface_description, pcap_header, section_header
from lippycat_core.builtin.outputs import STDOUT, Output, PlainOutput, cannot_write
from lippycat_core.builtin.rawinput import STDIN
from lippycat_core.columns import I32, U8, Frame
from lippycat_core.errors import OutputError, UsageError
from lippycat_core.interfaces.sink import PacketSink
from lippycat_core.kernels import pack
from lippycat_core.kernelset import Kernel, KernelSet

PCAPNG_ENDING = ".pcapng"
PACKED_ENDINGS = (".gz", ".zst")
ETHERNET = 1
"""Link type of a pcap file into which no packet came."""
MOST_LINKS = 256
OUT_BYTES = max(DEFAULT_BYTES, LARGEST_RECORD)


class PcapWriter(PacketSink):
    """A `Sink` that writes each packet which the capture filter kept to `path`, or to standard output for `-`.

    The file is pcapng where `path` ends in .pcapng, else pcap; both little-endian with nanoseconds (pcap magic
    0xa1b23c4d). A pcap file holds one link type: a second one is an OutputError that says so. Raises OutputError where the
    file cannot be written, UsageError where that is one of `inputs` or named like a packed one; a reader that went away is a
    BrokenPipeError. With `output` bytes go there, in the form that `pcapng` says, and `path` is a name for messages.
    """

    def __init__(
        self, path: str, inputs: Sequence[str] = (), *, output: Output | None = None, pcapng: bool | None = None
    ) -> None:
        self._name = "standard output" if path == STDOUT else path
        self._pcapng = path.endswith(PCAPNG_ENDING) if pcapng is None else pcapng
        self._out = np.zeros(OUT_BYTES, np.uint8)
        self._links = np.zeros(MOST_LINKS, np.int32)
        self._known = 0
        self._state = np.zeros(pack.P_WIDTH, np.int64)
        self._kernels: KernelSet | None = None
        self._file: Output | None = output
        if output is None:
            if not path:
                raise UsageError("an empty file name: name the file to write, or - for standard output")
            if path.endswith(PACKED_ENDINGS):
                raise UsageError(f"{path}: packets are written unpacked: name a .pcap or .pcapng file, and pack it afterwards")
            refuse_inputs(path, inputs)
            self._file = self._open(path)
        if self._pcapng:
            self._put(section_header())

    @property
    def kernels(self) -> Sequence[Kernel]:
        """What the batches' kernel set will be asked for."""
        return (pack_kernel(pcapng=self._pcapng),)

    @property
    def written(self) -> int:
        """Packets so far."""
        return int(self._state[pack.P_PACKETS])

    def begin(self, link: int | None) -> None:
        """Write what stands in front of the first packet, whose link type is `link` (None: not known yet), so that a reader who
        waits for it goes on. To be called once, before any packet."""
        if link is not None:
            self._add_link(link)
        self._flush()

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
            raise cannot_write(self._name, error) from None

    def _bind(self, kernels: KernelSet) -> None:
        self._kernels = kernels
        self._pack = kernels[pack_kernel(pcapng=self._pcapng)]
        self._out_view = kernels.view(self._out)
        self._links_view = kernels.view(self._links)
        self._state_view = kernels.view(self._state)

    def _open(self, path: str) -> Output:
        try:
            return PlainOutput(path, pcapng=self._pcapng)
        except (OSError, ValueError) as error:
            raise cannot_write(self._name, error) from None

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
        self._put(interface_description(link) if self._pcapng else pcap_header(link))
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
        written = memoryview(self._out.data)[: int(self._state[pack.P_POS])]
        self._state[pack.P_POS] = 0
        if not written or self._file is None:
            if isinstance(self._file, PlainOutput) and self._file.reader_gone():
                self._give_up()  # where no packet comes, no write would tell
                raise BrokenPipeError
            return
        try:
            self._file.write(written)
        except BrokenPipeError:
            self._give_up()
            raise
        except OSError as error:
            self._give_up()
            raise cannot_write(self._name, error) from None

    def _give_up(self) -> None:
        """Let the file go after a fault, so that closing does not meet it again."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()


def pack_kernel(*, pcapng: bool) -> Kernel:
    """What puts the records of a pcapng or pcap file together."""
    return pack.pack_pcapng if pcapng else pack.pack_pcap


def refuse_inputs(path: str, inputs: Sequence[str]) -> None:
    """UsageError where `path` is one of `inputs`."""
    for source in inputs:
        if path != STDOUT and _same_file(path, source):
            raise UsageError(f"{path}: is being read: write to another file")


def _same_file(path: str, source: str) -> bool:
    """Whether both are one file on disk (under whatever names); false where one does not exist."""
    try:
        status = os.fstat(sys.stdin.fileno()) if source == STDIN else os.stat(source)
        return os.path.samestat(os.stat(path), status)
    except (AttributeError, OSError, ValueError):
        return False
