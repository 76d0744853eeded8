"""`lc plugins`: which plugins there are and what state each is in."""

from __future__ import annotations

from typing import Annotated

import typer

from lippycat_core.errors import UsageError


def plugins(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help="Only this kind.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json/--no-json", help="A list of objects.")] = False,
    warm: Annotated[bool, typer.Option("--warm/--no-warm", help="Compile all kernels now: no run has to wait.")] = False,
    config: Annotated[str | None, typer.Option(metavar="PATH", help="Settings file, instead of the usual places.")] = None,
) -> int:
    """List plugins: kind, name, distribution, version, priority, state and reason."""
    if warm:
        if kind is not None or as_json:
            raise UsageError("--warm compiles kernels and lists nothing: leave out KIND and --json")
        from lippycat_core.cli.warming import warm_up

        return warm_up(config)
    from lippycat_core.cli.catalogue import show_catalogue

    return show_catalogue(kind, as_json=as_json, config=config)
