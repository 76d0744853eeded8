"""Asks a run and shows what it says: once, or again and again."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lippycat_core.cli.debug import Asked
from lippycat_core.cli.debug_views import VIEWS
from lippycat_core.control.client import NoAnswer, NothingRuns, ask, running
from lippycat_core.control.places import folder
from lippycat_core.errors import UsageError
from lippycat_core.printable import printable

HEALTHY, DEGRADED = 0, 1
CLEAR = "\x1b[H\x1b[2J"


def show(topic: str, asked: Asked, *, active_only: bool = False) -> int:
    """Print the answer; 0 where the run is healthy, 1 where it is degraded. NothingRuns, NoAnswer, and UsageError where it is
    not clear who is asked."""
    place = folder()
    pid = asked.pid if asked.pid is not None else the_one(place)
    first = True
    while True:
        answer = ask(place, pid, topic)
        if active_only:
            answer["alerts"] = [alert for alert in answer["alerts"] if alert["cleared"] is None]
        if asked.watch is not None and sys.stdout.isatty():
            print(CLEAR, end="")
        elif not first and not asked.as_json:
            print()
        print(json.dumps({"pid": pid, **answer}) if asked.as_json else text(topic, pid, answer), flush=True)
        if asked.watch is None:
            return HEALTHY if answer["healthy"] else DEGRADED
        first = False
        time.sleep(asked.watch)


def the_one(place: Path) -> int:
    """The process of the only run. NothingRuns where there is none, UsageError where there are several."""
    pids = running(place)
    if not pids:
        raise NothingRuns("nothing runs that could be asked: no `lc sniff` of this user, or only with --no-control")
    if len(pids) > 1:
        each = ", ".join(f"{pid} ({_called(place, pid)})" for pid in pids)
        raise UsageError(f"{len(pids)} runs go on: {each}; say which with --pid")
    return pids[0]


def _called(place: Path, pid: int) -> str:
    try:
        return called(ask(place, pid, "alerts"))
    except NothingRuns:
        return "has ended"
    except NoAnswer:
        return "does not answer"


def called(answer: Mapping[str, Any]) -> str:
    """The command of a run in short."""
    first, *more = [str(name) for name in answer["inputs"]] or ["-"]
    return printable(f"{answer['command']} {first}" + (f" and {len(more)} more" if more else ""))


def text(topic: str, pid: int, answer: Mapping[str, Any]) -> str:
    """The answer for people: a headline, and what the topic has to say."""
    headline = f"{str(answer['status']).upper()}  process {pid}: {called(answer)}"
    if answer.get("age_s", 0.0) >= 1.0:
        headline += f" (busy: as it was {answer['age_s']:.0f} s ago)"
    return "\n".join(printable(line) for line in (headline, *VIEWS[topic](answer)))
