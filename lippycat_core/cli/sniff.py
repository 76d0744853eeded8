"""`lc sniff`: packets one a line. What a protocol makes of them is a subcommand's, which plugins bring."""

from __future__ import annotations

from typing import Annotated

import typer

from lippycat_core.cli.options import (
    Input,
    Output,
    Run,
    Vif,
    Write,
    Writers,
    input_options,
    output_options,
    run_options,
    vif_options,
    with_options,
    write_options,
    writer_options,
)


@with_options(
    source=input_options,
    run=run_options,
    output=output_options,
    write=write_options,
    writers=writer_options,
    vif=vif_options,
)
def sniff(
    count: Annotated[int | None, typer.Option("-c", "--count", metavar="N", min=1, help="End after this many packets.")] = None,
    *,
    source: Input,
    run: Run,
    output: Output,
    write: Write,
    writers: Writers,
    vif: Vif,
) -> int:
    """List packets, or write them to a file or an interface; subcommands look into protocols."""
    from lippycat_core.cli.listing import list_packets

    return list_packets(source, run, output, write, writers, vif, count=count)
