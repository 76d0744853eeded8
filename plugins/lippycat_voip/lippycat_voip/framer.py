"""Cuts TCP directions into SIP messages (RFC 3261, 18.3), whatever segments they came in.

A message that lies whole in a run stays where it is. One over several runs waits here and is then put behind the batch's
records. Order, loss and retransmission of segments are the core's; what a message says is `kernels.sip`'s.
"""

from __future__ import annotations

import re

import numpy as np

from lippycat_core.batch import Batch
from lippycat_core.columns import I64, TCP
from lippycat_core.interfaces.dissect import Run
from lippycat_core.kernelset import KernelSet
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

MOST_HELD = 64 << 20
"""Bytes that all unfinished messages together may hold; beyond, the one that waited longest is given up."""

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
    """What waits for more bytes of one direction."""

    __slots__ = ("carriers", "held", "midline", "need", "segments", "skip")

    def __init__(self) -> None:
        self.held = bytearray()
        self.need = 0  # bytes of the whole message; 0 while its header section is not complete
        self.segments = 0
        self.skip = 0  # bytes of a message that went out cut short
        self.midline = False  # inside a line that is junk
        self.carriers: list[Owner] = []  # the packets of what is held, where somebody follows them


class Framer:
    """The framer of all connections. Counters: `junk` bytes passed over, `oversized` bodies not believed, `dropped`
    begins of messages that were never completed."""

    def __init__(self, largest_body: int = LARGEST_BODY, most_held: int = MOST_HELD) -> None:
        self.junk = 0
        self.oversized = 0
        self.dropped = 0
        self._largest_body = largest_body
        self._most_held = most_held
        self._held = 0
        self._waiting: dict[Direction, None] = {}  # in the order in which they began to wait
        self._out: I64 = np.zeros(OUT_WIDTH, np.int64)

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernel."""
        self._frame = kernels[frame]
        self._view = kernels.view(self._out)

    @property
    def unfinished(self) -> int:
        """Directions in which the begin of a message waits for the rest."""
        return len(self._waiting)

    def feed(self, batch: Batch, run: Run, spans: list[int]) -> None:
        """Append six ints (`SP_` fields) to `spans` for each message that `run` completes.

        The offsets are into `batch`'s slab, which may have grown (and its views with it). A gap behind a complete header
        section gives the message as far as it came, its SP_WIRE_LEN longer than its SP_LEN (the snap length cuts segments
        so); a gap behind anything less, and the end of the connection, give nothing.
        """
        sides = run.connection.state
        direction = sides[run.side]
        if direction is None:
            direction = sides[run.side] = Direction()
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
                direction.need = stop - begin if found == MESSAGE else 0
                self._hold(direction, batch.mem[begin:end], segments)
                break
            spans += (run.row, TCP, begin, stop - begin, stop - begin, segments)
            segments = run.segments
            at = stop
        if run.last and direction.held:
            self._drop(direction)

    def _resume(self, batch: Batch, run: Run, direction: Direction, at: int, spans: list[int]) -> tuple[int, int, int]:
        """Join the run's bytes from `at` on to what is held. Returns the range of the slab to go on with, empty where more
        is needed, and the segments that its first message came in.

        With the header section complete only the missing bytes are taken. Without it all are; once its first line has
        ended, then once an empty line is there, or when they are too many, they are put behind the records and looked at.
        """
        end = run.off + run.length
        held = direction.held
        before = len(held)
        if direction.need:
            taken = min(direction.need - before, end - at)
            self._hold(direction, batch.mem[at : at + taken], run.segments)
            if len(held) == direction.need:
                off, segments = self._release(batch, direction)
                spans += (run.row, TCP, off, before + taken, before + taken, segments)
            return at + taken, end, run.segments
        self._hold(direction, batch.mem[at:end], run.segments)
        line = held.rfind(b"\n", 0, before)
        if line >= 0:
            enough = len(held) >= HEADER_LIMIT or _EMPTY_LINE.search(held, line) is not None
        else:
            enough = len(held) > LONGEST_START_LINE or held.find(b"\n", before) >= 0
        if not enough:
            return end, end, 0
        off, segments = self._release(batch, direction)
        return off, batch.arena, segments

    def _gap(self, batch: Batch, run: Run, direction: Direction, spans: list[int]) -> None:
        if not direction.held:
            direction.skip = max(direction.skip - run.gap, 0)
        elif direction.need:
            need = direction.need
            had = len(direction.held)
            off, segments = self._release(batch, direction)
            spans += (run.row, TCP, off, had, need, segments)
            direction.skip = max(need - had - run.gap, 0)
        else:
            self._drop(direction)
        direction.midline = False

    def _hold(self, direction: Direction, data: memoryview, segments: int) -> None:
        direction.held += data
        direction.segments += segments
        self._held += len(data)
        self._waiting[direction] = None
        while self._held > self._most_held and len(self._waiting) > 1:
            oldest = next(iter(self._waiting))
            if oldest is direction:
                self._waiting[direction] = self._waiting.pop(direction)
                continue
            self._drop(oldest)

    def _release(self, batch: Batch, direction: Direction) -> tuple[int, int]:
        """Put what is held behind the batch's records: its offset there, and the segments it came in."""
        off = batch.append(direction.held)
        segments = direction.segments
        self._forget(direction)
        return off, segments

    def _drop(self, direction: Direction) -> None:
        self.dropped += 1
        self._forget(direction)

    def _forget(self, direction: Direction) -> None:
        self._held -= len(direction.held)
        del self._waiting[direction]
        direction.held.clear()
        direction.need = 0
        direction.segments = 0


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
