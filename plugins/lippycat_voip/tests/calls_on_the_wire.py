"""Conversations (conversations.py) as captured packets, run through the whole pipeline: what of them `-w` writes.

    0    A>B INVITE sdp=A:10000           a datagram; with `frag=400` in IP fragments of so many bytes
    20   A:10000>B:20000 rtp=5            five packets, 20 ms apart
    30   A:10001>B:20001 rtcp=1           a sender report of SSRC 1
    40   A:10000>B:20000 stun             and `dtls`: what else comes on media ports
    50   A>B noise                        a datagram that is nobody's

Every record carries its number in the frame's first six bytes, so that what comes out can be named by it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conversations import MS, START_NS, place, read_line

from lippycat_core.addresses import Endpoint
from lippycat_core.batch import Batch
from lippycat_core.builtin.pcapwriter import PcapWriter
from lippycat_core.events import Event
from lippycat_core.kernelset import KernelSet
from lippycat_core.testing.packets import Record, ethernet, ip, rtp, tcp, udp, write_pcap
from lippycat_core.testing.runs import Run, run
from lippycat_voip.callbuffer import Bounds
from lippycat_voip.dissector import VoipDissector, VoipOptions
from lippycat_voip.selection import Filters

OTHER = {
    "stun": bytes.fromhex("000100002112a442") + bytes(12),
    "dtls": b"\x16\xfe\xfd" + bytes(8) + b"\x00\x04abcd",
    "noise": b"\xff\xffnothing",
}


def host(end: Endpoint) -> str:
    return f"10.0.0.{end[3] & 255}"


def datagram(src: Endpoint, dst: Endpoint, payload: bytes) -> bytes:
    return udp(host(src), src[4], host(dst), dst[4], payload)


def pieces(packet: bytes, size: int, ident: int) -> list[bytes]:
    """An IPv4 packet of `datagram` in fragments of `size` bytes (a multiple of 8)."""
    src, dst, payload = packet[12:16], packet[16:20], packet[20:]
    names = [".".join(map(str, end)) for end in (src, dst)]
    cuts = range(0, len(payload), size)
    return [
        ip(*names, 17, payload[at : at + size], ident=ident, fragment=at // 8 | (0x2000 if at != cuts[-1] else 0)) for at in cuts
    ]


class Wire:
    """Packets with their times, in the order in which they were said; `records` sorts and numbers them."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self._numbers: dict[tuple[Endpoint, Endpoint, str], int] = {}
        self._ident = 0
        self._next: dict[tuple[str, str], int] = {}

    def say(self, text: str) -> Wire:
        for line in text.strip().splitlines():
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            ms, ends, *rest = line.split()
            src, _, dst = ends.partition(">")
            at = START_NS + round(float(ms) * MS)
            if rest[0] in OTHER:
                self.sent.append((at, datagram(place(src), place(dst), OTHER[rest[0]])))
            elif rest[0].startswith("rtcp="):
                ssrc = int(rest[0].partition("=")[2])
                report = struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, 1 << 32, 0, 1, 160)
                self.sent.append((at, datagram(place(src), place(dst), report)))
            else:
                self._line(line)
        return self

    def _line(self, text: str) -> None:
        said = read_line(text)
        if said.sip is not None:
            packet = datagram(said.src, said.dst, said.sip)
            size = int(said.keys.get("frag", 0))
            self._ident += 1
            self.sent += [(said.ns, part) for part in (pieces(packet, size, self._ident) if size else [packet])]
            return
        ssrc = said.keys.get("ssrc", "1")
        key = (said.src, said.dst, ssrc)
        first = self._numbers.get(key, 100)
        self._numbers[key] = first + said.packets
        for i in range(said.packets):
            payload = rtp(first + i, 160 * (first + i), int(ssrc), b"\x7f" * 20)
            self.sent.append((said.ns + 20 * MS * i, datagram(said.src, said.dst, payload)))

    def segment(self, ms: float, src: str, dst: str, payload: bytes, *, skip: int = 0) -> Wire:
        """A TCP segment, in order unless `skip` bytes are left out in front of it."""
        at = self._next.get((src, dst), 1000) + skip
        self._next[src, dst] = at + len(payload)
        a, b = place(src), place(dst)
        self.sent.append((START_NS + round(ms * MS), tcp(host(a), a[4], host(b), b[4], at, payload)))
        return self

    def back(self, src: str, dst: str, count: int) -> Wire:
        """The next segment begins `count` bytes further in front."""
        self._next[src, dst] -= count
        return self

    def records(self) -> list[Record]:
        sent = sorted(self.sent, key=lambda one: one[0])
        frames = [ethernet(packet) for _, packet in sent]
        return [
            Record(at, (n + 1).to_bytes(6, "big") + frame[6:])
            for n, ((at, _), frame) in enumerate(zip(sent, frames, strict=True))
        ]


class Written(NamedTuple):
    """What a run wrote: numbers of the records in the capture file, and the records of docs/output.md."""

    numbers: list[int]
    run: Run

    @property
    def evicted(self) -> int:
        """What the call buffer gave up."""
        evicted: Any = self.run.summary["evicted"]
        return int(evicted.get("call_buffer", 0))

    def frames(self, call_id: str) -> list[int]:
        """Record numbers of the messages of a call."""
        return [int(str(m["frame"])) for m in self.run.named("message") if m["call_id"] == call_id]


class _Packets:
    """A sink that keeps the packets of a capture."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, bytes, int, int]] = []

    def packets(self, batch: Batch) -> None:
        f = batch.frame
        for row in range(batch.rows):
            off = int(f.off[row])
            data = bytes(batch.mem[off : off + int(f.caplen[row])])
            self.kept.append((int(f.ts_ns[row]), data, int(f.wirelen[row]), int(f.link[row])))

    def emit(self, events: Sequence[Event]) -> None:
        """Records are not kept."""

    def close(self) -> None:
        """Nothing to finish."""


def packets_of(path: Path | str) -> list[tuple[int, bytes, int, int]]:
    """Time, bytes, length and link type of each packet of a capture."""
    sink = _Packets()
    run(path, sinks=[sink])
    return sink.kept


def write(source: Path, out: Path, kernels: KernelSet | None = None, threads: int = 1, batch: int = 4096, **options: Any) -> Run:
    """Run the dissector over a capture with `-w`."""
    bounds = Bounds(**options.pop("bounds", {}))
    filters = Filters(sip_users=options.pop("sip_users", ()))
    dissector = VoipDissector(VoipOptions(packets=True, bounds=bounds, filters=filters, **options))
    sink = dissector.packets(PcapWriter(str(out)))
    return run(source, dissector, kernels=kernels, threads=threads, batch_packets=batch, sinks=[sink])


def written(tmp_path: Path, wire: Wire | str, **options: Any) -> Written:
    """Write a conversation and say which of its records came out; each must be as it went in."""
    records = (Wire().say(wire) if isinstance(wire, str) else wire).records()
    source, out = tmp_path / "in.pcap", tmp_path / options.pop("out", "out.pcap")
    write_pcap(source, records)
    made = write(source, out, **options)
    numbers = []
    for ts_ns, data, wirelen, link in packets_of(out):
        number = int.from_bytes(data[:6], "big")
        record = records[number - 1]
        assert (ts_ns, data, wirelen, link) == (record.ts_ns, record.data, len(record.data), 1)
        numbers.append(number)
    return Written(numbers, made)
