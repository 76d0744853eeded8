"""What `lc backends` does when it runs: each match driver with its device, and what was measured of it, now or before."""

from __future__ import annotations

import dataclasses
import datetime
import json
import sys
from collections.abc import Sequence
from typing import Any

from lippycat_core.builtin.match import PureProvider
from lippycat_core.cli.catalogue import STATE_STYLES
from lippycat_core.cli.matching import opened
from lippycat_core.cli.options import Match
from lippycat_core.cli.tables import cell, print_table
from lippycat_core.cli.telling import say
from lippycat_core.host import measured
from lippycat_core.host.discovery import AUTO, Host, PluginInfo, canonical
from lippycat_core.host.measured import Measurement
from lippycat_core.host.ranking import BROKEN, CHOSEN, FIT, Candidate
from lippycat_core.host.settings import load_settings
from lippycat_core.matching.curves import SIZES, Curve, near, stretches
from lippycat_core.matching.fallback import reason_of
from lippycat_core.matching.measure import KINDS, WORKS, Sample, measure, messages

COLUMNS = ("name", "distribution", "state", "priority", "device", "memory", "measured", "reason")
FIGURES = ("rows", "backend", "ns/packet", "packets/s", "batches/s", "fastest")


@dataclasses.dataclass
class Line:
    """One driver, with what was found out by opening it."""

    info: PluginInfo
    device: str = ""
    memory: int | None = None
    measurement: Measurement | None = None

    def broken(self, reason: str) -> None:
        """It fitted, and does not work."""
        self.info = dataclasses.replace(self.info, state=BROKEN, reason=reason)


def list_backends(match: Match, *, bench_s: float | None, as_json: bool, config: str | None) -> int:
    """Print them, measured for about `bench_s` seconds each where that is a number. 1 where one gives other hits than the plain
    backend, or fails while it is measured. DriverUnfit for a name that no backend has, and where a named one is to be
    measured and does not fit."""
    host = Host(load_settings(match.flags(), config=config, on_problem=say), say)
    only = None if match.backend in (None, AUTO) else canonical("match", str(match.backend))
    known = {info.name for info in host.catalogue(["match"]) if info.distribution}
    if only is not None and (bench_s is not None or only not in known):
        host.choose("match")
    lines = [Line(info) for info in host.catalogue(["match"]) if only in (None, info.name)]
    code = _fill(lines, host, bench_s)
    if as_json:
        print(json.dumps([_object(line, lines) for line in lines], ensure_ascii=False, indent=2))
        return code
    rows = host.settings["gpu.batch_size"]
    right = ("priority", "memory")
    print_table(COLUMNS, [_cells(line, rows) for line in lines], right=right, styles={"state": STATE_STYLES})
    found = {line.info.name: line.measurement for line in lines if line.measurement is not None}
    if bench_s is not None and found:
        _show_figures(found)
    return code


def _fill(lines: Sequence[Line], host: Host, bench_s: float | None) -> int:
    """Open each that fits, measure it where that is wanted, and keep the figures."""
    sample = None if bench_s is None else Sample(PureProvider().open())
    code = 0
    new: list[Measurement] = []
    fit = {(found.entry.name, found.entry.distribution): found for found in host.candidates("match") if found.state == FIT}
    for line in lines:
        candidate = fit.get((line.info.name, line.info.distribution))
        if candidate is None or line.info.state not in (FIT, CHOSEN):
            continue
        line.measurement = host.measurement(candidate)
        if sample is None or bench_s is None:
            _open(line, candidate, host)
        elif not _bench(line, candidate, host, sample, bench_s):
            code = 1
        elif line.measurement is not None:
            new.append(line.measurement)
    if new:
        _keep(new)
    return code


def _open(line: Line, candidate: Candidate, host: Host) -> None:
    assert candidate.provider is not None
    try:
        backend = opened(candidate.provider, host, 0)
        line.device, line.memory = backend.device, backend.memory
        backend.close()
    except Exception as error:
        line.broken(f"cannot be opened: {reason_of(error)}")


