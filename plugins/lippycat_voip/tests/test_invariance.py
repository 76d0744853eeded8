"""The same input gives the same bytes: whatever the batch size, the number of threads, and who runs the kernels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.packets import Record, ethernet, rtp, udp, write_pcap
from lippycat_core.testing.runs import run
from lippycat_voip.dissector import VoipDissector, VoipOptions

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "two-calls.pcap"
LARGE = 3000
"""Records above which batches of one record are left to the compiled kernels: interpreted they take minutes."""


def lines(path: Path, kernels: KernelSet, batch_packets: int, threads: int) -> str:
    dissector = VoipDissector(VoipOptions(messages=True))
    result = run(path, dissector, kernels=kernels, batch_packets=batch_packets, threads=threads)
    return "\n".join(json.dumps(record) for record in result.records) + "".join(map(str, result.faults))


def variants(kernels: KernelSet, packets: int) -> list[tuple[int, int]]:
    if isinstance(kernels, Interpreted):
        return [(1, 1), (5, 2), (256, 1)] if packets < LARGE else [(64, 2)]
    return [(1, 1), (2, 2), (7, 1), (100, 2), (4096, 1), (4096, 2)]


def test_captures_give_one_answer(truth_capture: Path, kernels: KernelSet) -> None:
    packets = json.loads(Path(f"{truth_capture}.truth.json").read_text())["capture"]["packets"]
    wanted = lines(truth_capture, Interpreted(), 4096, 1)
    for batch_packets, threads in variants(kernels, packets):
        assert lines(truth_capture, kernels, batch_packets, threads) == wanted, (batch_packets, threads)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch_packets", [1, 2, 3, 64, 1000])
def test_the_example_gives_one_answer(kernels: KernelSet, batch_packets: int, threads: int) -> None:
    assert lines(EXAMPLE, kernels, batch_packets, threads) == lines(EXAMPLE, Interpreted(), 4096, 1)


def sparse(path: Path) -> Path:
    """Media and keep-alives over an hour: ticks fall on nearly every record that may have one."""
    records = []
    for second in range(3600):
        at = second * 1_000_000_000
        packet = udp("192.0.2.1", 4000, "192.0.2.2", 4000, rtp(second, second * 8000, 7, b"\x7f" * 20))
        records.append(Record(at, ethernet(packet)))
        if second % 3 == 0:
            noise = udp("192.0.2.3", 5000 + second, "192.0.2.4", 53, rtp(second * 7919, 0, second, b"x"))
            records.append(Record(at + 500_000_000, ethernet(noise)))
    return write_pcap(path, records)


def test_ticks_show_nowhere(tmp_path: Path, kernels: KernelSet) -> None:
    path = sparse(tmp_path / "sparse.pcap")
    wanted = lines(path, Interpreted(), 4096, 1)
    (stream,) = [json.loads(line) for line in wanted.splitlines() if '"stream"' in line[:30]]
    assert (stream["packets"], stream["lost"], stream["found_by"]) == (3600, 0, "heuristic")
    for batch_packets in (1, 300, 511):
        assert lines(path, kernels, batch_packets, 1) == wanted
