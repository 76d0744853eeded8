"""`lc sniff voip`: the options of the command, and which sink its results go to. Everything else is imported when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from lippycat_core.cli.options import (
    Input,
    Match,
    Output,
    Run,
    Tcp,
    Tls,
    Vif,
    Write,
    Writers,
    input_options,
    match_options,
    output_options,
    run_options,
    tcp_options,
    tls_options,
    vif_options,
    with_options,
    write_options,
    writer_options,
)


@with_options(
    source=input_options,
    run=run_options,
    output=output_options,
    match=match_options,
    tcp=tcp_options,
    tls=tls_options,
    write=write_options,
    writers=writer_options,
    vif=vif_options,
)
def voip(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE", help="Capture files, like -r.", show_default=False)] = None,
    sip_user: Annotated[
        list[str] | None,
        typer.Option(
            "--sip-user",
            "--sipuser",
            metavar="USER",
            help="Only calls of these users: exact, or with *; commas separate, may be repeated.",
        ),
    ] = None,
    sip_user_file: Annotated[str | None, typer.Option(metavar="PATH", help="The same from a file, one user a line.")] = None,
    phone_number: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER", help="Only calls of these numbers: +4930..., last digits, or with *; commas separate."),
    ] = None,
    phone_number_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="The same from a file, one number a line.")
    ] = None,
    uri: Annotated[
        list[str] | None, typer.Option(metavar="URI", help="Only calls of these URIs: exact, or with *; may be repeated.")
    ] = None,
    call_id: Annotated[
        list[str] | None, typer.Option(metavar="CALL_ID", help="Only these Call-IDs: exact, or with *; may be repeated.")
    ] = None,
    ip: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Only calls of these hosts or networks, by signalling or SDP; commas separate."),
    ] = None,
    codec: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only calls that offer one of these codecs; commas separate.")
    ] = None,
    pattern_algorithm: Annotated[
        str | None, typer.Option(metavar="NAME", help="How patterns are looked for: auto, linear or aho-corasick.")
    ] = None,
    messages: Annotated[
        bool, typer.Option("--messages/--no-messages", help="Each SIP message too; on a terminal a ladder of each call.")
    ] = False,
    call: Annotated[
        str | None, typer.Option("--call", metavar="CALL_ID", help="Only this call; on a terminal with its ladder.")
    ] = None,
    per_call_pcap: Annotated[
        bool | None,
        typer.Option("--per-call-pcap/--no-per-call-pcap", help="A capture file for each call, with its SIP, RTP and RTCP."),
    ] = None,
    per_call_pcap_dir: Annotated[
        str | None, typer.Option(metavar="DIR", help="The folder they go to, made where it is not there; pcaps by default.")
    ] = None,
    per_call_pcap_pattern: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="What they are called: {timestamp} {date} {time} {call_id} {from} {to} {method}."),
    ] = None,
    voip_command: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Run this for each finished call, without a shell: %callid% %caller% %called% %calldate% %pcap% %dirname%.",
        ),
    ] = None,
    rtp_heuristic: Annotated[
        bool | None,
        typer.Option("--rtp-heuristic/--no-rtp-heuristic", help="List RTP that no SDP announced, found by its content."),
    ] = None,
    *,
    source: Input,
    run: Run,
    output: Output,
    match: Match,
    tcp: Tcp,
    tls: Tls,
    write: Write,
    writers: Writers,
    vif: Vif,
) -> int:
    """SIP calls and their RTP streams: who called whom, how it ended, and how well it sounded."""
    from lippycat_voip.session import analyse

    return analyse(
        source._replace(read_file=[*source.read_file, *(files or [])]),
        run,
        output,
        match,
        tcp,
        tls,
        write,
        writers,
        vif,
        filters={
            "sip_user": sip_user,
            "sip_user_file": sip_user_file,
            "phone_number": phone_number,
            "phone_number_file": phone_number_file,
            "uri": uri,
            "call_id": call_id,
            "ip": ip,
            "codec": codec,
            "pattern_algorithm": pattern_algorithm,
        },
        messages=messages,
        call_id=call,
        per_call={
            "per_call_pcap": per_call_pcap,
            "per_call_pcap_dir": per_call_pcap_dir,
            "per_call_pcap_pattern": per_call_pcap_pattern,
            "voip_command": voip_command,
        },
        rtp_heuristic=rtp_heuristic,
    )
