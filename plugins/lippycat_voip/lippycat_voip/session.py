"""What `lc sniff voip` does when it runs: options and settings become a dissector and a sink, and the core does the rest."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from lippycat_core.builtin.jsonlines import JsonLines, cannot_write
from lippycat_core.cli.compose import Setup
from lippycat_core.cli.options import Input, Match, Output, Run
from lippycat_core.cli.telling import say
from lippycat_core.errors import UsageError
from lippycat_core.interfaces.sink import Sink
from lippycat_voip.dissector import VoipDissector, VoipOptions
from lippycat_voip.settings import VoipSettings

PIPE_COLUMNS = 120
"""Width of text that goes nowhere with a width of its own."""


def analyse(
    source: Input,
    run: Run,
    output: Output,
    match: Match,
    *,
    sip_user: Sequence[str],
    sip_user_file: str | None,
    messages: bool,
    call_id: str | None,
    rtp_heuristic: bool | None,
) -> int:
    """Run `lc sniff voip` and return its exit code."""
    if any(not name.strip() for value in sip_user for name in value.split(",")):
        raise UsageError("--sip-user: an empty user name, which would mean nobody or everybody: write names as in alice,+4930*")
    flags = {"voip.sip_user": ",".join(sip_user) or None, "voip.rtp_heuristic": rtp_heuristic, **match.flags()}
    setup = Setup("sniff voip", source, run, flags)
    as_text = output.chosen(sys.stdout.isatty()) == "text"
    settings = setup.settings.section("voip", VoipSettings)
    options = VoipOptions(
        messages=messages or (as_text and call_id is not None),
        call_id=call_id,
        sip_users=settings.sip_user,
        sip_user_file=sip_user_file,
        rtp_heuristic=settings.rtp_heuristic,
        max_calls=settings.max_calls,
        max_streams=settings.max_streams,
        match=setup.match_backend("users") if settings.sip_user or sip_user_file is not None else None,
    )
    sink = _screen(ladders=options.messages) if as_text else JsonLines(sys.stdout.buffer)
    result = setup.analyse([VoipDissector(options)], [sink])
    if call_id is not None and not result.outcome.summary["calls"] and not result.outcome.summary["dialogs"]:
        say(f"no call or dialog {call_id!r} is in the input; `lc sniff voip` without --call lists those that are")
    return result.report()


def _screen(*, ladders: bool) -> Sink:
    """The terminal's sink; rich is imported for it alone."""
    from rich.console import Console
    from rich.text import Text

    from lippycat_voip.screen import CallScreen

    width = shutil.get_terminal_size((PIPE_COLUMNS, 24)).columns
    console = Console(width=width, highlight=False, markup=False, emoji=False)

    def show(lines: Sequence[Text]) -> None:
        try:
            console.print(Text("\n").join(lines), soft_wrap=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise cannot_write(error) from error

    return CallScreen(show, width, ladders=ladders)
