"""The parameters of the TCP profiles through `lc sniff voip`: each has an effect that shows, alone and over the profile."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tcp_captures import Capture, halves, text

from lippycat_core.builtin.jsonlines import JsonLines
from lippycat_core.cli.main import run as run_lc
from lippycat_core.events import Event
from lippycat_core.testing.packets import write_pcap
from lippycat_voip import session
from lippycat_voip.batching import GROW_AFTER, SHRINK_AFTER, BatchSize
from lippycat_voip.dissector import VoipDissector, VoipOptions

Lc = Callable[..., dict[str, Any]]


@pytest.fixture
def lc(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lc:
    """`lc(capture, options...)`: the summary of `lc sniff voip`, which must succeed and say nothing else."""
    monkeypatch.setenv("HOME", str(tmp_path))

    def call(capture: Capture, *options: str) -> dict[str, Any]:
        path = write_pcap(tmp_path / "x.pcap", capture.records)
        assert run_lc(["sniff", "voip", "-r", str(path), *options]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        summary: dict[str, Any] = json.loads(out.splitlines()[-1])
        return summary

    return call


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[VoipDissector, VoipOptions]]:
    """The dissectors that runs of the test made, with their options."""
    kept: list[tuple[VoipDissector, VoipOptions]] = []

    def make(options: VoipOptions) -> VoipDissector:
        kept.append((VoipDissector(options), options))
        return kept[-1][0]

    monkeypatch.setattr(session, "VoipDissector", make)
    return kept


def test_max_tcp_buffers(lc: Lc) -> None:
    capture = halves(6)
    assert lc(capture)["evicted"] == {}
    summary = lc(capture, "--max-tcp-buffers", "2")
    assert (summary["evicted"], summary["sip"]["messages"]) == ({"tcp_buffers": 4}, 2)


def test_tcp_memory_limit(lc: Lc) -> None:
    capture = halves(64, body=1000)
    assert lc(capture)["evicted"] == {}
    summary = lc(capture, "--tcp-memory-limit", "64KiB")  # 32 KiB for buffers of 1 KiB
    assert (summary["evicted"], summary["sip"]["messages"]) == ({"tcp_buffer_bytes": 32}, 32)


@pytest.mark.parametrize(
    ("options", "evicted", "whole", "truncated"),
    [
        (("--tcp-buffer-strategy", "adaptive"), {}, 2, 0),
        (("--tcp-buffer-strategy", "fixed"), {"tcp_buffer_full": 1}, 2, 1),
        (("--tcp-buffer-strategy", "ring"), {"tcp_buffer_overwritten": 1}, 1, 0),
        (("-M", "minimal"), {"tcp_buffer_full": 1}, 2, 1),
        (("-M", "throughput", "--tcp-buffer-strategy", "adaptive"), {}, 2, 0),
    ],
)
def test_tcp_buffer_strategy(lc: Lc, options: tuple[str, ...], evicted: dict[str, int], whole: int, truncated: int) -> None:
    """A message of 90 KB in segments: kept, cut short where its 64 KiB are full, or lost with its begin; the next is found."""
    capture = Capture()
    large = text(1, 90_000)
    for at in range(0, len(large), 1000):
        capture.send(1, large[at : at + 1000])
    capture.send(1, text(2))
    summary = lc(capture, *options)
    assert set(summary["evicted"]) == set(evicted)
    assert (summary["sip"]["messages"], summary["sip"]["truncated"]) == (whole, truncated)


def test_tcp_buffer_max_age_and_cleanup_interval(lc: Lc) -> None:
    capture = Capture()
    data = text(1, 100)
    capture.send(1, data[:200])
    capture.wait(100)
    capture.send(1, data[200:] + text(2))
    assert (lc(capture)["evicted"], lc(capture)["sip"]["messages"]) == ({}, 2)
    old = lc(capture, "--tcp-buffer-max-age", "20s", "--tcp-cleanup-interval", "10s")
    assert (old["evicted"], old["sip"]["messages"]) == ({"tcp_buffer_age": 1}, 1)
    assert lc(capture, "--tcp-buffer-max-age", "20s", "--tcp-cleanup-interval", "10m")["evicted"] == {}


def test_tcp_stream_timeout(lc: Lc) -> None:
    capture = Capture()
    data = text(1, 500)
    capture.send(1, text(0) + data[:300])
    capture.send(1, data[400:] + text(2), missing=100)
    capture.wait(100)
    capture.send(1, text(3))
    assert lc(capture)["evicted"] == {}
    summary = lc(capture, "--tcp-stream-timeout", "50s")
    assert (summary["evicted"], summary["sip"]["messages"]) == ({"tcp_timeout": 1}, 4)
    assert summary["sip"]["truncated"] == 1


def test_tcp_assembler_max_pages(lc: Lc) -> None:
    capture = Capture()
    capture.send(1, text(0))
    for n in range(1, 6):
        capture.send(1, text(n), missing=10 if n == 1 else 0)
    assert lc(capture)["evicted"] == {}
    assert lc(capture, "--tcp-assembler-max-pages", "3")["evicted"] == {"tcp_stream_pages": 1}


def test_memory_optimization(lc: Lc, made: list[tuple[VoipDissector, VoipOptions]]) -> None:
    lc(halves(3))
    lc(halves(3), "--memory-optimization")
    lc(halves(3), "-M", "minimal", "--memory-optimization=false")
    held = [dissector.tcp_figures()["held_bytes"] for dissector, _ in made]
    assert held[0] == 3 * 1024
    assert held[1:] == [0, 3 * 1024]


def test_tcp_buffer_pool_size(lc: Lc, made: list[tuple[VoipDissector, VoipOptions]]) -> None:
    lc(halves(4))
    lc(halves(4), "--tcp-buffer-pool-size", "3")
    assert [dissector.tcp_figures()["pooled"] for dissector, _ in made] == [4, 3]


def busy(batches: int, together: int) -> Capture:
    capture = Capture()
    for n in range(batches):
        capture.send(1, b"".join(text(n * together + m) for m in range(together)))
    return capture


def test_tcp_batch_size(lc: Lc, made: list[tuple[VoipDissector, VoipOptions]], monkeypatch: pytest.MonkeyPatch) -> None:
    """How many messages are parsed by one call of the kernel; a partial batch goes with the input's."""
    asked: list[int] = []
    bind = VoipDissector.bind

    def counting(self: VoipDissector, kernels: Any) -> None:
        bind(self, kernels)
        parse = self._parse

        def count(slab: Any, chunk: Any, some: int, table: Any) -> None:
            asked.append(some)
            parse(slab, chunk, some, table)

        self._parse = count

    monkeypatch.setattr(VoipDissector, "bind", counting)
    for options, batches in (
        (("--tcp-batch-size", "4"), [4, 4, 2]),
        (("-M", "minimal"), [8, 2]),
        (("-M", "minimal", "--tcp-batch-size", "10"), [10]),
        (("-M", "low_latency"), [1] * 10),
    ):
        asked.clear()
        assert lc(busy(1, 10), *options)["sip"]["messages"] == 10
        assert asked == batches, options


