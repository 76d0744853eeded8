"""`lc backends`: who could look for patterns here, on what, and how fast."""

from __future__ import annotations

from typing import Annotated

import typer

from lippycat_core.cli.options import Match, match_options, with_options


@with_options(match=match_options)
def backends(
    bench: Annotated[bool, typer.Option("--bench/--no-bench", help="Measure each one that fits, and keep the figures.")] = False,
    seconds: Annotated[
        float, typer.Option(metavar="S", min=0.01, max=600.0, help="About how long to measure a backend.", show_default=True)
    ] = 3.0,
    as_json: Annotated[bool, typer.Option("--json/--no-json", help="A list of objects.")] = False,
    config: Annotated[str | None, typer.Option(metavar="PATH", help="Settings file, instead of the usual places.")] = None,
    *,
    match: Match,
) -> int:
    """List match backends: state, priority, device, memory; --bench measures them."""
    from lippycat_core.cli.backend_table import list_backends

    return list_backends(match, bench_s=seconds if bench else None, as_json=as_json, config=config)
