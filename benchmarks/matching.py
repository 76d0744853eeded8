"""Match backends and their rivals, side by side: ns a packet, packets and batches a second, build time and memory.

    python benchmarks/matching.py [--quick] [--row contains-64] [--backend simd] [--json FILE]

Each row of the table is a process of its own, on one core where the row says so. In it all contenders take turns; a figure is
the minimum of its turns. Ours are measured through the public interface: spans in, hits out, transfers included. Build time
and memory are those of a process for each. A backend that does not fit this machine has no figure, and the reason is said.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from match_contenders import Built, Contender, backends, rivals
from match_work import TABLE, Row, Work

TURNS, QUICK_TURNS = 60, 10
TURN_S = 0.02
"""Short turns: between those of others on a busy machine some are undisturbed."""

LONG_TURN_S = 1.0
"""Many batches are gone through once a turn, or as many of them as this allows: all of them would fit no cache, a few might."""

ENOUGH_S = 3.0
"""Who has used so much, and had three turns, gets no more."""

WARM_UP = 1000
"""Patterns of the first set a process builds, so that loading a library or a kernel does not count as building."""

Figures = dict[str, Any]


# In a process of its own


def pin() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def contenders(work: Work, names: list[str]) -> list[Contender]:
    return [*backends(names), *([] if names else rivals(work.kind, len(work.wanted)))]


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


class Lap:
    """One contender's turns."""

    def __init__(self, built: Built, work: Work) -> None:
        self.run, self.batches = built.run, len(work.batches)
        self.found = built.run(1)  # also what must be made first
        once = min(seconds(lambda: self.run(1)) for _ in range(3))
        self.of = min(max(int(LONG_TURN_S / once), 1), self.batches)
        self.times = max(int(TURN_S / (once * self.of)), 1)
        self.packets = len([text for batch in work.batches[: self.of] for text in batch])
        self.bytes = sum(len(text) for batch in work.batches[: self.of] for text in batch)
        self.best = float("inf")
        self.turns, self.spent = 0, 0.0

    def turn(self) -> None:
        if self.turns >= 3 and self.spent > ENOUGH_S:
            return

        def repeated() -> None:
            for _ in range(self.times):
                self.run(self.of)

        took = seconds(repeated)
        self.turns, self.spent = self.turns + 1, self.spent + took
        self.best = min(self.best, took / self.times)


def alone(bare: Callable[[], object], turns: int) -> float:
    """Seconds that a bare kernel takes."""
    times = max(int(TURN_S / min(seconds(bare) for _ in range(3))), 1)

    def repeated() -> None:
        for _ in range(times):
            bare()

    return min(seconds(repeated) for _ in range(turns)) / times


def measure_row(row: Row, quick: bool, names: list[str]) -> list[Figures]:
    if row.one_core:
        pin()
    work = row.make(quick)
    turns = QUICK_TURNS if quick else TURNS
    figures: list[Figures] = []
    laps: list[tuple[Figures, Lap, Built]] = []
    for contender in contenders(work, names):
        figure: Figures = {"name": contender.name, "note": contender.note}
        figures.append(figure)
        if contender.build is None:
            continue
        try:
            built = contender.build(work)
            lap = Lap(built, work)
        except Exception as error:  # a rival that cannot do it (hyperscan: too large, say) has no figure
            figure["note"] = f"failed: {error!r}"
            continue
        figure["found"], figure["same"] = lap.found, contender.same
        laps.append((figure, lap, built))
    for _ in range(turns):
        for _, lap, _ in laps:
            lap.turn()
    for figure, lap, built in laps:
        figure["ns"] = lap.best / lap.packets * 1e9
        figure["packets_s"] = lap.packets / lap.best
        figure["batches_s"] = lap.of / lap.best
        figure["mb_s"] = lap.bytes / lap.best / 1e6
        figure["packets"], figure["part"] = lap.packets, lap.of / lap.batches
        if built.table_bytes is not None:
            figure["table_mb"] = built.table_bytes / 1e6
        if built.bare is not None:
            figure["bare_ns"] = alone(built.bare, turns) / len(work.batches[0]) * 1e9
    return figures


