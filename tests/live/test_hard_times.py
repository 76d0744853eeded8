"""Live capture when things go badly: floods, cables pulled, processes ended in the middle of a write, and disks that are full."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lippycat_core.batch import Batch
from lippycat_core.builtin.files import open_source
from lippycat_core.kernelset import Interpreted
from lippycat_core.testing.packets import Record, ethernet, udp, write_pcap
from lippycat_core.testing.wire import FAR, NEAR, Wire

LC = Path(sys.executable).with_name("lc")


def frames(count: int, size: int = 200) -> list[Record]:
    """Datagrams that are numbered in their first four bytes."""
    packets = (udp("10.0.0.1", 1000, "10.0.0.2", 5060, n.to_bytes(4, "big") + bytes(size - 4)) for n in range(count))
    return [Record(n, ethernet(packet)) for n, packet in enumerate(packets)]


def numbers(path: Path) -> tuple[list[int], list[str]]:
    """The numbers of the datagrams in a capture, and what is wrong with it."""
    kernels = Interpreted()
    source, batch = open_source([str(path)], kernels), Batch(kernels)
    found: list[int] = []
    while source.fill(batch, 0):
        found += [int.from_bytes(batch.mem[off + 42 : off + 46], "big") for off in batch.frame.off[: batch.rows].tolist()]
    source.close()
    return found, [fault.what for fault in source.faults()]


def replayer(cable: Wire, source: Path, *args: str) -> subprocess.Popen[bytes]:
    if shutil.which("tcpreplay") is None:
        pytest.skip("tcpreplay is not installed")
    command = cable.command("tcpreplay", "-q", "-K", *args, "-i", NEAR, source)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("ring", ["32MiB", "1MiB"])
def test_a_flood_is_accounted_for_to_the_packet(cable: Wire, tmp_path: Path, ring: str) -> None:
    """Each packet that was sent is delivered, and in the file, or counted as dropped; however few of them find room."""
    source, out, listed = write_pcap(tmp_path / "in.pcap", frames(5000)), tmp_path / "out.pcap", tmp_path / "list.json"
    with open(listed, "wb") as stdout:
        args = ("-w", out, "--format", "json", "--pcap-buffer-size", ring, "-q")
        lc = cable.start(LC, "sniff", "-i", FAR, *args, stdout=stdout)
        cable.wait_until_captured()
        said, _ = replayer(cable, source, "--topspeed", "--loop", "3").communicate(timeout=60)
        time.sleep(0.5)
        lc.send_signal(signal.SIGINT)
        _, err = lc.communicate(timeout=120)
    assert re.search(rb"Successful packets: +15000\n", said)
    *packets, last = listed.read_bytes().splitlines()
    counts = json.loads(last)["accounting"]
    assert counts["captured"] == 15_000
    assert counts["delivered"] + sum(counts["dropped"].values()) == 15_000
    got, faults = numbers(out)
    assert (len(got), len(packets), faults) == (counts["delivered"], counts["delivered"], [])
    assert sum(late < early for early, late in itertools.pairwise(got)) <= 2  # in order, in each of the three rounds
    assert lc.returncode == 130
    assert all(b"packets are dropped" in line for line in err.splitlines())  # the alert, where it was many


def test_a_cable_that_is_pulled_in_mid_capture(cable: Wire, tmp_path: Path) -> None:
    """What the network took is in the file, before and after; nothing of it twice."""
    first, second = (write_pcap(tmp_path / f"{name}.pcap", frames(3000)[part]) for name, part in PARTS.items())
    out = tmp_path / "out.pcap"
    lc = cable.start(LC, "sniff", "-i", FAR, "-w", out, "-q", "--compiler", "pure")
    cable.wait_until_captured()
    cable.send(first)
    cable.run("ip", "link", "set", FAR, "down")
    time.sleep(1.5)
    cable.run("ip", "link", "set", FAR, "up")
    time.sleep(1.5)
    cable.send(second)
    time.sleep(0.5)
    lc.send_signal(signal.SIGINT)
    _, said = lc.communicate(timeout=60)
    assert numbers(out) == (list(range(3000)), [])
    assert said.decode() == f"lc: {FAR} went down: waiting for it\nlc: {FAR} is up\n"


PARTS = {"first": slice(0, 1500), "second": slice(1500, 3000)}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("ending", ["pcap", "pcapng"])
def test_a_capture_that_is_ended_in_mid_write_is_readable(
    cable: Wire, tmp_path: Path, number: signal.Signals, ending: str
) -> None:
    source, out = write_pcap(tmp_path / "in.pcap", frames(5000, 400)), tmp_path / f"out.{ending}"
    lc = cable.start(LC, "sniff", "-i", FAR, "-w", out, "-q", "--compiler", "pure")
    cable.wait_until_captured()
    sender = replayer(cable, source, "--pps", "10000", "--loop", "0")  # until it is ended
    end = time.monotonic() + 20
    while out.stat().st_size < 100_000 and time.monotonic() < end:
        time.sleep(0.01)
    lc.send_signal(number)
    lc.communicate(timeout=60)
    size = out.stat().st_size
    assert sender.poll() is None
    sender.kill()
    sender.communicate(timeout=60)
    got, faults = numbers(out)
    assert got == [n % 5000 for n in range(len(got))]
    assert len(got) > 100
    assert faults == [] or (number is signal.SIGKILL and faults == ["truncated"])
    assert size - len(got) * 500 < 500  # nothing but whole packets, and at most one that is not
    assert lc.returncode == (-number if number is signal.SIGKILL else 128 + number)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "lctest", folder], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {' '.join(done.stderr.split())}")
    yield folder
    subprocess.run(["umount", folder], check=False)


@pytest.mark.parametrize("ending", ["pcap", "pcapng"])
def test_a_full_disk_ends_a_capture_with_one_line(cable: Wire, tmp_path: Path, small_disk: Path, ending: str) -> None:
    out = small_disk / f"out.{ending}"
    lc = cable.start(LC, "sniff", "-i", FAR, "-w", out, "-q", "--compiler", "pure")
    cable.wait_until_captured()
    cable.send(write_pcap(tmp_path / "in.pcap", frames(3000)))
    _, said = lc.communicate(timeout=60)
    assert lc.returncode == 1
    assert said.decode().startswith(f"lc: {out}: cannot be written (No space left on device): ")
    assert said.count(b"\n") == 1
    got, faults = numbers(out)
    assert got == list(range(len(got)))
    assert len(got) > 900  # of the 256 KiB nearly all
    assert faults in ([], ["truncated"])
