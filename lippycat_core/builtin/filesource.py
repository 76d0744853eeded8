"""One capture file as a source: reads its bytes into batches, lets its format walk them, and says where it went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lippycat_core.batch import DEFAULT_BYTES, Batch
from lippycat_core.builtin.inputs import open_input
from lippycat_core.builtin.pcap import EMPTY, MAGICS, PcapFormat
from lippycat_core.builtin.pcapng import MAGIC, PcapngFormat
from lippycat_core.builtin.rawinput import ByteInput, NotACapture
from lippycat_core.builtin.room import Format, Room, batch_room
from lippycat_core.builtin.window import Window
from lippycat_core.interfaces.capture import Fault, Progress
from lippycat_core.kernels import walk
from lippycat_core.kernelset import Kernel, KernelSet

MAGIC_BYTES = 4
LEAST_READ = 4096
USUAL_RECORD_BYTES = 256
"""What a record is taken to be long before any was seen."""

ENDED = -1


class FileSource:
    """A `CaptureSource` of one file, or of `-`. Raises InputError where that is no capture.

    `read_bytes` bounds what is read at a time. `secrets`, `comments` and `interfaces` hold what pcapng blocks said so far.
    """

    def __init__(self, path: str, kernels: KernelSet, read_bytes: int = DEFAULT_BYTES) -> None:
        self._input = open_input(path)
        try:
            self._format, carry, offset = _recognise(self._input)
        except BaseException:
            self._input.close()
            raise
        self._read_bytes = read_bytes
        self._window = Window(self._input, self._format.state, carry, offset)
        self._record = 1  # number of the next record
        self._record_bytes = USUAL_RECORD_BYTES
        self._ended = False
        self._told = self._ready = 0  # secrets that were handed on, and that stood in front of the next record
        self._faults: list[Fault] = []
        self.bind(kernels)

    @property
    def kernels(self) -> Sequence[Kernel]:
        """What `bind` asks for."""
        return self._format.kernels

    @property
    def secrets(self) -> Sequence[tuple[int, bytes]]:
        """Decryption secrets: (pcapng secrets type, data)."""
        return self._format.secrets

    @property
    def comments(self) -> Sequence[tuple[int, str]]:
        """Comments: (record number in this file, or 0 for the file and its interfaces, text)."""
        return self._format.comments

    @property
    def interfaces(self) -> Sequence[str]:
        """Names of the interfaces described so far, "" where one has none."""
        return self._format.interfaces

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels."""
        self._format.bind(kernels)

    def fill(self, batch: Batch, timeout_ms: int) -> bool:
        """See CaptureSource. Pipes give what they have, and True with 0 rows when that is nothing within `timeout_ms`."""
        rows = self.read(batch_room(batch), timeout_ms)
        batch.rows = max(rows, 0)
        batch.route.status[: batch.rows] = 0
        batch.secrets = self.take_secrets()
        return rows != ENDED or bool(batch.secrets)

    def take_secrets(self) -> Sequence[tuple[int, bytes]]:
        """The secrets that stood in front of what was read last, and that were not taken yet."""
        secrets = self._format.secrets[self._told : self._ready]
        self._told = self._ready
        return secrets

    def read(self, room: Room, timeout_ms: int) -> int:
        """Fill `room` from row 0 and return how many rows are filled: ENDED at the input's end, 0 when a pipe gave nothing
        within `timeout_ms`."""
        self._ready = len(self._format.secrets)
        if self._ended:
            return ENDED
        window, state = self._window, self._format.state
        window.enter(room.mem)
        begin = window.offset
        rows = 0
        while not self._ended:
            now = self._format.walk(room, rows, self._record)
            self._record += now - rows
            rows = now
            stop = int(state[walk.W_STOP])
            if stop == walk.FULL:
                break
            if stop != walk.NEED:
                self._stopped()
                if not rows:
                    self._ready = len(self._format.secrets)
                elif len(self._format.secrets) > self._ready:
                    break  # what they open must not depend on where a batch begins
            elif rows and (2 * rows >= room.rows or 2 * window.end >= room.nbytes):
                break  # half full is enough: the rest would come in small reads
            elif not self._input.wait(0 if rows else timeout_ms):
                break
            else:
                if not rows:
                    window.to_front()
                self._ended = window.read(self._read_size(room.rows - rows), room.nbytes) == 0
                if self._ended and (window.left or self._input.problem):
                    self._fail("truncated", f"the file ends {window.left} bytes into it", window.offset)
        if rows:
            self._record_bytes = (window.offset - begin) // rows
        window.leave()
        return ENDED if self._ended and not rows else rows

    def _read_size(self, rows: int) -> int:
        """No more than the free rows are likely to hold, so that little is carried from batch to batch."""
        return min(max(rows * self._record_bytes + self._record_bytes - self._window.left, LEAST_READ), self._read_bytes)

    def _stopped(self) -> None:
        """The walk met something that is no record."""
        begin = self._window.offset
        wrong = self._format.stopped(self._window)
        if wrong is not None:
            self._fail("corrupt", wrong, begin)
        elif self._window.cut:
            self._fail("truncated", "the file ends in a block in front of it", begin)

    def _fail(self, what: str, detail: str, offset: int) -> None:
        """End the input here. Why its bytes ended early, where that is known, says more than what that did to a record."""
        self._ended = True
        if self._input.problem is not None and what == "truncated":
            what, detail = self._input.problem.what, self._input.problem.detail
        self._faults.append(Fault(self._input.name, what, f"record {self._record} at byte {offset}: {detail}"))

    def dropped(self) -> Mapping[str, int]:
        """See CaptureSource."""
        return {}

    def faults(self) -> Sequence[Fault]:
        """See CaptureSource."""
        return self._faults

    def progress(self) -> Progress:
        """See CaptureSource."""
        return self._input.progress()

    def close(self) -> None:
        """See CaptureSource."""
        self._input.close()


