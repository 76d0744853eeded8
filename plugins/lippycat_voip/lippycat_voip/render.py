"""Calls, streams and the summary as text for people. Works on the records of docs/output.md and prints nothing itself.

Lines are rich `Text`s, so that a pipe gets the same words without colour. Whatever came off the wire is made printable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from lippycat_core.printable import cut, fit, printable, width

Record = Mapping[str, Any]
Piece = tuple[str, str]
"""Text that is fit for a terminal, and its style."""

STATE_CELLS, CODE_CELLS, CLOCK_CELLS, DURATION_CELLS = 10, 4, 8, 9
INDENT = 3
TITLE_CELLS = 12
WIDEST_PARTY = 60

STATE_STYLES = {
    "ended": "green",
    "active": "bold green",
    "busy": "yellow",
    "cancelled": "yellow",
    "challenged": "yellow",
    "redirected": "yellow",
    "unanswered": "red",
    "failed": "bold red",
}

NOTICEABLE_LOSS_PCT, BAD_LOSS_PCT = 1.0, 5.0


def heading(total: int) -> Text:
    """The names of the columns of `call_line`."""
    return _columns(total, ("STATE", "CODE", "START", "DURATION", "FROM", "TO"), "bold", "bold", separator=" ")


def call_line(call: Record, total: int) -> Text:
    """One call, or other dialog, in one line of `total` cells."""
    is_call = call.get("record") == "call"
    state = str(call.get("state") if is_call else call.get("method"))
    values = (
        printable(state),
        _text(call.get("code")),
        _clock(call.get("first")),
        milliseconds(call.get("duration_ms")) or "-",
        party(call.get("from")),
        party(call.get("to")),
    )
    return _columns(total, values, STATE_STYLES.get(state, ""), "")


def _columns(total: int, values: Sequence[str], state_style: str, style: str, separator: str = "→") -> Text:
    fixed = STATE_CELLS + CODE_CELLS + CLOCK_CELLS + DURATION_CELLS + 4
    each = min(WIDEST_PARTY, max(8, (total - fixed - 3) // 2))
    state, code, clock, duration, source, target = values
    line = Text(fit(state, STATE_CELLS), state_style, no_wrap=True)
    line.append(f" {fit(code, CODE_CELLS)} {fit(clock, CLOCK_CELLS)} {cut(duration, DURATION_CELLS):>{DURATION_CELLS}} ", style)
    line.append(f"{fit(source, each)} {separator} {cut(target, each)}", style)
    return line


def call_details(call: Record, total: int) -> list[Text]:
    """What a line has no room for: ends, counts, times, who ended it, and the Call-ID whole where it fits."""
    transport = "/".join(str(name) for name in call.get("transport") or ())
    pieces: list[Piece] = [(f"{_text(call.get('src'))} → {_text(call.get('dst'))} {printable(transport)}", "dim")]
    pieces.append((_count(call.get("messages"), "message"), "dim"))
    for field, noun in (("retransmissions", "retransmission"), ("copies", "copy")):
        if call.get(field):
            pieces.append((_count(call[field], noun), "yellow"))
    for field, name in (("pdd_ms", "ringing after"), ("setup_ms", "answered after")):
        if call.get(field) is not None:
            pieces.append((f"{name} {milliseconds(call[field])}", "dim"))
    if call.get("reason") and (call.get("code") or 0) >= 300:
        pieces.append((printable(str(call["reason"])), "yellow"))
    for field, name in (
        ("ended_by", "ended by"),
        ("q850_cause", "Q.850 cause"),
        ("refer_to", "referred to"),
        ("dtmf_info", "DTMF by INFO"),
    ):
        if call.get(field) is not None:
            pieces.append((f"{name} {_text(call[field])}", "dim"))
    if call.get("one_way"):
        pieces.append(("one-way media", "bold red"))
    pieces.append((f"Call-ID {_text(call.get('call_id'))}", "dim"))
    return packed(pieces, total)


def stream_lines(stream: Record, total: int) -> list[Text]:
    """One RTP stream: what it is, from where to where, and how well it arrived."""
    codec = _text(stream.get("codec"))
    if stream.get("clock_rate"):
        codec += f"/{stream['clock_rate']}"
    loss = stream.get("loss_pct")
    pieces: list[Piece] = [
        (f"#{stream.get('id')} {codec}", "cyan"),
        (f"{_text(stream.get('src'))} → {_text(stream.get('dst'))}", ""),
        (_count(stream.get("packets"), "packet"), ""),
        (f"loss {loss:.2f} % ({stream.get('lost'):,})" if loss is not None else "loss -", _loss_style(loss)),
        (_jitter(stream.get("jitter_ms")), ""),
    ]
    for field, noun in (("duplicates", "duplicate"), ("reordered", ""), ("restarts", "restart"), ("stray", "")):
        if stream.get(field):
            pieces.append((_count(stream[field], noun) if noun else f"{stream[field]:,} {field}", "yellow"))
    if stream.get("dtmf"):
        pieces.append((f"DTMF {_text(stream['dtmf'])}", "magenta"))
    pieces += [(name, "yellow") for field, name in (("srtp", "SRTP"), ("nat", "NAT")) if stream.get(field)]
    if stream.get("found_by") == "heuristic":
        pieces.append(("found without SDP", "yellow"))
    if stream.get("continues") is not None:
        pieces.append((f"goes on from #{stream['continues']}", "dim"))
    pieces += _rtcp(stream.get("rtcp"))
    return packed(pieces, total)


def _rtcp(rtcp: Record | None) -> Iterator[Piece]:
    if rtcp and rtcp.get("reported_loss_pct") is not None:
        yield f"RTCP loss {rtcp['reported_loss_pct']:.2f} %", _loss_style(rtcp["reported_loss_pct"])
    if rtcp and rtcp.get("rtt_ms") is not None:
        yield f"round trip {milliseconds(rtcp['rtt_ms'])}", ""


def packed(pieces: Sequence[Piece], total: int, indent: int = INDENT) -> list[Text]:
    """Pieces joined by commas into as few indented lines of at most `total` cells as hold them; a piece longer than a line
    is cut."""
    room = max(20, total - indent) - 1  # the comma at the end
    lines: list[Text] = []
    used = room
    for text, style in pieces:
        size = width(text)
        if lines and used + 2 + size <= room:
            lines[-1].append(", ")
            used += 2 + size
        else:
            if lines:
                lines[-1].append(",")
            lines.append(Text(" " * indent, no_wrap=True))
            text = cut(text, room)
            used = width(text)
        lines[-1].append(text, style)
    return lines


def summary_lines(summary: Record, lost: int, expected: int, total: int) -> list[Text]:
    """The end of a run in words. `lost` and `expected` are summed over the streams that were listed."""
    rows = [("Packets", _packets(summary)), ("SIP", _sip(summary.get("sip") or {}))]
    states = summary.get("call_states") or {}
    rows.append(("Calls", [f"{summary.get('calls', 0):,}", *_tallies(states)]))
    if summary.get("dialogs"):
        rows.append(("Dialogs", [f"{summary['dialogs']:,}"]))
    media = [f"{summary.get('streams', 0):,}"]
    media += [
        _count(summary.get(field), noun) for field, noun in (("rtp_packets", "RTP packet"), ("rtcp_packets", "RTCP packet"))
    ]
    if expected:
        media.append(f"{lost:,} lost ({100 * lost / expected:.2f} %)")
    rows.append(("Streams", media))
    accounting = summary.get("accounting") or {}
    if accounting.get("filtered"):
        rows.append(("Filtered", [f"{accounting['filtered']:,}"]))
    left_out = {
        "dropped": accounting.get("dropped"),
        "undecodable": accounting.get("undecodable"),
        "evicted": summary.get("evicted"),
    }
    for name, counts in left_out.items():
        if counts:
            rows.append((name.capitalize(), [f"{sum(counts.values()):,}", *_tallies(counts)]))
    rows.append(("Time", [f"{summary.get('seconds') or 0:.2f} s", str(summary.get("backend"))]))
    return [line for name, parts in rows for line in _titled(name, parts, total)]


def _titled(name: str, parts: Sequence[str], total: int) -> list[Text]:
    """A title and what it says, further lines indented under the first."""
    lines = packed([(part, "") for part in parts], total, indent=TITLE_CELLS)
    lines[0] = Text.assemble((f"{name:{TITLE_CELLS}}", "bold"), lines[0][TITLE_CELLS:])
    return lines


def _packets(summary: Record) -> list[str]:
    parts = [f"{summary.get('packets', 0):,}", f"{summary.get('bytes', 0):,} bytes"]
    if summary.get("first") is not None:
        parts.append(f"{_second(summary['first'])} to {_second(summary['last'])} UTC")
    return parts


def _second(stamp: str | None) -> str:
    return str(stamp)[:19].replace("T", " ")


def _sip(sip: Record) -> list[str]:
    parts = [_count(sip.get("messages"), "message")]
    parts += [
        _count(sip[field], noun) for field, noun in (("retransmissions", "retransmission"), ("copies", "copy")) if sip.get(field)
    ]
    parts += [f"{sip[field]:,} {field}" for field in ("malformed", "truncated") if sip.get(field)]
    return [*parts, *_tallies(sip.get("requests") or {}), *_tallies(sip.get("responses") or {})]


def _tallies(counts: Mapping[str, int]) -> list[str]:
    """`ended 3`, `failed 1`: the larger first, then by name."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [f"{cut(printable(str(name)), 40)}: {count:,}" for name, count in ordered]


