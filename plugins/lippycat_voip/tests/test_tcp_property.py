"""What becomes of segments on their way changes no message: cut, reordered, sent twice, between those of 99 other streams."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sip_counter import SipCounter
from tcp_captures import CALLEE, START_NS, text

from lippycat_core.builtin.buffers import AdaptiveProvider, FixedProvider, RingProvider
from lippycat_core.streambuffers import StreamBuffers
from lippycat_core.testing.packets import SYN, Record, ethernet, tcp, write_pcap
from lippycat_core.testing.runs import run
from lippycat_voip.framer import Framer

OTHERS = 99
WINDOW = 8


def segments(random: Random, stream: int, data: bytes, sizes: tuple[int, ...]) -> list[bytes]:
    """A stream's frames: a SYN, then pieces of these sizes, each at most `WINDOW` places off its own, some twice."""
    end = (f"10.1.{stream >> 8}.{stream & 255}", 5060)
    isn = random.choice((0, 2**32 - 100))
    placed: list[tuple[float, bytes]] = []
    at = 0
    while at < len(data):
        size = random.choice(sizes)
        frame = ethernet(tcp(*end, *CALLEE, isn + 1 + at, data[at : at + size]))
        place = float(len(placed))
        placed.append((place + random.uniform(0, WINDOW), frame))
        if random.random() < 0.1:
            placed.append((place + random.uniform(0, WINDOW), frame))
        at += size
    placed.sort(key=lambda pair: pair[0])
    return [ethernet(tcp(*end, *CALLEE, isn, flags=SYN)), *(frame for _, frame in placed)]


def interleaved(random: Random, streams: list[list[bytes]]) -> Iterator[bytes]:
    order = [n for n, frames in enumerate(streams) for _ in frames]
    random.shuffle(order)
    rest = [iter(frames) for frames in streams]
    for n in order:
        yield next(rest[n])


@pytest.mark.parametrize("strategy", [AdaptiveProvider, FixedProvider, RingProvider])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), bodies=st.lists(st.integers(0, 300), min_size=1, max_size=4))
def test_the_same_messages_as_of_the_whole(tmp_path: Path, strategy: type, seed: int, bodies: list[int]) -> None:
    random = Random(seed)
    conversation = [text(n, body) for n, body in enumerate(bodies)]
    streams = [segments(random, 0, b"".join(conversation), (1,))]  # cut at every byte
    for n in range(1, OTHERS + 1):
        streams.append(segments(random, n, text(100 + n, random.randrange(200)), (50, 120, 300)))
    frames = [Record(START_NS + n * 1_000_000, frame) for n, frame in enumerate(interleaved(random, streams))]
    counter = SipCounter()
    counter.framer = Framer(buffers=StreamBuffers(strategy().open()))
    run(write_pcap(tmp_path / "x.pcap", frames), counter)
    assert counter.requests == {"MESSAGE": len(bodies) + OTHERS}
    assert counter.call_ids == {b"%d@example.com" % n for n in (*range(len(bodies)), *range(101, 101 + OTHERS))}
    assert (counter.malformed, counter.framer.junk, counter.framer.unfinished, counter.framer.dropped) == ([], 0, 0, 0)
