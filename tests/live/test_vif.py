"""`--virtual-interface` as users run it: what a reader on the interface sees is what the run kept, in order and in time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lippycat_core.batch import Batch
from lippycat_core.builtin.files import open_source
from lippycat_core.cli.main import run
from lippycat_core.kernelset import Interpreted
from lippycat_core.testing.packets import Record, ethernet, udp, write_pcap
from lippycat_core.testing.wire import FAR, NEAR, Wire, wire

LC = Path(sys.executable).with_name("lc")
TUN = "/dev/net/tun"
START_NS = 1_700_000_000_000_000_000
MS = 1_000_000

pytestmark = pytest.mark.skipif(not os.path.exists(TUN), reason=f"virtual interfaces need {TUN} (the module tun)")


def frames(times_ms: list[float], size: int = 100) -> list[Record]:
    """Datagrams that can be told apart by their first four bytes."""
    packets = (udp("10.0.0.1", 1000, "10.0.0.2", 5060, n.to_bytes(4, "big") + bytes(size - 4)) for n in range(len(times_ms)))
    return [Record(START_NS + round(ms * MS), ethernet(packet)) for ms, packet in zip(times_ms, packets, strict=True)]


def packets(path: Path) -> list[tuple[int, bytes]]:
    """Time and bytes of each packet of a capture."""
    kernels = Interpreted()
    source, batch = open_source([str(path)], kernels), Batch(kernels)
    got: list[tuple[int, bytes]] = []
    while source.fill(batch, 0):
        columns = (batch.frame.ts_ns, batch.frame.off, batch.frame.caplen)
        rows = zip(*(column[: batch.rows].tolist() for column in columns), strict=True)
        got += [(ts_ns, bytes(batch.mem[off : off + size])) for ts_ns, off, size in rows]
    source.close()
    return got


def data(path: Path) -> list[bytes]:
    return [frame for _, frame in packets(path)]


@contextmanager
def reading(cable: Wire, out: Path, kind: str = "tap", name: str = "lc0") -> Iterator[None]:
    """A reader that is there before anything is injected: on an interface that was made beforehand."""
    cable.run("ip", "tuntap", "add", name, "mode", kind)
    cable.run("ip", "link", "set", name, "up")
    with cable.recorded(name, out):
        yield


def sniff(cable: Wire, *args: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "LIPPYCAT_CAPTURE__USER": "root"}
    command = cable.command(LC, "sniff", *args)
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == code, done.stderr
    return done


VIF = ("--virtual-interface", "--vif-startup-delay", "0", "--vif-linger", "0", "--compiler", "pure")


def test_a_reader_sees_the_packets_of_the_file(cable: Wire, tmp_path: Path) -> None:
    sent = frames([0.0] * 2000) + frames([0.0] * 3, size=9000) + frames([0.0] * 2, size=40_000)
    with reading(cable, tmp_path / "seen.pcap"):
        said = sniff(cable, "-r", write_pcap(tmp_path / "in.pcap", sent), *VIF, "-w", tmp_path / "out.pcap").stderr
    assert data(tmp_path / "seen.pcap") == [record.data for record in sent]
    assert data(tmp_path / "out.pcap") == [record.data for record in sent]
    assert said.startswith("lc: lc0 is up: packets come at once\nlc: lc0: 2,005 packets injected\n")


def test_tcpdump_sees_them_too(cable: Wire, tmp_path: Path) -> None:
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed")
    sent, seen = frames([0.0] * 500), tmp_path / "tcpdump.pcap"
    with reading(cable, tmp_path / "seen.pcap"):
        tcpdump = cable.start("tcpdump", "-i", "lc0", "-w", seen, "-U", "-Z", "root", "-c", "500")
        cable.wait_until_captured(2)
        sniff(cable, "-r", write_pcap(tmp_path / "in.pcap", sent), *VIF)
        tcpdump.communicate(timeout=30)
    assert data(seen) == data(tmp_path / "seen.pcap") == [record.data for record in sent]


def test_readers_have_time_for_the_tail(cable: Wire, tmp_path: Path) -> None:
    """tcpdump is woken once a second, unless a block of its ring is full before."""
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed")
    sent, seen = frames([0.0] * 1360, size=200), tmp_path / "tcpdump.pcap"
    source = write_pcap(tmp_path / "in.pcap", sent)
    process = cable.start(LC, "sniff", "-q", "-r", source, "-V", "--vif-startup-delay", "4s", "--compiler", "pure")
    until_up(cable)
    tcpdump = cable.start("tcpdump", "-i", "lc0", "-w", seen, "-Z", "root")
    cable.wait_until_captured()
    process.communicate(timeout=60)
    _, said = tcpdump.communicate(timeout=30)
    assert data(seen) == [record.data for record in sent], said.decode()


def test_a_signal_ends_the_time_for_readers(cable: Wire, tmp_path: Path) -> None:
    source = write_pcap(tmp_path / "in.pcap", frames([0.0] * 5))
    args = ("--vif-linger", "1h", "-w", tmp_path / "out.pcap", "--format", "json")
    process = cable.start(LC, "sniff", "-r", source, *VIF, *args)
    until_up(cable)
    injected(cable, 5)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(6)]
    assert json.loads(lines[-1])["vif"] == {"injected": 5, "dropped": 0, "skipped": 0}
    assert "lc0" in cable.run("ip", "link")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, b"5 packets injected" in said) == (0, True)
    assert len(data(tmp_path / "out.pcap")) == 5


def test_the_summary_says_what_became_of_packets(cable: Wire, tmp_path: Path) -> None:
    """Also where they still waited when the input ended, and only where there is an interface."""
    sent = [*frames([0.0, 400.0]), Record(START_NS + 500 * MS, b"short")]
    source = write_pcap(tmp_path / "in.pcap", sent)
    replay = ("--vif-replay-timing", "--format", "json", "-q")
    lines = sniff(cable, "-r", source, *VIF, *replay).stdout.splitlines()
    assert json.loads(lines[-1])["vif"] == {"injected": 2, "dropped": 0, "skipped": 1}
    lines = sniff(cable, "-r", source, "--format", "json").stdout.splitlines()
    assert "vif" not in json.loads(lines[-1])


def until_up(cable: Wire) -> None:
    """Wait until the interface is there. TimeoutError."""
    end = time.monotonic() + 30
    while "lc0:" not in cable.run("ip", "link"):
        if time.monotonic() > end:
            raise TimeoutError("no lc0 after 30 s")
        time.sleep(0.05)


def test_the_interface_is_made_with_time_to_attach_and_taken_away(cable: Wire, tmp_path: Path) -> None:
    source = write_pcap(tmp_path / "in.pcap", frames([0.0] * 5))
    process = cable.start(LC, "sniff", "-r", source, "-V", "--vif-startup-delay", "6s", "--compiler", "pure")
    assert process.stderr is not None
    assert process.stderr.readline() == b"lc: lc0 is up: packets come in 6s\n"
    said = cable.run("ip", "-d", "link", "show", "lc0")
    assert all(word in said for word in ("NOARP", "UP", "mtu 65521", "tun type tap", "addrgenmode none"))
    assert cable.run("cat", "/proc/sys/net/ipv4/conf/lc0/rp_filter").strip() == "1"
    with cable.recorded("lc0", tmp_path / "seen.pcap"):
        process.communicate(timeout=60)
    assert data(tmp_path / "seen.pcap") == [record.data for record in frames([0.0] * 5)]
    assert "lc0" not in cable.run("ip", "link")


def test_nothing_else_appears_there(cable: Wire, tmp_path: Path) -> None:
    """No ARP, no neighbour discovery, and no answer to an ARP request for an address of the host."""
    cable.run("ip", "address", "add", "10.9.9.9/24", "dev", NEAR)
    request = bytes.fromhex("ffffffffffff0a0b0c0d0e0f08060001080006040001") + bytes.fromhex(
        "0a0b0c0d0e0f0a09090100000000000a090909"
    )
    sent = [Record(START_NS, request), *frames([0.0, 600.0])]
    with reading(cable, tmp_path / "seen.pcap"):
        sniff(cable, "-r", write_pcap(tmp_path / "in.pcap", sent), *VIF, "--vif-replay-timing")
    assert data(tmp_path / "seen.pcap") == [record.data for record in sent]


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_a_replay_keeps_time(cable: Wire, tmp_path: Path, speed: float) -> None:
    """Each packet as long behind the first as it was captured. A busy machine may make one late, the first too, but not most."""
    times_ms = [0.0, 20.0, 40.0, 60.0, 300.0, 300.0, 301.0, 700.0, 1000.0, 1200.0]
    with reading(cable, tmp_path / "seen.pcap"):
        source = write_pcap(tmp_path / "in.pcap", frames(times_ms))
        sniff(cable, "-r", source, *VIF, "--vif-replay-timing", "--vif-speed", str(speed))
    seen = packets(tmp_path / "seen.pcap")
    assert [frame for _, frame in seen] == [record.data for record in frames([0.0] * 10)]
    late = [(ts - seen[0][0]) / MS - ms / speed for (ts, _), ms in zip(seen, times_ms, strict=True)]
    assert abs(sorted(late)[len(late) // 2]) < 40
    assert (seen[-1][0] - seen[0][0]) / MS > 1200 / speed - 250


def injected(cable: Wire, count: int) -> None:
    """Wait until so many packets came to the interface. TimeoutError."""
    end = time.monotonic() + 30
    while int(cable.run("cat", "/sys/class/net/lc0/statistics/rx_packets")) < count:
        if time.monotonic() > end:
            raise TimeoutError(f"no {count} packets after 30 s")
        time.sleep(0.05)


def test_a_replay_ends_with_a_signal(cable: Wire, tmp_path: Path) -> None:
    source = write_pcap(tmp_path / "in.pcap", frames([0.0, 0.0, 3_600_000.0]))
    process = cable.start(LC, "sniff", "-r", source, *VIF, "--vif-replay-timing")
    assert process.stderr is not None
    assert process.stderr.readline() == b"lc: lc0 is up: packets come at once\n"
    injected(cable, 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.decode().startswith("lc: lc0: 2 packets injected, 1 dropped (the run was stopped 1)\n")


def test_live_packets_go_on_at_once(cable: Wire, tmp_path: Path) -> None:
    sent = frames([0.0] * 3000)
    with reading(cable, tmp_path / "seen.pcap"):
        process = cable.start(LC, "sniff", "-i", FAR, *VIF, "-w", tmp_path / "out.pcap")
        cable.wait_until_captured(2)
        cable.send(write_pcap(tmp_path / "in.pcap", sent))
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert data(tmp_path / "seen.pcap") == data(tmp_path / "out.pcap") == [record.data for record in sent]
    assert b"lc0: 3,000 packets injected\n" in said


def test_any_leaves_the_interface_out(cable: Wire, tmp_path: Path) -> None:
    """What is injected would else be captured again, and injected again, without an end."""
    process = cable.start(LC, "sniff", "-i", "any", *VIF, "--format", "json", "-f", "udp")
    cable.wait_until_captured()
    cable.send(write_pcap(tmp_path / "in.pcap", frames([0.0] * 10)))
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    summary = json.loads(out.splitlines()[-1])
    assert summary["accounting"]["captured"] == 20  # sent at one end, received at the other
    assert b"lc0: 20 packets injected\n" in said


def test_the_interface_lies_in_a_namespace(cable: Wire, tmp_path: Path) -> None:
    source = write_pcap(tmp_path / "in.pcap", frames([0.0] * 10))
    with wire(()) as there, reading(there, tmp_path / "seen.pcap"):
        said = sniff(cable, "-r", source, *VIF, "--vif-netns", there.name).stderr
    assert said.startswith(f"lc: lc0 is up in network namespace {there.name}: packets come at once\n")
    assert data(tmp_path / "seen.pcap") == [record.data for record in frames([0.0] * 10)]


def test_a_tun_device_gets_ip_packets(cable: Wire, tmp_path: Path) -> None:
    sent = frames([0.0] * 10)
    with reading(cable, tmp_path / "seen.pcap", kind="tun"):
        sniff(cable, "-r", write_pcap(tmp_path / "in.pcap", sent), *VIF, "--vif-type", "tun")
    assert data(tmp_path / "seen.pcap") == [record.data[14:] for record in sent]


def test_an_interface_that_is_taken_away_does_not_end_the_run(cable: Wire, tmp_path: Path) -> None:
    times_ms = [n * 100.0 for n in range(30)]
    source = write_pcap(tmp_path / "in.pcap", frames(times_ms))
    process = cable.start(LC, "sniff", "-r", source, *VIF, "--vif-replay-timing", "-w", tmp_path / "out.pcap")
    assert process.stderr is not None
    process.stderr.readline()
    injected(cable, 1)
    cable.run("ip", "link", "del", "lc0")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    first, last, _ = said.decode().splitlines()
    assert first == "lc: lc0: interface gone: packets for it are dropped and counted; the run goes on"
    assert " injected, " in last
    assert "dropped (interface gone " in last
    assert len(data(tmp_path / "out.pcap")) == 30


def test_root_is_given_up_once_the_interface_is_up(cable: Wire, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    source = write_pcap(tmp_path / "in.pcap", frames([0.0, 3000.0]))
    env = {name: value for name, value in os.environ.items() if name != "LIPPYCAT_CAPTURE__USER"}
    process = subprocess.Popen(
        cable.command(LC, "sniff", "-r", source, *VIF, "--vif-replay-timing"), stderr=subprocess.PIPE, text=True, env=env
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    injected(cable, 1)
    status = Path(f"/proc/{process.pid}/status").read_text()
    said += process.communicate(timeout=60)[1]
    assert "NoNewPrivs:\t1" in status
    assert "Uid:\t0" not in status or "root is kept for this run" in said
    assert "2 packets injected" in said


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("-i", "lc7", "--vif-name", "lc7"), "lc: -i lc7: is where packets are injected, which would come round again"),
        (("-i", "lo", "--vif-name", "a b"), "lc: vif.name (option --vif-name): no interface can be called 'a b': write"),
        (("-i", "lo", "--vif-netns", "nowhere"), "lc: no network namespace 'nowhere': there "),
        (("-i", "lo", "--vif-replay-timing"), "lc: --vif-replay-timing: is for files, live packets go at once"),
        (("-i", "lo", "--vif-type", "bridge"), "lc: vif.type: 'bridge' is neither of tap, tun (option --vif-type)"),
        (("-i", "lo", "--vif-speed", "0"), "lc: vif.speed: 0 is no speed: write 1, or 10 for ten times faster"),
        (("-i", "lo", "--vif-speed", "-1"), "lc: vif.speed: '-1' is out of range: 0 to 1000000 (option --vif-speed)"),
        (("-i", "lo", "--vif-startup-delay", "soon"), "lc: vif.startup_delay: 'soon' is "),
        (("-i", "lo", "--vif-linger", "2h"), "lc: vif.linger: "),
        (("-i", "lo", "--vif-speed", "2"), "lc: --vif-speed: is for files, live packets go at once: leave it out"),
        (("-r", "x", "--vif-speed", "2"), "lc: --vif-speed: says how fast the original timing goes: add --vif-replay-timing,"),
        (("-r", "x", "--vif-speed", "2", "--no-vif-replay-timing"), "lc: --vif-speed: says how fast"),
        (("-r", "x", "--no-virtual-interface", "--vif-linger", "0"), "lc: --vif-linger: is for --virtual-interface: add that"),
        (("-r", "x", "--no-virtual-interface", "--vif-netns", "x"), "lc: --vif-netns: is for --virtual-interface: add that"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    args: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIPPYCAT_VIF__ENABLED", "yes")
    assert run(["sniff", *args]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith(said)


def test_an_interface_of_another_kind_is_said(cable: Wire, tmp_path: Path) -> None:
    kept = tmp_path / "kept.pcap"
    kept.write_bytes(b"not to be cut")
    done = sniff(cable, "-r", tmp_path / "x", *VIF, "--vif-name", FAR, "-w", kept, code=2)
    assert kept.read_bytes() == b"not to be cut"
    assert done.stderr == f"lc: {FAR}: is an interface already, and no TAP device: choose another --vif-name\n"


def test_an_interface_in_use_is_said(cable: Wire) -> None:
    process = cable.start(LC, "sniff", "-i", FAR, *VIF)
    cable.wait_until_captured()
    done = sniff(cable, "-i", FAR, *VIF, code=2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert done.stderr == "lc: lc0: another program has this interface open: choose another --vif-name\n"


def test_who_may_not_is_told_what_to_grant(cable: Wire, tmp_path: Path) -> None:
    """By a program without capabilities, still root: whoever runs tests may keep Python where only root can read."""
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv (util-linux) is not installed")
    source = write_pcap(tmp_path / "in.pcap", frames([0.0]))
    plain = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", LC, "sniff", "-r", source, *VIF)
    done = subprocess.run(cable.command(*plain), check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert done.stderr.startswith("lc: no permission to make a virtual interface (CAP_NET_ADMIN): run it with sudo")
    assert done.stderr.count("\n") == 1


def test_an_interface_made_beforehand_needs_no_permission_to_set_it_up(cable: Wire, tmp_path: Path) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv (util-linux) is not installed")
    cable.run("ip", "tuntap", "add", "lc0", "mode", "tap", "user", "root")
    cable.run("ip", "link", "set", "lc0", "up")
    source = write_pcap(tmp_path / "in.pcap", frames([0.0]))
    plain = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", LC, "sniff", "-r", source, *VIF)
    done = subprocess.run(cable.command(*plain), check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "lc0: 1 packet injected\n" in done.stderr
    assert "lc0" in cable.run("ip", "link")


def test_settings_stand_in_the_environment_too(cable: Wire, tmp_path: Path) -> None:
    sent = frames([0.0] * 3)
    source = write_pcap(tmp_path / "in.pcap", sent)
    given = ("LIPPYCAT_VIF__ENABLED=yes", "LIPPYCAT_VIF__NAME=lc5", "LIPPYCAT_VIF__STARTUP_DELAY=0")
    with reading(cable, tmp_path / "seen.pcap", name="lc5"):
        cable.run("env", *given, LC, "sniff", "-r", source, "--compiler", "pure", "--user", "root")
    assert data(tmp_path / "seen.pcap") == [record.data for record in sent]
