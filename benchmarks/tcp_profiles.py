"""Measure the TCP profiles on one load: SIP over TCP, each message in three segments, many streams interleaved, 20 messages a
dialog.

    python benchmarks/tcp_profiles.py [--streams 500] [--messages 100] [--runs 3] [--live 1000] [--pause 0.005] [--json]

Writes the capture to a temporary folder, runs `lc sniff voip` over it once to warm up and then so many times a profile, and
prints of the run that took least its processor time a segment (start-up included), and the most memory of any. The same
arguments give the same bytes. Then, as root on Linux, it sends messages of the same kind over a cable between two interfaces
to a live `lc sniff voip --messages`, and says how long after a message was sent its record arrived. What it prints is the
table of docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tcp import measure

from lippycat_core.testing.wire import FAR, NEAR, why_not, wire

PROFILES = ("minimal", "balanced", "high_performance", "low_latency")
EPOCH_NS = 1_750_000_000_000_000_000
BODY = 3600
PIECES = 3
DIALOG = 20


def segment(stream: int, seq: int, payload: bytes, flags: int) -> bytes:
    tcp = struct.pack("!HHIIBBHHH", 10_000 + stream % 50_000, 5060, seq, 0, 0x50, flags, 65535, 0, 0)
    source = bytes((10, 1 + (stream >> 16), stream >> 8 & 255, stream & 255))
    length = 40 + len(payload)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 0, 0x4000, 64, 6, 0, source, b"\x0a\xff\x00\x01")
    return b"\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00" + ip + tcp + payload


def message(stream: int, number: int) -> bytes:
    lines = [
        "MESSAGE sip:b@example.com SIP/2.0",
        f"Via: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK{stream}.{number}",
        f"From: <sip:user{stream}@example.com>;tag={stream}",
        "To: <sip:b@example.com>",
        f"Call-ID: {stream}.{number // DIALOG}@example.com",
        f"CSeq: {number} MESSAGE",
        "Max-Forwards: 70",
        f"Content-Length: {BODY}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + "text " * (BODY // 5)).encode()


def frames(streams: int, messages: int) -> Iterator[bytes]:
    """In turns: each stream's next piece, so that every stream has an unfinished message most of the time."""
    seq = [1] * streams
    for stream in range(streams):
        yield segment(stream, 0, b"", 2)
    for number in range(messages):
        texts = [message(stream, number) for stream in range(streams)]
        for piece in range(PIECES):
            for stream, text in enumerate(texts):
                size = -(-len(text) // PIECES)
                part = text[piece * size : (piece + 1) * size]
                yield segment(stream, seq[stream], part, 0x18)
                seq[stream] += len(part)


def write(path: Path, streams: int, messages: int) -> int:
    count = 0
    with path.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for count, raw in enumerate(frames(streams, messages), 1):
            ns = EPOCH_NS + count * 20_000
            out.write(struct.pack("<IIII", ns // 10**9, ns % 10**9, len(raw), len(raw)) + raw)
    return count


_SENDER = """
import socket, sys, time
sys.path.insert(0, sys.argv[1])
from tcp_profiles import PIECES, message, segment
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
out.bind((sys.argv[2], 0))
out.send(segment(0, 0, b"", 2))
seq = 1
due = time.monotonic()
for number in range(int(sys.argv[3])):
    due += float(sys.argv[4])
    time.sleep(max(0, due - time.monotonic()))
    text = message(0, number).replace(b"Call-ID: 0.", b"Call-ID: %d." % time.monotonic_ns(), 1)
    size = -(-len(text) // PIECES)
    for at in range(0, len(text), size):
        part = text[at : at + size]
        out.send(segment(0, seq, part, 0x18))
        seq += len(part)
"""
"""Sends messages whose Call-ID says when, three segments each."""


def latencies(profile: str, messages: int, pause_s: float) -> list[float]:
    """Milliseconds from the sending of a message to its record's arrival in the reader, sorted."""
    found: list[float] = []
    with wire() as cable:
        options = ("-i", FAR, "-M", profile, "--messages", "--format", "json", "-q")
        capture = cable.start(sys.executable, "-m", "lippycat_core", "sniff", "voip", *options)
        try:
            cable.wait_until_captured(timeout_s=120)
            time.sleep(1)
            here = str(Path(__file__).parent)
            sender = subprocess.Popen(cable.command(sys.executable, "-c", _SENDER, here, NEAR, str(messages), str(pause_s)))
            assert capture.stdout is not None
            while len(found) < messages:
                line = capture.stdout.readline()
                now_ns = time.monotonic_ns()
                record = json.loads(line)
                if record["record"] == "message":
                    found.append((now_ns - int(record["call_id"].split(".")[0])) / 1e6)
            sender.wait()
        finally:
            capture.send_signal(signal.SIGINT)
            capture.communicate()
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--messages", type=int, default=100, help="of each stream")
    parser.add_argument("--runs", type=int, default=3, help="of each profile")
    parser.add_argument("--live", type=int, default=1000, help="messages sent live to each profile, 0 for none")
    parser.add_argument("--pause", type=float, default=0.005, help="seconds between two of these")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.live and (reason := why_not()):
        print(f"no latencies: {reason}", file=sys.stderr)
        arguments.live = 0
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "load.pcap"
        count = write(path, arguments.streams, arguments.messages)
        measure(path, ("-M", "balanced"))
        runs: dict[str, list[tuple[float, float, dict[str, object]]]] = {profile: [] for profile in PROFILES}
        for _ in range(arguments.runs):
            for profile in PROFILES:
                runs[profile].append(measure(path, ("-M", profile)))
    for profile, done in runs.items():
        seconds, _, summary = min(done, key=lambda run: run[0])
        sip = summary["sip"]
        assert isinstance(sip, dict)
        row: dict[str, Any] = {
            "profile": profile,
            "segments_per_s": round(count / seconds),
            "segment_us": round(seconds / count * 1e6, 1),
            "rss_mb": round(max(rss for _, rss, _ in done)),
            "messages": sip["messages"],
            "evicted": summary["evicted"],
            "backend": summary["backend"],
        }
        if arguments.live:
            took = latencies(profile, arguments.live, arguments.pause)
            row |= {"p50_ms": round(took[len(took) // 2], 1), "p99_ms": round(took[len(took) * 99 // 100], 1)}
        rows.append(row)
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    print(
        f"{count} segments, {arguments.streams} streams; {arguments.live} messages live, one each {arguments.pause * 1000:g} ms\n"
    )
    print("| profile | segments a second | a segment | memory | messages | given up | latency p50 | p99 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        given_up = ", ".join(f"{name} {number}" for name, number in row["evicted"].items()) or "nothing"
        latency = [f"{row[name]} ms" if name in row else "not measured" for name in ("p50_ms", "p99_ms")]
        cells = (f"{row['segments_per_s']:,}", f"{row['segment_us']} us", f"{row['rss_mb']} MB", f"{row['messages']:,}")
        print("| " + " | ".join((row["profile"], *cells, given_up, *latency)) + " |")


if __name__ == "__main__":
    main()
