"""One direction's sequence space: what came out of order waits here, sorted, without overlaps (RFC 9293, section 3.4).

Positions are sequence numbers unwrapped to plain ints, so that nothing here knows of 2**32 but `position`. It knows no
batch, flow or dissector.
"""

from __future__ import annotations

from dataclasses import dataclass

from lippycat_core.kernels.tcp import MASK, ahead

PAGE = 4096
"""Held bytes are counted in pages, one at least for each piece, so that many small pieces cost what they take."""


@dataclass(slots=True)
class Piece:
    """Bytes [start, end) of a direction; `data` is shorter where the snap length cut the segment."""

    start: int
    end: int
    data: bytes
    segments: int  # captured segments that this piece is the (first part of the) payload of
    record: int = 0  # number of the record that it came in

    @property
    def pages(self) -> int:
        """What the piece costs."""
        return max(1, -(-len(self.data) // PAGE))

    def part(self, start: int, end: int, segments: int) -> Piece:
        """The piece between two positions inside it."""
        return Piece(start, end, self.data[start - self.start : end - self.start], segments, self.record)


class SequenceSpace:
    """`next` is the position of the next byte in order; `pieces` lie behind it, separated by holes or side by side."""

    __slots__ = ("next", "pages", "pieces")

    def __init__(self, seq: int) -> None:
        self.next = seq
        self.pieces: list[Piece] = []
        self.pages = 0

    def position(self, seq: int) -> int:
        """The position of a sequence number, at most 2**31 away from `next`."""
        return self.next + ahead(seq, self.next & MASK)

    def cost(self, piece: Piece) -> int:
        """Pages that all pieces would take with this one."""
        trial = SequenceSpace(self.next)
        trial.pieces, trial.pages = list(self.pieces), self.pages
        trial.hold(piece)
        return trial.pages

    def differs(self, piece: Piece) -> bool:
        """Whether a piece has other bytes than are held in the same places: damage, or somebody who wants to be misread."""
        for held in reversed(self.pieces):
            if held.end <= piece.start:
                break
            begin, end = max(held.start, piece.start), min(held.start + len(held.data), piece.start + len(piece.data))
            if begin < end and (
                held.data[begin - held.start : end - held.start] != piece.data[begin - piece.start : end - piece.start]
            ):
                return True
        return False

    def hold(self, piece: Piece) -> None:
        """Keep what of a piece is new: bytes before `next` and bytes that are held already are dropped (first copy wins)."""
        start, segments = max(piece.start, self.next), piece.segments
        kept: list[Piece] = []
        at = len(self.pieces)
        while at and self.pieces[at - 1].end > start:
            at -= 1
        first = at
        while start < piece.end:
            stop = self.pieces[at].start if at < len(self.pieces) else piece.end
            if start < stop:
                part = piece.part(start, min(stop, piece.end), segments)
                kept.append(part)
                segments = 0
                self.pages += part.pages
            if at < len(self.pieces) and stop < piece.end:
                kept.append(self.pieces[at])
                start = self.pieces[at].end
                at += 1
            else:
                break
        self.pieces[first:at] = kept

    @property
    def ready(self) -> bool:
        """Whether there is a piece at `next`."""
        return bool(self.pieces) and self.pieces[0].start <= self.next

    def take(self) -> Piece:
        """The first piece, which must be ready; `next` moves behind it."""
        piece = self.pieces.pop(0)
        self.pages -= piece.pages
        self.next = piece.end
        return piece

    def clear(self) -> None:
        """Let all pieces go."""
        self.pieces.clear()
        self.pages = 0

    def skip(self) -> int:
        """Give up on the hole in front of the first piece and return how many bytes it is."""
        missing = self.pieces[0].start - self.next
        self.next = self.pieces[0].start
        return missing
