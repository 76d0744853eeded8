"""Captures as Wireshark starts them: it makes a pipe, reads it, and closes it or ends the program."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from calls_on_the_wire import Wire, packets_of

from lippycat_core.testing import wire as network
from lippycat_core.testing.packets import write_pcap

LC = Path(sys.executable).with_name("lc")
PROGRAM = (sys.executable, "-m", "lippycat_core.cli.extcap_program")
CALLS = """
0    A>B INVITE cid=one sdp=A:10000
10   C>D INVITE cid=two from=sip:carol@example.org to=sip:dave@example.org sdp=C:12000
50   B>A 200 cid=one tag=b sdp=B:20000
60   D>C 200 cid=two from=sip:carol@example.org to=sip:dave@example.org tag=d sdp=D:22000
100  A:10000>B:20000 rtp=5
105  C:12000>D:22000 rtp=5 ssrc=2
200  E>F noise
300  A>B BYE cid=one cseq=2 tag=b
310  B>A 200 cid=one cseq=2 of=BYE tag=b
"""
CAROL = {bytes([10, 0, 0, 3, 10, 0, 0, 4]), bytes([10, 0, 0, 4, 10, 0, 0, 3])}
ALICE = {bytes([10, 0, 0, 1, 10, 0, 0, 2]), bytes([10, 0, 0, 2, 10, 0, 0, 1])}


@pytest.fixture
def cable() -> Iterator[network.Wire]:
    if reason := network.why_not():
        pytest.skip(reason)
    with network.wire() as made:
        yield made


class Wireshark:
    """A pipe, and the program that captures into it."""

    def __init__(self, cable: network.Wire, folder: Path, *args: str) -> None:
        self.fifo = folder / "wireshark_extcap_pipe"
        os.mkfifo(self.fifo)
        self._pipe = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.process = cable.start(*PROGRAM, "--capture", "--fifo", self.fifo, "--device", network.FAR, *args)
        cable.wait_until_captured()

    def read(self, until: int, timeout_s: float = 20.0) -> bytes:
        """At least so many bytes."""
        got, end = b"", time.monotonic() + timeout_s
        while len(got) < until and time.monotonic() < end:
            if select.select([self._pipe], [], [], 0.1)[0]:
                got += os.read(self._pipe, 1 << 16)
        return got

    def close(self) -> None:
        os.close(self._pipe)

    def ended(self) -> tuple[int, str]:
        """The exit code and what was said; nothing may have been written anywhere else."""
        out, said = self.process.communicate(timeout=30)
        assert out == b""
        return self.process.returncode, said.decode()


def written(data: bytes, folder: Path) -> list[bytes]:
    path = folder / "read.pcapng"
    path.write_bytes(data)
    return [frame for _, frame, _, _ in packets_of(path)]


@pytest.mark.parametrize(
    ("args", "packets", "hosts"),
    [
        (("--extcap-interface", "lippycat-voip", "--promisc"), 16, ALICE | CAROL),
        (("--extcap-interface", "lippycat-user", "--sip-user", "alice", "--extcap-capture-filter=udp"), 9, ALICE),
    ],
)
def test_calls_come_through_the_pipe(
    cable: network.Wire, tmp_path: Path, args: tuple[str, ...], packets: int, hosts: set[bytes]
) -> None:
    records = Wire().say(CALLS).records()
    shark = Wireshark(cable, tmp_path, *args)
    begin = shark.read(28)
    assert begin.startswith(b"\x0a\x0d\x0d\x0a")  # before there is a packet: Wireshark waits for it
    cable.send(write_pcap(tmp_path / "in.pcap", records))
    time.sleep(1.0)
    shark.process.send_signal(signal.SIGTERM)
    assert shark.ended() == (0, "")
    seen = written(begin + shark.read(1 << 30, 0.5), tmp_path)
    assert len(seen) == packets
    assert {frame[26:34] for frame in seen} == hosts
    shark.close()


def test_closing_the_pipe_ends_the_capture_of_a_quiet_link(cable: network.Wire, tmp_path: Path) -> None:
    shark = Wireshark(cable, tmp_path, "--extcap-interface", "lippycat-voip")
    shark.read(28)
    shark.close()
    assert shark.ended() == (0, "")


def test_what_is_wrong_is_told_on_standard_error(cable: network.Wire, tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    pipe = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    args = ("--extcap-interface", "lippycat-voip", "--capture", "--fifo", fifo, "--device", "nosuch")
    done = subprocess.run(cable.command(*PROGRAM, *args), check=False, capture_output=True, text=True, timeout=30)
    os.close(pipe)
    assert done.returncode == 3
    assert done.stderr.startswith("lippycat-extcap: no device 'nosuch'")


def test_tshark_captures_calls(cable: network.Wire, tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    env = {**os.environ, "HOME": str(tmp_path), "LIPPYCAT_CAPTURE__USER": "root"}
    env.pop("XDG_CONFIG_HOME", None)
    subprocess.run([LC, "extcap", "install"], check=True, env=env, capture_output=True)
    listed = subprocess.run(["tshark", "-D"], check=True, env=env, capture_output=True, text=True, timeout=60).stdout
    assert "lippycat-user (lippycat: one SIP user)\n" in listed
    options = ("-o", f"extcap.lippycat_user.device:{network.FAR}", "-o", "extcap.lippycat_user.sipuser:alice")
    command = cable.command("tshark", "-i", "lippycat-user", *options, "-a", "packets:9", "-w", tmp_path / "out.pcapng")
    shark = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        cable.wait_until_captured()
        cable.send(write_pcap(tmp_path / "in.pcap", Wire().say(CALLS).records()))
        _, said = shark.communicate(timeout=30)
    finally:
        shark.kill()
    assert b"9 packets captured" in said
    assert {frame[26:34] for _, frame, _, _ in packets_of(tmp_path / "out.pcapng")} == ALICE