def _count(count: Any, noun: str) -> str:
    number = count or 0
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _text(value: Any) -> str:
    return "-" if value is None else printable(str(value))


def _clock(stamp: str | None) -> str:
    return "-" if stamp is None else str(stamp)[11:19]


def milliseconds(ms: float | None) -> str | None:
    """`320 ms`, `12.3 s`, `4:05`, `1:02:03`: as long as it is, as short as it can be said; None stays None."""
    if ms is None:
        return None
    if ms < 1000:
        return f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes}:{seconds:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def party(end: Record | None) -> str:
    """Who: the URI without scheme, parameters and headers (RFC 3261, 19.1.1), else the display name, else a dash."""
    if not end:
        return "-"
    uri = end.get("uri")
    if uri:
        scheme, colon, rest = str(uri).partition(":")
        if colon and scheme.lower() in ("sip", "sips", "tel"):
            user, at, host = rest.rpartition("@")
            return printable(user + at + host.partition(";")[0].partition("?")[0])
        return printable(str(uri))
    return _text(end.get("display"))


def _loss_style(loss_pct: float | None) -> str:
    if loss_pct is None or loss_pct < NOTICEABLE_LOSS_PCT:
        return ""
    return "bold red" if loss_pct >= BAD_LOSS_PCT else "yellow"


def _jitter(jitter: Record | None) -> str:
    if not jitter or jitter.get("mean") is None:
        return "jitter -"
    return f"jitter {jitter['mean']:.1f} ms (max {jitter['max']:.1f})"
