"""Pattern sets as flat tables: which kernel looks for which needles, and the tables that it looks them up in. The same tables
serve the kernels and devices. Everything is built with NumPy, in a second for 100,000 patterns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lippycat_core.columns import I32, I64, U8, U32
from lippycat_core.interfaces.match import Algorithm, PatternSet
from lippycat_core.kernels import match_ends
from lippycat_core.kernels.match_ends import REACH, SPREAD, WHOLE, squeeze
from lippycat_core.kernels.match_grams import BUCKET, FIRST_BIT, HIGH_FACTOR, LONGEST, LOW_FACTOR, SECOND_BIT, SHORTEST
from lippycat_core.kernels.needles import BEGIN, Index, Needles, Programs
from lippycat_core.matching.patterns import Needle, Program, parse

FEW = 4
"""Needles without a place up to this number are looked for one after the other."""

MOST_ALIKE = 64
"""Needles that share a gram; where more do, and no other gram tells them apart, an automaton does not care."""

LONGEST_STRIDE = 4
LEAST_SPARE, MOST_SHARED = 32, 4
"""Longer strides take shorter grams. These must stay telling: of LEAST_SPARE grams that the needles' bytes could make one at
most is a needle's, and MOST_SHARED needles at most have the same."""

MOST_ENTRIES = 1 << 27
"""Entries of an automaton that is chosen without being asked for: 512 MB."""

BITS_A_KEY = 16
LEAST_BITS, MOST_BITS = 1 << 15, 1 << 25
"""A table of seen hashes has so many bits a key at least, within 4 KB, which cost nothing, and 4 MB."""

LOWER = np.frombuffer(bytes(range(256)).lower(), np.uint8)
SAME = np.arange(256, dtype=np.uint8)

_COMMON = b" eatoinsr01.:;=-/@\r\nSIPCV2cdlmph3456789u<>BgRfkTbyKOUAEDMNF"
"""Bytes of SIP and SDP, roughly from the most frequent on; all others are rarer."""

RARITY = np.array([len(_COMMON) - _COMMON.find(bytes([c])) if bytes([c]) in _COMMON else 0 for c in range(256)], np.uint8)
"""How frequent a byte is taken to be: 0 for the rarest."""


def factors() -> I64:
    """What bytes are multiplied with in the hash of `match_ends`, by place: odd numbers below 2**31 from a fixed generator."""
    value, found = 1, np.zeros(REACH, np.int64)
    for i in range(REACH):
        value = (value * 1103515245 + 12345) & 0x7FFFFFFF
        found[i] = value | 1
    return found


class Ends(NamedTuple):
    """Needles at one end of the span (`kernels.match_ends`)."""

    needles: Needles
    hashes: Index
    steps: I32
    whole: U8
    backward: int


class Grams(NamedTuple):
    """Needles anywhere, by gram (`kernels.match_grams`)."""

    needles: Needles
    hashes: Index
    gram: int
    stride: int


@dataclass(frozen=True, slots=True)
class Tables:
    """A compiled pattern set. What a set does not need is None, or empty."""

    fold: U8
    folded: bool
    programs: Programs
    patterns: int
    once: bool
    """Whether a pattern may have one hit a row only: then searches need stamps."""
    each: Needles | None = None
    each_upper: U8 = field(default_factory=lambda: np.zeros(1, np.uint8))
    ends: Sequence[Ends] = ()
    grams: Grams | None = None
    automaton: Needles | None = None
    """In lexical order; the automaton itself is built by a kernel (`matching.automaton`)."""
    free: I32 = field(default_factory=lambda: np.zeros(0, np.int32))
    factors: I64 = field(default_factory=factors)

    def nbytes(self) -> int:
        """Bytes of all tables."""
        return sum(array.nbytes for array in _arrays(self))


