"""Whole runs in one call: captures in, records out. What a test wants to say in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lippycat_core.batch import DEFAULT_ROWS, Batch
from lippycat_core.batchqueue import QueueRules
from lippycat_core.builtin.files import open_source
from lippycat_core.events import Event
from lippycat_core.filters import CaptureFilter
from lippycat_core.flows import FlowTable
from lippycat_core.fragments import FragmentTable
from lippycat_core.interfaces.capture import CaptureSource, Fault
from lippycat_core.interfaces.dissect import BulkDissector, Dissector
from lippycat_core.interfaces.layer import StreamLayer
from lippycat_core.interfaces.sink import Sink
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.layers import Layers
from lippycat_core.pipeline import Pace, Parts, Pipeline, Speed
from lippycat_core.reassembly import TcpReassembly
from lippycat_core.sctp import SctpAssociations
from lippycat_core.sessions import Sessions

VARYING = ("seconds", "backend")
"""Fields of the summary that may differ between two runs of one input (docs/output.md)."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run wrote: its records in order (the summary last, without the fields that vary) and the input's faults."""

    records: Sequence[Mapping[str, object]]
    faults: Sequence[Fault]

    def named(self, name: str) -> list[Mapping[str, object]]:
        """The records of one kind."""
        return [record for record in self.records if record["record"] == name]

    @property
    def summary(self) -> Mapping[str, object]:
        """The last record."""
        return self.records[-1]


class Collector:
    """A sink that keeps every record."""

    def __init__(self) -> None:
        self.records: list[dict[str, object]] = []

    def packets(self, batch: Batch) -> None:
        """Packets are not kept."""

    def emit(self, events: Sequence[Event]) -> None:
        """Keep what a JSON sink would write."""
        self.records += [event.as_record() for event in events]

    def close(self) -> None:
        """Nothing to finish."""


def run(
    source: CaptureSource | Path | str | Sequence[Path | str],
    *dissectors: BulkDissector | Dissector,
    kernels: KernelSet | None = None,
    threads: int = 1,
    batch_packets: int = DEFAULT_ROWS,
    bpf: str | None = None,
    sinks: Sequence[Sink] = (),
    queue: QueueRules | None = None,
    layers: Sequence[StreamLayer] = (),
) -> Run:
    """Run `dissectors`, and `layers` in front of them, over a source or capture files and give what was written.

    Deterministic but for `VARYING`, and for what `queue` drops with two threads.
    """
    kernels = Interpreted() if kernels is None else kernels
    if isinstance(source, (str, Path)):
        source = [source]
    opened = open_source([str(path) for path in source], kernels) if isinstance(source, Sequence) else source
    problems: list[BaseException] = []
    bulk = [dissector for dissector in dissectors if isinstance(dissector, BulkDissector)]
    simple = [dissector for dissector in dissectors if not isinstance(dissector, BulkDissector)]
    flows = FlowTable(kernels, udp=bool(simple))
    if simple:
        bulk.append(Sessions(simple, flows, lambda name, error: problems.append(error)))
    collector = Collector()
    through = Layers(layers, lambda name, error: problems.append(error))
    tcp = TcpReassembly(flows, [*through.owners, *bulk])
    through.attach(tcp)
    parts = Parts(
        source=opened,
        dissectors=bulk,
        sinks=[collector, *sinks],
        flows=flows,
        fragments=FragmentTable(),
        tcp=tcp,
        layers=through,
        sctp=SctpAssociations(bulk),
        capture_filter=CaptureFilter(bpf) if bpf else None,
    )
    pace = Pace(threads=threads, batch_packets=batch_packets, queue=queue or QueueRules())
    outcome = Pipeline(parts, pace, Speed(kernels)).run()
    if problems:
        raise problems[0]
    for field in VARYING:
        collector.records[-1].pop(field, None)
    return Run(collector.records, outcome.faults)
