"""What `lc backends --bench` measured on this machine, kept in the user's cache folder so that `auto` can take what is fastest.

It is advice and never needed: a file that is missing, damaged, of another machine or writable by others counts for nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lippycat_core.matching.curves import Curve, near

SCHEMA = 1
FILE = "backends.json"
LARGEST_FILE = 1 << 20
DISPLAY = "0x03"
"""The first byte of a display controller's PCI class."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A driver of a version on a device: `ns` a span by kind of work and by spans at once, `day` as YYYY-MM-DD. `asked` is what
    `gpu.device` was, for a driver may have several devices."""

    driver: str
    version: str
    device: str
    asked: str
    day: str
    ns: Mapping[str, Curve]

    def at(self, rows: int) -> float:
        """Mean ns a span over all kinds of work, at the measured number of spans next to `rows`."""
        return sum(near(curve, rows) for curve in self.ns.values()) / len(self.ns)


def usual_path(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Where measurements are kept; None where there is no cache folder to be had."""
    if cache_home := environ.get("XDG_CACHE_HOME"):
        return Path(cache_home, "lippycat", FILE)
    with contextlib.suppress(RuntimeError):  # no home
        home = Path.home()
        if home.is_dir():  # never made: a service may have one that is not there on purpose
            return home / ".cache" / "lippycat" / FILE
    return None


def machine() -> str:
    """What makes figures of one machine worth nothing on another: name, processor, cores that may be used, graphics cards."""
    try:
        model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return "; ".join([platform.node(), model.partition(":")[2].strip() or model, f"{cores} cores", *_graphics_cards()])


def _graphics_cards() -> list[str]:
    cards = []
    with contextlib.suppress(OSError):
        for folder in sorted(Path("/sys/bus/pci/devices").iterdir()):
            with contextlib.suppress(OSError):
                if (folder / "class").read_text().startswith(DISPLAY):
                    cards.append(f"{(folder / 'vendor').read_text().strip()}:{(folder / 'device').read_text().strip()}")
    return cards


def read(path: Path | None) -> list[Measurement]:
    """What is kept of this machine; nothing where the file cannot be trusted or understood."""
    if path is None:
        return []
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            if state.st_uid != os.geteuid() or stat.S_IMODE(state.st_mode) & 0o022 or not stat.S_ISREG(state.st_mode):
                return []
            tree = json.loads(file.read(LARGEST_FILE))
        if tree["schema"] != SCHEMA or tree["machine"] != machine():
            return []
        return [_measurement(record) for record in tree["measured"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _measurement(record: Any) -> Measurement:
    """ValueError, KeyError, TypeError or AttributeError where it is none."""
    texts: dict[str, Any] = {name: record[name] for name in ("driver", "version", "device", "asked", "day")}
    ns = {str(work): {int(rows): float(value) for rows, value in curve.items()} for work, curve in record["ns"].items()}
    figures = [value for curve in ns.values() for value in curve.values()]
    if not all(isinstance(text, str) for text in texts.values()) or not ns or not all(ns.values()):
        raise ValueError("not a measurement")
    if not all(0 < value < float("inf") for value in figures) or not all(rows > 0 for curve in ns.values() for rows in curve):
        raise ValueError("not a time")
    return Measurement(**texts, ns=ns)


def write(path: Path, new: Sequence[Measurement]) -> None:
    """Keep `new` beside what there is of other drivers and devices. OSError where that cannot be."""
    keys = {(one.driver, one.asked) for one in new}
    kept = [old for old in read(path) if (old.driver, old.asked) not in keys]
    tree = {"schema": SCHEMA, "machine": machine(), "measured": [asdict(one) for one in [*kept, *new]]}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:  # 0600, seen whole or not at all
        json.dump(tree, file, indent=1)
    try:
        os.replace(file.name, path)
    except OSError:
        os.unlink(file.name)
        raise
