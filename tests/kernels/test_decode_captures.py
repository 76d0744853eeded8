"""Real captures: as many UDP and TCP packets as tshark's protocol hierarchy has (the captures' truth files)."""

from __future__ import annotations

import json
from pathlib import Path

from lippycat_core.batch import Batch
from lippycat_core.builtin.filesource import FileSource
from lippycat_core.columns import DECODED
from lippycat_core.fragments import FragmentTable
from lippycat_core.kernels.decode import decode
from lippycat_core.kernelset import KernelSet


def transports(protocols: dict[str, int]) -> int:
    """Frames with UDP or TCP: counted at the outermost of each frame, not where an ICMP error quotes one."""
    count = 0
    for path, frames in protocols.items():
        *way, last = path.split(":")
        if last in ("udp", "tcp") and not {"udp", "tcp", "icmp", "icmpv6"} & set(way):
            count += frames
    return count


def decoded(path: Path, kernels: KernelSet) -> tuple[int, int]:
    """Records with a UDP or TCP payload, and fragments that stayed incomplete."""
    source = FileSource(str(path), kernels)
    batch = Batch(kernels, capacity=100)
    fragments = FragmentTable()
    fragments.bind(kernels)
    run = kernels[decode]
    count, first = 0, 1
    batch.clear(first)
    while source.fill(batch, 100):
        views = batch.views
        run(views.slab, views.frame, views.net, views.transport, views.route, 0, batch.rows)
        fragments.join(batch)
        count += int((batch.route.status[: batch.rows] == DECODED).sum())
        first += batch.rows
        batch.clear(first)
    source.close()
    fragments.finish()
    return count, fragments.incomplete


def test_as_many_as_tshark(captures: Path, kernels: KernelSet) -> None:
    wrong = {}
    truths = sorted(captures.glob("*.truth.json"))
    assert truths
    for truth in truths:
        capture = truth.with_name(truth.name.removesuffix(".truth.json"))
        expected = transports(json.loads(truth.read_text())["protocols"])
        count, _ = decoded(capture, kernels)
        if count != expected:
            wrong[capture.name] = (count, expected)
    assert wrong == {}


def test_a_first_fragment_alone_is_incomplete(captures: Path, kernels: KernelSet) -> None:
    assert decoded(captures / "aboutsip-pkts__fragmented_udp_sip.pcap", kernels) == (5, 1)
