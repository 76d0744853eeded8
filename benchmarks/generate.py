"""Write a capture of many calls: SIP over UDP and two G.711 streams a call, interleaved as on a busy trunk.

    python benchmarks/generate.py out.pcap --calls 2000 --packets 1000000

Every call is INVITE with SDP, 100, 180, 200 with SDP, ACK, media both ways every 20 ms, BYE, 200. The same arguments give
the same bytes. Media is written from one template array, so ten million packets take seconds.
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

EPOCH_NS = 1_750_000_000_000_000_000
PTIME_NS = 20_000_000
PAYLOAD = 160
MESSAGES = 7
CHUNK = 50_000


def ipv4(call: int, side: int) -> bytes:
    return bytes((10, 1 + side, call >> 8 & 255, call & 255))


def media_port(call: int) -> int:
    return 10_000 + (call >> 16) * 2 + call % 20_000 * 2


def frame(src: bytes, dst: bytes, sport: int, dport: int, payload: bytes) -> bytes:
    udp = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0x4000, 64, 17, 0, src, dst)
    return b"\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00" + ip + udp + payload


def sdp(call: int, side: int) -> bytes:
    host = ".".join(map(str, ipv4(call, side)))
    return (
        f"v=0\r\no=- {call} 1 IN IP4 {host}\r\ns=call\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {media_port(call)} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    ).encode()


def messages(call: int) -> Iterator[tuple[int, bytes]]:
    """The call's seven messages as (side that sends it, SIP text)."""
    a, b = (".".join(map(str, ipv4(call, side))) for side in (0, 1))
    caller, callee = f"sip:user{call}@{a}", f"sip:+4930{call:07d}@{b}"
    common = f'From: "User {call}" <{caller}>;tag=a{call}\r\nCall-ID: {call}-bench@{a}\r\nMax-Forwards: 70\r\n'

    def text(start: str, branch: str, cseq: str, to_tag: bool, body: bytes, extra: str = "") -> bytes:
        to = f"To: <{callee}>" + (f";tag=b{call}" if to_tag else "")
        head = f"{start}\r\nVia: SIP/2.0/UDP {a}:5060;branch=z9hG4bK{branch}{call}\r\n{common}{to}\r\nCSeq: {cseq}\r\n{extra}"
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return f"{head}{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body

    contact = f"Contact: <sip:user{call}@{a}:5060>\r\nUser-Agent: bench/1.0\r\nAllow: INVITE, ACK, CANCEL, OPTIONS, BYE\r\n"
    yield 0, text(f"INVITE {callee} SIP/2.0", "i", "1 INVITE", False, sdp(call, 0), contact)
    yield 1, text("SIP/2.0 100 Trying", "i", "1 INVITE", False, b"")
    yield 1, text("SIP/2.0 180 Ringing", "i", "1 INVITE", True, b"", f"Contact: <{callee}>\r\n")
    yield 1, text("SIP/2.0 200 OK", "i", "1 INVITE", True, sdp(call, 1), f"Contact: <{callee}>\r\nServer: bench/1.0\r\n")
    yield 0, text(f"ACK {callee} SIP/2.0", "k", "1 ACK", True, b"")
    yield 0, text(f"BYE {callee} SIP/2.0", "y", "2 BYE", True, b"")
    yield 1, text("SIP/2.0 200 OK", "y", "2 BYE", True, b"")


def signalling(call: int, start_ns: int, media_ns: int) -> Iterator[tuple[int, bytes]]:
    """The call's signalling as (time, frame)."""
    after_ms = (0, 2, 120, 900, 930)
    for index, (side, text) in enumerate(messages(call)):
        ns = start_ns + after_ms[index] * 1_000_000 if index < 5 else start_ns + 940_000_000 + media_ns + (index - 5) * 3_000_000
        yield ns, frame(ipv4(call, side), ipv4(call, 1 - side), 5060, 5060, text)


