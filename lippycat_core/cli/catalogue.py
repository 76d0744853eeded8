"""What `lc plugins` prints: a table on a terminal, aligned columns in a pipe, objects for programs."""

from __future__ import annotations

import dataclasses
import difflib
import json

from lippycat_core.cli.tables import cell, print_table
from lippycat_core.cli.telling import say
from lippycat_core.errors import UsageError
from lippycat_core.host.discovery import Host
from lippycat_core.host.installed import KINDS
from lippycat_core.host.settings import load_settings

COLUMNS = ("kind", "name", "distribution", "version", "priority", "state", "reason")
STATE_STYLES = {"chosen": "green", "unfit": "yellow", "broken": "bold red", "absent": "dim"}


def show_catalogue(kind: str | None, *, as_json: bool, config: str | None) -> int:
    """Print the catalogue, of one kind where it is named. UsageError where there is no such kind."""
    if kind is not None and kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, 1)
        raise UsageError(f"no kind {kind!r}; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(KINDS)}"))
    found = [info for info in Host(load_settings(config=config, on_problem=say)).catalogue() if kind in (None, info.kind)]
    if as_json:
        print(json.dumps([dataclasses.asdict(info) for info in found], ensure_ascii=False, indent=2))
    else:
        rows = [[cell(value) for value in dataclasses.astuple(info)] for info in found]
        print_table(COLUMNS, rows, right=("priority",), styles={"state": STATE_STYLES})
    return 0
