"""Cuts TCP directions into SIP messages (RFC 3261, 18.3), whatever segments they came in.

A message that lies whole in a run stays where it is. One over several runs waits in a stream buffer of the core's and is then
put behind the batch's records. Order, loss and retransmission of segments are the core's; what a message says is `kernels.sip`'s.
"""

from __future__ import annotations

import re
from collections.abc import Hashable

import numpy as np

from lippycat_core.batch import Batch
from lippycat_core.builtin.buffers import AdaptiveProvider
from lippycat_core.columns import I64, TCP
from lippycat_core.interfaces.dissect import Run
from lippycat_core.kernelset import KernelSet
from lippycat_core.streambuffers import KEPT, OVERWRITTEN, StreamBuffers
from lippycat_voip.callbuffer import Owner
from lippycat_voip.columns import INVITE, METHODS, OTHER_METHOD
from lippycat_voip.kernels.frame import (
    BEGIN,
    BODY,
    FOUND,
    JUNK,
    LENGTH,
    LONGEST_START_LINE,
    MESSAGE,
    MIDLINE,
    NOTHING,
    OUT_WIDTH,
    PARTIAL,
    frame,
)
from lippycat_voip.kernels.sip import HEADER_LIMIT

LARGEST_BODY = 1 << 20
"""A longer Content-Length is not believed: its bytes are searched for the next start line."""

_EMPTY_LINE = re.compile(rb"\n\r*\n")
_TOKEN = rb"[-.!%*_+`'~0-9A-Za-z]{1,64}"
_URI = rb"[^\0- \x7f]{1,8192}"
_START = re.compile(rb"SIP/2\.0 [0-9]{3}(?:[ \r\n]|\Z)|" + _TOKEN + rb" (?:sips?|tel|urn):", re.IGNORECASE)
_START_LINE = re.compile(
    rb"(?:\A|\n)(?:SIP/2\.0 [0-9]{3}[ \r\n]|" + _TOKEN + rb" " + _URI + rb" SIP/2\.0[\r\n])",
    re.IGNORECASE,
)
_START_SO_FAR = re.compile(
    rb"(?:SIP/2\.0(?: [0-9]{0,3})?|" + _TOKEN + rb" (?:" + _URI + rb"(?: (?:S(?:I(?:P(?:/(?:2(?:\.0?)?)?)?)?)?)?)?)?)\Z",
    re.IGNORECASE,
)
_FIRST_WORDS = (b"SIP/2.0", *(name.encode() for name in METHODS[INVITE:OTHER_METHOD]))


class Direction:
    """What waits for more bytes of one direction; the bytes lie in its stream buffer."""

    __slots__ = ("carriers", "held", "line", "midline", "need", "segments", "skip", "slot")

    def __init__(self, slot: int) -> None:
        self.slot = slot  # flow slot
        self.held = 0  # bytes of an unfinished message
        self.need = 0  # bytes of the whole message; 0 while its header section is not complete
        self.line = -1  # where in what is held the last line ends
        self.segments = 0
        self.skip = 0  # bytes of a message that went out cut short
        self.midline = False  # inside a line that is junk
        self.carriers: list[Owner] = []  # the packets of what is held, where somebody follows them

    @property
    def waits(self) -> bool:
        """Whether what comes next belongs to what came before."""
        return self.held > 0 or self.skip > 0 or self.midline


