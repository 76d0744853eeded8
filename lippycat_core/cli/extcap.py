"""`lc extcap install`: captures of calls in Wireshark's list of interfaces."""

from __future__ import annotations

from typing import Annotated

import typer


def install(
    folder: Annotated[
        str | None, typer.Option("--dir", metavar="DIR", help="Wireshark's folder of extcap programs, where it is another one.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove/--no-remove", help="Take it away again.")] = False,
) -> int:
    """Put lippycat's captures into Wireshark: "VoIP only" and "one SIP user"."""
    from lippycat_core.cli.extcap_folder import place, take_away

    return take_away(folder) if remove else place(folder)