def _recognise(source: ByteInput) -> tuple[Format, bytes, int]:
    """The input's format, what was read of it and belongs to records, and where in the input that begins. Raises
    NotACapture where it has none."""
    head = _first(source, MAGIC_BYTES)
    kind: type[PcapFormat] | type[PcapngFormat]
    if head in MAGICS:
        kind = PcapFormat
    elif head == MAGIC:
        kind = PcapngFormat
    elif source.problem is not None and any(magic.startswith(head) for magic in (*MAGICS, MAGIC)):
        return _cut_short(source.name, head)
    else:
        raise NotACapture(
            f"{source.name}: not a capture file (no pcap or pcapng header): name a file that tcpdump, Wireshark or lc wrote"
        )
    head += _first(source, kind.header_bytes - MAGIC_BYTES)
    if source.problem is not None and len(head) < kind.header_bytes:
        return _cut_short(source.name, head)
    return kind(source.name, head), head[kind.used_bytes :], kind.used_bytes


def _cut_short(name: str, head: bytes) -> tuple[Format, bytes, int]:
    """A compressed stream that is cut or damaged inside the capture's header: nobody can say that it is no capture, and
    any format will do for the no records that it has."""
    return PcapFormat(name, EMPTY), b"", len(head)


def _first(source: ByteInput, count: int) -> bytes:
    """The next `count` bytes, or all there are."""
    room = memoryview(bytearray(count))
    done = 0
    while done < count and (got := source.readinto(room[done:])):
        done += got
    return bytes(room[:done])


def is_capture(path: str) -> bool:
    """Whether a file begins like a capture. Raises InputError where it cannot be read to say so."""
    try:
        source = open_input(path)
    except NotACapture:
        return False
    try:
        _recognise(source)
    except NotACapture:
        return False
    finally:
        source.close()
    return True
