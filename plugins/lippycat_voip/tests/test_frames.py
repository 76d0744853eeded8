"""Framing in a kernel: the same records as run by run, whatever the segments, the batches and the bounds of the buffers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tcp_captures import CALLEE, START_NS, text

from lippycat_core.builtin.buffers import AdaptiveProvider, FixedProvider, RingProvider
from lippycat_core.interfaces.buffer import Sized
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.streambuffers import StreamBuffers
from lippycat_core.testing.packets import ACK, FIN, RST, SYN, Record, ethernet, tcp, write_pcap
from lippycat_core.testing.runs import run
from lippycat_voip.bulkframer import BulkFramer
from lippycat_voip.dissector import VoipDissector, VoipOptions
from lippycat_voip.kernels.frame import start_so_far
from lippycat_voip.kernels.start_line import NO_MESSAGE, start_line

STREAMS = 5


class Plain:
    """A strategy that does not say how much fits."""

    def __init__(self, strategy: Any) -> None:
        self.name, self.overwrites, self.create = strategy.name, strategy.overwrites, strategy.create


def records(path: Path, kernels: KernelSet, batch_packets: int, strategy: Any, **bounds: Any) -> list[str]:
    buffers = StreamBuffers(strategy, **bounds)
    dissector = VoipDissector(VoipOptions(messages=True, buffers=buffers))
    lines = [json.dumps(one) for one in run(path, dissector, kernels=kernels, batch_packets=batch_packets).records]
    framer = dissector._framer
    return [*lines, f"{framer.junk} {framer.oversized} {framer.dropped} {framer.unfinished} {buffers.figures()['open']}"]


@pytest.fixture(params=[False, True], ids=["as bound", "interpreted in the kernel"])
def anyhow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kernels: KernelSet) -> KernelSet:
    """Kernels, of which the interpreted ones frame too: elsewhere the framer is faster."""
    if request.param:
        bind = BulkFramer.bind

        def always(self: BulkFramer, kernels: KernelSet) -> None:
            bind(self, kernels)
            self.in_kernel = True

        monkeypatch.setattr(BulkFramer, "bind", always)
    return kernels


PIECES = (
    b"\r\n\r\n",
    b"\0\0\r\n",
    b"junk\r\n",
    b"\x80\x00\xff",
    b"no line end",
    b"INVITE sip:x SIP/3.0\r\n\r\n",
    b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 99999999\r\n\r\n",
    b"OPTIONS sip:x SIP/2.0\r\nSubject: a\r\nINVITE sip:x SIP/2.0\r\n",
    b"OPTIONS sip:x SIP/2.0\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    b"SIP/2.0 ",
)


def conversation(random: Random, stream: int) -> bytes:
    parts = [text(100 * stream)]
    for n in range(1, random.randrange(1, 8)):
        parts.append(
            random.choice(PIECES) if random.random() < 0.3 else text(100 * stream + n, random.choice((0, 30, 900, 4000)))
        )
    return b"".join(parts)


def segments(random: Random, stream: int) -> list[bytes]:
    """Frames of one connection: in order, or with losses, copies, and places changed; and sometimes over early, and again."""
    end = (f"10.1.0.{stream}", 5060)
    frames: list[bytes] = []
    for _ in range(random.choice((1, 1, 2))):
        isn = random.choice((0, 2**32 - 100, random.randrange(2**32)))
        frames.append(ethernet(tcp(*end, *CALLEE, isn, flags=SYN)))
        data, at, untidy = conversation(random, stream), 0, random.random() < 0.4
        sizes = random.choice(((1460,), (1, 7, 60), (500, 1460), (100, 300, 5000)))
        body: list[bytes] = []
        while at < len(data):
            size = random.choice(sizes)
            body.append(ethernet(tcp(*end, *CALLEE, isn + 1 + at & 0xFFFFFFFF, data[at : at + size], flags=ACK)))
            at += size
        if untidy:
            body = [frame for frame in body if random.random() > 0.05]
            body += random.sample(body, len(body) // 10)
            order = sorted(range(len(body)), key=lambda n: n + random.uniform(0, 8))
            body = [body[n] for n in order]
        frames += body
        if random.random() < 0.5:
            frames.append(ethernet(tcp(*end, *CALLEE, isn + 1 + len(data) & 0xFFFFFFFF, flags=random.choice((FIN | ACK, RST)))))
            frames.append(ethernet(tcp(*CALLEE, *end, 7, flags=FIN | ACK)))
    return frames


def interleaved(random: Random) -> Iterator[Record]:
    rest = [segments(random, n) for n in range(1, STREAMS + 1)]
    burst = random.choice((1, 3, 50))
    number = 0
    while rest:
        frames = random.choice(rest)
        for _ in range(random.randint(1, burst)):
            if frames:
                number += 1
                yield Record(START_NS + number * 1_000_000, frames.pop(0))
        rest = [one for one in rest if one]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
@pytest.mark.parametrize("strategy", [AdaptiveProvider, FixedProvider, RingProvider])
def test_the_kernel_and_the_batches_show_nowhere(tmp_path: Path, anyhow: KernelSet, strategy: Any, seed: int) -> None:
    path = write_pcap(tmp_path / "x.pcap", list(interleaved(Random(seed))))
    wanted = records(path, Interpreted(), 1, strategy().open())
    for batch_packets in (1, 3, 20, 4096):
        assert records(path, anyhow, batch_packets, strategy().open()) == wanted
    assert isinstance(strategy().open(), Sized)
    assert records(path, anyhow, 4096, Plain(strategy().open())) == wanted


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), max_buffers=st.integers(1, 4), max_bytes=st.sampled_from((1024, 4096, 12_000, 40_000)))
def test_bounds_of_the_buffers_act_the_same(
    tmp_path: Path, anyhow: KernelSet, seed: int, max_buffers: int, max_bytes: int
) -> None:
    path = write_pcap(tmp_path / "x.pcap", list(interleaved(Random(seed))))
    bounds = {"max_buffers": max_buffers, "max_bytes": max_bytes}
    wanted = records(path, Interpreted(), 1, FixedProvider().open(), **bounds)
    for batch_packets in (1, 3, 20, 4096):
        assert records(path, anyhow, batch_packets, FixedProvider().open(), **bounds) == wanted


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(st.binary(max_size=80) | st.sampled_from((text(1), text(2, 900)[:700], *PIECES)), max_size=12),
    seed=st.integers(),
)
def test_any_bytes(tmp_path: Path, anyhow: KernelSet, pieces: list[bytes], seed: int) -> None:
    data, random = text(0) + b"".join(pieces), Random(seed)
    frames, at = [ethernet(tcp("10.1.0.1", 5060, *CALLEE, 0, flags=SYN))], 0
    while at < len(data):
        size = random.choice((1, 20, 300, 1460))
        frames.append(ethernet(tcp("10.1.0.1", 5060, *CALLEE, 1 + at, data[at : at + size])))
        at += size
    path = write_pcap(tmp_path / "x.pcap", [Record(START_NS + n * 1_000_000, frame) for n, frame in enumerate(frames)])
    wanted = records(path, Interpreted(), 1, AdaptiveProvider().open())
    for batch_packets in (2, 4096):
        assert records(path, anyhow, batch_packets, AdaptiveProvider().open()) == wanted


def test_a_message_cut_at_every_byte(tmp_path: Path, anyhow: KernelSet) -> None:
    data = text(1, 100)
    frames = [ethernet(tcp("10.1.0.1", 5060, *CALLEE, 0, flags=SYN))]
    seq = 1
    for cut in range(len(data)):
        for part in (data[:cut], data[cut:]):
            frames.append(ethernet(tcp("10.1.0.1", 5060, *CALLEE, seq, part)))
            seq += len(part)
    path = write_pcap(tmp_path / "x.pcap", [Record(START_NS + n * 1_000_000, frame) for n, frame in enumerate(frames)])
    wanted = records(path, Interpreted(), 1, AdaptiveProvider().open())
    assert f'"messages": {len(data)}' in wanted[-2]
    for batch_packets in (5, 4096):
        assert records(path, anyhow, batch_packets, AdaptiveProvider().open()) == wanted


def test_a_tail_of_junk_takes_no_buffer(tmp_path: Path, anyhow: KernelSet) -> None:
    frames = [ethernet(tcp("10.1.0.1", 5060, *CALLEE, 0, flags=SYN))]
    seq = 1
    for tail in (b"", b"\r\n\r\n", b"\r", b"\x80garbage", b"a: header", b"not a request", b"HTTP/1.1 200 OK", b"SIP/2.0 x"):
        data = text(seq) + tail
        frames.append(ethernet(tcp("10.1.0.1", 5060, *CALLEE, seq, data)))
        path = write_pcap(tmp_path / "x.pcap", [Record(START_NS + n * 1_000_000, frame) for n, frame in enumerate(frames)])
        assert records(path, anyhow, 4096, AdaptiveProvider().open())[-1].endswith(" 0 0"), tail
        frames.append(ethernet(tcp("10.1.0.1", 5060, *CALLEE, seq + len(data), b"\r\n")))
        seq += len(data) + 2


WORDS = (
    b"INVITE",
    b"sip/2.0",
    b"SIP/2.0",
    b"SIP/2.",
    b"200",
    b"20",
    b"sip:a@b",
    b"urn:x",
    b" ",
    b" ",
    b"\r",
    b"\r\n",
    b":",
    b"x" * 64,
    b"\0",
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS) | st.binary(max_size=2), max_size=8))
def test_no_beginning_of_a_start_line_is_taken_for_junk(kernels: KernelSet, words: list[bytes]) -> None:
    line = b"".join(words).split(b"\n")[0]
    for whole in (line, b"INVITE sip:x SIP/2.0" + line, b"SIP/2.0 200" + line):
        slab = kernels.view(np.frombuffer(whole + b"\n", np.uint8).copy())
        form, _, _ = kernels[start_line](slab, 0, len(whole))
        may = [kernels[start_so_far](slab, 0, cut) for cut in range(1, len(whole) + 1)]
        assert all(may) or form == NO_MESSAGE
        assert may == sorted(may, reverse=True)
