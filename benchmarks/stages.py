"""What each stage of `lc sniff voip` costs, in nanoseconds a packet, on one core inside one run.

    python benchmarks/stages.py capture.pcap [--runs 3] [--compiler simd|pure]

Kernels are loaded before the clock starts; the input is read from the page cache. The run with the lowest total is shown. Timing
a stage adds two clock reads a batch or segment; the total is measured without them.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from typing import Any

from lippycat_core.builtin.files import open_source
from lippycat_core.builtin.jsonlines import JsonLines
from lippycat_core.flows import FlowTable
from lippycat_core.fragments import FragmentTable
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.pipeline import Pace, Parts, Pipeline, Speed
from lippycat_core.reassembly import TcpReassembly
from lippycat_voip.dissector import VoipDissector


class Clock:
    """Adds up what calls cost, without what timed calls inside them cost."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = {}
        self._inside = [0]

    def wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            self._inside.append(0)
            start = time.perf_counter_ns()
            try:
                return call(*arguments, **named)
            finally:
                spent = time.perf_counter_ns() - start
                own = spent - self._inside.pop()
                self._inside[-1] += spent
                self.spent[name] = self.spent.get(name, 0) + own

        return timed


class Timed:
    """A kernel set or a part whose chosen methods are timed."""

    def __init__(self, inner: Any, clock: Clock, names: dict[str, str]) -> None:
        self._inner = inner
        for method, label in names.items():
            setattr(self, method, clock.wrap(label, getattr(inner, method)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def pipeline(path: str, kernels: KernelSet, clock: Clock | None, threads: int) -> Pipeline:
    source: Any = open_source([path], kernels)
    flows: Any = FlowTable(kernels, udp=False)
    fragments: Any = FragmentTable()
    voip: Any = VoipDissector()
    tcp: Any = TcpReassembly(flows, [voip])
    sink: Any = JsonLines(io.BytesIO())
    if clock is not None:
        streams, dialogs, descriptions = voip._streams, voip._dialogs, voip._descriptions
        for part, names in (
            (streams, {"load": "RTP: take rows", "advance": "RTP: count"}),
            (dialogs, {"message": "SIP: dialogs", "tick": "records", "finish": "records"}),
            (descriptions, {"read": "SIP: SDP"}),
            (voip, {"rows": "SIP: collect", "route": "classify", "tick": "records", "finish": "records"}),
            (voip._media, {"on_new": "streams to calls", "advance": "RTP: count"}),
        ):
            for method, label in names.items():
                setattr(part, method, clock.wrap(label, getattr(part, method)))
        streams._on_new = voip._media.on_new
        bind = voip.bind

        def bind_timed(kernels: KernelSet) -> None:
            bind(kernels)
            voip._parse = clock.wrap("SIP: header spans", voip._parse)

        voip.bind = bind_timed
        source = Timed(source, clock, {"fill": "read and walk"})
        flows = Timed(flows, clock, {"track": "flows", "tick": "flows"})
        fragments = Timed(fragments, clock, {"join": "fragments"})
        tcp = Timed(tcp, clock, {"segment": "TCP"})
        sink = Timed(sink, clock, {"emit": "JSON", "packets": "JSON"})
    made = Pipeline(Parts(source, [voip], [sink], flows, fragments, tcp), Pace(threads=threads), Speed(kernels))
    if clock is not None:
        bind_reader = made._bind_reader

        def bind_reader_timed(kernels: KernelSet) -> None:
            bind_reader(kernels)
            made._decode = clock.wrap("decode", made._decode)

        made._bind_reader = bind_reader_timed
    return made


def total_ns(path: str, kernels: KernelSet, clock: Clock | None = None, threads: int = 1) -> tuple[int, dict[str, Any]]:
    made = pipeline(path, kernels, clock, threads)
    start = time.perf_counter_ns()
    outcome = made.run()
    return time.perf_counter_ns() - start, outcome.summary


def load(name: str) -> KernelSet:
    if name == "pure":
        return Interpreted()
    from lippycat_core.cli.kernels import needed
    from lippycat_simd.compiler import SimdProvider

    return SimdProvider().open().load(needed([VoipDissector()], filtered=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--compiler", choices=("simd", "pure"), default="simd")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    kernels = load(arguments.compiler)
    plain = [total_ns(arguments.file, kernels, None, arguments.threads) for _ in range(arguments.runs)]
    best_ns, summary = min(plain, key=lambda run: run[0])
    packets, messages = summary["packets"], summary["sip"]["messages"]
    clocks = []
    for _ in range(arguments.runs):
        clock = Clock()
        clocks.append((total_ns(arguments.file, kernels, clock)[0], clock))
    timed_ns, clock = min(clocks, key=lambda pair: pair[0])
    print(f"{packets:,} packets, {messages:,} SIP messages, kernels {summary['backend']}, {arguments.threads} thread(s)")
    print(f"{'stage':<20} {'ns a packet':>12} {'us a message':>13}")
    for name, spent in sorted(clock.spent.items(), key=lambda item: -item[1]):
        each = f"{spent / messages / 1000:13.2f}" if messages and name.startswith("SIP") else ""
        print(f"{name:<20} {spent / packets:12.1f} {each}")
    print(f"{'everything else':<20} {(timed_ns - sum(clock.spent.values())) / packets:12.1f}")
    all_runs = ", ".join(f"{ns / packets:.0f}" for ns, _ in plain)
    print(f"{'total, not timed':<20} {best_ns / packets:12.1f}  (all runs: {all_runs})")


if __name__ == "__main__":
    main()
