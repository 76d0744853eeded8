"""What patterns come to before they are searched for: needles (literals with a place), an index over them, and programs for
wildcards. Kernels and device code read these tables; `matching/tables.py` makes them.
"""

from __future__ import annotations

from typing import NamedTuple

from lippycat_core.columns import I32, U8, U32


class Needles(NamedTuple):
    """Literals, each for one pattern. Bytes are folded where case is ignored."""

    text: U8  # all needles' bytes, one behind the other
    off: I32  # first byte in `text`
    length: I32
    pattern: I32  # number of the pattern
    kind: I32  # bits below
    program: I32  # wildcard program that must agree too, -1 for none
    at: I32  # where in the needle its gram lies; 0 in tables without grams
    low: U32  # key: first four bytes of the gram (little-endian), or the hash of the whole needle
    high: U32  # key: last four bytes of the gram, or the needle's length


BEGIN = 1  # must lie at the span's begin
END = 2  # must lie at its end (with BEGIN: is the whole span)
ONCE = 4  # one hit a row
AT_ZERO = 8  # whose offset is 0, wherever the needle lies


class Index(NamedTuple):
    """Needles by the hash of their key: needles are in order of (bucket, key, pattern), bucket b has
    [start[b], start[b + 1]). Both sizes are powers of two (`start` has one entry more)."""

    seen: U8  # a bit a hash: 0 where no needle has it
    start: I32


class Programs(NamedTuple):
    """Patterns with wildcards: segments, which are what stands before, between and behind the `*`s."""

    text: U8  # all segments' bytes, folded
    any: U8  # 1 where any byte will do (`?`)
    off: I32  # by segment: first byte in `text`
    length: I32  # by segment
    first: I32  # by program: its first segment; one entry more at the end
    kind: I32  # by program: BEGIN, END
    pattern: I32  # by program: number of the pattern


class Found(NamedTuple):
    """Where a kernel writes its hits: a row's follow each other, rows ascend."""

    row: I32
    pattern: I32
    offset: I32
