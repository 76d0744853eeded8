"""Streams as docs/output.md defines them: one written conversation a rule, and a plain reference held against the kernel."""

from __future__ import annotations

import pytest
from rtp_batches import ALICE, BOB, START_NS, Datagram, end, follow, one_stream, records, rtp, segment, speech

from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_voip.streams import StreamTable

EVENT_101 = ((101, "telephone-event", 8000),)


def picked(record: dict[str, object], *names: str) -> tuple[object, ...]:
    return tuple(record[name] for name in names)


LOSS = ("packets", "expected", "lost", "duplicates", "reordered", "restarts", "stray")


def sequence(numbers: list[int]) -> list[Datagram]:
    """Packets of these sequence numbers, 20 ms apart, with timestamps that follow the numbers."""
    return [rtp(n, 160 * n, 20 * i) for i, n in enumerate(numbers)]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        pytest.param([7], (1, 1, 0, 0, 0, 0, 0), id="one packet"),
        pytest.param([1, 2, 4, 5], (4, 5, 1, 0, 0, 0, 0), id="one lost"),
        pytest.param([1, 2, 2, 3, 3, 3], (3, 3, 0, 3, 0, 0, 0), id="duplicates are no packets"),
        pytest.param([1, 3, 2, 4], (4, 4, 0, 0, 1, 0, 0), id="reordered"),
        pytest.param([1, 3, 2, 2], (3, 3, 0, 1, 1, 0, 0), id="a duplicate of a reordered one is no reordering"),
        pytest.param([65534, 65535, 0, 1], (4, 4, 0, 0, 0, 0, 0), id="wrap"),
        pytest.param([0, 65535, 1, 2], (4, 4, 0, 0, 1, 0, 0), id="a packet from before the first, over the wrap"),
        pytest.param([0, 65534, 2], (3, 5, 2, 0, 1, 0, 0), id="lowest below the first"),
        pytest.param([10, 11, 12, 5012, 13, 14], (5, 5, 0, 0, 0, 0, 1), id="a stray packet ahead"),
        pytest.param([10, 11, 12, 5012, 5013, 5014], (6, 6, 0, 0, 0, 1, 0), id="a restart ahead"),
        pytest.param([500, 501, 502, 10, 11, 13], (6, 7, 1, 0, 0, 1, 0), id="a restart behind, with a loss in the new run"),
        pytest.param([500, 501, 502, 10, 503], (4, 4, 0, 1, 0, 0, 0), id="a held one behind is a duplicate"),
        pytest.param([10, 11, 5012], (2, 2, 0, 0, 0, 0, 1), id="held at the end, ahead"),
        pytest.param([500, 501, 10], (2, 2, 0, 1, 0, 0, 0), id="held at the end, behind"),
        pytest.param([10, 11, 5012, 9000, 9001], (4, 4, 0, 0, 0, 1, 1), id="a held one gives way to the next"),
        pytest.param([10, 11, 5012, 5012, 5013], (4, 4, 0, 0, 0, 1, 1), id="only the very next packet proves a restart"),
        pytest.param([0, 3000, 3001], (3, 3002, 2999, 0, 0, 0, 0), id="3,000 ahead is loss"),
        pytest.param([0, 3001, 1], (2, 2, 0, 0, 0, 0, 1), id="3,001 ahead is held"),
        pytest.param([*range(200, 302), 201], (102, 102, 0, 1, 0, 0, 0), id="100 behind is looked up"),
        pytest.param([*range(200, 250), *range(251, 351), 250], (151, 151, 0, 0, 1, 0, 0), id="100 behind and missing is late"),
        pytest.param([*range(200, 250), *range(251, 352), 250, 352], (152, 153, 1, 1, 0, 0, 0), id="101 behind is a duplicate"),
    ],
)
def test_sequence_numbers(kernels: KernelSet, numbers: list[int], expected: tuple[int, ...]) -> None:
    assert picked(one_stream(sequence(numbers), kernels), *LOSS) == expected


def test_window_over_all_shifts(kernels: KernelSet) -> None:
    """Whatever a packet's step ahead, what was received up to 100 behind stays known."""
    for step in (1, 2, 31, 61, 62, 63, 64, 99, 100):
        record = one_stream(sequence([1000, 1001, 1001 + step, 1001, 1000 + step - (step == 1)]), kernels)
        assert record["duplicates"] == (2 if step == 1 else 1), step


def test_a_perfect_stream(kernels: KernelSet) -> None:
    record = one_stream(speech(50), kernels)
    assert record == {
        "id": 1,
        "ssrc": "0x1a2b3c4d",
        "src": "10.0.0.1:10000",
        "dst": "10.0.0.2:20000",
        "transport": "udp",
        "payload_types": [0],
        "codec": "PCMU",
        "clock_rate": 8000,
        "ptime_ms": 20,
        "media": "audio",
        "packets": 50,
        "bytes": 8000,
        "expected": 50,
        "lost": 0,
        "loss_pct": 0.0,
        "duplicates": 0,
        "reordered": 0,
        "restarts": 0,
        "stray": 0,
        "ts_jumps": 0,
        "jitter_ms": {"last": 0.0, "mean": 0.0, "max": 0.0},
        "max_gap_ms": 20.0,
        "first": "2023-11-14T22:13:20.000000000Z",
        "last": "2023-11-14T22:13:20.980000000Z",
        "first_ns": START_NS,
        "last_ns": START_NS + 980_000_000,
        "dtmf": None,
        "rtcp": None,
    }
