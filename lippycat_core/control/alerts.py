"""Alerts: rules as data, and the book of what is wrong now and what was. Nobody is told here; the monitor does that."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

NONE, WARNING, CRITICAL, CLEARED = "", "warning", "critical", "cleared"
_RANK = {NONE: 0, WARNING: 1, CRITICAL: 2}

FEWEST_PACKETS = 100
"""A share of fewer packets than this in the window means nothing."""

WINDOW_S = 10.0
FAILURE_S = 300.0
"""A match backend that failed is news for so long."""

MOST_CLEARED = 100
"""Alerts that are remembered after they were cleared."""


def share(value: float) -> str:
    """A share as per cent."""
    return f"{value * 100:.1f} %"


def seconds(value: float) -> str:
    """A span of time."""
    return f"{value:.0f} s"


def count(value: float) -> str:
    """A whole number."""
    return f"{value:.0f}"


class Rule(NamedTuple):
    """When a figure above `warning` or `critical` is an alert. It falls below a level's limit times `slack` before that
    level is over. `says` is the message's begin, `do` its end. One that is `told` elsewhere is not told again."""

    name: str
    says: str
    do: str
    warning: float
    critical: float | None = None
    slack: float = 0.8
    shown: Callable[[float], str] = share
    told: bool = False

    def level(self, before: str, value: float) -> str:
        """The level of `value` after `before`."""
        for level, limit in ((CRITICAL, self.critical), (WARNING, self.warning)):
            if limit is not None and (value > limit or (_RANK[before] >= _RANK[level] and value >= limit * self.slack)):
                return level
        return NONE

    def limit(self, level: str) -> float:
        """What `level` begins above."""
        return self.warning if level == WARNING or self.critical is None else self.critical

    def message(self, level: str, value: float) -> str:
        """One line for people."""
        return f"{self.says} {self.shown(value)}, above {self.shown(self.limit(level))}; {self.do}"


def rules(stale_s: float) -> tuple[Rule, ...]:
    """All rules; `stale_s` is the silence after which a capture counts as stale."""
    return (
        Rule("drop_rate", "packets are dropped:", "narrow -f, use more threads, or a larger buffer", 0.05, 0.20),
        Rule("undecodable_rate", "packets cannot be decoded:", "`lc debug metrics` says why, by reason", 0.10, 0.30),
        Rule(
            "queue_fill",
            "the queue of batches is full to",
            "analysis is slower than the capture: narrow -f",
            0.80,
            0.95,
            slack=0.9,
        ),
        Rule(
            "tcp_memory",
            "TCP streams fill their memory to",
            "raise --tcp-memory-limit, or lower --tcp-stream-timeout",
            0.80,
            0.95,
            slack=0.9,
        ),
        Rule(
            "stale_capture",
            "no packet has come for",
            "see whether the interface or the pipe is the right one, and up",
            stale_s,
            5 * stale_s,
            slack=0.5,
            shown=seconds,
        ),
        Rule(
            "worker_stalled",
            "the batch at hand has taken",
            "see whether whoever takes the results (a pipe, a disk, a plugin) still does",
            30.0,
            300.0,
            shown=seconds,
        ),
        Rule(
            "match_backend_failed",
            "match backends failed lately:",
            "the next one goes on, nothing is lost; `lc backends` says more",
            0.5,
            shown=count,
            told=True,
        ),
    )


class State(NamedTuple):
    """One alert: raised at `since`, and where it is over, cleared at `until` (seconds since the epoch)."""

    name: str
    level: str
    message: str
    since: float
    until: float | None = None

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "name": self.name,
            "level": self.level,
            "message": self.message,
            "since": round(self.since, 3),
            "cleared": None if self.until is None else round(self.until, 3),
        }


class Change(NamedTuple):
    """An alert was raised, changed its level, or was cleared (level CLEARED)."""

    rule: Rule
    level: str
    message: str


class AlertBook:
    """What is active, and the last that were. One thread judges; `active` and `cleared` may be read by others."""

    def __init__(self, of: tuple[Rule, ...]) -> None:
        self._rules = of
        self._active: dict[str, State] = {}
        self._cleared: deque[State] = deque(maxlen=MOST_CLEARED)

    def judge(self, figures: Mapping[str, float], now: float) -> list[Change]:
        """Hold figures against the rules; a rule without a figure stays as it is. What changed, in the rules' order."""
        changes = []
        for rule in self._rules:
            value = figures.get(rule.name)
            if value is None:
                continue
            old = self._active.get(rule.name)
            before = old.level if old is not None else NONE
            level = rule.level(before, value)
            if level == before:
                continue
            active = dict(self._active)
            if level:
                message = rule.message(level, value)
                active[rule.name] = State(rule.name, level, message, old.since if old is not None else now)
                changes.append(Change(rule, level, message))
            elif old is not None:
                del active[rule.name]
                self._cleared.append(State(old.name, old.level, old.message, old.since, now))
                changes.append(Change(rule, CLEARED, f"{rule.name} is over ({rule.says} {rule.shown(value)})"))
            self._active = active
        return changes

    @property
    def active(self) -> list[State]:
        """What is wrong now, the worst first, then the oldest."""
        return sorted(self._active.values(), key=lambda state: (-_RANK[state.level], state.since))

    @property
    def cleared(self) -> list[State]:
        """What was wrong, the last first."""
        return list(self._cleared)[::-1]

    def counts(self) -> dict[str, int]:
        """How many are active, by level."""
        levels = [state.level for state in self._active.values()]
        return {level: levels.count(level) for level in (WARNING, CRITICAL)}


class Window:
    """How much counters grew within the last `span_s` seconds."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._points: deque[tuple[float, tuple[int, ...]]] = deque()

    def grew(self, now: float, *counters: int) -> tuple[int, ...]:
        """Note the counters, and give what each grew by since the oldest note that is not older than the span."""
        self._points.append((now, counters))
        while now - self._points[0][0] > self._span_s:
            self._points.popleft()
        return tuple(new - old for new, old in zip(counters, self._points[0][1], strict=True))


def rate(part: int, whole: int) -> float:
    """A share, 0 where there is too little to tell."""
    return max(0.0, part / whole) if whole >= FEWEST_PACKETS else 0.0
