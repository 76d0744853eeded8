"""Each rule is raised and cleared, with its slack in between; and the monitor tells whom it should, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lippycat_core.batch import Batch
from lippycat_core.batchqueue import BatchQueue, QueueRules
from lippycat_core.builtin.files import open_source
from lippycat_core.control.alerts import CLEARED, CRITICAL, MOST_CLEARED, WARNING, AlertBook, Rule, Window, rate, rules
from lippycat_core.control.monitor import Monitor, Watch
from lippycat_core.control.reading import Limits
from lippycat_core.flows import FlowTable
from lippycat_core.fragments import FragmentTable
from lippycat_core.hookspecs import Alert
from lippycat_core.kernelset import Interpreted
from lippycat_core.matching.fallback import Driver, Failure, FallbackBackend
from lippycat_core.pipeline import Pace, Parts, Pipeline, Speed
from lippycat_core.reassembly import TcpReassembly

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "two-calls.pcap"
RULES = {rule.name: rule for rule in rules(60.0)}


@pytest.mark.parametrize(
    ("name", "quiet", "warned", "between", "critical"),
    [
        ("drop_rate", 0.03, 0.051, 0.045, 0.21),
        ("undecodable_rate", 0.07, 0.11, 0.09, 0.31),
        ("queue_fill", 0.6, 0.81, 0.75, 0.96),
        ("tcp_memory", 0.7, 0.81, 0.75, 0.96),
        ("stale_capture", 20.0, 61.0, 40.0, 301.0),
        ("worker_stalled", 1.0, 31.0, 25.0, 301.0),
        ("match_backend_failed", 0.0, 1.0, None, None),
    ],
)
def test_a_rule_is_raised_and_cleared_with_slack(
    name: str, quiet: float, warned: float, between: float | None, critical: float | None
) -> None:
    book = AlertBook(rules(60.0))
    assert book.judge({name: quiet}, 1.0) == []
    (raised,) = book.judge({name: warned}, 2.0)
    assert (raised.rule.name, raised.level) == (name, WARNING)
    assert RULES[name].shown(warned) in raised.message
    assert "\n" not in raised.message
    assert book.judge({name: warned}, 3.0) == []
    assert book.judge({}, 3.5) == [], "no figure, no verdict"
    if between is not None:
        assert book.judge({name: between}, 4.0) == [], "below the limit, but not by enough"
    if critical is not None:
        (worse,) = book.judge({name: critical}, 5.0)
        assert worse.level == CRITICAL
        (better,) = book.judge({name: warned}, 6.0)
        assert better.level == WARNING
        assert [state.since for state in book.active] == [2.0], "it is the same alert"
    (cleared,) = book.judge({name: quiet}, 7.0)
    assert cleared.level == CLEARED
    assert book.active == []
    (was,) = book.cleared
    assert (was.name, was.since, was.until) == (name, 2.0, 7.0)
    assert book.judge({name: quiet}, 8.0) == []


def test_all_rules_are_tested_and_sensible() -> None:
    for rule in RULES.values():
        assert rule.critical is None or rule.critical > rule.warning
        assert 0 < rule.slack < 1


def test_the_worst_stands_first_and_old_ones_are_forgotten() -> None:
    book = AlertBook(tuple(Rule(f"r{n}", "it is", "do", 0.5, 0.9) for n in range(2)))
    book.judge({"r0": 0.6}, 1.0)
    book.judge({"r1": 1.0}, 2.0)
    assert [state.name for state in book.active] == ["r1", "r0"]
    assert book.counts() == {WARNING: 1, CRITICAL: 1}
    for n in range(2 * MOST_CLEARED):
        book.judge({"r0": 0.0}, 3.0 + n)
        book.judge({"r0": 1.0}, 3.5 + n)
    assert len(book.cleared) == MOST_CLEARED
    assert book.cleared[0].since > book.cleared[-1].since


def test_a_window_forgets_and_few_packets_mean_nothing() -> None:
    window = Window(10.0)
    assert window.grew(0.0, 0, 5) == (0, 0)
    assert window.grew(5.0, 1000, 105) == (1000, 100)
    assert window.grew(15.0, 1000, 105) == (0, 0)
    assert rate(50, 99) == 0.0
    assert rate(50, 100) == 0.5


class Lossy:
    """A capture that lost as many packets as it is told."""

    def __init__(self) -> None:
        self._inner = open_source([str(EXAMPLE)], Interpreted())
        self.lost = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def dropped(self) -> dict[str, int]:
        return {"kernel": self.lost}


def watched(match: FallbackBackend | None = None, **watch: Any) -> tuple[Monitor, Pipeline, list[str], list[Alert], Lossy]:
    """A monitor of a pipeline that has not run; what it tells people and hooks; the source."""
    kernels, source = Interpreted(), Lossy()
    flows = FlowTable(kernels)
    parts = Parts(source, [], [], flows, FragmentTable(), TcpReassembly(flows, []))
    told: list[str] = []
    hooked: list[Alert] = []
    monitor = Monitor(Watch("sniff", ("x",), Limits(9, 9), match=match, **watch), told.append, hooked.append)
    pipeline = Pipeline(parts, Pace(on_batch=monitor.batch), Speed(kernels))
    monitor.begin(pipeline)
    monitor.end()  # the tests look themselves
    return monitor, pipeline, told, hooked, source


def test_packets_that_are_dropped_raise_an_alert_that_is_told_once() -> None:
    monitor, pipeline, told, hooked, source = watched()
    monitor.look(100.0)
    source.lost = 500
    pipeline.run()
    for now in (101.0, 102.0):
        monitor.look(now)
    assert [(alert.name, alert.level) for alert in hooked] == [("drop_rate", "critical")]
    assert told == [f"critical: {hooked[0].message}"]
    assert "packets are dropped: 24.8 %, above 20.0 %" in told[0]
    monitor.look(200.0)
    assert [(alert.name, alert.level) for alert in hooked[1:]] == [("drop_rate", "cleared")]
    assert len(told) == 2


def test_hooks_wait_for_the_worker_and_people_do_not() -> None:
    monitor, pipeline, told, hooked, _ = watched(endless=True, stale_s=5.0)
    begun = monitor._reading.last_packet
    with pipeline.busy:
        monitor.look(begun + 1.0)
        monitor.look(begun + 40.0)
        assert [line.partition(":")[0] for line in told] == ["warning"], "a worker that is stuck, not a capture that is stale"
        assert "the batch at hand has taken 39 s" in told[0]
        assert hooked == []
        monitor.batch(5, 39.0)
        assert [alert.name for alert in hooked] == ["worker_stalled"]
    monitor.look(begun + 41.0)
    assert [alert.level for alert in hooked if alert.name == "worker_stalled"] == ["warning", "cleared"]


def test_a_pipe_that_falls_silent_is_stale_and_a_file_never() -> None:
    for endless, names in ((True, ["stale_capture"]), (False, [])):
        monitor, _, _, hooked, _ = watched(endless=endless, stale_s=5.0)
        monitor.look(monitor._reading.last_packet + 6.0)
        assert [alert.name for alert in hooked] == names


def test_a_full_queue_is_news_on_a_pipe_alone() -> None:
    for endless, names in ((True, ["queue_fill"]), (False, [])):
        monitor, pipeline, _, hooked, _ = watched(endless=endless)
        pipeline._queue = queue = BatchQueue(QueueRules(batches=2), lambda rows: Batch(Interpreted(), capacity=rows), 4)
        for _ in range(2):
            queue.put(queue.blank())
        with pipeline.busy:
            monitor.batch(10, 0.001)
        monitor.look(monitor._reading.last_packet + 1.0)
        assert [alert.name for alert in hooked] == names


def test_a_failed_match_backend_is_active_for_a_while_and_told_by_who_saw_it() -> None:
    backend = FallbackBackend([Driver("cuda", lambda: pytest.fail("nothing is matched"))])
    monitor, _, told, hooked, _ = watched(backend)
    monitor.look(100.0)
    backend.failures.append(Failure("cuda", "collect", "lost", 1, "pure"))
    monitor.look(101.0)
    assert [state.name for state in monitor.book.active] == ["match_backend_failed"]
    assert (told, hooked) == ([], [])
    monitor.look(390.0)
    assert monitor.book.active
    monitor.look(402.0)
    assert [alert.level for alert in hooked] == ["cleared"]
