"""What `lc sniff` does when it runs: a packet list, a capture file, or both, and what simple dissectors say on the way."""

from __future__ import annotations

import sys

from lippycat_core.builtin.jsonlines import JsonForm, write_lines
from lippycat_core.builtin.packetlist import Form, PacketList
from lippycat_core.builtin.text import TextForm, TextWriter, accounting_line
from lippycat_core.cli.compose import Setup
from lippycat_core.cli.options import Input, Output, Run, Vif, Write, Writers
from lippycat_core.cli.writing import Keeping
from lippycat_core.errors import UsageError
from lippycat_core.interfaces.dissect import Dissector
from lippycat_core.interfaces.sink import Sink


def list_packets(source: Input, run: Run, output: Output, write: Write, writers: Writers, vif: Vif, *, count: int | None) -> int:
    """Run `lc sniff` and return its exit code."""
    if write.file == "-" and output.format is not None:
        raise UsageError("-w - and --format both want standard output; write the packets to a file, or leave --format out")
    setup = Setup("sniff", source, run, {**write.flags(), **writers.flags(), **vif.flags()})
    form = output.chosen(sys.stdout.isatty())
    listed = output.format is not None or (write.file is None and not setup.settings["vif.enabled"])
    with Keeping(setup, write, alone=not listed) as keeping:
        interface = setup.virtual_interface  # where there can be none, no file is made or cut
        sinks: list[Sink] = [] if interface is None else [interface]
        sinks += keeping.sinks()
        if listed:
            sinks.append(packet_list(form))
        result = setup.analyse(_simple_dissectors(setup) if listed else [], sinks, packet_limit=count)
    if not run.quiet and (form == "text" or not listed):
        print(accounting_line(result.outcome.summary), file=sys.stderr)
    return keeping.exit_code(result.report())


def packet_list(form: str) -> PacketList:
    """The list on standard output, as JSON lines or text."""
    spelling: Form
    if form == "json":
        spelling = JsonForm()
        binary = sys.stdout.buffer
        return PacketList(spelling, lambda lines: write_lines(binary, lines))
    return PacketList(TextForm(), TextWriter(sys.stdout))


def _simple_dissectors(setup: Setup) -> list[Dissector]:
    """Installed dissectors of the simple shape; the others have commands of their own."""
    return [dissector for dissector in setup.host.dissectors() if isinstance(dissector, Dissector)]
