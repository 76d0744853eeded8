"""What `lc plugins` prints: a table on a terminal, aligned columns in a pipe, objects for programs."""

from __future__ import annotations

import dataclasses
import difflib
import json
import sys
from collections.abc import Sequence

from lippycat_core.cli.telling import say
from lippycat_core.errors import UsageError
from lippycat_core.host.discovery import Host, PluginInfo
from lippycat_core.host.installed import KINDS
from lippycat_core.host.settings import load_settings
from lippycat_core.printable import printable, width

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
    elif sys.stdout.isatty():
        _table(found)
    else:
        print("\n".join(aligned([COLUMNS, *map(cells_of, found)])))
    return 0


def cells_of(info: PluginInfo) -> tuple[str, ...]:
    """The columns of one plugin as text; a dash where there is nothing."""
    return tuple(printable("-" if value in (None, "") else str(value)) for value in dataclasses.astuple(info))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows in columns as wide as their widest cell, two spaces between; the last column is not padded."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _table(found: Sequence[PluginInfo]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(column, justify="right" if column == "priority" else "left", overflow="fold")
    for info in found:
        styles = {"state": STATE_STYLES.get(info.state, "")}
        table.add_row(*(Text(cell, styles.get(column, "")) for column, cell in zip(COLUMNS, cells_of(info), strict=True)))
    Console(highlight=False).print(table)
