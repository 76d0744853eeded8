"""Measure TCP: a million segments of web traffic with 2 % SIP between them, and a million that are all SIP.

    python benchmarks/tcp.py [--segments 1000000] [--runs 3] [--load web|sip|mixed] [--write FOLDER] [--json] [-- OPTIONS]

Writes each capture to a temporary folder (or to one that is kept), runs `lc sniff voip` over it once to warm up and then so
many times, and prints processor time a segment: of the whole process, and without what a tiny capture takes. OPTIONS go to
`lc sniff voip`. The same arguments give the same bytes.

* `web`: 1,000 connections in turns: requests, answers in segments of 400 to 760 bytes, bare acknowledgements; between them SIP
  as below, 2 % of the segments.
* `sip`: 500 connections of 4 KB messages, a sender's three segments (MSS 1460) one behind the other, as they leave it.
* `mixed`: the same messages, the segments of all connections in turns, so that every stream has an unfinished one.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

EPOCH_NS = 1_750_000_000_000_000_000
STEP_NS = 20_000
MSS = 1460
SIZE = 4096
WEB_CONNECTIONS, SIP_CONNECTIONS = 1000, 500
DIALOG = 100
"""Messages of a dialog."""
SIP_SHARE = 50
"""One segment of the web load in so many is SIP."""
LOADS = ("web", "sip", "mixed")

SYN, ACK, PUSH_ACK = 0x02, 0x10, 0x18
ETHERNET = b"\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00"
_IP_TCP = struct.Struct("!BBHHHBBH4s4sHHIIBBHHH")


class Side:
    """One direction of a connection: builds its next segment."""

    def __init__(self, src: bytes, dst: bytes, sport: int, dport: int) -> None:
        self.ends = (src, dst, sport, dport)
        self.seq = 1
        self.other: Side = self

    def segment(self, payload: bytes = b"", flags: int = PUSH_ACK) -> bytes:
        """A frame with the next bytes of the direction."""
        src, dst, sport, dport = self.ends
        length, seq, ack = 40 + len(payload), self.seq, self.other.seq
        self.seq = seq + len(payload) & 0xFFFFFFFF
        head = _IP_TCP.pack(0x45, 0, length, 0, 0x4000, 64, 6, 0, src, dst, sport, dport, seq, ack, 0x50, flags, 65535, 0, 0)
        return ETHERNET + head + payload

    def opens(self) -> list[bytes]:
        """The handshake."""
        self.seq = self.other.seq = 0
        shaken = [self.segment(flags=SYN)]
        self.seq = 1
        shaken.append(self.other.segment(flags=SYN | ACK))
        self.other.seq = 1
        return [*shaken, self.segment(flags=ACK)]


def connection(number: int, net: int, port: int) -> tuple[Side, Side]:
    """Client and server side."""
    client = bytes((10, net, number >> 8, number & 255))
    server = bytes((10, net + 100, 0, 1 + number % 50))
    sides = Side(client, server, 20_000 + number % 40_000, port), Side(server, client, port, 20_000 + number % 40_000)
    sides[0].other, sides[1].other = sides[1], sides[0]
    return sides


BODY = "".join(f'<tuple id="t{n}"><status><basic>open</basic></status><note>in a meeting</note></tuple>\r\n' for n in range(60))


def message(stream: int, number: int) -> bytes:
    """A NOTIFY of 4 KB within a dialog of `DIALOG` messages."""
    dialog = f"{stream}.{number // DIALOG}"
    head = (
        f"NOTIFY sip:user{stream}@10.2.0.1:5060;transport=tcp SIP/2.0\r\n"
        f"Via: SIP/2.0/TCP 10.2.0.2:5060;branch=z9hG4bK{stream}.{number};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:buddy{stream}@example.com>;tag=b{dialog}\r\n"
        f"To: <sip:user{stream}@example.com>;tag=a{dialog}\r\n"
        f"Call-ID: {dialog}@presence.example.com\r\nCSeq: {number + 1} NOTIFY\r\n"
        "Contact: <sip:presence@example.com;transport=tcp>\r\n"
        "Event: presence\r\nSubscription-State: active;expires=3599\r\nUser-Agent: bench/1.0\r\n"
        "Content-Type: application/pidf+xml\r\n"
    )
    length = SIZE - len(head) - len("Content-Length: 1234\r\n\r\n")
    return f"{head}Content-Length: {length}\r\n\r\n{BODY[:length]}".encode()


def sip(streams: int, *, mixed: bool) -> Iterator[bytes]:
    """SIP segments without end."""
    senders = [connection(n, 2, 5060)[0] for n in range(streams)]
    for sender in senders:
        yield from sender.opens()
    number = 0
    while True:
        if mixed:
            texts = [message(n, number) for n in range(streams)]
            for at in range(0, SIZE, MSS):
                yield from (sender.segment(text[at : at + MSS]) for sender, text in zip(senders, texts, strict=True))
        else:
            for n, sender in enumerate(senders):
                text = message(n, number)
                yield from (sender.segment(text[at : at + MSS]) for at in range(0, SIZE, MSS))
        number += 1


def web(connections: int) -> Iterator[bytes]:
    """Web segments without end, eight of each connection in turn."""
    pairs = [connection(n, 3, 443 if n % 2 else 80) for n in range(connections)]
    for client, _ in pairs:
        yield from client.opens()
    text = bytes(range(256)) * 4
    number = 0
    while True:
        for n, (client, server) in enumerate(pairs):
            first = b"GET /a/%d/%d HTTP/1.1\r\nHost: www.example.com\r\nAccept: */*\r\n\r\n" % (n, number)
            if n % 2:
                first = b"\x17\x03\x03\x01\x40" + text[:320]
            yield client.segment(first)
            yield server.segment(flags=ACK)
            for piece in range(3):
                answer = (
                    b"HTTP/1.1 200 OK\r\nContent-Length: 1700\r\n\r\n" if not piece and n % 2 == 0 else b"\x17\x03\x03\x02\x00"
                )
                yield server.segment(answer + text[: 400 + (n + piece) % 7 * 60])
                if piece != 1:
                    yield client.segment(flags=ACK)
            yield client.segment(flags=ACK)
        number += 1


def frames(load: str, segments: int) -> Iterator[bytes]:
    """The frames of a load."""
    if load == "web":
        signalling, traffic = sip(SIP_CONNECTIONS // 10, mixed=False), web(WEB_CONNECTIONS)
        for n in range(segments):
            # three at once, as a message's segments come
            yield next(signalling) if n % (3 * SIP_SHARE) < 3 else next(traffic)
    else:
        endless = sip(SIP_CONNECTIONS, mixed=load == "mixed")
        for _ in range(segments):
            yield next(endless)


def write(path: Path, load: str, segments: int) -> None:
    """Write the capture of a load."""
    with path.open("wb", buffering=1 << 20) as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for count, raw in enumerate(frames(load, segments), 1):
            ns = EPOCH_NS + count * STEP_NS
            out.write(struct.pack("<IIII", ns // 10**9, ns % 10**9, len(raw), len(raw)) + raw)


def measure(path: Path, options: Sequence[str]) -> tuple[float, float, dict[str, object]]:
    """Processor seconds and MB of one run, and its summary."""
    command = [sys.executable, "-m", "lippycat_core", "sniff", "voip", "-q", "-r", str(path), *options]
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
    parser.add_argument("--segments", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--load", choices=LOADS, action="append", help="all where none is named")
    parser.add_argument("--write", type=Path, help="folder where the captures stay, and are taken from when they are there")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("options", nargs="*", help="options of `lc sniff voip`, behind --")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.write or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        tiny = folder / "tiny.pcap"
        write(tiny, "sip", 300)
        measure(tiny, arguments.options)
        for load in arguments.load or LOADS:
            path = folder / f"{load}-{arguments.segments}.pcap"
            if not path.exists():
                write(path, load, arguments.segments)
            measure(path, arguments.options)
            start = min(measure(tiny, arguments.options)[0] for _ in range(arguments.runs))
            runs = [measure(path, arguments.options) for _ in range(arguments.runs)]
            seconds, _, summary = min(runs, key=lambda run: run[0])
            signalling = summary["sip"]
            assert isinstance(signalling, dict)
            rows.append(
                {
                    "load": load,
                    "segments": summary["packets"],
                    "messages": signalling["messages"],
                    "cpu_s": round(seconds, 2),
                    "ns_a_segment": round(seconds / arguments.segments * 1e9),
                    "without_start": round((seconds - start) / arguments.segments * 1e9),
                    "all": [round((run[0] - start) / arguments.segments * 1e9) for run in runs],
                    "rss_mb": round(max(rss for _, rss, _ in runs)),
                    "evicted": summary["evicted"],
                    "backend": summary["backend"],
                }
            )
            if not arguments.write:
                path.unlink()
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    print(*rows[0], sep="\t")
    for row in rows:
        print(*row.values(), sep="\t")


if __name__ == "__main__":
    main()