def test_enable_auto_tuning(lc: Lc, made: list[tuple[VoipDissector, VoipOptions]]) -> None:
    options = ("--tcp-batch-size", "2", "--batch-packets", "1")
    lc(busy(12, 20), *options)
    lc(busy(12, 20), *options, "--no-enable-auto-tuning")
    lc(busy(12, 20), *options, "-M", "minimal", "--enable-auto-tuning")
    assert [dissector.tcp_figures()["batch_size"] for dissector, _ in made] == [16, 2, 16]


def test_the_batch_size_follows_slowly_and_within_bounds() -> None:
    size = BatchSize(8, 512, tuned=True)
    for _ in range(GROW_AFTER - 1):
        size.note(100)
    assert size.size == 8
    size.note(100)
    assert size.size == 16
    for _ in range(100):
        size.note(10_000)
    assert size.size == 64
    size.note(1)
    assert size.size == 64
    for _ in range(SHRINK_AFTER * 10):
        size.note(1)
    assert size.size == 2
    fixed = BatchSize(8, 512)
    for _ in range(100):
        fixed.note(10_000)
    assert fixed.size == 8


def test_tcp_latency_optimization(lc: Lc, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of each message are written by themselves."""
    writes: list[int] = []
    emit = JsonLines.emit

    def counting(self: JsonLines, events: Sequence[Event]) -> None:
        writes.append(sum(event.name == "message" for event in events))
        emit(self, events)

    monkeypatch.setattr(JsonLines, "emit", counting)
    for options, most in (((), 10), (("--tcp-latency-optimization",), 1), (("-M", "latency"), 1)):
        writes.clear()
        lc(busy(1, 10), "--messages", *options)
        assert (max(writes), sum(writes)) == (most, 10)
    writes.clear()
    lc(busy(1, 10), "--messages", "-M", "latency", "--tcp-latency-optimization=false")
    assert max(writes) == 10


@pytest.mark.parametrize("profile", ["minimal", "balanced", "high_performance", "low_latency"])
def test_a_profile_changes_no_result(lc: Lc, profile: str) -> None:
    capture = halves(500, body=12_000)  # as many unfinished messages as `minimal` allows streams
    plain, profiled = lc(capture), lc(capture, "--tcp-performance-mode", profile)
    for summary in (plain, profiled):
        summary.pop("seconds")
    assert plain == profiled


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tcp-batch-size", "0"], "tcp.batch_size: 0 is out of range: 1 to 512 (option --tcp-batch-size)"),
        (["--max-tcp-buffers", "0"], "tcp.max_buffers: 0 is out of range: 1 to 16777216 (option --max-tcp-buffers)"),
        (["--tcp-buffer-max-age", "1ms"], "tcp.buffer_max_age: '1ms' is out of range: 1s to 1d (option --tcp-buffer-max-age)"),
        (["--tcp-buffer-strategy", "rong"], "buffer rong (option --tcp-buffer-strategy): no such driver; did you mean ring?"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str) -> None:
    path = write_pcap(tmp_path / "x.pcap", halves(1).records)
    assert run_lc(["sniff", "voip", "-r", str(path), *options]) == 2
    assert capsys.readouterr().err == f"lc: {said}\n"
