"""Measuring match backends: the work is real, the answers are checked, the time is bounded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from lippycat_core.builtin.match import PureProvider
from lippycat_core.builtin.patterns import PureMatch
from lippycat_core.interfaces.match import Extractor, Fields, Hits, Matcher, PatternSet, Spans
from lippycat_core.matching.curves import Stretch, near, stretches
from lippycat_core.matching.measure import WORKS, Sample, measure, messages

SIZES = (16, 64, 256)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample(PureProvider().open(), SIZES[-1])


class Clock:
    """Every backend call takes as long as it is told to."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


class Timed(PureMatch):
    """The plain backend; a batch takes 1 ms and 1 µs a span."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.rounds = 0

    def compile(self, patterns: PatternSet) -> Matcher:
        return TimedTool(self, super().compile(patterns))

    def extractor(self, names: Sequence[bytes]) -> Extractor:
        return TimedTool(self, super().extractor(names))


class TimedTool:
    def __init__(self, backend: Timed, tool: object) -> None:
        self.backend, self.tool = backend, tool

    def submit(self, spans: Spans, **options: bool) -> None:
        self.backend.rounds += 1
        self.backend.clock.now += 1_000_000 + 1000 * len(spans.off)
        self.tool.submit(spans, **options)

    def collect(self) -> object:
        return self.tool.collect()

    def close(self) -> None:
        self.tool.close()


def test_messages_are_sip_and_the_same_in_every_run() -> None:
    made = messages(200)
    assert made == messages(200)
    assert len(set(made)) == 200
    assert all(message.endswith(b"\r\n\r\n") and b" SIP/2.0\r\n" in message for message in made)
    assert {message[: message.index(b" ")] for message in made} == {b"INVITE", b"OPTIONS", b"BYE", b"REGISTER"}


def test_each_work_has_hits_in_some_messages(sample: Sample) -> None:
    for work in WORKS:
        tool = work.begin(PureProvider().open())
        tool.submit(sample.spans(SIZES[-1]))
        answer = tool.collect()
        assert sample.right(work, SIZES[-1], answer)
        found = int((answer.length > 0).sum()) if isinstance(answer, Fields) else len(answer.row)
        assert found == SIZES[-1] if isinstance(answer, Fields) else 0 < found < SIZES[-1] * 100


def test_answers_hold_for_batches_larger_than_the_messages_that_differ() -> None:
    sample = Sample(PureProvider().open(), 2500)
    tool = WORKS[1].begin(PureProvider().open())
    tool.submit(sample.spans(2300))
    answer = tool.collect()
    assert isinstance(answer, Hits)
    assert sample.right(WORKS[1], 2300, answer)
    assert not sample.right(WORKS[1], 2300, Hits(*(column[1:] for column in answer)))
    assert not sample.right(WORKS[1], 2300, Hits(answer.row, answer.pattern, answer.offset + np.int32(1)))
    assert not sample.right(WORKS[2], 2300, answer)


def test_figures_are_ns_a_span_with_all_that_a_batch_costs(sample: Sample) -> None:
    clock = Clock()
    figures = measure(Timed(clock), sample, 1.0, SIZES, clock)
    assert figures.wrong == ""
    assert set(figures.ns) == {work.name for work in WORKS}
    for curve in figures.ns.values():
        assert curve == {rows: (1_000_000 + 1000 * rows) / rows for rows in SIZES}


def test_time_is_bounded_and_what_would_take_too_long_is_left_out(sample: Sample) -> None:
    clock = Clock()
    backend = Timed(clock)
    figures = measure(backend, sample, 0.01, SIZES, clock)
    assert {tuple(curve) for curve in figures.ns.values()} == {(16,)}
    assert clock.now < 0.02 * 1e9
    clock = Clock()
    backend = Timed(clock)
    measure(backend, sample, 0.3, SIZES, clock)
    assert 0.25 * 1e9 < clock.now < 0.35 * 1e9


def test_wrong_hits_end_it(sample: Sample) -> None:
    class Wrong(PureMatch):
        def compile(self, patterns: PatternSet) -> Matcher:
            return super().compile(PatternSet(patterns.patterns[1:] or patterns.patterns))

    figures = measure(Wrong(), sample, 0.05, SIZES)
    assert figures.ns == {}
    assert figures.wrong == "100 patterns, anywhere in the message, 16 at once"


def test_who_is_the_fastest_from_where_to_where() -> None:
    cpu, gpu, slow = {1: 10.0, 10: 10.0, 100: 10.0}, {1: 99.0, 10: 11.0, 100: 2.0}, {1: 50.0}
    sizes = (1, 10, 100)
    assert stretches({"cpu": cpu, "gpu": gpu, "slow": slow}, sizes) == [Stretch("cpu", 1, 10), Stretch("gpu", 100, 100)]
    assert stretches({"cpu": cpu}, sizes) == stretches({}, sizes) == []
    assert near(slow, 100) == 50