def _arrays(value: object) -> list[NDArray[np.generic]]:
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, Tables):
        return [a for name in value.__slots__ for a in _arrays(getattr(value, name))]
    return [a for item in value for a in _arrays(item)] if isinstance(value, tuple | list) else []


def compile_tables(wanted: PatternSet) -> Tables:
    """Choose who looks for what, and build the tables. FilterError as `patterns.parse`."""
    read = parse(wanted)
    placed = [needle for needle in read.needles if needle.kind & WHOLE]
    loose = [needle for needle in read.needles if not needle.kind & WHOLE]
    one_by_one: list[Needle] = []
    automaton: list[Needle] = []
    grams: Grams | None = None
    if wanted.algorithm is Algorithm.LINEAR:
        one_by_one, placed = read.needles, []
    elif wanted.algorithm is Algorithm.AHO_CORASICK:
        automaton = [needle for needle in read.needles if needle.text]
        placed = [needle for needle in placed if not needle.text]
    elif len(loose) <= FEW:
        one_by_one = loose
    else:
        short = [needle for needle in loose if len(needle.text) < SHORTEST]
        long = [needle for needle in loose if len(needle.text) >= SHORTEST]
        one_by_one, automaton = (short, []) if len(short) <= FEW else ([], short)
        grams = _grams(long) if long else None
        if grams is not None and _alike(grams) > MOST_ALIKE and sum(len(n.text) for n in loose) * 64 <= MOST_ENTRIES:
            one_by_one, automaton, grams = [], loose, None
    each = [needle for needle in one_by_one if needle.program < 0]
    free = [*read.free, *(needle.program for needle in one_by_one if needle.program >= 0)]
    each_table = _each(each) if each else None
    return Tables(
        fold=(LOWER if wanted.ignore_case else SAME).copy(),
        folded=wanted.ignore_case,
        programs=_programs(read.programs),
        patterns=read.patterns,
        once=read.once,
        each=each_table,
        each_upper=_upper(each_table, folded=wanted.ignore_case) if each_table is not None else np.zeros(1, np.uint8),
        ends=_ends(placed),
        grams=grams,
        automaton=_needles(sorted(automaton)) if automaton else None,
        free=np.array(sorted(free), np.int32),
    )


# -- needles -----------------------------------------------------------------------------------------------------------------


def _needles(needles: Sequence[Needle]) -> Needles:
    """Columns of needles in the order given, without keys."""
    count = len(needles)
    lengths = [len(needle.text) for needle in needles]
    starts = [0, *accumulate(lengths)][:count]
    zero = np.zeros(count, np.int32)
    return Needles(
        np.frombuffer(b"".join(needle.text for needle in needles) or b"\0", np.uint8).copy(),
        np.array(starts, np.int32),
        np.array(lengths, np.int32),
        np.array([needle.pattern for needle in needles], np.int32),
        np.array([needle.kind for needle in needles], np.int32),
        np.array([needle.program for needle in needles], np.int32),
        zero,
        np.zeros(count, np.uint32),
        np.zeros(count, np.uint32),
    )


def _in_order(needles: Needles, order: NDArray[np.intp]) -> Needles:
    n = needles
    return Needles(
        n.text,
        n.off[order],
        n.length[order],
        n.pattern[order],
        n.kind[order],
        n.program[order],
        n.at[order],
        n.low[order],
        n.high[order],
    )


def _each(needles: Sequence[Needle]) -> Needles:
    """With the places of each needle's two rarest bytes in `at` and `low`."""
    table = _needles(needles)
    for c, needle in enumerate(needles):
        if needle.text:
            ranked = np.argsort(RARITY[np.frombuffer(needle.text, np.uint8)], kind="stable")
            table.at[c] = ranked[0]
            table.low[c] = ranked[min(1, len(ranked) - 1)]
    return table


def _upper(needles: Needles, *, folded: bool) -> U8:
    """What may stand for each byte beside itself."""
    return np.frombuffer(needles.text.tobytes().upper(), np.uint8).copy() if folded else needles.text.copy()


