"""`lc sniff voip --virtual-interface`: on the interface are the packets of the wanted calls, the same as in the file of `-w`."""

from __future__ import annotations

import json
import os
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
CALLS = """
0    A>B INVITE cid=one sdp=A:10000
10   C>D INVITE cid=two from=sip:carol@example.org to=sip:dave@example.org sdp=C:12000
50   B>A 200 cid=one tag=b sdp=B:20000
60   D>C 200 cid=two from=sip:carol@example.org to=sip:dave@example.org tag=d sdp=D:22000
100  A:10000>B:20000 rtp=5
105  C:12000>D:22000 rtp=5 ssrc=2
300  A>B BYE cid=one cseq=2 tag=b
310  B>A 200 cid=one cseq=2 of=BYE tag=b
"""


@pytest.fixture
def cable() -> Iterator[network.Wire]:
    reason = network.why_not() or ("" if os.path.exists("/dev/net/tun") else "there is no /dev/net/tun")
    if reason:
        pytest.skip(reason)
    with network.wire() as made:
        made.run("ip", "tuntap", "add", "lc0", "mode", "tap")
        made.run("ip", "link", "set", "lc0", "up")
        yield made


ARGS = ("--sip-user", "alice", "--virtual-interface", "--vif-startup-delay", "0", "--vif-linger", "0", "--compiler", "pure", "-q")


def frames(path: Path) -> list[bytes]:
    return [data for _, data, _, _ in packets_of(path)]


def test_a_file_gives_one_users_calls(cable: network.Wire, tmp_path: Path) -> None:
    records = Wire().say(CALLS).records()
    source = write_pcap(tmp_path / "in.pcap", records)
    with cable.recorded("lc0", tmp_path / "seen.pcap"):
        cable.run(LC, "sniff", "voip", "-r", source, *ARGS, "-w", tmp_path / "out.pcap", "--user", "root")
    seen = frames(tmp_path / "seen.pcap")
    assert seen == frames(tmp_path / "out.pcap")
    assert [int.from_bytes(frame[:6], "big") for frame in seen] == [
        n for n, record in enumerate(records, 1) if record.data[26:34] in (AB, BA)
    ]
    assert len(seen) == 9


def test_the_summary_counts_what_waited_until_the_end(cable: network.Wire, tmp_path: Path) -> None:
    """Behind media of which nobody knows whose they are until the input has ended."""
    records = Wire().say("0 E:30000>F:40000 rtp=5 ssrc=9\n" + CALLS.lstrip()).records()
    source = write_pcap(tmp_path / "in.pcap", records)
    with cable.recorded("lc0", tmp_path / "seen.pcap"):
        said = cable.run(LC, "sniff", "voip", "-r", source, *ARGS, "--format", "json", "--user", "root")
    summary = json.loads(said.splitlines()[-1])
    assert summary["vif"] == {"injected": 9, "dropped": 0, "skipped": 0}
    assert len(frames(tmp_path / "seen.pcap")) == 9


AB, BA = bytes([10, 0, 0, 1, 10, 0, 0, 2]), bytes([10, 0, 0, 2, 10, 0, 0, 1])


def test_a_live_capture_gives_one_users_calls(cable: network.Wire, tmp_path: Path) -> None:
    source = write_pcap(tmp_path / "in.pcap", Wire().say(CALLS).records())
    with cable.recorded("lc0", tmp_path / "seen.pcap"):
        process = cable.start(LC, "sniff", "voip", "-i", network.FAR, *ARGS, stdout=subprocess.DEVNULL)
        cable.wait_until_captured(2)
        cable.send(source)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, b"")
    seen = frames(tmp_path / "seen.pcap")
    assert {frame[26:34] for frame in seen} == {AB, BA}
    assert len(seen) == 9
