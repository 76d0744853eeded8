"""`lc sniff`: packets one a line. What a protocol makes of them is a subcommand's, which plugins bring."""

from __future__ import annotations

from typing import Annotated

import typer

from lippycat_core.cli.options import (
    Input,
    Output,
    Run,
    Vif,
    input_options,
    output_options,
    run_options,
    vif_options,
    with_options,
)


@with_options(source=input_options, run=run_options, output=output_options, vif=vif_options)
def sniff(
    count: Annotated[int | None, typer.Option("-c", "--count", metavar="N", min=1, help="End after this many packets.")] = None,
    write_file: Annotated[
        str | None,
        typer.Option(
            "-w",
            "--write-file",
            metavar="FILE",
            help="Write the packets to a capture file (.pcap or .pcapng) and list them only with --format.",
        ),
    ] = None,
    *,
    source: Input,
    run: Run,
    output: Output,
    vif: Vif,
) -> int:
    """List packets, or write them to a file or an interface; subcommands look into protocols."""
    from lippycat_core.cli.listing import list_packets

    return list_packets(source, run, output, vif, count=count, write_file=write_file)
