"""Conformance of devices (`gpu.device.Device`): memory, queues, and a match backend over them that has far too little room.

What a backend finds is held to the reference by the suites in `matcher.py`; here it is how it gets there.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

from lippycat_core.builtin.match import PureProvider
from lippycat_core.errors import ContractError, DeviceFailed
from lippycat_core.gpu.backend import GpuBackend
from lippycat_core.gpu.device import QUEUES, Device
from lippycat_core.interfaces.match import Anchor, Hits, Pattern, PatternSet, Spans
from lippycat_core.testing import matchcases as cases
from lippycat_core.testing.matcher import triples

CALL_ID = (b"call-id", b"i")
LITTLE = 60_000
"""Bytes that hold the tables of a few patterns and a handful of messages."""

FEW = [
    Pattern(b"Call-ID:", Anchor.CONTAINS),
    Pattern(b"sip:", Anchor.CONTAINS),
    Pattern(b"*INVITE*", wildcards=True),
    Pattern(b"e*e?e", Anchor.CONTAINS, True),
    Pattern(b"\r\n\r\n", Anchor.SUFFIX),
]


class DeviceSuite:
    """Holds a device to its interface: `device` gives the one under test, newly opened."""

    scale = 1.0
    """Less for what is slow: fewer rows, of the same kinds."""

    def device(self) -> Device:
        """The device under test; it is closed behind the last test."""
        raise AssertionError("derive from DeviceSuite and give a device")

    opened: Device

    @classmethod
    def setup_class(cls) -> None:
        cls.opened = cls().device()

    @classmethod
    def teardown_class(cls) -> None:
        cls.opened.close()

    def backend(self, *, max_memory: int = 0, batch_rows: int = 0) -> GpuBackend:
        """A backend over the device, which stays open behind it."""
        return GpuBackend("under test", self.opened, max_memory=max_memory, batch_rows=batch_rows)

    def messages(self, count: int) -> list[bytes | None]:
        """SIP messages whole and spoilt, and rows without a span."""
        count = max(int(count * self.scale), 20)
        rows = [*cases.MESSAGES, *cases.mutations(count)]
        return [None if i % 7 == 3 else row for i, row in enumerate(rows[:count])]

    def agrees(self, backend: GpuBackend, patterns: list[Pattern], looked_at: Spans, fold: bool = False) -> Hits:
        """The hits are those of the reference; gives them."""
        found: list[Hits] = []
        for one in (backend, PureProvider().open()):
            matcher = one.compile(PatternSet(patterns, fold))
            matcher.submit(looked_at)
            found.append(matcher.collect())
            matcher.close()
        assert triples(found[0]) == triples(found[1])
        return found[0]

    def test_says_what_it_is(self) -> None:
        assert self.opened.name
        assert self.opened.free_memory() > 0
        assert self.opened.largest > 0

    def test_memory_holds_what_is_put_there(self) -> None:
        data = np.random.default_rng(1).integers(0, 256, 100_001, np.uint8)
        buffer = self.opened.buffer(data.nbytes)
        assert buffer.nbytes >= data.nbytes
        staged, back = self.opened.staging(data.nbytes), self.opened.staging(data.nbytes)
        assert len(staged) == data.nbytes
        for queue in range(QUEUES):
            staged[:] = data ^ np.uint8(queue + 1)
            back[:] = 0
            self.opened.upload(queue, staged, buffer)
            self.opened.download(queue, buffer, back)
            self.opened.finish(queue)
            assert (back == data ^ np.uint8(queue + 1)).all()
        buffer.release()

    def test_a_queue_keeps_its_order(self) -> None:
        buffer = self.opened.buffer(8)
        parts = [np.full(8, i, np.uint8) for i in range(20)]
        seen = [np.zeros(8, np.uint8) for _ in parts]
        for part, into in zip(parts, seen, strict=True):
            self.opened.upload(1, part, buffer)
            self.opened.download(1, buffer, into)
        self.opened.finish(1)
        assert [into.tolist() for into in seen] == [[i] * 8 for i in range(20)]
        buffer.release()

    def test_spans_are_split_to_the_rows_and_the_memory_that_there_are(self) -> None:
        rows = self.messages(300)
        looked_at = cases.spans(rows)
        for max_memory, batch_rows in ((LITTLE, 0), (0, 1), (0, 7), (2 * LITTLE, 50)):
            backend = self.backend(max_memory=max_memory, batch_rows=batch_rows)
            if max_memory:
                assert backend.memory == max_memory
            assert len(self.agrees(backend, FEW, looked_at).row)
            fields = []
            for one in (backend, PureProvider().open()):
                extractor = one.extractor(CALL_ID)
                extractor.submit(looked_at)
                fields.append([column.tolist() for column in extractor.collect()])
                extractor.close()
            assert fields[0] == fields[1]

    def test_spans_may_lie_far_apart_and_in_any_order(self) -> None:
        """Only what they cover is copied; where copies lie is the packing's doing."""
        dice = random.Random(3)
        slab = np.zeros(1_000_000, np.uint8)
        places = [dice.randrange(0, len(slab) - 2000) for _ in range(60)]
        ranges = []
        for place in places:
            message = cases.MESSAGES[dice.randrange(len(cases.MESSAGES))]
            slab[place : place + len(message)] = np.frombuffer(message, np.uint8)
            ranges += [(place, len(message)), (place, 0), (place + 3, 40)]
        ranges.append((len(slab), 0))
        looked_at = cases.spans_over(slab.tobytes(), ranges)
        for backend in (self.backend(), self.backend(max_memory=LITTLE)):
            assert len(self.agrees(backend, FEW, looked_at, fold=True).row)

    def test_more_hits_than_there_is_room_for(self) -> None:
        rows: cases.Rows = [b"a" * (100 + i) for i in range(60)]
        patterns = [Pattern(b"a", Anchor.CONTAINS), Pattern(b"aa", Anchor.CONTAINS)]
        assert len(self.agrees(self.backend(max_memory=LITTLE), patterns, cases.spans(rows)).row) > 15_000
        assert len(self.agrees(self.backend(), patterns, cases.spans(rows)).row) > 15_000

    def test_a_row_with_too_many_hits_is_a_failure_of_its_own(self) -> None:
        backend = self.backend(max_memory=LITTLE)
        matcher = backend.compile(PatternSet([Pattern(b"a", Anchor.CONTAINS)]))
        for rows in ([b"aa"], [b"a" * 10_000, b"aa"], [b"a"]):
            matcher.submit(cases.spans([*rows]))
            if len(rows) == 2:
                with pytest.raises(DeviceFailed, match="10,000 hits in one span"):
                    matcher.collect()
            else:
                assert len(matcher.collect().row) == len(rows[0])
        matcher.close()

    def test_a_span_that_does_not_fit_fails_by_itself(self) -> None:
        backend = self.backend(max_memory=LITTLE)
        extractor = backend.extractor(CALL_ID)
        extractor.submit(cases.spans([b"i: a"]))
        large = cases.spans([b"x" * LITTLE])
        if self.opened.unified:  # it lies where it lay
            extractor.submit(large)
            assert extractor.collect().length.tolist() == [1]
        else:
            with pytest.raises(DeviceFailed, match=r"span of 60000 bytes does not fit"):
                extractor.submit(large)
        extractor.submit(cases.spans([b"i: bc"]))
        lengths = [extractor.collect().length.tolist() for _ in range(2)]
        assert lengths == ([[-1], [2]] if self.opened.unified else [[1], [2]])
        with pytest.raises(ContractError):
            extractor.collect()
        extractor.close()

    def test_parts_of_a_submission_that_fails_leave_nothing_behind(self) -> None:
        """Its first rows are on their way when a later one turns out to be too large."""
        backend = self.backend(max_memory=LITTLE, batch_rows=1)
        matcher = backend.compile(PatternSet(FEW))
        if not self.opened.unified:
            with pytest.raises(DeviceFailed):
                matcher.submit(cases.spans([*cases.MESSAGES, b"x" * LITTLE]))
        matcher.close()
        assert len(self.agrees(backend, FEW, cases.spans(self.messages(20))).row)

    def test_patterns_that_do_not_fit_leave_room_for_others(self) -> None:
        backend = self.backend(max_memory=LITTLE)
        many = [Pattern(b"%08d" % i, Anchor.CONTAINS) for i in range(3000)]
        for _ in range(3):
            with pytest.raises(DeviceFailed, match="the patterns need"):
                backend.compile(PatternSet(many))
        assert len(self.agrees(backend, FEW, cases.spans(self.messages(20))).row)

    def test_a_span_outside_its_slab_is_refused(self) -> None:
        extractor = self.backend().extractor(CALL_ID)
        slab = np.zeros(10, np.uint8)
        for off, length in ((5, 6), (-1, 3), (11, 0), (0x7FFFFFFF, 1)):
            with pytest.raises(ContractError):
                extractor.submit(Spans(slab, np.array([0, off], np.int32), np.array([1, length], np.int32)))
        extractor.close()

    def test_programs_called_for_at_every_place_are_tried_once(self) -> None:
        """A text of nothing but what calls for them: tried at each place, they would take minutes."""
        patterns = [Pattern(b"aaaa%b*b" % (b"?" * i), Anchor.CONTAINS, True) for i in range(40)]
        length = max(int(100_000 * self.scale), 1_000)
        assert not len(self.agrees(self.backend(), patterns, cases.spans([b"a" * length] * 4)).row)

    def test_closing_ends_what_is_open(self) -> None:
        backend = self.backend()
        matcher, extractor = backend.compile(PatternSet(FEW)), backend.extractor(CALL_ID)
        looked_at = cases.spans(self.messages(50))
        matcher.submit(looked_at)
        matcher.submit(looked_at)
        extractor.submit(looked_at)
        matcher.close()
        assert len(extractor.collect().offset) == len(looked_at.off)
        extractor.close()
