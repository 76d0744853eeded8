"""The queue between capture and analysis in whole runs: a fast source before a slow worker, and `lc sniff` whose output nobody
takes for a while. Each parameter has its effect, all packets are accounted for, and losses are told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from lippycat_core.batch import Batch
from lippycat_core.batchqueue import QueueRules
from lippycat_core.events import Event
from lippycat_core.interfaces.capture import Fault, Progress
from lippycat_core.interfaces.dissect import Segment
from lippycat_core.kernelset import KernelSet
from lippycat_core.testing.packets import Record, ethernet, udp, write_pcap
from lippycat_core.testing.quiet import QuietDissector
from lippycat_core.testing.runs import run
from lippycat_core.testing.wire import FAR, Wire

LC = Path(sys.executable).with_name("lc")
MS = 1_000_000
FRAME = ethernet(udp("10.0.0.1", 1000, "10.0.0.2", 5060, b"hello"))


class FastSource:
    """Batches of ten packets, a millisecond of capture time apart, as fast as they are taken."""

    def __init__(self, batches: int) -> None:
        self._left = batches
        self._now_ns = 1000 * MS
        self.given = 0

    def bind(self, kernels: KernelSet) -> None:
        """No kernels."""

    def fill(self, batch: Batch, timeout_ms: int) -> bool:
        if not self._left:
            return False
        self._left -= 1
        size = len(FRAME)
        for row in range(10):
            batch.mem[row * size : (row + 1) * size] = FRAME
        batch.frame.ts_ns[:10] = self._now_ns + np.arange(10) * MS
        batch.frame.off[:10] = np.arange(10) * size
        batch.frame.caplen[:10] = batch.frame.wirelen[:10] = size
        batch.frame.link[:10] = 1
        batch.route.status[:10] = 0
        batch.rows = 10
        batch.lost = (0, 0)
        self._now_ns += 10 * MS
        batch.clock_ns = self._now_ns - MS
        self.given += 10
        return True

    def dropped(self) -> Mapping[str, int]:
        return {"kernel": 0}

    def faults(self) -> Sequence[Fault]:
        return ()

    def progress(self) -> Progress:
        return Progress(self.given * len(FRAME), None)

    def close(self) -> None:
        """Nothing is open."""


class Slow(QuietDissector):
    """Sleeps over each batch, and notes what it is told."""

    def __init__(self, seconds: float, once: bool = False) -> None:
        self._seconds = seconds
        self._once = once
        self.numbers: list[int] = []
        self.times: list[int] = []
        self.spans: list[tuple[int, int]] = []
        self.ticks: list[int] = []

    def rows(self, segment: Segment) -> Iterable[Event]:
        time.sleep(self._seconds)
        if self._once:
            self._seconds = 0.0
        batch = segment.batch
        self.numbers += range(batch.first_record + segment.begin, batch.first_record + segment.end)
        self.times += batch.frame.ts_ns[segment.begin : segment.end].tolist()
        return ()

    def losses(self, since_ns: int, until_ns: int) -> None:
        if until_ns:
            self.spans.append((since_ns, until_ns))


def ran(slow: Slow, given: int, **rules: Any) -> tuple[dict[str, Any], Slow]:
    """The accounting of a run, which must add up, and what the worker saw, which must be in order and told of what it misses."""
    source = FastSource(given)
    records = run(source, slow, threads=2, queue=QueueRules(**rules)).records
    counts = cast(dict[str, Any], records[-1]["accounting"])
    assert counts["captured"] == counts["delivered"] + sum(counts["dropped"].values()) == source.given
    assert slow.numbers == list(range(1, counts["delivered"] + 1))
    assert slow.times == sorted(slow.times)
    missing = set(range(1000 * MS, (1000 + source.given) * MS, MS)) - set(slow.times)
    assert all(any(since <= ts_ns <= until for since, until in slow.spans) for ts_ns in missing)
    assert missing or not slow.spans
    return counts, slow


def test_back_pressure_stops_the_reader_and_loses_nothing() -> None:
    counts, _ = ran(Slow(0.005), 30, batches=3)
    assert counts["dropped"] == {"kernel": 0}


def test_without_it_what_finds_no_room_is_dropped_and_told() -> None:
    counts, slow = ran(Slow(0.02), 50, batches=3, waits=False)
    assert counts["dropped"]["queue"] >= 100
    assert slow.spans


def test_a_longer_queue_takes_more() -> None:
    few, _ = ran(Slow(0.05), 20, batches=2, waits=False)
    many, _ = ran(Slow(0.001), 20, batches=30, waits=False)
    assert few["dropped"]["queue"] > 100
    assert many["dropped"] == {"kernel": 0}


def test_what_waited_too_long_is_dropped_and_told() -> None:
    counts, slow = ran(Slow(0.3, once=True), 20, batches=30, max_age_ns=100 * MS)
    assert counts["dropped"] == {"kernel": 0, "queue_time": 190}  # all but the one that was looked at for so long
    assert slow.spans == [(1010 * MS, 1199 * MS)]
    assert ran(Slow(0.3, once=True), 20, batches=30)[0]["dropped"] == {"kernel": 0}


def test_small_batches_are_put_together_while_they_wait() -> None:
    counts, slow = ran(Slow(0.05, once=True), 200, batches=3, joins=True, waits=False)
    assert counts["dropped"] == {"kernel": 0}
    assert len(slow.numbers) == 2000


# -- `lc sniff`, whose worker stands still as long as nobody reads what it says --------------------------------------------


def held_up(cable: Wire, tmp_path: Path, *settings: str, size: int = 1000) -> tuple[dict[str, Any], dict[str, Any]]:
    """Send 6,000 packets while nobody takes the output; the accounting in the meantime and at the end."""
    run_time = tmp_path / "run"
    run_time.mkdir(mode=0o700)
    env: list[str | Path] = ["env", f"XDG_RUNTIME_DIR={run_time}", *settings]
    process = cable.start(*env, LC, "sniff", "-i", FAR, "--compiler", "pure", "--format", "json", "--batch-packets", "256")
    cable.wait_until_captured()
    sent = [Record(n, ethernet(udp("10.0.0.1", 1000, "10.0.0.2", 5060, bytes(size)))) for n in range(6000)]
    cable.send(write_pcap(tmp_path / "in.pcap", sent))
    time.sleep(0.5)
    asked = subprocess.run([*env, LC, "debug", "summary", "--json"], check=False, capture_output=True, text=True, timeout=60)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 130, said.decode()
    meanwhile, end = json.loads(asked.stdout)["accounting"], json.loads(out.splitlines()[-1])["accounting"]
    for counts in (meanwhile, end):
        parts = counts["delivered"] + counts["filtered"] + sum(counts["dropped"].values()) + sum(counts["undecodable"].values())
        assert counts["captured"] == parts
    assert end["captured"] == 6000
    assert len(out.splitlines()) == end["delivered"] + 1
    return meanwhile, end


def test_with_back_pressure_the_kernel_drops(cable: Wire, tmp_path: Path) -> None:
    settings = ("LIPPYCAT_TCP__STREAM_QUEUE_BUFFER=2", "LIPPYCAT_TCP__AUTO_TUNING=no", "LIPPYCAT_CAPTURE__BUFFER_BYTES=1MiB")
    _, end = held_up(cable, tmp_path, *settings)
    assert end["dropped"]["kernel"] > 1000
    assert "queue" not in end["dropped"]


def test_without_it_the_queue_drops(cable: Wire, tmp_path: Path) -> None:
    settings = ("LIPPYCAT_TCP__STREAM_QUEUE_BUFFER=2", "LIPPYCAT_TCP__AUTO_TUNING=no", "LIPPYCAT_TCP__ENABLE_BACKPRESSURE=no")
    meanwhile, end = held_up(cable, tmp_path, *settings)
    assert end["dropped"]["queue"] > 1000
    assert end["dropped"]["kernel"] == 0
    assert meanwhile["dropped"].keys() <= {"queue"}


def test_age_drops(cable: Wire, tmp_path: Path) -> None:
    _, end = held_up(cable, tmp_path, "LIPPYCAT_TCP__STREAM_MAX_QUEUE_TIME=0.2s")
    assert end["dropped"]["queue_time"] > 1000


@pytest.mark.parametrize(
    "options",
    [
        ("--enable-backpressure=false",),
        ("--tcp-performance-mode", "high_performance", "--enable-backpressure"),
        ("--tcp-stream-max-queue-time", "30s", "--stream-queue-buffer", "10"),
    ],
)
def test_the_guide_s_options_are_taken_live(options: tuple[str, ...]) -> None:
    command = [str(LC), "sniff", "voip", "-i", "lo", "--duration", "0.3", "--user", "root", "--buffer-size", "5000", *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert (done.returncode, done.stderr) == (0, "")
