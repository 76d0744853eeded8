"""Hostile streams against a memory limit of 1 MiB: what is held never exceeds it, and what is given up is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tcp_captures import Capture, text

from lippycat_core.builtin.jsonlines import JsonLines
from lippycat_core.cli import compose
from lippycat_core.cli.main import run as run_lc
from lippycat_core.reassembly import TcpReassembly
from lippycat_core.testing.packets import write_pcap
from lippycat_voip import session
from lippycat_voip.dissector import VoipDissector, VoipOptions

LIMIT = 1 << 20
STREAMS = 10_000


class Watch:
    """Weighs what is really held after each batch, beside what the tables say of themselves."""

    def __init__(self) -> None:
        self.most = 0
        self.tcp: TcpReassembly
        self.voip: VoipDissector

    def make_tcp(self, *args: Any, **bounds: Any) -> TcpReassembly:
        self.tcp = TcpReassembly(*args, **bounds)
        return self.tcp

    def make_voip(self, options: VoipOptions) -> VoipDissector:
        self.voip = VoipDissector(options)
        return self.voip

    def weigh(self, *_: Any) -> None:
        tcp, buffers = self.tcp, self.voip._framer.buffers
        pieces = [piece for s in tcp._streams.values() if s.order is not None for piece in s.order.pieces]
        waiting = sum(len(piece.data) for piece in pieces) + sum(len(s.head) for s in tcp._streams.values())
        entries = [entry.buffer for entry in buffers._open.values()]
        memory = sum(len(buffer._memory) for buffer in (*entries, *buffers._pool))
        assert waiting <= tcp.held_bytes
        assert memory == buffers.held_bytes
        self.most = max(self.most, waiting + memory)
        assert tcp.held_bytes + buffers.held_bytes <= LIMIT

    @property
    def peak(self) -> int:
        return self.tcp.peak_bytes + self.voip._framer.buffers.peak_bytes


Attack = Callable[..., dict[str, Any]]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(compose, "TcpReassembly", watch.make_tcp)
    monkeypatch.setattr(session, "VoipDissector", watch.make_voip)
    monkeypatch.setattr(JsonLines, "packets", watch.weigh)
    return watch


@pytest.fixture
def attack(tmp_path: Path, watch: Watch, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Attack:
    """`attack(capture, options...)`: the summary of a run under the limit that was weighed after every 200 packets."""
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(capture: Capture, *options: str) -> dict[str, Any]:
        path = write_pcap(tmp_path / "x.pcap", capture.records)
        limit = ("--tcp-memory-limit", "1MiB", "--batch-packets", "200")
        assert run_lc(["sniff", "voip", "-r", str(path), *limit, *options]) == 0
        summary: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert 0 < watch.most <= watch.peak <= LIMIT
        return summary

    return run


@pytest.mark.parametrize("profile", ["minimal", "balanced", "high_performance"])
def test_streams_with_gaps_and_half_messages(attack: Attack, profile: str) -> None:
    """Each begins a message, misses a segment and shows one behind: a buffer and a page for every one of 10,000."""
    streams = STREAMS if profile == "balanced" else STREAMS // 5
    capture = Capture()
    half = text(1, 3000)[:1200]
    for n in range(streams):
        capture.send(n, half)
        capture.send(n, b"y" * 1000, missing=500)
    summary = attack(capture, "-M", profile)
    evicted = summary["evicted"]
    # Each half was cut short where its hole was given up, or is unfinished where its buffer went before; each hole was given up,
    # but for those that there was room for to the end.
    assert summary["sip"]["unfinished"] + summary["sip"]["truncated"] == streams
    assert evicted.get("tcp_buffer_bytes", 0) == summary["sip"]["unfinished"]
    assert streams - 120 <= evicted["tcp_bytes"] < streams


def test_slow_loris(attack: Attack) -> None:
    """Header sections that never end, a few bytes at a time, in more streams than there is room for."""
    capture = Capture()
    for n in range(600):
        capture.send(n, b"INVITE sip:x@example.com SIP/2.0\r\n")
    for round in range(20):
        for n in range(600):
            capture.send(n, b"X-%d: y\r\n" % round)
    summary = attack(capture)
    assert summary["evicted"]["tcp_buffer_bytes"] >= 88
    assert summary["sip"]["unfinished"] == 600
    assert summary["sip"]["messages"] == 0


def test_lengths_that_are_lies(attack: Attack) -> None:
    """4 GB are not believed at all; 1 MiB is, and 30 streams promise it."""
    capture = Capture()
    for n, length in [(n, 1 << 32 if n % 2 else 1 << 20) for n in range(60)]:
        capture.send(n, text(n).replace(b"Content-Length: 2", b"Content-Length: %d" % length))
    for _ in range(40):
        for n in range(60):
            capture.send(n, b"z" * 1400)
    summary = attack(capture)
    assert summary["sip"]["oversized"] == 30
    assert summary["sip"]["unfinished"] + summary["sip"]["truncated"] >= 30
    assert summary["evicted"]["tcp_buffer_bytes"] > 0


def test_header_lines_without_end(attack: Attack) -> None:
    capture = Capture()
    for n in range(8):
        capture.send(n, b"INVITE sip:x@example.com SIP/2.0\r\n")
    for _ in range(100):
        for n in range(4):
            capture.send(n, b"X: y\r\n" * 230)
        for n in range(4, 8):
            capture.send(n, b"y" * 1400)
    summary = attack(capture)
    assert summary["sip"]["messages"] == 0


def test_window_tricks(attack: Attack) -> None:
    """Numbers as far ahead as a window may be, single bytes with holes between, and a large segment over all of them."""
    capture = Capture()
    for n in range(40):
        capture.send(n, text(n))
        for _ in range(30):
            capture.send(n, b"a", missing=1)
        capture.send(n, b"b" * 1400, missing=1 << 29)
    for n in range(40):
        capture.again(n, 1, b"c" * 60_000)
    summary = attack(capture)
    assert summary["evicted"]["tcp_bytes"] > 0
    assert summary["sip"]["messages"] >= 40


def test_beginnings_that_nobody_can_tell(attack: Attack) -> None:
    """`INV` may become a request: it waits, but only so many do."""
    capture = Capture()
    for n in range(2000):
        capture.send(n, b"INV")
    for n in range(1990, 2000):
        capture.send(n, text(n).replace(b"MESSAGE sip", b"ITE sip"))
    summary = attack(capture)
    assert summary["evicted"]["tcp_heads"] >= 2000 - (1 << 15) // 43
    assert summary["sip"]["messages"] == 10


_WEIGHED = """
import re, sys
from lippycat_core.cli.main import run
code = run(sys.argv[1:])
print(re.search(r"VmHWM:\\s+([0-9]+)", open("/proc/self/status").read())[1], file=sys.stderr)
sys.exit(code)
"""
"""Runs `lc` and says how much memory it had at the most, in KiB. (What the parent is told has the parent's own in it.)"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says of a process what memory it had at the most")
@pytest.mark.parametrize(("compiler", "most_mb"), [("pure", 150), ("simd", 230)])
def test_the_whole_process_under_minimal(tmp_path: Path, compiler: str, most_mb: int) -> None:
    """Half messages and holes in more streams than there may be connections, and a call from each that never ends."""
    if compiler == "simd":
        pytest.importorskip("lippycat_simd.kernels", reason="lippycat-simd is not installed: its memory is not measured")
    capture = Capture()
    half = text(1, 3000)[:1200]
    for n in range(STREAMS):
        capture.send(n, text(n).replace(b"MESSAGE", b"INVITE") + half)
        capture.send(n, b"y" * 1000, missing=500)
    path = write_pcap(tmp_path / "x.pcap", capture.records)
    options = ("-q", "-r", str(path), "-M", "minimal", "--compiler", compiler)
    command = [sys.executable, "-c", _WEIGHED, "sniff", "voip", *options]
    done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "HOME": str(tmp_path)})
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["evicted"]["calls"] >= STREAMS - 4000
    assert summary["evicted"]["tcp_connections"] >= STREAMS - 8192
    assert int(done.stderr.split()[-1]) / 1024 < most_mb
