"""A call as a ladder: one column an endpoint, one line a message, bars for RTP. Works on records, prints nothing itself.

Text in the records came off the wire; every piece goes through `printable` before it is placed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lippycat_core.printable import cells, cut, printable, width

Record = Mapping[str, Any]

TIME_CELLS = 11
COLUMN_CELLS = 20
"""A column narrower than this has no room for a method and its mark; endpoints beyond are written as plain lines."""

WIDEST_COLUMN = 44


class _Row:
    """One line of the picture, addressed by terminal cell."""

    def __init__(self, total: int) -> None:
        self._cells = [" "] * total

    def put(self, at: int, text: str) -> None:
        """Write `text` from cell `at` on; what would stand outside is left out."""
        for character in text:
            size = cells(character)
            if size == 0:
                if 0 < at <= len(self._cells):
                    self._cells[at - 1] += character
                continue
            if at < 0 or at + size > len(self._cells):
                return
            self._cells[at] = character
            if size == 2:
                self._cells[at + 1] = ""
            at += size

    def __str__(self) -> str:
        return "".join(self._cells).rstrip()


class Ladder:
    """The picture of one call for a terminal of `total` cells."""

    def __init__(self, messages: Sequence[Record], streams: Sequence[Record], total: int) -> None:
        self._messages = [m for m in messages if m.get("kind") != "copy"]
        self._streams = streams
        self._total = max(total, TIME_CELLS + COLUMN_CELLS)
        self._columns: dict[str, int] = {}
        self._begin_ns = min([int(m["ns"]) for m in messages] + [int(s["first_ns"]) for s in streams], default=0)
        self._place()

    def _place(self) -> None:
        """Give endpoints their columns in the order in which they speak; media ends share their host's column."""
        ends: list[str] = []
        for message in self._messages:
            ends += [end for end in (message["src"], message["dst"]) if end not in ends]
        for stream in self._streams:
            for end in (stream["src"], stream["dst"]):
                if not any(_host(end) == _host(other) for other in ends):
                    ends.append(_host(end))
        room = self._total - TIME_CELLS
        drawn = ends[: max(1, room // COLUMN_CELLS)]
        column = min(WIDEST_COLUMN, room // max(1, len(drawn)))
        self._column = column
        self._columns = {end: TIME_CELLS + column * index + column // 2 for index, end in enumerate(drawn)}
        self._left_out = len(ends) - len(drawn)

    def lines(self) -> list[str]:
        """The header, then messages and RTP in order of time."""
        events = [(int(m["ns"]), 0, int(m["frame"]), m) for m in self._messages]
        events += [(int(s["first_ns"]), 1, int(s["id"]), s) for s in self._streams]
        drawn = [self._header()]
        for ns, is_stream, _, record in sorted(events, key=lambda event: event[:3]):
            label = _stream_label(record) if is_stream else _message_label(record)
            drawn.append(self._arrow(ns, record, label, "═" if is_stream else "─"))
        if self._left_out:
            note = f"({self._left_out} more endpoints than fit in {self._total} columns: their lines name both ends)"
            drawn.append(cut(note, self._total))
        return drawn

    def _header(self) -> str:
        row = _Row(self._total)
        for end, at in self._columns.items():
            name = cut(printable(end), self._column - 1)
            row.put(at - width(name) // 2, name)
        return str(row)

    def _row(self, ns: int) -> _Row:
        row = _Row(self._total)
        row.put(0, f"{(ns - self._begin_ns) / 1e9:{TIME_CELLS - 1}.3f}")
        for at in self._columns.values():
            row.put(at, "│")
        return row

    def _at(self, end: str, taken: int | None = None) -> int | None:
        """The column of an endpoint, or of its host; of two columns of one host the one that is not `taken`."""
        if end in self._columns:
            return self._columns[end]
        same = [at for other, at in self._columns.items() if _host(other) == _host(end)]
        free = [at for at in same if at != taken]
        return next(iter(free or same), None)

    def _arrow(self, ns: int, record: Record, label: str, shaft: str) -> str:
        row = self._row(ns)
        src = self._at(record["src"])
        dst = self._at(record["dst"], src)
        if src is None or dst is None:
            line = f"{record['src']} → {record['dst']}  {label}"
            row = _Row(self._total)
            row.put(0, f"{(ns - self._begin_ns) / 1e9:{TIME_CELLS - 1}.3f} {cut(printable(line), self._total - TIME_CELLS)}")
        elif src == dst:
            row.put(src, "├" + cut(f"⟲ {label}", min(self._column, self._total - src) - 2))
        else:
            left, right = min(src, dst) + 1, max(src, dst) - 1
            row.put(left, shaft * (right - left + 1))
            row.put(*((right, "▶") if src < dst else (left, "◀")))
            text = cut(f" {label} ", right - left - 2)
            row.put(left + (right - left + 1 - width(text)) // 2, text)
        return str(row)


def _host(end: str) -> str:
    """The address of `10.0.0.1:5060` or `[2001:db8::1]:5060`; an address without a port is its own host."""
    if end.startswith("["):
        return end[1:].partition("]")[0]
    return end.partition(":")[0] if end.count(":") == 1 else end


def _message_label(message: Record) -> str:
    code = message.get("code")
    what = f"{code} {message.get('reason') or ''}".rstrip() if code is not None else str(message.get("method"))
    mark = " (SDP)" if message.get("sdp") else ""
    again = " (again)" if message.get("kind") == "retransmission" else ""
    return printable(what) + mark + again


def _stream_label(stream: Record) -> str:
    codec = printable(stream.get("codec") or "RTP")
    lost = f", {stream['lost']:,} lost" if stream.get("lost") else ""
    packets = stream["packets"]
    return f"{codec} {packets:,} packet{'' if packets == 1 else 's'}{lost}"


def draw(messages: Sequence[Record], streams: Sequence[Record], total: int) -> list[str]:
    """The ladder of one call's `message` and `stream` records (docs/output.md), each line at most `total` cells wide."""
    return Ladder(messages, streams, total).lines()
