"""Tables: drawn by rich on a terminal, plain columns in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence

from lippycat_core.printable import printable, width


def cell(value: object) -> str:
    """A value as text that can be printed; a dash where there is nothing."""
    return printable("-" if value in (None, "") else str(value))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows in columns as wide as their widest cell, two spaces between; the last column is not padded."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[str] = (),
    styles: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Print it. `right` are columns of numbers; `styles` gives by column the style of a cell that holds a certain text."""
    if not sys.stdout.isatty():
        print("\n".join(aligned([columns, *rows])))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    styles = styles or {}
    for row in rows:
        table.add_row(*(Text(text, styles.get(name, {}).get(text, "")) for name, text in zip(columns, row, strict=True)))
    Console(highlight=False).print(table)
