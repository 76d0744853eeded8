"""SIP over TCP through the whole pipeline: the same messages whatever becomes of the segments on their way."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest
from sip_counter import SipCounter

from lippycat_core.testing.packets import ACK, SYN, Record, ethernet, tcp, write_pcap
from lippycat_core.testing.runs import run

CALLER, CALLEE = ("10.0.0.1", 40000), ("10.0.0.2", 5060)
START_NS = 1_700_000_000_000_000_000


def message(start: str, number: int, method: str, body: str = "") -> bytes:
    lines = [
        start,
        f"Via: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK{number}",
        "From: <sip:a@example.com>;tag=1",
        "To: <sip:b@example.com>",
        f"Call-ID: {number}@example.com",
        f"CSeq: {number} {method}",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


REQUESTS = [message("MESSAGE sip:b@example.com SIP/2.0", n, "MESSAGE", "text " * (n * 40)) for n in range(1, 31)]
RESPONSES = [message("SIP/2.0 200 OK", n, "MESSAGE") for n in range(1, 31)]


def segments(
    random: Random, sender: tuple[str, int], receiver: tuple[str, int], stream: bytes, isn: int, ack: int
) -> list[bytes]:
    frames, at = [], 0
    while at < len(stream):
        size = random.choice((1, 3, 100, 536, 1448, 9000))
        frames.append(ethernet(tcp(*sender, *receiver, isn + 1 + at, stream[at : at + size], ack=ack)))
        at += size
    return frames


def counted(path: Path, frames: Iterable[bytes], snaplen: int = 0) -> SipCounter:
    cut = (frame[: snaplen or len(frame)] for frame in frames)
    records = [
        Record(START_NS + n * 1_000_000, data, len(frame)) for n, (data, frame) in enumerate(zip(cut, frames, strict=True))
    ]
    counter = SipCounter()
    run(write_pcap(path, records), counter)
    return counter


def opened(random: Random, isn: int) -> list[bytes]:
    """Both directions, one segment of each in turn, each keeping its order."""
    syn = [ethernet(tcp(*CALLER, *CALLEE, isn, flags=SYN)), ethernet(tcp(*CALLEE, *CALLER, 77, ack=isn + 1, flags=SYN | ACK))]
    there = segments(random, CALLER, CALLEE, b"\r\n\r\n" + b"".join(REQUESTS), isn, 78)
    back = segments(random, CALLEE, CALLER, b"".join(RESPONSES), 77, isn + 1)
    mixed = []
    while there or back:
        side = random.choice([side for side in (there, back) if side])
        mixed.append(side.pop(0))
    return syn + mixed


@pytest.mark.parametrize("seed", range(6))
def test_cut_shuffled_and_sent_again(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    frames = opened(random, isn=2**32 - 5000)
    for at in range(2, len(frames) - 1):
        if random.random() < 0.2:
            frames[at], frames[at + 1] = frames[at + 1], frames[at]
        if random.random() < 0.1:
            frames.insert(at + 1, frames[at])
    counter = counted(tmp_path / "x.pcap", frames)
    assert (counter.requests, counter.responses) == ({"MESSAGE": 30}, {"200": 30})
    assert len(counter.call_ids) == 30
    assert (counter.malformed, counter.framer.junk, counter.framer.unfinished) == ([], 0, 0)


@pytest.mark.parametrize("skipped", [60, 150, 250])
def test_capture_that_begins_in_the_middle(tmp_path: Path, skipped: int) -> None:
    lost = message("OPTIONS sip:x SIP/2.0", 90, "OPTIONS", "x" * 100)
    assert 0 < skipped < len(lost)
    frames, there, back = [ethernet(tcp(*CALLER, *CALLEE, 500, lost[skipped:], ack=4000))], 500 + len(lost) - skipped, 4000
    for request, response in zip(REQUESTS, RESPONSES, strict=True):
        frames.append(ethernet(tcp(*CALLER, *CALLEE, there, request, ack=back)))
        there += len(request)
        frames.append(ethernet(tcp(*CALLEE, *CALLER, back, response, ack=there)))
        back += len(response)
    counter = counted(tmp_path / "x.pcap", frames)
    assert (counter.requests, counter.responses) == ({"MESSAGE": 30}, {"200": 30})
    assert counter.malformed == []


def test_cut_by_the_snap_length(tmp_path: Path) -> None:
    frames, at = [], 1
    for data in REQUESTS:
        frames.append(ethernet(tcp(*CALLER, *CALLEE, at, data)))
        at += len(data)
    counter = counted(tmp_path / "x.pcap", frames, snaplen=400)
    assert counter.requests == {"MESSAGE": 30}
    assert counter.malformed == []
    assert counter.framer.junk == 0


def test_other_protocols_are_left_alone(tmp_path: Path) -> None:
    web = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
    frames = [ethernet(tcp(*CALLER, "10.0.0.9", 5060, 1 + n * len(web), web)) for n in range(40)]
    counter = counted(tmp_path / "x.pcap", frames)
    assert not counter.requests
    assert counter.framer.unfinished == 0