def _bench(line: Line, candidate: Candidate, host: Host, sample: Sample, seconds: float) -> bool:
    """Whether it could be measured and was right."""
    assert candidate.provider is not None
    name, entry = line.info.name, candidate.entry
    line.measurement = None
    _progress(f"measuring {name} ...")
    try:
        backend = opened(candidate.provider, host, None, SIZES[-1], wait=True)
        line.device, line.memory = backend.device, backend.memory
        figures = measure(backend, sample, seconds)
        backend.close()
    except Exception as error:
        _progress("")
        say(f"match {name} failed while it was measured: {reason_of(error)}")
        line.broken(f"failed: {reason_of(error)}")
        return False
    _progress("")
    if figures.wrong:
        say(f"match {name} gives other hits than the plain backend ({figures.wrong}): do not use it, and tell who made it")
        line.broken(f"gives wrong hits: {figures.wrong}")
        return False
    day = datetime.date.today().isoformat()
    line.measurement = Measurement(name, entry.version, line.device, host.settings["gpu.device"], day, figures.ns)
    return True


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _keep(new: Sequence[Measurement]) -> None:
    path = measured.usual_path()
    try:
        if path is None:
            raise OSError("there is no home folder")
        measured.write(path, new)
    except OSError as error:
        say(f"what was measured is not kept: {path or 'no cache folder'}: {error.strerror or error}")


def _memory(memory: int | None) -> str:
    return "" if memory is None else f"{memory / 2**30:,.1f} GiB"


def _cells(line: Line, rows: int) -> list[str]:
    info, one = line.info, line.measurement
    known = "" if one is None else f"{one.at(rows):,.0f} ns at {rows:,}, {one.day}"
    values = (info.name, info.distribution, info.state, info.priority, line.device, _memory(line.memory), known, info.reason)
    return [cell(value) for value in values]


def _object(line: Line, lines: Sequence[Line]) -> dict[str, Any]:
    info, one = line.info, line.measurement
    found: dict[str, Any] = {
        **{key: value for key, value in dataclasses.asdict(info).items() if key != "kind"},
        "device": line.device or None,
        "memory": line.memory,
        "measured": None,
    }
    if one is not None:
        curves = {work: _curves(lines, work) for work in one.ns}
        found["measured"] = {"day": one.day, "device": one.device, "works": {}}
        for work, curve in one.ns.items():
            fastest = {rows for part in stretches(curves[work]) if part.name == info.name for rows in SIZES if part.holds(rows)}
            found["measured"]["works"][work] = [
                {**_speeds(rows, ns), "fastest": rows in fastest} for rows, ns in sorted(curve.items())
            ]
    return found


def _curves(lines: Sequence[Line], work: str) -> dict[str, Curve]:
    return {one.driver: one.ns[work] for line in lines if (one := line.measurement) is not None and work in one.ns}


def _speeds(rows: int, ns: float) -> dict[str, float]:
    return {"rows": rows, "ns_per_packet": ns, "packets_per_s": 1e9 / ns, "batches_per_s": 1e9 / ns / rows}


def _show_figures(found: dict[str, Measurement]) -> None:
    print(f"\nSIP messages of {sum(map(len, messages())) // KINDS} bytes on average, transfers included, best of several rounds")
    for work in WORKS:
        curves = {name: one.ns[work.name] for name, one in found.items() if work.name in one.ns}
        best = stretches(curves)
        print(f"\n{work.title}")
        cells = []
        for rows in SIZES:
            for name, curve in curves.items():
                if rows not in curve:
                    continue
                mark = "*" if any(part.name == name and part.holds(rows) for part in best) else ""
                ns = near(curve, rows)
                cells.append([f"{rows:,}", name, f"{ns:,.1f}", f"{1e9 / ns:,.0f}", f"{1e9 / ns / rows:,.0f}", mark])
        print_table(FIGURES, cells, right=FIGURES[:1] + FIGURES[2:5])
        if len(best) > 1:
            spoken = [f"{part.name} is the fastest up to {part.high:,}" for part in best[:-1]]
            print(", ".join([*spoken, f"{best[-1].name} from {best[-1].low:,} packets a batch on"]))
        elif best:
            print(f"{best[0].name} is the fastest at every size")
