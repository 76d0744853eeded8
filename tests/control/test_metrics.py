"""The registry itself, and that its numbers are those of the end-of-run summary."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lippycat_core.builtin.files import open_source
from lippycat_core.control.metrics import BUCKETS_S, EVICTED, METRICS, OTHER, BatchTimes, closed
from lippycat_core.control.reading import Limits, Reading, resident_bytes
from lippycat_core.flows import FlowTable
from lippycat_core.fragments import FragmentTable
from lippycat_core.interfaces.dissect import BulkDissector
from lippycat_core.kernelset import Interpreted
from lippycat_core.pipeline import Pace, Parts, Pipeline, Speed
from lippycat_core.reassembly import TcpReassembly
from lippycat_core.testing.runs import Collector
from lippycat_core.writing.figures import Figures

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "two-calls.pcap"


def test_names_follow_the_convention() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"lippycat_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert bool(metric.label) == bool(metric.values)
        assert metric.help.endswith(".")
        if metric.unit in ("bytes", "seconds"):
            assert metric.unit in metric.name


def test_labels_are_a_closed_set() -> None:
    counts = closed("lippycat_evicted_total", {"flows": 2, "stranger": 3, "another": 4})
    assert (counts["flows"], counts[OTHER], counts["calls"]) == (2, 7, 0)
    for metric in METRICS:
        if metric.values:
            assert tuple(closed(metric.name, {})) == metric.values


def test_what_tables_give_up_has_a_label_of_its_own() -> None:
    source = "".join(path.read_text() for path in (ROOT / "lippycat_core").rglob("*.py"))
    given_up = set(re.findall(r'_given_up\["(\w+)"\]|_give_up\([^")]*, "(\w+)"\)', source))
    named = {one or other for one, other in given_up}
    assert len(named) > 3
    assert named <= set(EVICTED), "docs/control.md and EVICTED lack a table"


def test_the_histogram_counts_up_to_each_end() -> None:
    times = BatchTimes()
    for seconds in (0.0001, BUCKETS_S[0], 0.004, 99.0):
        times.add(seconds)
    told: Any = times.histogram().as_json()
    assert told["count"] == 4
    assert told["sum"] == pytest.approx(99.0046)
    assert (told["buckets"]["0.0005"], told["buckets"]["0.005"], told["buckets"]["2.5"], told["buckets"]["+Inf"]) == (2, 3, 3, 4)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_numbers_are_those_of_the_summary(threads: int) -> None:
    kernels = Interpreted()
    flows = FlowTable(kernels)
    dissectors: list[BulkDissector] = []
    sink = Collector()
    tcp = TcpReassembly(flows, dissectors)
    parts = Parts(open_source([str(EXAMPLE)], kernels), dissectors, [sink], flows, FragmentTable(), tcp)
    rows: list[int] = []
    seen: list[int] = []
    pace = Pace(threads=threads, batch_packets=50, on_batch=lambda count, seconds: rows.append(count))
    pipeline = Pipeline(parts, pace, Speed(kernels))
    reading = Reading(pipeline, Limits(1 << 20, 8 << 20))
    pace.on_progress = lambda progress, packets: seen.append(reading.outcome()[0] - packets)
    summary: Any = pipeline.run().summary
    numbers: Any = reading.snapshot({"warning": 1}).as_json()
    accounting = summary["accounting"]
    assert sum(rows) == summary["packets"] == numbers["lippycat_packets_total"] > 100
    assert set(seen) == {0}
    assert accounting["delivered"] == numbers["lippycat_packets_delivered_total"]
    assert accounting["filtered"] == numbers["lippycat_packets_filtered_total"]
    assert accounting["undecodable"] == {k: v for k, v in numbers["lippycat_packets_undecodable_total"].items() if v}
    assert summary["bytes"] == numbers["lippycat_bytes_total"]
    assert numbers["lippycat_entries"]["flows"] == len(flows) > 0
    assert numbers["lippycat_alerts"] == {"warning": 1, "critical": 0}
    assert list(numbers) == [metric.name for metric in METRICS]


def test_the_process_knows_its_memory() -> None:
    assert 5 << 20 < resident_bytes() < 8 << 30


def test_what_was_written_is_asked_for_each_time() -> None:
    kernels = Interpreted()
    flows = FlowTable(kernels)
    parts = Parts(open_source([str(EXAMPLE)], kernels), [], [], flows, FragmentTable(), TcpReassembly(flows, []))
    written = [Figures(), Figures(7, 700, 2, 1, 4, 3)]
    reading = Reading(Pipeline(parts, Pace(), Speed(kernels)), Limits(2, 2), written=lambda: written.pop(0))
    names = ("written_packets", "written_bytes", "written_files", "write_failures", "commands", "command_failures")
    for wanted in ((0,) * 6, (7, 700, 2, 1, 4, 3)):
        numbers = reading.snapshot({}).as_json()
        assert tuple(numbers[f"lippycat_{name}_total"] for name in names) == wanted
    parts.source.close()
