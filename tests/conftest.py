"""Fixtures that only the core's own tests share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from lippycat_core.batch import Batch
from lippycat_core.kernels.decode import decode
from lippycat_core.kernelset import KernelSet

MakeBatch = Callable[..., Batch]


@pytest.fixture(scope="session")
def make_batch(kernels: KernelSet) -> MakeBatch:
    """`make_batch(packets, link=1, wirelens=None, times_ns=None, first_record=1)`: a batch of FRESH rows whose slab ends with
    the last packet's last byte, so that a read behind it is noticed."""

    def make(
        packets: Sequence[bytes],
        link: int = 1,
        wirelens: Sequence[int] | None = None,
        times_ns: Sequence[int] | None = None,
        first_record: int = 1,
    ) -> Batch:
        batch = Batch(kernels, capacity=max(len(packets), 1))
        batch.clear(first_record)
        batch.slab = np.frombuffer(bytearray(b"".join(packets)), np.uint8)
        batch.arena = len(batch.slab)
        batch.bind(kernels)
        caplens = [len(packet) for packet in packets]
        rows = batch.rows = len(packets)
        batch.frame.caplen[:rows] = caplens
        batch.frame.off[:rows] = np.cumsum([0, *caplens])[:rows]
        batch.frame.wirelen[:rows] = caplens if wirelens is None else wirelens
        batch.frame.ts_ns[:rows] = np.arange(rows) if times_ns is None else times_ns
        batch.frame.link[:rows] = link
        return batch

    return make


@pytest.fixture(scope="session")
def make_decoded(kernels: KernelSet, make_batch: MakeBatch) -> MakeBatch:
    """The same, decoded."""
    run = kernels[decode]

    def make(*args: object, **options: object) -> Batch:
        batch = make_batch(*args, **options)
        views = batch.views
        run(views.slab, views.frame, views.net, views.transport, views.route, 0, batch.rows)
        return batch

    return make
