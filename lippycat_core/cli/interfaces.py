"""`lc interfaces` and `lc list interfaces`: what could be captured from."""

from __future__ import annotations

from typing import Annotated

import typer


def interfaces(
    as_json: Annotated[bool, typer.Option("--json/--no-json", help="A list of objects.")] = False,
) -> int:
    """List network interfaces: state, link type, MTU, addresses, and whether they can be captured."""
    from lippycat_core.cli.interface_table import list_interfaces

    return list_interfaces(as_json=as_json)
