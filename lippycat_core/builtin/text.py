"""Packets and events as lines for people. Whatever came off the wire is made fit for a terminal here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TextIO

from lippycat_core.builtin.jsonlines import cannot_write, write_whole
from lippycat_core.builtin.packetlist import PacketLine
from lippycat_core.columns import UNDECODABLE_REASONS
from lippycat_core.events import Event
from lippycat_core.printable import printable
from lippycat_core.timetext import rfc3339

ADDRESS_CELLS = 21
"""Room for `255.255.255.255:65535`; a longer address moves the rest of its line."""

# LINKTYPE_ numbers by the name that tcpdump -L gives them, in lower case
LINKS = {
    0: "null",
    1: "en10mb",
    12: "raw",
    14: "raw",
    101: "raw",
    108: "loop",
    113: "linux_sll",
    228: "ipv4",
    229: "ipv6",
    276: "linux_sll2",
}


class TextForm:
    """A packet list's lines as aligned text: number, time of day (UTC), ends, protocol, payload length."""

    def packet(self, line: PacketLine) -> str:
        """One packet."""
        ends = (
            f"{line.src or '-':{ADDRESS_CELLS}} > {line.dst or '-':{ADDRESS_CELLS}}"
            if line.src
            else " " * (2 * ADDRESS_CELLS + 3)
        )
        return f"{line.frame:7} {_time_of_day(line.ts_ns)} {ends} {_what(line)}".rstrip()

    def event(self, event: Event) -> str | None:
        """One event as `name key=value ...`; the summary is not part of the list."""
        if event.name == "summary":
            return None
        fields = " ".join(f"{printable(str(key))}={_value(value)}" for key, value in event.fields.items())
        return f"{event.frame:7} {_time_of_day(event.ts_ns)} {printable(event.name)}: {fields}"


def _time_of_day(ts_ns: int) -> str:
    stamp = rfc3339(ts_ns)
    return stamp[11:26] if stamp is not None else " " * 15


def _what(line: PacketLine) -> str:
    link = LINKS.get(line.link, f"link {line.link}")
    size = f"{line.wirelen} bytes" if line.caplen >= line.wirelen else f"{line.caplen} of {line.wirelen} bytes"
    if line.status in UNDECODABLE_REASONS.values():
        return f"undecodable: {line.status} ({link}, {size})"
    if line.proto is None:
        return f"{link}, {size}"
    if line.status == "fragment":
        return f"{line.proto} fragment, {line.length} bytes"
    if line.length is None:
        return f"{line.proto}, {size}"
    flags = f" [{line.flags or 'none'}]" if line.flags is not None else ""
    return f"{line.proto} length {line.length}{flags}"


def _value(value: object) -> str:
    if isinstance(value, str):
        text = printable(value)
        return f'"{text}"' if " " in text or not text else text
    return printable(json.dumps(value, ensure_ascii=False, default=str))


class TextWriter:
    """Writes lines to a text stream. OutputError where it takes no more; BrokenPipeError where its reader has gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, lines: Sequence[str]) -> None:
        """Write `lines`, each ended by a line feed, and flush."""
        if not lines:
            return
        text = "\n".join(lines) + "\n"
        binary = getattr(self._stream, "buffer", None)
        if binary is not None:  # text layers pass over what an unbuffered stream did not take
            write_whole(binary, text.encode(self._stream.encoding, self._stream.errors or "strict"))
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise cannot_write(error) from error


def counted(noun: str, count: int) -> str:
    """`1 packet`, `2,000 packets`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def tallies(counts: Mapping[str, int]) -> str:
    """`ended 3, failed 1`: the larger first, then by name."""
    return ", ".join(
        f"{printable(name)} {count:,}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def accounting_line(summary: Mapping[str, object]) -> str:
    """What became of every packet, in one sentence: `42 packets, 2 filtered, 1 undecodable (link_type 1); 0.12 s, pure`."""
    accounting = summary.get("accounting")
    account: Mapping[str, object] = accounting if isinstance(accounting, Mapping) else {}
    packets = summary.get("packets")
    parts = [counted("packet", packets if isinstance(packets, int) else 0)]
    filtered = account.get("filtered")
    if isinstance(filtered, int) and filtered:
        parts.append(f"{filtered:,} filtered")
    for what in ("dropped", "undecodable"):
        reasons = account.get(what)
        if isinstance(reasons, Mapping) and reasons:
            parts.append(f"{sum(reasons.values()):,} {what} ({tallies(reasons)})")
    evicted = summary.get("evicted")
    if isinstance(evicted, Mapping) and evicted:
        parts.append(f"{sum(evicted.values()):,} evicted ({tallies(evicted)})")
    seconds = summary.get("seconds")
    took = seconds if isinstance(seconds, float) else 0.0
    return f"{', '.join(parts)}; {took:.2f} s, {summary.get('backend')}"
