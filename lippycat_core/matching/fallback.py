"""A match backend that outlives its device: what failed is done again by the next driver, from the same spans.

Here lies the change-over alone. Which drivers there are and in what order is the caller's business, and so is telling
anybody. One thread at a time.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar

from lippycat_core.errors import ContractError, DeviceFailed, DriverUnfit, FilterError, LippycatError, UsageError
from lippycat_core.interfaces.match import IN_FLIGHT, Extractor, Fields, Hits, MatchBackend, Matcher, PatternSet, Spans

T = TypeVar("T", bound=Matcher | Extractor)
R = TypeVar("R")
S = TypeVar("S")
K = TypeVar("K", "FallbackMatcher", "FallbackExtractor")


NOT_OPEN = "not open"
"""The device of a backend that nothing was matched by yet."""


class Driver(NamedTuple):
    """A backend that is not open yet."""

    name: str
    open: Callable[[], MatchBackend]


@dataclass(frozen=True, slots=True)
class Failure:
    """A driver failed in `step` (open, compile, submit, collect); `again` open submissions are done again by `successor`."""

    driver: str
    step: str
    reason: str
    again: int
    successor: str


def reason_of(error: BaseException) -> str:
    """An error in one line; who raised something that is not ours is named by its type."""
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, LippycatError) and text else f"{type(error).__name__}: {text}".rstrip(": ")


class Task(Protocol):
    """What the backend knows of a matcher or extractor that it gave out."""

    @property
    def open(self) -> int:
        """Submissions that wait to be collected."""
        ...

    def let_go(self) -> None:
        """The driver at work has failed: have nothing more to do with it."""
        ...


class FallbackBackend:
    """A `MatchBackend` over `drivers`, best first: the first until it fails, then the next, each opened when needed.

    Whatever a driver raises is a failure of its device, but for FilterError and ContractError, which are the caller's. A
    failure takes all that is open, on every matcher, to the next driver: no hit is lost, none comes twice. `strict` is for
    a driver that the user named: DriverUnfit where it cannot be opened in the first place. `opened` is told once, of the
    backend that the run begins with, `failed` of each failure. DeviceFailed where no driver is left.
    """

    def __init__(
        self,
        drivers: Iterable[Driver],
        *,
        strict: bool = False,
        opened: Callable[[MatchBackend], None] = lambda backend: None,
        failed: Callable[[Failure], None] = lambda failure: None,
    ) -> None:
        self._drivers = iter(drivers)
        self._driver = next(self._drivers)
        self.name = self._driver.name  # these three of the driver at work
        self.device = NOT_OPEN
        self.memory: int | None = None
        self._strict = strict
        self._opened = opened
        self._failed = failed
        self._backend: MatchBackend | None = None
        self._begun = False
        self._tasks: list[Task] = []
        self.failures: list[Failure] = []
        self.batches: dict[str, int] = {}  # collected, by driver

    def compile(self, patterns: PatternSet) -> FallbackMatcher:
        """See MatchBackend."""
        return self._begin(FallbackMatcher(self, partial(_compiled, patterns)))

    def extractor(self, names: Sequence[bytes]) -> FallbackExtractor:
        """See MatchBackend."""
        return self._begin(FallbackExtractor(self, partial(_extractor, names)))

    def _begin(self, task: K) -> K:
        task.begin()
        self._tasks.append(task)
        return task

    def close(self) -> None:
        """Give the device back, if one was ever opened."""
        self._let_go()
        self._tasks.clear()

    def present(self) -> MatchBackend:
        """The backend at work, opened if it is not."""
        while self._backend is None:
            try:
                backend = self._backend = self._driver.open()
                self.name, self.device, self.memory = backend.name, backend.device, backend.memory
            except Exception as error:
                self._cannot_open(error)
        if not self._begun:
            self._begun = True
            self._opened(self._backend)
        return self._backend

    def _cannot_open(self, error: Exception) -> None:
        if not self._begun:
            if isinstance(error, UsageError):  # a device that the user named and nobody has, say
                raise error
            if self._strict:
                raise DriverUnfit(
                    f"match {self._driver.name}: cannot be opened: {reason_of(error)}; auto takes the best that fits"
                ) from error
        self.fail("open", error)

    def fail(self, step: str, error: Exception) -> None:
        """Go over to the next driver."""
        driver, reason = self._driver.name, reason_of(error)
        self._let_go()
        successor = next(self._drivers, None)
        if successor is None:
            raise DeviceFailed(f"match {driver}: {step} failed: {reason}; no other backend is left") from error
        self._driver, self._strict = successor, False
        failure = Failure(driver, step, reason, sum(task.open for task in self._tasks), successor.name)
        self.failures.append(failure)
        self._failed(failure)

    def _let_go(self) -> None:
        for task in self._tasks:
            task.let_go()
        backend, self._backend = self._backend, None
        if backend is not None:
            with contextlib.suppress(Exception):  # it has failed, or is of no more use
                backend.close()

    def count(self) -> None:
        """A submission was answered."""
        name = self._driver.name
        self.batches[name] = self.batches.get(name, 0) + 1

    def forget(self, task: Task) -> None:
        """The task is over."""
        if task in self._tasks:
            self._tasks.remove(task)


class _Task(Generic[T, R]):
    """A pattern set or header field, its tool on the driver at work, and the submissions that are open: kept as what submits
    them, so that they can be submitted again."""

    def __init__(self, backend: FallbackBackend, make: Callable[[MatchBackend], T], collect: Callable[[T], R]) -> None:
        self._backend = backend
        self._make = make
        self._collect = collect
        self._tool: T | None = None
        self._open: deque[Callable[[T], None]] = deque()

    @property
    def open(self) -> int:
        """Submissions that wait to be collected."""
        return len(self._open)

    def begin(self) -> None:
        """Make the tool, so that what is wrong with the patterns is said now."""
        self._do("compile", _nothing)

    def put(self, submit: Callable[[T], None]) -> None:
        """Submit."""
        if len(self._open) == IN_FLIGHT:
            raise ContractError(f"{IN_FLIGHT} submissions are open: collect the oldest first")
        self._do("submit", submit)
        self._open.append(submit)

    def collect(self) -> R:
        """See Matcher and Extractor."""
        if not self._open:
            raise ContractError("no submission is open: submit spans first")
        answer = self._do("collect", self._collect)
        self._open.popleft()
        self._backend.count()
        return answer

    def close(self) -> None:
        """See Matcher and Extractor."""
        self.let_go()
        self._open.clear()
        self._backend.forget(self)

    def let_go(self) -> None:
        """The tool is of no more use; what is open stays so."""
        tool, self._tool = self._tool, None
        if tool is not None:
            with contextlib.suppress(Exception):
                tool.close()

    def _do(self, step: str, act: Callable[[T], S]) -> S:
        while True:
            backend = self._backend.present()
            at = "compile"
            try:
                if self._tool is None:
                    tool = self._make(backend)
                    at = "submit"
                    for submit in self._open:
                        submit(tool)
                    self._tool = tool
                at = step
                return act(self._tool)
            except (FilterError, ContractError):
                raise
            except Exception as error:
                self._backend.fail(at, error)


def _nothing(tool: Matcher | Extractor) -> None:
    """The tool is made; that was all."""


class FallbackMatcher(_Task[Matcher, Hits]):
    """A `Matcher` on whichever driver is at work."""

    def __init__(self, backend: FallbackBackend, make: Callable[[MatchBackend], Matcher]) -> None:
        super().__init__(backend, make, lambda tool: tool.collect())

    def submit(self, spans: Spans, *, first_only: bool = False) -> None:
        """See Matcher; it never raises DeviceFailed while a driver is left."""
        self.put(lambda tool: tool.submit(spans, first_only=first_only))


class FallbackExtractor(_Task[Extractor, Fields]):
    """An `Extractor` on whichever driver is at work."""

    def __init__(self, backend: FallbackBackend, make: Callable[[MatchBackend], Extractor]) -> None:
        super().__init__(backend, make, lambda tool: tool.collect())

    def submit(self, spans: Spans) -> None:
        """See Extractor; it never raises DeviceFailed while a driver is left."""
        self.put(lambda tool: tool.submit(spans))


def _compiled(patterns: PatternSet, backend: MatchBackend) -> Matcher:
    return backend.compile(patterns)


def _extractor(names: Sequence[bytes], backend: MatchBackend) -> Extractor:
    return backend.extractor(names)
