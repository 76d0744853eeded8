"""Measure the TCP profiles on one load: SIP over TCP, each message in three segments, many streams interleaved.

    python benchmarks/tcp_profiles.py [--streams 500] [--messages 100] [--runs 3] [--json]

Writes the capture to a temporary folder, runs `lc sniff voip` over it once to warm up and then so many times a profile, and
prints of the run that took least its processor time, that time a segment (start-up
included), and the most memory of any. The same arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PROFILES = ("minimal", "balanced", "high_performance", "low_latency")
EPOCH_NS = 1_750_000_000_000_000_000
BODY = 3600
PIECES = 3


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
        f"Call-ID: {stream}.{number}@example.com",
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


def measure(path: Path, profile: str) -> tuple[float, float, dict[str, object]]:
    """Processor seconds and MB of one run, and its summary."""
    command = [sys.executable, "-m", "lippycat_core", "sniff", "voip", "-q", "-r", str(path), "-M", profile]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    last = b""
    for line in process.stdout:
        last = line
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, json.loads(last)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--messages", type=int, default=100, help="of each stream")
    parser.add_argument("--runs", type=int, default=3, help="of each profile")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "load.pcap"
        count = write(path, arguments.streams, arguments.messages)
        measure(path, "balanced")
        runs: dict[str, list[tuple[float, float, dict[str, object]]]] = {profile: [] for profile in PROFILES}
        for _ in range(arguments.runs):
            for profile in PROFILES:
                runs[profile].append(measure(path, profile))
        for profile, done in runs.items():
            seconds, _, summary = min(done, key=lambda run: run[0])
            sip = summary["sip"]
            assert isinstance(sip, dict)
            rows.append(
                {
                    "profile": profile,
                    "cpu_s": round(seconds, 2),
                    "segment_us": round(seconds / count * 1e6, 1),
                    "segments_per_s": round(count / seconds),
                    "rss_mb": round(max(rss for _, rss, _ in done)),
                    "messages": sip["messages"],
                    "evicted": summary["evicted"],
                    "backend": summary["backend"],
                }
            )
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{count} segments, {arguments.streams} streams")
    print(*rows[0], sep="\t")
    for row in rows:
        print(*row.values(), sep="\t")


if __name__ == "__main__":
    main()