def rtp_template() -> np.ndarray:
    rtp = struct.pack("!BBHII", 0x80, 0, 0, 0, 0) + bytes(0x55 + i % 40 for i in range(PAYLOAD))
    packet = frame(ipv4(0, 0), ipv4(0, 1), 0, 0, rtp)
    return np.frombuffer(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet, np.uint8)


def big_endian(records: np.ndarray, at: int, values: np.ndarray, size: int) -> None:
    for i in range(size):
        records[:, at + i] = values >> 8 * (size - 1 - i) & 255


def little_endian(records: np.ndarray, at: int, values: np.ndarray) -> None:
    for i in range(4):
        records[:, at + i] = values >> 8 * i & 255


def media_records(template: np.ndarray, ns: np.ndarray, call: np.ndarray, side: np.ndarray, seq: np.ndarray) -> np.ndarray:
    """Whole pcap records, one a row, for media packets given by columns."""
    records = np.tile(template, (len(ns), 1))
    little_endian(records, 0, ns // 1_000_000_000)
    little_endian(records, 4, ns % 1_000_000_000)
    ip, udp, rtp = 16 + 14, 16 + 34, 16 + 42
    for at, who in ((ip + 12, side), (ip + 16, 1 - side)):
        records[:, at + 1] = 1 + who
        big_endian(records, at + 2, call & 0xFFFF, 2)
    port = 10_000 + (call >> 16) * 2 + call % 20_000 * 2
    big_endian(records, udp, port, 2)
    big_endian(records, udp + 2, port, 2)
    big_endian(records, rtp + 2, (seq + call * 7919) & 0xFFFF, 2)
    big_endian(records, rtp + 4, (seq * PAYLOAD + call * 104729) & 0xFFFFFFFF, 4)
    big_endian(records, rtp + 8, (call * 2 + side) * 2654435761 & 0xFFFFFFFF, 4)
    return records


def write(out: IO[bytes], calls: int, packets: int, spread_s: float) -> int:
    """Write the capture and return how many packets it has (the nearest number that gives all calls equally many)."""
    per_side = max(1, (packets // calls - MESSAGES) // 2)
    media_ns = per_side * PTIME_NS
    starts = EPOCH_NS + (np.arange(calls) * int(spread_s * 1e9) // calls)
    signals = sorted((ns, call, raw) for call in range(calls) for ns, raw in signalling(call, int(starts[call]), media_ns))
    # Every call sends one packet a side in each 20 ms slot: sorting one slot's offsets sorts them all but for the edges.
    call = np.repeat(np.arange(calls), 2 * per_side)
    side = np.tile(np.repeat(np.arange(2), per_side), calls)
    seq = np.tile(np.arange(per_side), 2 * calls)
    jitter = (seq * 2654435761 + call * 40503) % 997 * 1000
    ns = starts[call] + 935_000_000 + seq * PTIME_NS + side * 3_000_000 + jitter
    order = np.argsort(ns, kind="stable")
    ns, call, side, seq = ns[order], call[order], side[order], seq[order]
    out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
    template = rtp_template()
    cuts = np.searchsorted(ns, np.array([s[0] for s in signals]))
    done = 0
    for (at_ns, _, raw), cut in zip(signals, cuts.tolist(), strict=True):
        for begin in range(done, cut, CHUNK):
            end = min(cut, begin + CHUNK)
            rows = slice(begin, end)
            out.write(media_records(template, ns[rows], call[rows], side[rows], seq[rows]).tobytes())
        done = max(done, cut)
        out.write(struct.pack("<IIII", at_ns // 10**9, at_ns % 10**9, len(raw), len(raw)) + raw)
    for begin in range(done, len(ns), CHUNK):
        rows = slice(begin, min(len(ns), begin + CHUNK))
        out.write(media_records(template, ns[rows], call[rows], side[rows], seq[rows]).tobytes())
    return len(ns) + len(signals)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--spread", type=float, default=4.0, help="seconds over which the calls begin")
    arguments = parser.parse_args()
    with arguments.file.open("wb") as out:
        count = write(out, arguments.calls, arguments.packets, arguments.spread)
    print(f"{arguments.file}: {count} packets, {arguments.calls} calls")


if __name__ == "__main__":
    main()