class Framer:
    """The framer of all connections. Counters: `junk` bytes passed over, `oversized` bodies not believed, `dropped`
    begins of messages that were never completed, `unfinished` those that still may be."""

    def __init__(self, largest_body: int = LARGEST_BODY, buffers: StreamBuffers | None = None) -> None:
        self.junk = 0
        self.oversized = 0
        self.dropped = 0
        self.unfinished = 0
        self.buffers = StreamBuffers(AdaptiveProvider().open()) if buffers is None else buffers
        self.buffers.on_evicted = self._evicted
        self._largest_body = largest_body
        self._out: I64 = np.zeros(OUT_WIDTH, np.int64)

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernel."""
        self._frame = kernels[frame]
        self._view = kernels.view(self._out)

    def tick(self, now_ns: int) -> None:
        """Packet time has come so far: buffers untouched for too long go."""
        self.buffers.tick(now_ns)

    def feed(self, batch: Batch, run: Run, spans: list[int]) -> None:
        """Append six ints (`SP_` fields) to `spans` for each message that `run` completes.

        The offsets are into `batch`'s slab, which may have grown (and its views with it). A gap behind a complete header
        section gives the message as far as it came, its SP_WIRE_LEN longer than its SP_LEN (the snap length cuts segments
        so); a gap behind anything less, and the end of the connection, give nothing.
        """
        sides = run.connection.state
        direction = sides[run.side]
        if direction is None:
            direction = sides[run.side] = Direction(run.flow)
        if run.gap:
            self._gap(batch, run, direction, spans)
        at, end = run.off, run.off + run.length
        segments = run.segments
        if direction.skip:
            passed = min(direction.skip, end - at)
            direction.skip -= passed
            at += passed
        if direction.midline:
            line = bytes(batch.mem[at:end]).find(b"\n") + 1
            direction.midline = line == 0
            self.junk += line or end - at
            at = at + line if line else end
        if direction.held and at < end:
            at, end, segments = self._resume(batch, run, direction, at, spans)
        view = self._view
        while at < end:
            self._frame(batch.views.slab, at, end, view)
            out = self._out.tolist()
            self.junk += out[JUNK]
            found, begin, body, length = out[FOUND], out[BEGIN], out[BODY], out[LENGTH]
            if found in (NOTHING, MIDLINE):
                direction.midline = found == MIDLINE
                break
            if found == MESSAGE and length > self._largest_body:
                self.oversized += 1
                self.junk += body - begin
                at = body
                continue
            stop = body + max(length, 0)
            if found == PARTIAL or stop > end:
                self._begin(batch, run, direction, begin, end, stop - begin if found == MESSAGE else 0, segments, spans)
                break
            spans += (run.row, TCP, begin, stop - begin, stop - begin, segments)
            segments = run.segments
            at = stop
        if run.last:
            for side in sides:
                if side is not None:
                    if side.held:
                        self._drop(side)
                    self.buffers.release(side)

    def _begin(
        self, batch: Batch, run: Run, direction: Direction, begin: int, end: int, need: int, segments: int, spans: list[int]
    ) -> None:
        """Keep the begin of a message, of which `need` bytes are wanted in all (0: not known yet). One that no buffer takes
        goes out as far as it came, like one that the snap length cut, where its header section is there."""
        direction.need = need
        if self._keep(direction, batch, begin, end, run.row, segments) == KEPT:
            return
        self._forget(direction)
        if need and not self.buffers.strategy.overwrites:
            spans += (run.row, TCP, begin, end - begin, need, segments)
        else:
            self.dropped += 1
        direction.skip = max(need - (end - begin), 0)
        direction.midline = not need

    def _resume(self, batch: Batch, run: Run, direction: Direction, at: int, spans: list[int]) -> tuple[int, int, int]:
        """Join the run's bytes from `at` on to what is held. Returns the range of the slab to go on with, empty where more
        is needed, and the segments that its first message came in.

        With the header section complete only the missing bytes are taken. Without it all are; once its first line has
        ended, then once an empty line is there, or when they are too many, they are put behind the records and looked at.
        """
        end = run.off + run.length
        before = direction.held
        if direction.need:
            taken = min(direction.need - before, end - at)
            if before + taken == direction.need:
                off, segments = self._release(batch, run, direction, at, at + taken)
                spans += (run.row, TCP, off, before + taken, before + taken, segments)
                return at + taken, end, run.segments
            did = self._keep(direction, batch, at, at + taken, run.row, run.segments)
            if did != KEPT:
                self._cut(batch, run, direction, before, taken, did, spans)
            return end, end, 0
        if not self._enough(direction, bytes(batch.mem[at:end])):
            if self._keep(direction, batch, at, end, run.row, run.segments) != KEPT:
                self._drop(direction)
                direction.midline = True
            return end, end, 0
        off, segments = self._release(batch, run, direction, at, end)
        return off, batch.arena, segments

    def _enough(self, direction: Direction, data: bytes) -> bool:
        """Whether it pays to look at a header section that goes on with `data`."""
        if direction.line < 0:
            return direction.held + len(data) > LONGEST_START_LINE or b"\n" in data
        if direction.held + len(data) >= HEADER_LIMIT:
            return True
        if b"\n" not in data:
            return False
        return _EMPTY_LINE.search(bytes(self.buffers.peek(direction)[direction.line :]) + data) is not None

    def _cut(self, batch: Batch, run: Run, direction: Direction, had: int, taken: int, did: int, spans: list[int]) -> None:
        """`taken` bytes of a body were not kept. The message goes out as far as it came; where its begin was overwritten
        there is none any more. Either way the next begins where this one ends."""
        need = direction.need
        if did == OVERWRITTEN:
            self._drop(direction)
        else:
            off, segments = self._release(batch, run, direction, run.off, run.off)
            spans += (run.row, TCP, off, had, need, segments)
        direction.skip = need - had - taken

    def _gap(self, batch: Batch, run: Run, direction: Direction, spans: list[int]) -> None:
        if not direction.held:
            direction.skip = max(direction.skip - run.gap, 0)
        elif direction.need:
            need = direction.need
            had = direction.held
            off, segments = self._release(batch, run, direction, run.off, run.off)
            spans += (run.row, TCP, off, had, need, segments)
            direction.skip = max(need - had - run.gap, 0)
        else:
            self._drop(direction)
        direction.midline = False

    def _keep(self, direction: Direction, batch: Batch, begin: int, end: int, row: int, segments: int) -> int:
        """Put bytes of the slab into the direction's buffer: KEPT, LOST or OVERWRITTEN."""
        data = batch.mem[begin:end]
        did = self.buffers.append(direction, data, int(batch.route.now_ns[row]))
        if did == KEPT:
            if not direction.need and (line := bytes(data).rfind(b"\n")) >= 0:
                direction.line = direction.held + line
            self.unfinished += not direction.held
            direction.held += len(data)
            direction.segments += segments
        return did

    def _release(self, batch: Batch, run: Run, direction: Direction, begin: int, end: int) -> tuple[int, int]:
        """Put what is held, and bytes [begin, end) of the run, behind the batch's records: the offset there, and the
        segments that it all came in."""
        segments = direction.segments + (run.segments if end > begin else 0)
        off = batch.append(self.buffers.peek(direction))
        batch.append(bytes(batch.mem[begin:end]))
        self._forget(direction)
        return off, segments

    def _drop(self, direction: Direction) -> None:
        self.dropped += 1
        self._forget(direction)

    def _forget(self, direction: Direction) -> None:
        self.buffers.release(direction)
        self._nothing_held(direction)

    def _evicted(self, key: Hashable) -> None:
        """A buffer went for want of room, or of age: what comes next of its direction is junk up to the next start line, or
        up to the end of the message where that is known."""
        if not isinstance(key, Direction):
            return
        self.dropped += 1
        key.skip = max(key.need - key.held, 0)
        key.midline = not key.need
        self._nothing_held(key)

    def _nothing_held(self, direction: Direction) -> None:
        self.unfinished -= direction.held > 0
        direction.held = direction.need = direction.segments = 0
        direction.line = -1


def claim_stream(head: memoryview) -> bool | None:
    """Whether a TCP direction that shows `head` carries SIP: it begins with a start line as far as one can see, or there
    is a whole one further on (a capture that begins in the middle of a message). None while `head` is too short to tell.
    """
    data = bytes(head[:HEADER_LIMIT]).lstrip(b"\r\n\0 \t")
    if _START.match(data) or _START_LINE.search(data):
        return True
    # A lone word must be the begin of a known one: anything may be the tail of a body, to be looked at no further.
    if _START_SO_FAR.match(data) or any(word.startswith(data) for word in _FIRST_WORDS):
        return None
    return False
