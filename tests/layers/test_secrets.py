"""Secrets of capture files: they come in front of the packets behind them, whatever the batches, and nobody's are said once."""

from __future__ import annotations

from pathlib import Path

import pytest

from lippycat_core.batch import Batch
from lippycat_core.builtin.files import open_source
from lippycat_core.kernelset import Interpreted
from lippycat_core.layers import Layers
from lippycat_core.testing.pcapng import TLS_KEY_LOG, Blocks

MAKE = Blocks()


def written(path: Path, *parts: int | bytes, begin: int = 0) -> Path:
    """A file with packets (their numbers are their times) and secrets in this order."""
    body = [MAKE.secrets(part) if isinstance(part, bytes) else MAKE.enhanced(begin + part, b"packet") for part in parts]
    path.write_bytes(MAKE.section() + MAKE.interface() + b"".join(body))
    return path


def order(paths: list[Path], rows: int) -> list[object]:
    """Packets (by time) and secrets as a run sees them."""
    kernels = Interpreted()
    source, batch = open_source([str(path) for path in paths], kernels), Batch(kernels, capacity=rows)
    seen: list[object] = []
    while batch.clear(1) or source.fill(batch, 10):
        seen += [data for kind, data in batch.secrets if kind == TLS_KEY_LOG]
        seen += (batch.frame.ts_ns[: batch.rows] // 1000).tolist()
    return seen


@pytest.mark.parametrize("rows", [1, 2, 3, 4096])
def test_in_the_order_of_the_file(tmp_path: Path, rows: int) -> None:
    parts: list[int | bytes] = [b"first", b"second", 1, 2, 3, b"third", 4, b"fourth", b"fifth", 5, b"last"]
    assert order([written(tmp_path / "a.pcapng", *parts)], rows) == parts


@pytest.mark.parametrize("rows", [1, 2, 3, 4096])
def test_merged_files_give_theirs_in_front_of_their_packets(tmp_path: Path, rows: int) -> None:
    one = written(tmp_path / "a.pcapng", b"a1", 10, 30, b"a2", 50, b"a3")
    two = written(tmp_path / "b.pcapng", 20, 40, b"b1", 60)
    seen = order([one, two], rows)
    assert [part for part in seen if isinstance(part, int)] == [10, 20, 30, 40, 50, 60]
    assert sorted(part for part in seen if isinstance(part, bytes)) == [b"a1", b"a2", b"a3", b"b1"]
    for secret, packet in ((b"a1", 10), (b"a2", 50), (b"b1", 60)):
        assert seen.index(secret) < seen.index(packet)
    assert seen == order([one, two], 1)


def test_secrets_that_nobody_takes_are_said_once() -> None:
    told: list[str] = []
    layers = Layers([], lambda name, error: None, on_unread=lambda: told.append("unread"))
    batch = Batch(Interpreted(), capacity=1)
    layers.begin(batch)
    assert told == []
    batch.secrets = [(TLS_KEY_LOG, b"x")]
    layers.begin(batch)
    layers.begin(batch)
    assert told == ["unread"]
