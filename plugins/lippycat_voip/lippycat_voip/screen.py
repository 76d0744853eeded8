"""The sink behind `lc sniff voip` on a terminal: calls as they end, each with its streams, and the summary at last.

It holds what belongs to calls that are not written yet, and that is bounded; how a line looks is render's and ladder's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.text import Text

from lippycat_core.batch import Batch
from lippycat_core.events import Event
from lippycat_voip import ladder, render

Record = Mapping[str, Any]

HELD_STREAMS = 20_000
HELD_MESSAGES = 100_000
"""How many wait for their call: then the oldest stream is shown without it, and the oldest call goes without a ladder."""


class CallScreen:
    """Writes calls, dialogs and streams as lines; with `ladders` each call's messages too. `show` prints lines."""

    def __init__(self, show: Callable[[Sequence[Text]], None], total: int, *, ladders: bool) -> None:
        self._show = show
        self._total = total
        self._ladders = ladders
        self._streams: dict[int, Record] = {}
        self._messages: dict[str, list[Record]] = {}
        self._held = 0
        self._headed = False
        self._lost = 0
        self._expected = 0

    def packets(self, batch: Batch) -> None:
        """Packets are not shown."""

    def emit(self, events: Sequence[Event]) -> None:
        """Show what the events complete."""
        lines: list[Text] = []
        for event in events:
            lines += self._lines(event.as_record())
        if lines:
            self._show(lines)

    def close(self) -> None:
        """Nothing to finish: what was complete is shown."""

    def _lines(self, record: Record) -> list[Text]:
        kind = record["record"]
        if kind == "message":
            self._hold(record)
            return []
        if kind == "stream":
            return self._stream(record)
        if kind in ("call", "dialog"):
            return self._call(record)
        return self._end(record) if kind == "summary" else []

    def _hold(self, message: Record) -> None:
        if self._held >= HELD_MESSAGES:
            oldest = next(iter(self._messages))
            self._held -= len(self._messages.pop(oldest))
        self._messages.setdefault(message["call_id"], []).append(message)
        self._held += 1

    def _stream(self, stream: Record) -> list[Text]:
        self._lost += stream.get("lost") or 0
        self._expected += stream.get("expected") or 0
        if stream.get("call_id") is None:
            return self._loose(stream)
        self._streams[stream["id"]] = stream
        if len(self._streams) > HELD_STREAMS:
            return self._loose(self._streams.pop(next(iter(self._streams))))
        return []

    def _loose(self, stream: Record) -> list[Text]:
        return [Text("RTP without its call", "bold"), *render.stream_lines(stream, self._total)]

    def _call(self, call: Record) -> list[Text]:
        lines = [] if self._headed else [render.heading(self._total)]
        self._headed = True
        lines.append(render.call_line(call, self._total))
        streams = [self._streams[number] for number in call.get("streams") or () if number in self._streams]
        if call["record"] == "call":
            lines += render.call_details(call, self._total)
            for stream in streams:
                lines += render.stream_lines(stream, self._total)
                if stream["call_id"] == call["call_id"]:
                    del self._streams[stream["id"]]
        if self._ladders:
            messages = self._messages.pop(call["call_id"], [])
            self._held -= len(messages)
            picture = ladder.draw(messages, streams, self._total) if messages else ["   (too many messages waited: no ladder)"]
            lines += [Text(line, no_wrap=True) for line in picture]
            lines.append(Text())
        return lines

    def _end(self, summary: Record) -> list[Text]:
        lines = [line for stream in self._streams.values() for line in self._loose(stream)]
        self._streams.clear()
        return [*lines, Text(), *render.summary_lines(summary, self._lost, self._expected, self._total)]
