"""What `lc sniff voip` does when it runs: options and settings become a dissector and a sink, and the core does the rest."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence

from lippycat_core.builtin.jsonlines import JsonLines, cannot_write
from lippycat_core.builtin.tee import Tee
from lippycat_core.builtin.text import accounting_line
from lippycat_core.cli.compose import Setup
from lippycat_core.cli.options import Input, Match, Output, Run, Tcp, Tls, Vif, Write, Writers
from lippycat_core.cli.telling import say
from lippycat_core.cli.writing import Keeping
from lippycat_core.errors import SettingError, UsageError
from lippycat_core.host.settings import Settings
from lippycat_core.interfaces.sink import PacketWriter, Sink
from lippycat_core.writing.commands import Command
from lippycat_core.writing.files import FileFacts
from lippycat_core.writing.names import Pattern
from lippycat_core.writing.packing import form_of
from lippycat_voip.callbuffer import Bounds
from lippycat_voip.callcommand import VALUES, CallCommands, after_call
from lippycat_voip.dissector import VoipDissector, VoipOptions
from lippycat_voip.filing import FIELDS, After, Filing, FilingOptions, no_command
from lippycat_voip.mediafilter import signalling_alone
from lippycat_voip.patterns import Dialling
from lippycat_voip.selection import Filters, algorithm_named, checked
from lippycat_voip.settings import VoipSettings

PIPE_COLUMNS = 120
"""Width of text that goes nowhere with a width of its own."""


def analyse(
    source: Input,
    run: Run,
    output: Output,
    match: Match,
    tcp: Tcp,
    tls: Tls,
    write: Write,
    writers: Writers,
    vif: Vif,
    *,
    filters: Mapping[str, Sequence[str] | str | None],
    messages: bool,
    call_id: str | None,
    per_call: Mapping[str, str | bool | None],
    rtp_heuristic: bool | None,
) -> int:
    """Run `lc sniff voip` and return its exit code. `filters` and `per_call` are options by the setting that they stand for."""
    for name, value in filters.items():
        _not_empty(name, value)
    if call_id == "":
        raise UsageError("--call: an empty Call-ID, which no call has: name one, or leave the option out")
    listed = write.file != "-"
    if not listed and (output.format is not None or messages):
        option = "--messages" if messages else "--format"
        raise UsageError(f"-w - and {option} both want standard output; write the packets to a file, or leave {option} out")
    flags: dict[str, object] = {f"voip.{name}": value or None for name, value in filters.items()}
    flags |= {f"voip.{name}": value for name, value in per_call.items()}
    flags |= {"voip.rtp_heuristic": rtp_heuristic, **match.flags(), **tcp.flags(), **tls.flags()}
    flags |= {**write.flags(), **writers.flags(), **vif.flags()}
    setup = Setup("sniff voip", source, run, flags)
    if setup.live and source.capture_filter and signalling_alone(source.capture_filter):
        say(f"-f {source.capture_filter!r} cuts off media, whose ports are others: calls will have no streams")
    as_text = output.chosen(sys.stdout.isatty()) == "text"
    settings = setup.settings.section("voip", VoipSettings)
    _none_set_empty(setup.settings, filters)
    wanted = _filters(settings, _said(setup.settings, filters))
    algorithm_named(wanted.algorithm)
    checked(wanted.dialling)
    if not wanted.by_pattern and setup.settings.origin("match") != "default":
        setup.host.choose("match")  # a name that is wrong is said though nothing is matched
    filed = settings.per_call_pcap
    command = Command(settings.voip_command, VALUES, "--voip-command") if settings.voip_command else None
    for name in ("per_call_pcap_dir", "per_call_pcap_pattern"):
        if per_call[name] is not None and not filed:
            raise UsageError(f"--{name.replace('_', '-')}: says where files of calls go: add --per-call-pcap")
    keeping = Keeping(setup, write, alone=not listed, groups=filed, commands={"--voip-command": command is not None})
    after = after_call(keeping.commands, command) if command is not None else no_command
    options = VoipOptions(
        messages=messages or (listed and as_text and call_id is not None),
        call_id=call_id,
        filters=wanted,
        rtp_heuristic=settings.rtp_heuristic,
        max_calls=settings.max_calls,
        max_streams=settings.max_streams,
        match=setup.match_backend("calls") if wanted.by_pattern else None,
        buffers=setup.stream_buffers(),
        batch_size=setup.settings["tcp.batch_size"],
        tune_batches=setup.settings["tcp.auto_tuning"],
        packets=write.file is not None or filed or setup.settings["vif.enabled"],
        filing=_filing(settings, keeping, after) if filed else None,
        bounds=Bounds(settings.call_buffer_calls, settings.call_buffer_bytes, settings.call_buffer_age),
    )
    dissector = VoipDissector(options)
    sinks: list[Sink] = []
    if listed:
        sinks.append(_screen(ladders=options.messages) if as_text else JsonLines(sys.stdout.buffer))
    with keeping:
        interface = setup.virtual_interface  # where there can be none, no file is made or cut
        chosen: list[PacketWriter] = [one for one in (interface, keeping.writer()) if one is not None]
        if chosen or filed:
            sinks.append(dissector.packets(Tee(chosen) if chosen else None))
        if not filed and command is not None:
            sinks.append(CallCommands(after))
        result = setup.analyse([dissector], sinks)
    if not listed and not run.quiet:
        print(accounting_line(result.outcome.summary), file=sys.stderr)
    if call_id is not None and not result.outcome.summary["calls"] and not result.outcome.summary["dialogs"]:
        others = " that the other filters want too" if wanted.any else ""
        say(f"no call or dialog {call_id!r}{others} is in the input; `lc sniff voip` without --call lists those that are")
    return keeping.exit_code(result.report())


def _filing(settings: VoipSettings, keeping: Keeping, after: After) -> Filing:
    """Where the files of calls go. UsageError where they cannot be called so, or not be made there."""
    pattern = Pattern(settings.per_call_pcap_pattern, FIELDS, "--per-call-pcap-pattern")
    if not settings.per_call_pcap_dir:
        raise UsageError("--per-call-pcap-dir: an empty name: name the folder that files of calls go to")
    files = keeping.group_files(settings.per_call_pcap_dir, form_of(pattern.text))

    def done(record: Mapping[str, object], facts: FileFacts | None) -> None:
        if facts is not None:
            keeping.finished(facts)
        after(record, facts)

    return Filing(files, FilingOptions(settings.per_call_pcap_dir, pattern, keeping.ending, done))


_EMPTY = {
    "sip_user": ("user name", "write names as in alice,+4930*"),
    "phone_number": ("number", "write numbers as in +49301234567,7042"),
    "uri": ("URI", "write one as in sip:alice@example.org"),
    "call_id": ("Call-ID", "write one, or its begin and *"),
    "ip": ("address", "write addresses as in 192.0.2.1,2001:db8::/32"),
    "codec": ("name", "write names as in PCMU,opus"),
}
"""Options of which an empty word would mean nobody or everybody, what it lacks, and the way out."""


def _not_empty(name: str, value: Sequence[str] | str | None) -> None:
    """UsageError where a value is empty, or one of the words of a comma list."""
    option = "--" + name.replace("_", "-")
    if value == "":
        raise UsageError(f"{option}: an empty value: name one, or leave the option out")
    if name in _EMPTY:
        lacks, way_out = _EMPTY[name]
        for text in value or ():
            words = [text] if name in ("uri", "call_id") else text.split(",")
            if not all(word.strip() for word in words):
                raise UsageError(f"{option}: an empty {lacks}, which would mean nobody or everybody: {way_out}")


def _none_set_empty(settings: Settings, names: Iterable[str]) -> None:
    """SettingError where environment or file set a filter to nothing: who forgot to fill it in does not want everybody."""
    for name in names:
        key, variable = f"voip.{name}", f"LIPPYCAT_VOIP__{name.upper()}"
        origin = settings.origin(key) if settings.knows(key) else "default"
        if origin == "default" and not os.environ.get(variable, "unset").strip():
            origin = f"environment {variable}"  # elsewhere an empty variable is as good as none
        if origin != "default" and not settings[key]:
            raise SettingError(f"{key}: empty, which would mean everybody ({origin}): name somebody, or leave it out")


def _said(settings: Settings, names: Iterable[str]) -> Mapping[str, str]:
    """How each filter was said that is no option of this command line."""
    origins = {name: settings.origin(f"voip.{name}") for name in names if settings.knows(f"voip.{name}")}
    return {name: f"voip.{name} ({origin})" for name, origin in origins.items() if not origin.startswith("option")}


def _filters(settings: VoipSettings, said: Mapping[str, str]) -> Filters:
    return Filters(
        sip_users=settings.sip_user,
        sip_user_file=settings.sip_user_file or None,
        phone_numbers=settings.phone_number,
        phone_number_file=settings.phone_number_file or None,
        uris=settings.uri,
        call_ids=settings.call_id,
        hosts=settings.ip,
        codecs=settings.codec,
        dialling=Dialling(settings.international_prefixes, settings.country_code, settings.national_prefix),
        algorithm=settings.pattern_algorithm,
        said=said,
    )


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
