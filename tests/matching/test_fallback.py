"""A backend whose device fails: the next one does the work again, and nobody sees it in the hits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from lippycat_core.builtin.match import PureProvider
from lippycat_core.errors import ContractError, DeviceFailed, DriverUnfit, FilterError, SettingError
from lippycat_core.interfaces.match import Anchor, Extractor, Fields, Hits, Matcher, Pattern, PatternSet, Spans
from lippycat_core.matching.fallback import Driver, Failure, FallbackBackend

Log = list[str]
USERS = PatternSet([Pattern(b"al*", wildcards=True), Pattern(b"ice", Anchor.SUFFIX)])
BATCHES: list[list[bytes | None]] = [[b"alice", b"bob"], [None, b"al", b""], [b"price"], [], [b"carol", b"alice", b"dice"]]


def spans(values: Sequence[bytes | None]) -> Spans:
    lengths = [-1 if value is None else len(value) for value in values]
    off = np.cumsum([0, *(max(length, 0) for length in lengths)])[: len(values)]
    slab = np.frombuffer(b"".join(value or b"" for value in values) + b"!", np.uint8)
    return Spans(slab, off.astype(np.int32), np.array(lengths, np.int32))


def triples(hits: Hits) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in hits), strict=True))


class Shaky:
    """The pure backend on a device that fails at the `at`-th call of a step (open, compile, submit, collect), and ever after."""

    def __init__(self, name: str, log: Log, step: str = "", at: int = 1, error: Exception | None = None) -> None:
        self.name, self.device, self.memory = name, f"card of {name}", 7
        self._log, self._step, self._left = log, step, at
        self._error = error or DeviceFailed("the card is gone")
        self._pure = PureProvider().open()
        self.take("open")

    def take(self, step: str) -> None:
        self._log.append(f"{self.name}.{step}")
        if step == self._step or self._left <= 0:
            self._left -= 1
            if self._left <= 0:
                raise self._error

    def compile(self, patterns: PatternSet) -> Matcher:
        self.take("compile")
        return ShakyTool(self, self._pure.compile(patterns))

    def extractor(self, names: Sequence[bytes]) -> Extractor:
        self.take("compile")
        return ShakyTool(self, self._pure.extractor(names))

    def close(self) -> None:
        self._log.append(f"{self.name}.close")
        if self._left <= 0:
            raise self._error


class ShakyTool:
    def __init__(self, device: Shaky, tool: object) -> None:
        self._device = device
        self._tool = tool

    def submit(self, spans: Spans, **options: bool) -> None:
        self._device.take("submit")
        self._tool.submit(spans, **options)

    def collect(self) -> object:
        self._device.take("collect")
        return self._tool.collect()

    def close(self) -> None:
        self._device._log.append(f"{self._device.name}.done")


Make = Callable[..., Driver]


@pytest.fixture
def log() -> Log:
    return []


@pytest.fixture
def driver(log: Log) -> Make:
    return lambda name, *shape: Driver(name, lambda: Shaky(name, log, *shape))


def overlapped(matcher: Matcher, **options: bool) -> Iterator[Hits]:
    """All batches through a matcher, two in flight."""
    for number, values in enumerate(BATCHES):
        matcher.submit(spans(values), **options)
        if number:
            yield matcher.collect()
    yield matcher.collect()


def expected(**options: bool) -> list[list[tuple[int, ...]]]:
    return [triples(hits) for hits in overlapped(PureProvider().open().compile(USERS), **options)]


@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("error", [DeviceFailed("out of memory"), ValueError("a bug\nof the driver"), MemoryError()])
@pytest.mark.parametrize(
    ("step", "at"), [("open", 1), ("compile", 1), ("submit", 1), ("submit", 2), ("submit", 4), ("collect", 1), ("collect", 3)]
)
def test_whenever_it_fails_the_hits_are_those_of_the_reference(
    step: str, at: int, error: Exception, first_only: bool, driver: Make
) -> None:
    told: list[Failure] = []
    backend = FallbackBackend([driver("gpu", step, at, error), driver("simd")], failed=told.append)
    hits = [triples(found) for found in overlapped(backend.compile(USERS), first_only=first_only)]
    assert hits == expected(first_only=first_only)
    (failure,) = told
    assert (failure.driver, failure.step, failure.successor) == ("gpu", step, "simd")
    assert "\n" not in failure.reason
    assert sum(backend.batches.values()) == len(BATCHES)
    assert backend.batches.get("gpu", 0) == (at - 1 if step == "collect" else max(at - 2, 0) if step == "submit" else 0)
    assert (backend.name, backend.device, backend.memory) == ("simd", "card of simd", 7)


def test_both_submissions_in_flight_are_done_again_in_order(driver: Make, log: Log) -> None:
    told: list[Failure] = []
    backend = FallbackBackend([driver("gpu", "collect"), driver("simd")], failed=told.append)
    matcher = backend.compile(USERS)
    matcher.submit(spans(BATCHES[0]))
    matcher.submit(spans(BATCHES[4]))
    assert [triples(matcher.collect()) for _ in range(2)] == [expected()[0], expected()[4]]
    assert told == [Failure("gpu", "collect", "the card is gone", 2, "simd")]
    assert log[log.index("gpu.collect") :] == [
        *("gpu.collect", "gpu.done", "gpu.close"),
        *("simd.open", "simd.compile", "simd.submit", "simd.submit", "simd.collect", "simd.collect"),
    ]


def test_drivers_that_fail_one_after_the_other(driver: Make) -> None:
    told: list[Failure] = []
    drivers = [driver("a", "collect"), driver("b", "open"), driver("c", "submit", 2), driver("d", "compile"), driver("e")]
    backend = FallbackBackend(drivers, failed=told.append)
    assert [triples(found) for found in overlapped(backend.compile(USERS))] == expected()
    assert [(failure.driver, failure.step, failure.successor) for failure in told] == [
        *(("a", "collect", "b"), ("b", "open", "c"), ("c", "submit", "d"), ("d", "compile", "e")),
    ]


def test_what_one_matcher_finds_out_moves_the_others_too(driver: Make) -> None:
    backend = FallbackBackend([driver("gpu", "collect"), driver("simd")])
    users, other = backend.compile(USERS), backend.compile(PatternSet([Pattern(b"o", Anchor.CONTAINS)]))
    headers = backend.extractor([b"call-id", b"i"])
    message = spans([b"i: 7@x\n\n", b"none\n"])
    users.submit(spans(BATCHES[0]))
    other.submit(spans([b"bob", b"foo"]))
    headers.submit(message)
    assert triples(users.collect()) == expected()[0]
    assert backend.failures == [Failure("gpu", "collect", "the card is gone", 3, "simd")]
    assert triples(other.collect()) == [(0, 0, 1), (1, 0, 1), (1, 0, 2)]
    fields: Fields = headers.collect()
    assert (fields.offset.tolist(), fields.length.tolist()) == ([3, -1], [3, -1])
    assert backend.batches == {"simd": 3}


def test_an_extractor_outlives_its_device(driver: Make) -> None:
    backend = FallbackBackend([driver("gpu", "submit", 2), driver("simd")])
    headers = backend.extractor([b"call-id"])
    headers.submit(spans([b"Call-ID: a\n"]))
    headers.submit(spans([b"x\n", b"call-id : bc\n"]))
    assert [headers.collect().length.tolist() for _ in range(2)] == [[1], [-1, 2]]


def test_what_is_wrong_with_the_patterns_is_nobodys_failure(driver: Make) -> None:
    backend = FallbackBackend([driver("gpu"), driver("simd")])
    with pytest.raises(FilterError):
        backend.compile(PatternSet([Pattern(b"", Anchor.CONTAINS)]))
    with pytest.raises(ContractError):
        backend.extractor([])
    assert backend.failures == []
    assert backend.name == "gpu"


def test_no_more_than_two_and_no_less_than_one(driver: Make) -> None:
    matcher = FallbackBackend([driver("gpu", "submit", 2), driver("simd")]).compile(USERS)
    with pytest.raises(ContractError):
        matcher.collect()
    matcher.submit(spans(BATCHES[0]))
    matcher.submit(spans(BATCHES[2]))
    with pytest.raises(ContractError):
        matcher.submit(spans(BATCHES[3]))
    assert [triples(matcher.collect()) for _ in range(2)] == [expected()[0], expected()[2]]
    with pytest.raises(ContractError):
        matcher.collect()


def test_nothing_is_opened_before_something_is_matched(driver: Make, log: Log) -> None:
    seen: list[str] = []

    def drivers() -> Iterator[Driver]:
        yield driver("gpu", "collect")
        log.append("asked for the next")
        yield driver("simd")

    backend = FallbackBackend(drivers(), opened=lambda opened: seen.append(opened.device))
    assert (log, backend.name, backend.device) == ([], "gpu", "not open")
    matcher = backend.compile(USERS)
    assert log == ["gpu.open", "gpu.compile"]
    matcher.submit(spans(BATCHES[0]))
    matcher.collect()
    assert log.index("asked for the next") > log.index("gpu.collect")
    assert seen == ["card of gpu"]
    backend.close()
    assert log[-2:] == ["simd.done", "simd.close"]


def test_a_closed_matcher_is_not_done_again(driver: Make, log: Log) -> None:
    backend = FallbackBackend([driver("gpu", "collect"), driver("simd")])
    first, second = backend.compile(USERS), backend.compile(USERS)
    first.submit(spans(BATCHES[0]))
    first.close()
    second.submit(spans(BATCHES[2]))
    assert triples(second.collect()) == expected()[2]
    assert backend.failures[0].again == 1
    assert log.count("simd.compile") == 1


def test_a_named_driver_that_cannot_be_opened_is_an_error_but_one_that_fails_later_is_not(driver: Make) -> None:
    with pytest.raises(DriverUnfit, match="match gpu: cannot be opened: the card is gone; auto takes the best that fits"):
        FallbackBackend([driver("gpu", "open"), driver("simd")], strict=True).compile(USERS)
    backend = FallbackBackend([driver("gpu", "compile"), driver("b", "open"), driver("simd")], strict=True)
    assert [triples(found) for found in overlapped(backend.compile(USERS))] == expected()
    assert backend.name == "simd"


def test_a_wrong_setting_is_told_at_the_begin_and_gets_in_nobodys_way_later(driver: Make) -> None:
    wrong = SettingError("gpu.device: there is no device 7")
    with pytest.raises(SettingError, match="no device 7"):
        FallbackBackend([driver("gpu", "open", 1, wrong), driver("simd")]).compile(USERS)
    backend = FallbackBackend([driver("gpu", "submit", 3), driver("other", "open", 1, wrong), driver("simd")])
    assert [triples(found) for found in overlapped(backend.compile(USERS))] == expected()
    assert [failure.driver for failure in backend.failures] == ["gpu", "other"]


def test_where_nobody_is_left_it_says_so(driver: Make) -> None:
    matcher = FallbackBackend([driver("gpu", "collect"), driver("simd", "collect", 1, OSError("no luck"))]).compile(USERS)
    matcher.submit(spans(BATCHES[0]))
    with pytest.raises(DeviceFailed, match="match simd: collect failed: OSError: no luck; no other backend is left"):
        matcher.collect()