def _index(spread: NDArray[np.uint64], bit_shifts: Sequence[int], bucket_shift: int) -> tuple[U8, int, NDArray[np.intp]]:
    """The bits of seen hashes, the number of buckets, and each key's bucket."""
    count = max(1, len(spread))
    bits = min(MOST_BITS, max(LEAST_BITS, 1 << (count * BITS_A_KEY - 1).bit_length()))
    buckets = max(1, 1 << (count - 1).bit_length())
    seen = np.zeros(bits, np.bool_)
    for shift in bit_shifts:
        seen[(spread >> np.uint64(shift)) & np.uint64(bits - 1)] = True
    bucket = ((spread >> np.uint64(bucket_shift)) & np.uint64(buckets - 1)).astype(np.intp)
    return np.packbits(seen, bitorder="little"), buckets, bucket


def _starts(bucket: NDArray[np.intp], buckets: int) -> I32:
    return np.concatenate([[0], np.cumsum(np.bincount(bucket, minlength=buckets))]).astype(np.int32)


# -- needles at an end of the span -------------------------------------------------------------------------------------------


def _ends(placed: Sequence[Needle]) -> list[Ends]:
    forward = [needle for needle in placed if needle.kind & BEGIN]
    backward = [needle for needle in placed if not needle.kind & BEGIN]
    return [_ends_table(some, back) for some, back in ((forward, 0), (backward, 1)) if some]


def _ends_table(placed: Sequence[Needle], backward: int) -> Ends:
    needles = _needles(placed)
    be_whole = ((needles.kind & WHOLE) == WHOLE) & (needles.length < REACH)
    hashed = np.minimum(needles.length, REACH)
    sums = _sums(needles, hashed, backward)
    if not be_whole.all():
        few = np.where(be_whole, hashed, hashed[~be_whole].min())
        few_sums = _sums(needles, few, backward)
        if _telling(needles, few_sums[~be_whole], int(few[~be_whole][0])):  # one look instead of one for each length
            hashed, sums = few, few_sums
    low = np.array([squeeze(total) for total in sums.tolist()], np.uint32)
    spread = low.astype(np.uint64) * np.uint64(SPREAD)
    seen, buckets, bucket = _index(spread, (match_ends.FIRST_BIT, match_ends.SECOND_BIT), match_ends.BUCKET)
    order = np.lexsort((needles.pattern, hashed, low, bucket))
    whole = np.zeros(REACH, np.uint8)
    whole[np.unique(hashed[be_whole])] = 1
    table = _in_order(needles._replace(low=low, high=hashed.astype(np.uint32)), order)
    index = Index(seen, _starts(bucket, buckets))
    return Ends(table, index, np.unique(hashed[~be_whole]).astype(np.int32), whole, backward)


def _sums(needles: Needles, hashed: I32, backward: int) -> I64:
    """What `match_ends` adds up over the first (where it looks backward, the last) `hashed` bytes of each needle."""
    sums = np.zeros(len(hashed), np.int64)
    scale = factors()
    for n in np.unique(hashed).tolist():
        rows = np.flatnonzero(hashed == n)
        if n:
            first = needles.off[rows] + (needles.length[rows] - n if backward else 0)
            bytes_of = needles.text[first[:, None] + np.arange(n)[None, :]].astype(np.int64)
            sums[rows] = (bytes_of[:, ::-1] if backward else bytes_of) @ scale[:n]
    return sums


def _telling(needles: Needles, sums: I64, size: int) -> bool:
    """Whether keys of `size` bytes tell needles apart, and from other texts."""
    alphabet = len(np.unique(needles.text))
    spare = len(sums) * LEAST_SPARE <= alphabet**size
    return spare and int(np.unique(sums, return_counts=True)[1].max()) <= MOST_SHARED


# -- needles anywhere --------------------------------------------------------------------------------------------------------


