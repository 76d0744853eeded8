"""`lc show config`: what is set, and where each value came from."""

from __future__ import annotations

from typing import Annotated

import typer

from lippycat_core.cli.options import Tcp, Writers, tcp_options, with_options, writer_options


@with_options(tcp=tcp_options, writers=writer_options)
def config(
    as_json: Annotated[bool, typer.Option("--json/--no-json", help="A list of objects.")] = False,
    config: Annotated[str | None, typer.Option(metavar="PATH", help="Settings file, instead of the usual places.")] = None,
    *,
    tcp: Tcp,
    writers: Writers,
) -> int:
    """Show every setting with its value, its unit and where it came from."""
    from lippycat_core.cli.configtable import show_config

    return show_config({**tcp.flags(), **writers.flags()}, as_json=as_json, config=config)