def measure_build(row: Row, quick: bool, name: str) -> Figures:
    """Seconds and resident memory that a set takes, in a process that has built a small one before."""
    work = row.make(True)
    few = replace(work, wanted=work.wanted[:WARM_UP], texts=work.texts[:64])
    for contender in [*backends([]), *rivals(work.kind, len(work.wanted))]:
        if contender.name == name and contender.build is not None:
            contender.build(few).run(1)
            gc.collect()
            before, begin = resident(), time.perf_counter()
            built = contender.build(replace(work, texts=work.texts[:64]))
            spent = time.perf_counter() - begin
            gc.collect()
            grown = resident() - before
            built.run(1)
            return {"build_s": spent, "grown_mb": grown / 1e6}
    return {}


# Around these processes


def child(*arguments: str, timeout_s: float = 1200) -> Any:
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=timeout_s, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def differing(figures: list[Figures]) -> Iterator[str]:
    """Who found something else than the first of ours, though it should find the same."""
    counts = {figure["name"]: figure["found"] for figure in figures if figure.get("same")}
    for name, count in counts.items():
        first = next(iter(counts))
        if count != counts[first]:
            yield f"{name} finds {count:,} in the first batch, {first} {counts[first]:,}"


def line(row: Row, figure: Figures) -> str:
    if "ns" not in figure:
        return f"    {figure['name']:<16} no figure: {figure['note']}"
    value = f"{figure['mb_s']:>9,.1f} MB/s" if row.unit == "MB/s" else f"{figure['ns']:>9,.1f} ns"
    parts = [f"{value}  {figure['packets_s']:>13,.0f} packets/s  {figure['batches_s']:>9,.1f} batches/s"]
    if figure["part"] < 1:
        parts.append(f"over {figure['part']:.0%} of it")
    if "bare_ns" in figure:
        parts.append(f"kernel {figure['bare_ns']:.1f} ns")
    if "build_s" in figure:
        parts.append(f"built in {figure['build_s']:.2f} s, {figure['grown_mb']:.0f} MB")
    if "table_mb" in figure:
        parts.append(f"tables {figure['table_mb']:.1f} MB")
    return f"    {figure['name']:<16} {'; '.join(parts)}  ({figure['note']})"


def report(rows: list[str], quick: bool, names: list[str]) -> tuple[dict[str, list[Figures]], list[str]]:
    flags = [*(["--quick"] if quick else []), *(word for name in names for word in ("--backend", name))]
    everything: dict[str, list[Figures]] = {}
    wrong: list[str] = []
    for key in rows:
        row = TABLE[key]
        print(f"{row.title} [{key}]{', one core' if row.one_core else ''}; aimed at {row.aim}", flush=True)
        figures = everything[key] = child("--measure", key, *flags)
        for figure in figures:
            if row.large and "ns" in figure:
                figure.update(child("--build", key, figure["name"], *flags))
            print(line(row, figure), flush=True)
        by_name = {figure["name"]: figure["ns"] for figure in figures if "ns" in figure}
        if key == "devices" and {"opencl", "simd"} <= set(by_name):
            print(f"    opencl takes {by_name['opencl'] / by_name['simd']:.2f} x simd's time")
        wrong += [f"{key}: {text}" for text in differing(figures)]
    return everything, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer turns, and less text")
    parser.add_argument("--row", action="append", choices=list(TABLE), help="this row only (may come again)")
    parser.add_argument("--backend", action="append", default=[], help="this backend only, and no rivals (may come again)")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--measure", choices=list(TABLE), help=argparse.SUPPRESS)
    parser.add_argument("--build", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure_row(TABLE[given.measure], given.quick, given.backend)))
    elif given.build:
        key, name = given.build
        print(json.dumps(measure_build(TABLE[key], given.quick, name)))
    else:
        everything, wrong = report(given.row or list(TABLE), given.quick, given.backend)
        if given.json:
            Path(given.json).write_text(json.dumps(everything, indent=1) + "\n")
        if wrong:
            raise SystemExit("\n".join(["not the same hits:", *wrong]))


if __name__ == "__main__":
    main()