def _grams(loose: Sequence[Needle]) -> Grams:
    """Known by as many neighbouring grams as leave these telling."""
    needles = _needles(loose)
    shortest = int(needles.length.min())
    alphabet = len(np.unique(needles.text))
    for stride in range(min(LONGEST_STRIDE, shortest - SHORTEST + 1), 1, -1):
        gram = min(LONGEST, shortest - stride + 1)
        if len(loose) * stride * LEAST_SPARE <= alphabet**gram:
            table = _grams_table(needles, gram, stride)
            if _alike(table) <= MOST_SHARED:
                return table
    return _grams_table(needles, min(LONGEST, shortest), 1)


def _grams_table(needles: Needles, gram: int, stride: int) -> Grams:
    """Each needle under `stride` neighbouring grams, of all that it has those that fewest others have."""
    places = needles.length.astype(np.int64) - gram + 1
    owner = np.repeat(np.arange(len(places)), places)
    first = np.concatenate([[0], np.cumsum(places)[:-1]])
    at = np.arange(len(owner)) - np.repeat(first, places)
    low, high = _words(needles.text, needles.off[owner] + at, gram)
    key = (high.astype(np.uint64) << np.uint64(32)) | low
    _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
    commonest = counts[inverse].astype(np.int64)
    for k in range(1, stride):  # of the grams from each place on
        commonest[:-k] = np.maximum(commonest[:-k], counts[inverse][k:])
    fits = at <= np.repeat(places, places) - stride
    rank = np.where(fits, commonest, len(key) + 1) * (int(places.max()) + 1) + at
    chosen = first + np.minimum.reduceat(rank, first) % (int(places.max()) + 1)
    each = (chosen[:, None] + np.arange(stride)).reshape(-1)
    low, high = low[each], high[each]
    spread = low.astype(np.uint64) * np.uint64(LOW_FACTOR) + high.astype(np.uint64) * np.uint64(HIGH_FACTOR)
    seen, buckets, bucket = _index(spread, (FIRST_BIT, SECOND_BIT), BUCKET)
    copies = _in_order(needles, owner[each])._replace(at=at[each].astype(np.int32), low=low, high=high)
    # Of places that one gram stands for the leftmost comes first: it is the hit of a pattern that has one a row.
    table = _in_order(copies, np.lexsort((-copies.at, copies.pattern, high, low, bucket)))
    return Grams(table, Index(seen, _starts(bucket, buckets)), gram, stride)


def _words(text: U8, first: NDArray[np.int64], gram: int) -> tuple[U32, U32]:
    """The first and the last four bytes of the grams at `first`, as little-endian numbers."""

    def word(begin: NDArray[np.int64]) -> U32:
        four: U8 = np.ascontiguousarray(text[begin[:, None] + np.arange(4)])
        return four.view("<u4").reshape(-1).astype(np.uint32)

    return word(first), word(first + gram - SHORTEST)


def _alike(grams: Grams) -> int:
    """The most needles that share a gram."""
    key = (grams.needles.high.astype(np.uint64) << np.uint64(32)) | grams.needles.low
    return int(np.unique(key, return_counts=True)[1].max())


# -- programs ----------------------------------------------------------------------------------------------------------------


def _programs(programs: Sequence[Program]) -> Programs:
    segments = [segment for program in programs for segment in program.segments]
    lengths = [len(segment.text) for segment in segments]
    return Programs(
        np.frombuffer(b"".join(segment.text for segment in segments) or b"\0", np.uint8).copy(),
        np.frombuffer(b"".join(segment.any for segment in segments) or b"\0", np.uint8).copy(),
        np.array([0, *accumulate(lengths)][: len(lengths)], np.int32),
        np.array(lengths, np.int32),
        np.array([0, *accumulate(len(program.segments) for program in programs)], np.int32),
        np.array([program.kind for program in programs], np.int32),
        np.array([program.pattern for program in programs], np.int32),
    )
