"""The rules of docs/output.md for one stream, written once more the slow way: sets and dicts, packet by packet."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

CLOCKS = {0: 8000, 8: 8000, 9: 8000, 18: 8000, 34: 90000, 96: 48000}
EVENT, NOISE = 101, 13


class Packet(NamedTuple):
    seq: int
    ts: int
    ns: int
    pt: int
    payload: bytes


class Reference:
    """Feed packets, then read the attributes; numbers are those of the stream record."""

    def __init__(self) -> None:
        self.runs: list[set[int]] = []
        self.highest = 0
        self.held: tuple[Packet, bool] | None = None
        self.duplicates = self.reordered = self.stray = self.bytes = self.ts_jumps = 0
        self.types: Counter[int] = Counter()
        self.j = 0.0
        self.js: list[float] = []
        self.reference: Packet | None = None
        self.arrivals: list[int] = []
        self.digits = ""
        self.events: set[tuple[int, int, int]] = set()

    def feed(self, packet: Packet) -> None:
        if self.held is not None:
            held, ahead = self.held
            self.held = None
            if packet.seq == (held.seq + 1) % 65536:
                self.begin(held)
            elif ahead:
                self.stray += 1
            else:
                self.duplicates += 1
        if not self.runs:
            self.begin(packet)
            return
        step = (packet.seq - self.highest + 32768) % 65536 - 32768
        number = self.highest + step
        if step > 3000 or step < -100:
            self.held = (packet, step > 0)
        elif number in self.runs[-1]:
            self.duplicates += 1
        else:
            self.reordered += step < 0
            self.highest = max(self.highest, number)
            self.runs[-1].add(number)
            self.count(packet)

    def begin(self, packet: Packet) -> None:
        self.runs.append({packet.seq})
        self.highest = packet.seq
        self.reference = None
        self.count(packet)

    def count(self, packet: Packet) -> None:
        self.types[packet.pt] += 1
        self.bytes += len(packet.payload)
        self.arrivals.append(packet.ns)
        if packet.pt == EVENT and len(packet.payload) >= 4 and packet.payload[0] < 16:
            self.press(packet)
        clock = CLOCKS.get(packet.pt)
        if clock is None:
            self.reference = None
            return
        before, self.reference = self.reference, packet
        if before is None or before.pt != packet.pt:
            return
        step = (packet.ts - before.ts + 2**31) % 2**32 - 2**31
        if abs(step) > 5 * clock:
            self.ts_jumps += 1
            return
        self.j += (abs((packet.ns - before.ns) / 1e6 - step * 1000 / clock) - self.j) / 16
        self.js.append(self.j)

    def press(self, packet: Packet) -> None:
        run, event = len(self.runs), packet.payload[0]
        if (run, packet.ts, event) in self.events:
            return
        near = [(run, (packet.ts + d) % 2**32, event) for d in (-65535, 65535)]
        if not any(key in self.events for key in near):
            self.digits += "0123456789*#ABCD"[event]
        self.events.add((run, packet.ts, event))

    def record(self) -> dict[str, object]:
        packets = sum(map(len, self.runs))
        expected = sum(max(run) - min(run) + 1 for run in self.runs)
        held_ahead = self.held is not None and self.held[1]
        gaps = [b - a for a, b in zip(self.arrivals, self.arrivals[1:], strict=False)]
        figures = {"last": self.js[-1], "mean": sum(self.js) / len(self.js), "max": max(self.js)} if self.js else {}
        media = [(count, pt) for pt, count in self.types.items() if pt not in (EVENT, NOISE)]
        return {
            "packets": packets,
            "expected": expected,
            "lost": expected - packets,
            "bytes": self.bytes,
            "duplicates": self.duplicates + (self.held is not None and not held_ahead),
            "reordered": self.reordered,
            "restarts": max(0, len(self.runs) - 1),
            "stray": self.stray + held_ahead,
            "ts_jumps": self.ts_jumps,
            "payload_types": sorted(self.types),
            "jitter_ms": {name: round(figures[name], 6) if figures else None for name in ("last", "mean", "max")},
            "max_gap_ms": round(max(0, *gaps, 0) / 1e6, 6) if packets > 1 else None,
            "dtmf": self.digits or None,
            "most": max(media)[0] if media else 0,
        }
