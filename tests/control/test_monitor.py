"""The monitor reads between two batches: from an idle worker, through a busy one, and not at all from one that is stuck."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lippycat_core.builtin.files import open_source
from lippycat_core.control import monitor as monitor_module
from lippycat_core.control.monitor import Monitor, Watch
from lippycat_core.control.reading import Limits
from lippycat_core.flows import FlowTable
from lippycat_core.fragments import FragmentTable
from lippycat_core.kernelset import Interpreted
from lippycat_core.pipeline import Pace, Parts, Pipeline, Speed
from lippycat_core.reassembly import TcpReassembly
from lippycat_core.testing.quiet import QuietDissector

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "two-calls.pcap"


class Telling(QuietDissector):
    """Holds three things, or cannot say."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken

    def held(self) -> dict[str, int]:
        if self.broken:
            raise RuntimeError("not\nnow")
        return {"things": 3}

    def repeated(self) -> dict[str, int]:
        return {"rtp_duplicate": 1}


def of(dissector: Telling, pace: Pace | None = None) -> tuple[Monitor, Pipeline, list[str]]:
    kernels = Interpreted()
    flows = FlowTable(kernels)
    told: list[str] = []
    monitor = Monitor(Watch("sniff", ("x",), Limits(9, 9)), told.append, lambda alert: None)
    tcp = TcpReassembly(flows, [dissector])
    parts = Parts(open_source([str(EXAMPLE)], kernels), [dissector], [], flows, FragmentTable(), tcp)
    pace = Pace() if pace is None else pace
    pace.batch_packets, pace.on_batch = 50, monitor.batch
    pipeline = Pipeline(parts, pace, Speed(kernels))
    monitor.begin(pipeline)
    return monitor, pipeline, told


def numbers(monitor: Monitor) -> Any:
    return monitor.snapshot().as_json()


def test_before_and_after_a_run_the_state_is_read_at_once() -> None:
    monitor, pipeline, told = of(Telling())
    assert numbers(monitor)["lippycat_entries"]["other"] == 0, "it has not been bound yet, and is not asked"
    pipeline.run()
    after = numbers(monitor)
    assert (after["lippycat_packets_total"], after["lippycat_entries"]["other"]) == (1515, 3)
    assert after["lippycat_batch_seconds"]["count"] == 31
    monitor.end()
    assert told == []


def test_a_busy_worker_takes_the_snapshot_itself() -> None:
    monitor, pipeline, _ = of(Telling())
    got: list[Any] = []
    asker = threading.Thread(target=lambda: got.append(numbers(monitor)))
    with pipeline.busy:
        asker.start()
        time.sleep(0.1)
        assert got == []
        monitor.batch(7, 0.001)
        asker.join(timeout=5.0)
    assert got[0]["lippycat_batch_seconds"]["count"] == 1
    monitor.end()


def test_a_stuck_worker_leaves_the_last_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_module, "BUSY_S", 0.05)
    monitor, pipeline, _ = of(Telling())
    before = monitor.snapshot()
    with pipeline.busy:
        assert monitor.snapshot() is before
    assert monitor.snapshot() is not before
    monitor.end()


@pytest.mark.parametrize("wanted", [True, False])
def test_a_dissector_that_cannot_say_is_told_of_once_and_stops_nothing(wanted: bool) -> None:
    monitor, pipeline, told = of(Telling(broken=True))
    monitor._wanted = wanted
    pipeline.run()
    for _ in range(2):
        monitor.snapshot()
    assert told == ["metrics cannot be read: RuntimeError: not now; the run goes on"]
    monitor.end()


def test_numbers_fit_together_while_a_run_goes_on() -> None:
    pace = Pace()
    monitor, pipeline, _ = of(Telling(), pace)
    ends = {0}

    def note(rows: int, seconds: float) -> None:
        ends.add(max(ends) + rows)
        monitor.batch(rows, seconds)

    pace.on_batch = note
    runner = threading.Thread(target=pipeline.run)
    runner.start()
    seen = []
    while runner.is_alive():
        now = numbers(monitor)
        parts = ("delivered_total", "filtered_total")
        seen.append(now["lippycat_packets_total"])
        lost = sum(now["lippycat_packets_undecodable_total"].values()) + sum(now["lippycat_packets_dropped_total"].values())
        assert now["lippycat_packets_total"] == lost + sum(now[f"lippycat_packets_{part}"] for part in parts)
    runner.join()
    assert seen == sorted(seen)
    assert set(seen) <= ends, "between two batches"
    monitor.end()


def test_a_run_that_is_over_at_once_opens_nothing(tmp_path: Path) -> None:
    watch = Watch("sniff", (), Limits(9, 9), place=tmp_path / "lippycat")
    monitor = Monitor(watch, lambda line: None, lambda alert: None)
    monitor.begin(of(Telling())[1])
    monitor.end()
    assert not (tmp_path / "lippycat").exists()
