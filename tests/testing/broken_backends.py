"""Match backends with one thing wrong each, and the suites that must fail on them (`test_matcher_suite.py` runs them).

All but the first two classes derive from a suite and name what is wrong; not collected by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lippycat_core.builtin.headers import PureExtractor
from lippycat_core.builtin.patterns import PureMatch, PureMatcher
from lippycat_core.errors import ContractError
from lippycat_core.interfaces.match import Algorithm, Anchor, Fields, Hits, Pattern, PatternSet, Spans
from lippycat_core.testing.matcher import HeaderSuite, MatcherSuite


class Spoilt:
    """A pure matcher or extractor whose patterns, spans or answers something is done to."""

    patterns: Callable[[PatternSet], PatternSet] = staticmethod(lambda wanted: wanted)
    spans: Callable[[Spans], Spans] = staticmethod(lambda spans: spans)
    hits: Callable[[Hits], Hits] = staticmethod(lambda hits: hits)
    fields: Callable[[Fields], Fields] = staticmethod(lambda fields: fields)
    names: Callable[[Sequence[bytes]], Sequence[bytes]] = staticmethod(lambda names: names)
    matcher: type[PureMatcher] = PureMatcher
    extractor: type[PureExtractor] = PureExtractor

    def backend(self) -> PureMatch:
        spoilt = self

        class Matcher(spoilt.matcher):
            def submit(self, spans: Spans, *, first_only: bool = False) -> None:
                super().submit(spoilt.spans(spans), first_only=first_only)

            def collect(self) -> Hits:
                return spoilt.hits(super().collect())

        class Extractor(spoilt.extractor):
            def submit(self, spans: Spans) -> None:
                super().submit(spoilt.spans(spans))

            def collect(self) -> Fields:
                return spoilt.fields(super().collect())

        class Backend(PureMatch):
            def compile(self, patterns: PatternSet) -> PureMatcher:
                super().compile(patterns)
                return Matcher(spoilt.patterns(patterns))

            def extractor(self, names: Sequence[bytes]) -> PureExtractor:
                super().extractor(names)
                return Extractor(spoilt.names(names))

        return Backend()


class Slow(Spoilt):
    scale = 0.02


# Nothing wrong: what fails below does so for what is wrong there.


class TestSound(Slow, MatcherSuite):
    pass


class TestSoundHeaders(Slow, HeaderSuite):
    pass


# Spans


def lengthened(by: int) -> Callable[[Spans], Spans]:
    """Spans whose ends lie elsewhere; where the slab ends, what lies behind it in memory is read."""

    def change(spans: Spans) -> Spans:
        whole = spans.slab if spans.slab.base is None else spans.slab.base
        room = np.maximum(len(whole) - spans.off, 0)
        length = np.where(spans.length < 0, -1, np.clip(spans.length + by, 0, room))
        return Spans(whole, spans.off, length.astype(np.int32))

    return change


class TestOneByteShort(Slow, MatcherSuite):
    spans = staticmethod(lengthened(-1))


class TestOneByteFar(Slow, MatcherSuite):
    spans = staticmethod(lengthened(1))


class TestReadsBehindTheSlab(Slow, MatcherSuite):
    @staticmethod
    def spans(spans: Spans) -> Spans:
        far = lengthened(1)(spans)
        at_end = spans.off + spans.length == len(spans.slab)
        return Spans(far.slab, far.off, np.where(at_end, far.length, spans.length).astype(np.int32))


class TestNoSpanIsEmpty(Slow, MatcherSuite):
    @staticmethod
    def spans(spans: Spans) -> Spans:
        return Spans(spans.slab, spans.off, np.maximum(spans.length, 0))


class TestEmptySpanIsNone(Slow, MatcherSuite):
    @staticmethod
    def spans(spans: Spans) -> Spans:
        return Spans(spans.slab, spans.off, np.where(spans.length == 0, -1, spans.length).astype(np.int32))


class TestSpansInOrderOnly(Slow, MatcherSuite):
    @staticmethod
    def spans(spans: Spans) -> Spans:
        return Spans(spans.slab, np.maximum.accumulate(spans.off).astype(np.int32), spans.length)


class TestStopsAtNul(Slow, MatcherSuite):
    @staticmethod
    def spans(spans: Spans) -> Spans:
        length = spans.length.copy()
        for row in np.flatnonzero(length > 0):
            text = spans.slab[spans.off[row] : spans.off[row] + length[row]].tobytes()
            length[row] = len(text.partition(b"\0")[0])
        return Spans(spans.slab, spans.off, length)


class TestFoldsInPlace(Slow, MatcherSuite):
    @staticmethod
    def spans(spans: Spans) -> Spans:
        spans.slab[:] = np.frombuffer(spans.slab.tobytes().lower(), np.uint8)
        return spans


# Patterns


def each(change: Callable[[Pattern], Pattern]) -> Callable[[PatternSet], PatternSet]:
    return staticmethod(lambda wanted: replace(wanted, patterns=[change(pattern) for pattern in wanted.patterns]))


class TestLongPatternsAreCut(Slow, MatcherSuite):
    patterns = each(lambda pattern: pattern if pattern.wildcards else replace(pattern, text=pattern.text[:255]))


class TestBackslashIsAByte(Slow, MatcherSuite):
    patterns = each(lambda p: replace(p, text=p.text.replace(b"\\", b"\\\\")) if p.wildcards else p)


class TestWildcardsEverywhere(Slow, MatcherSuite):
    patterns = each(lambda pattern: replace(pattern, wildcards=True))


class TestQuestionMarkIsAny(Slow, MatcherSuite):
    patterns = each(lambda p: replace(p, text=p.text.replace(b"?", b"*")) if p.wildcards else p)


class TestAnchorsAreIgnored(Slow, MatcherSuite):
    """One algorithm only."""

    @staticmethod
    def patterns(wanted: PatternSet) -> PatternSet:
        if wanted.algorithm is not Algorithm.AHO_CORASICK:
            return wanted
        return replace(wanted, patterns=[replace(p, anchor=Anchor.CONTAINS) if p.text else p for p in wanted.patterns])


class TestCaseAlwaysCounts(Slow, MatcherSuite):
    patterns = staticmethod(lambda wanted: replace(wanted, ignore_case=False))


class TestFoldsLatin1(Slow, MatcherSuite):
    class matcher(PureMatcher):
        def __init__(self, patterns: PatternSet) -> None:
            self._latin1 = patterns.ignore_case
            if patterns.ignore_case:
                folded = [replace(p, text=p.text.decode("latin1").lower().encode("latin1")) for p in patterns.patterns]
                patterns = replace(patterns, patterns=folded)
            super().__init__(patterns)

        def submit(self, spans: Spans, *, first_only: bool = False) -> None:
            if self._latin1:
                text = spans.slab.tobytes().decode("latin1").lower().encode("latin1")
                spans = spans._replace(slab=np.frombuffer(text, np.uint8))
            super().submit(spans, first_only=first_only)


class TestHashesTheFirstEightBytes(Slow, MatcherSuite):
    patterns = each(
        lambda p: (
            p if p.wildcards or p.anchor is not Anchor.EXACT or len(p.text) < 9 else Pattern(p.text[:8] + b"*", p.anchor, True)
        )
    )


# Hits


def kept(which: Callable[[list[tuple[int, int, int]]], list[tuple[int, int, int]]]) -> Callable[[Hits], Hits]:
    def change(hits: Hits) -> Hits:
        found = which(list(zip(*(column.tolist() for column in hits), strict=True)))
        columns = np.array(found, np.int32).reshape(-1, 3).T
        return Hits(*(np.ascontiguousarray(column) for column in columns))

    return staticmethod(change)


class TestOrderedByOffset(Slow, MatcherSuite):
    hits = kept(lambda hits: sorted(hits, key=lambda hit: (hit[0], hit[2], hit[1])))


class TestOrderedByPattern(Slow, MatcherSuite):
    hits = kept(lambda hits: sorted(hits, key=lambda hit: (hit[1], hit[0], hit[2])))


class TestHitsDoNotOverlap(Slow, MatcherSuite):
    hits = kept(
        lambda hits: [h for i, h in enumerate(hits) if not (i and hits[i - 1][:2] == h[:2] and hits[i - 1][2] + 1 == h[2])]
    )


class TestOneHitAPattern(Slow, MatcherSuite):
    hits = kept(lambda hits: [hit for i, hit in enumerate(hits) if not (i and hits[i - 1][:2] == hit[:2])])


class TestOnePatternAnOffset(Slow, MatcherSuite):
    """As an automaton that knows only one literal a state."""

    hits = kept(lambda hits: list({(row, at): (row, pattern, at) for row, pattern, at in hits}.values()))


class TestOnlySoManyHits(Slow, MatcherSuite):
    hits = kept(lambda hits: hits[:4096])


class TestHitsOf64Bits(Slow, MatcherSuite):
    hits = staticmethod(lambda hits: Hits(*(column.astype(np.int64) for column in hits)))


class TestOffsetsFromTheSlab(Slow, MatcherSuite):
    class matcher(PureMatcher):
        def submit(self, spans: Spans, *, first_only: bool = False) -> None:
            super().submit(spans, first_only=first_only)
            hits = self._open[-1]
            self._open[-1] = hits._replace(offset=hits.offset + spans.off[hits.row])


class TestDropsPatternsThatComeTwice(Slow, MatcherSuite):
    class matcher(PureMatcher):
        def __init__(self, patterns: PatternSet) -> None:
            super().__init__(replace(patterns, patterns=list(dict.fromkeys(patterns.patterns))))


class TestSmallOffsets(Slow, MatcherSuite):
    scale = 0.6
    hits = staticmethod(lambda hits: hits._replace(offset=hits.offset.astype(np.int16).astype(np.int32)))


class TestSmallRows(Slow, MatcherSuite):
    scale = 0.6
    hits = staticmethod(lambda hits: hits._replace(row=hits.row.astype(np.int16).astype(np.int32)))


class TestSmallPatterns(Slow, MatcherSuite):
    scale = 0.6
    hits = staticmethod(lambda hits: hits._replace(pattern=hits.pattern.astype(np.int16).astype(np.int32)))


class TestFirstIsTheLeftmost(Slow, MatcherSuite):
    class matcher(PureMatcher):
        def submit(self, spans: Spans, *, first_only: bool = False) -> None:
            super().submit(spans)
            if first_only:
                hits = self._open[-1]
                order = np.lexsort((hits.pattern, hits.offset, hits.row))
                first = order[np.unique(hits.row[order], return_index=True)[1]]
                self._open[-1] = Hits(*(column[first] for column in hits))


class TestFirstOnlyIsIgnored(Slow, MatcherSuite):
    class matcher(PureMatcher):
        def submit(self, spans: Spans, *, first_only: bool = False) -> None:
            super().submit(spans)


# Submissions


class TestTheSecondIsLost(Slow, MatcherSuite):
    class matcher(PureMatcher):
        def submit(self, spans: Spans, *, first_only: bool = False) -> None:
            super().submit(spans, first_only=first_only)
            if len(self._open) == 2:
                self._open[1] = self._open[0]


class TestTheNewestComesFirst(Slow, MatcherSuite):
    class matcher(PureMatcher):
        def collect(self) -> Hits:
            self._open.rotate()
            return super().collect()


class TestAThirdIsTaken(Slow, MatcherSuite):
    class matcher(PureMatcher):
        def submit(self, spans: Spans, *, first_only: bool = False) -> None:
            try:
                super().submit(spans, first_only=first_only)
            except ContractError:
                return


class TestAThirdEndsAll(Slow, MatcherSuite):
    class matcher(PureMatcher):
        def submit(self, spans: Spans, *, first_only: bool = False) -> None:
            try:
                super().submit(spans, first_only=first_only)
            except ContractError:
                self._open.clear()
                raise


class TestNothingIsOpenAndNobodyMinds(Slow, MatcherSuite):
    class matcher(PureMatcher):
        def collect(self) -> Hits:
            if not self._open:
                return Hits(*(np.zeros(0, np.int32) for _ in range(3)))
            return super().collect()


class TestHitsLieInOneBuffer(Slow, MatcherSuite):
    class matcher(PureMatcher):
        buffer = np.zeros((3, 1 << 20), np.int32)

        def collect(self) -> Hits:
            hits = super().collect()
            for column, room in zip(hits, self.buffer, strict=True):
                room[: len(column)] = column
            return Hits(*(room[: len(hits.row)] for room in self.buffer))


class TestMatchersShareTheirSubmissions(Slow, MatcherSuite):
    class matcher(PureMatcher):
        open_to_all: tuple[PureMatcher, ...] = ()

        def __init__(self, patterns: PatternSet) -> None:
            super().__init__(patterns)
            type(self).open_to_all = (self,)

        def submit(self, spans: Spans, *, first_only: bool = False) -> None:
            self._finder = self.open_to_all[0]._finder
            super().submit(spans, first_only=first_only)


# Header fields


def in_message(change: Callable[[bytes], bytes]) -> Callable[[Spans], Spans]:
    """Each message replaced by one of the same length."""

    def spoil(spans: Spans) -> Spans:
        slab = spans.slab.copy()
        for off, length in zip(spans.off.tolist(), spans.length.tolist(), strict=True):
            if length > 0:
                changed = change(slab[off : off + length].tobytes())
                assert len(changed) == length
                slab[off : off + length] = np.frombuffer(changed, np.uint8)
        return Spans(slab, spans.off, spans.length)

    return staticmethod(spoil)


def blanked(expression: bytes, by: bytes) -> Callable[[bytes], bytes]:
    return lambda message: re.sub(expression, lambda found: by * len(found[0]), message)


class TestOneByteFarHeaders(Slow, HeaderSuite):
    spans = staticmethod(lengthened(1))


class TestOneByteShortHeaders(Slow, HeaderSuite):
    spans = staticmethod(lengthened(-1))


class TestBodyIsSearched(Slow, HeaderSuite):
    spans = in_message(blanked(rb"(?<=\n)\r*\n", b"x"))


class TestFirstLineIsSkipped(Slow, HeaderSuite):
    spans = in_message(blanked(rb"\A[^\n]*", b"x"))


class TestNoSpaceBeforeTheColon(Slow, HeaderSuite):
    spans = in_message(blanked(rb"[ \t]+(?=:)", b"x"))


class TestLinesEndInCrLf(Slow, HeaderSuite):
    spans = in_message(lambda message: re.sub(rb"(?<!\r)\n", b"x", message))


class TestCrCrLfIsNoEmptyLine(Slow, HeaderSuite):
    spans = in_message(lambda message: re.sub(rb"\n\r\r\n", b"\nxx\n", message))


class TestPaddingEndsTheSearch(Slow, HeaderSuite):
    spans = in_message(lambda message: b"x" * len(message) if message[:1] in (b"\r", b"\n") else message)


class TestFoldedLinesAreFields(Slow, HeaderSuite):
    spans = in_message(lambda message: re.sub(rb"\n[ \t]", b"\n\n", message))


class TestFirstNameOnly(Slow, HeaderSuite):
    names = staticmethod(lambda names: names[:1])


class TestCaseOfNamesCounts(Slow, HeaderSuite):
    class extractor(PureExtractor):
        def __init__(self, names: Sequence[bytes]) -> None:
            super().__init__(names)
            self._named = re.compile(self._named.pattern, re.MULTILINE)


class TestNamesAreExpressions(Slow, HeaderSuite):
    class extractor(PureExtractor):
        def __init__(self, names: Sequence[bytes]) -> None:
            super().__init__(names)
            loose = self._named.pattern.replace(rb"\.", b".").replace(rb"\?", b"?")
            self._named = re.compile(loose, re.MULTILINE | re.IGNORECASE)


class TestNamesMayBeginAnywhere(Slow, HeaderSuite):
    class extractor(PureExtractor):
        def __init__(self, names: Sequence[bytes]) -> None:
            super().__init__(names)
            self._named = re.compile(self._named.pattern.removeprefix(b"^"), re.IGNORECASE)


class TestEmptyValueIsNone(Slow, HeaderSuite):
    @staticmethod
    def fields(fields: Fields) -> Fields:
        return Fields(*(np.where(fields.length == 0, -1, column).astype(np.int32) for column in fields))


class TestRowsWithoutAreLeftOut(Slow, HeaderSuite):
    @staticmethod
    def fields(fields: Fields) -> Fields:
        return Fields(*(column[fields.length >= 0] for column in fields))


class TestSpaceStaysBehindTheValue(Slow, HeaderSuite):
    class extractor(PureExtractor):
        def _value(self, message: bytes) -> tuple[int, int]:
            offset, length = super()._value(message)
            behind = message[offset + length :]
            return offset, length + (len(behind) - len(behind.lstrip(b" ")) if length > 0 else 0)


class TestCutValueIsNone(Slow, HeaderSuite):
    class extractor(PureExtractor):
        def _value(self, message: bytes) -> tuple[int, int]:
            offset, length = super()._value(message)
            return (-1, -1) if offset + length == len(message) else (offset, length)


class TestTheSecondFieldsAreLost(Slow, HeaderSuite):
    class extractor(PureExtractor):
        def submit(self, spans: Spans) -> None:
            super().submit(spans)
            if len(self._open) == 2:
                self._open[1] = self._open[0]
