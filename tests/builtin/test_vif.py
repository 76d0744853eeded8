"""When packets go to a virtual interface and what becomes of each; a socket, of which each write is a message, is the device."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from lippycat_core.batch import DEFAULT_ROWS, Batch
from lippycat_core.builtin import tuntap, vif
from lippycat_core.builtin.filesource import FileSource
from lippycat_core.builtin.tuntap import TunTap, check_name, namespace_path
from lippycat_core.builtin.vif import Timing, VirtualInterface
from lippycat_core.columns import FILTERED
from lippycat_core.errors import InputError, OutputError, SettingError
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.packets import Record, pcap

MS = 1_000_000
START = 1_700_000_000_000_000_000


class Device(TunTap):
    """The near end of a pair of sockets; what arrived is read at the far end."""

    def __init__(self) -> None:
        self.name, self.index = "lc0", 7
        near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.setblocking(False)
        self.fd = near.detach()

    def arrived(self) -> list[bytes]:
        got = []
        self._far.setblocking(False)
        while True:
            try:
                data = self._far.recv(1 << 17)
            except BlockingIOError:
                return got
            if not data:
                return got
            got.append(data)

    def far_close(self) -> None:
        self._far.close()


@pytest.fixture
def device() -> Iterator[Device]:
    made = Device()
    yield made
    made.close()
    made.far_close()


def frame(n: int) -> bytes:
    return n.to_bytes(4, "big") + bytes(56)


def batches(tmp_path: os.PathLike[str], times_ms: list[float], kernels: KernelSet, rows: int) -> Iterator[Batch]:
    path = os.path.join(tmp_path, "in.pcap")
    with open(path, "wb") as file:
        file.write(pcap(Record(START + round(ms * MS), frame(n)) for n, ms in enumerate(times_ms)))
    source, batch = FileSource(path, kernels), Batch(kernels, capacity=rows)
    batch.clear(1)
    while source.fill(batch, 0):
        yield batch
        batch.clear(batch.first_record + batch.rows)
    source.close()


def run(
    interface: VirtualInterface, tmp_path: os.PathLike[str], times_ms: list[float], kernels: KernelSet, rows: int = 4096
) -> None:
    """Every batch, drained, and the end of the input."""
    for batch in batches(tmp_path, times_ms, kernels, rows):
        interface.packets(batch)
        interface.drain()
    interface.end()
    final = interface.results()
    interface.close()
    interface.take_away()
    interface.take_away()
    assert interface.results() == final


@pytest.mark.parametrize("rows", [1, 7, 4096])
@pytest.mark.parametrize("delay_s", [0.0, 0.05])
def test_each_packet_goes_once_and_in_order(
    device: Device, kernels: KernelSet, tmp_path: os.PathLike[str], rows: int, delay_s: float
) -> None:
    interface = VirtualInterface(device, "tap", Timing(delay_s))
    run(interface, tmp_path, [0.0] * 50, kernels, rows)
    assert device.arrived() == [frame(n) for n in range(50)]
    assert interface.account() == "lc0: 50 packets injected"
    assert device.fd == -1


def test_what_the_run_does_not_keep_does_not_go(device: Device, tmp_path: os.PathLike[str]) -> None:
    interface = VirtualInterface(device, "tap", Timing())
    for batch in batches(tmp_path, [0.0] * 10, Interpreted(), 4096):
        batch.route.status[3] = batch.route.status[9] = FILTERED
        interface.packets(batch)
    interface.close()
    assert device.arrived() == [frame(n) for n in range(9) if n != 3]


@pytest.mark.parametrize(("speed", "rows"), [(1.0, 4096), (2.0, 3)])
def test_packets_go_as_far_apart_as_they_were(
    device: Device, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch, speed: float, rows: int
) -> None:
    """By a clock of our own: no other time passes than that which is slept."""
    now, sent = [100.0], []
    monkeypatch.setattr(vif.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(vif.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    write = os.write
    monkeypatch.setattr(vif.os, "write", lambda fd, data: (sent.append(now[0]), write(fd, data))[1])
    times_ms = [0, 20, 20, 500, 480, 1700, 1701]
    run(VirtualInterface(device, "tap", Timing(3.0, speed)), tmp_path, times_ms, Interpreted(), rows)
    assert sent == pytest.approx([103 + ms / 1000 / speed for ms in (0, 20, 20, 500, 500, 1700, 1701)])
    assert device.arrived() == [frame(n) for n in range(7)]


def test_a_late_beginning_is_not_caught_up_with_a_burst(
    device: Device, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first packet's time is when it goes, not when the interface came up."""
    now, sent = [100.0], []
    monkeypatch.setattr(vif.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(vif.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    interface = VirtualInterface(device, "tap", Timing(0.0, 1.0))
    monkeypatch.setattr(vif.os, "write", lambda fd, data: (sent.append(now[0]), len(data))[1])
    now[0] = 200.0
    run(interface, tmp_path, [0, 1000], Interpreted())
    assert sent == pytest.approx([200.0, 201.0])


def test_what_a_device_has_no_room_for_is_counted(device: Device, kernels: KernelSet, tmp_path: os.PathLike[str]) -> None:
    told: list[str] = []
    interface = VirtualInterface(device, "tap", Timing(), told.append)
    run(interface, tmp_path, [0.0] * 5000, kernels)
    arrived = device.arrived()
    assert 0 < len(arrived) == interface.injected < 5000
    assert interface.dropped == {"no room": 5000 - len(arrived)}
    assert interface.account() == f"lc0: {len(arrived)} packets injected, {interface.lost:,} dropped (no room {interface.lost:,})"
    assert interface.results() == {"injected": len(arrived), "dropped": interface.lost, "skipped": 0}
    assert told == []


def test_a_device_that_fails_is_told_of_once_and_the_run_goes_on(device: Device, tmp_path: os.PathLike[str]) -> None:
    told: list[str] = []
    interface = VirtualInterface(device, "tap", Timing(), told.append)
    device.far_close()
    run(interface, tmp_path, [0.0] * 20, Interpreted(), 3)
    assert interface.dropped == {"broken pipe": 20}
    assert told == ["lc0: broken pipe: packets for it are dropped and counted; the run goes on"]


def test_live_packets_wait_for_the_delay_but_the_run_does_not(
    device: Device, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(vif.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(vif.time, "sleep", lambda seconds: pytest.fail("a live run must not wait"))
    interface = VirtualInterface(device, "tap", Timing(3.0, live=True))
    arrived = []
    for batch in batches(tmp_path, [0.0] * 8, Interpreted(), 2):
        interface.packets(batch)
        interface.drain()
        now[0] += 1.2
        arrived.append(len(device.arrived()))
    assert arrived == [0, 0, 0, 8]
    assert interface.account() == "lc0: 8 packets injected"


def test_live_packets_go_when_the_capture_ends_before_the_delay(device: Device, tmp_path: os.PathLike[str]) -> None:
    run(VirtualInterface(device, "tap", Timing(60.0, live=True)), tmp_path, [0.0] * 6, Interpreted(), 2)
    assert device.arrived() == [frame(n) for n in range(6)]


def test_what_waits_is_bounded(device: Device, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vif, "MOST_WAITING", 1)
    interface = VirtualInterface(device, "tap", Timing(60.0, live=True))
    for batch in batches(tmp_path, [0.0] * (DEFAULT_ROWS + 10), Interpreted(), 1000):
        interface.packets(batch)
    interface.end()
    interface.close()
    assert interface.dropped["no room before the delay was over"] == DEFAULT_ROWS
    assert device.arrived() == [frame(n) for n in range(DEFAULT_ROWS, DEFAULT_ROWS + 10)]


@pytest.mark.parametrize("delay_s", [0.0, 60.0])
def test_a_replay_ends_when_it_is_asked_to(device: Device, tmp_path: os.PathLike[str], delay_s: float) -> None:
    interface = VirtualInterface(device, "tap", Timing(delay_s, 1.0))
    stopped = threading.Event()
    interface.stop = stopped.is_set
    threading.Timer(0.2, stopped.set).start()
    begin = time.monotonic()
    run(interface, tmp_path, [0.0, 0.0, 3_600_000.0], Interpreted())
    assert time.monotonic() - begin < 30
    went = 0 if delay_s else 2
    assert device.arrived() == [frame(n) for n in range(went)]
    assert interface.dropped == {"the run was stopped": 3 - went}


def test_a_run_that_fails_does_not_wait_for_what_it_would_have_sent(device: Device, tmp_path: os.PathLike[str]) -> None:
    interface = VirtualInterface(device, "tap", Timing(0.0, 1.0))
    for batch in batches(tmp_path, [0.0, 3_600_000.0], Interpreted(), 4096):
        interface.packets(batch)
    interface.close()
    assert interface.dropped == {"the run was stopped": 2}


class Clock:
    """No other time passes than that which is slept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(vif.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(vif.time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_device_stays_until_it_was_quiet(device: Device, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    interface = VirtualInterface(device, "tap", Timing(linger_s=2.0))
    for batch in batches(tmp_path, [0.0] * 4, Interpreted(), 4096):
        interface.packets(batch)
    clock.now += 0.5
    interface.end()
    interface.close()
    assert device.fd >= 0
    interface.take_away()
    assert device.fd == -1
    assert clock.now == pytest.approx(102.0)


@pytest.mark.parametrize("asked_before", [False, True])
def test_who_asks_to_stop_meanwhile_does_not_wait(
    device: Device, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch, asked_before: bool
) -> None:
    """A live capture was asked before: that is how it ends, and its readers have their time."""
    clock = Clock(monkeypatch)
    interface = VirtualInterface(device, "tap", Timing(linger_s=30.0))
    interface.stop = lambda: asked_before or clock.now > 101.0
    run(interface, tmp_path, [0.0], Interpreted())
    assert clock.now == pytest.approx(130.0 if asked_before else 101.1, abs=0.11)
    assert device.fd == -1


def test_where_nothing_went_nobody_waits(device: Device, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    device.far_close()
    run(VirtualInterface(device, "tap", Timing(linger_s=30.0)), tmp_path, [0.0] * 3, Interpreted())
    assert clock.now == 100.0


@pytest.mark.parametrize("name", ["lc0", "a", "fifteen-chars.5", "0"])
def test_names_of_interfaces(name: str) -> None:
    check_name(name, "vif.name")


@pytest.mark.parametrize(
    "name", ["", "sixteen-chars.16", "a/b", "a b", "lc%d", "-x", ".", "..", "lo", "any", "all", "lc0\n", "ä"]
)
def test_names_that_no_interface_can_have(name: str) -> None:
    with pytest.raises(SettingError, match=r"vif.name: no interface can be called .*: write 1 to 15 letters"):
        check_name(name, "vif.name")


def test_a_namespace_that_is_not_there_is_named() -> None:
    for name in ("no-such-namespace", "..", "/no/such/path"):
        with pytest.raises(InputError, match=r"no network namespace '.*': there (are|is) .*; `ip netns add NAME` makes one"):
            namespace_path(name)


def test_a_system_without_tun_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuntap, "CLONE_DEVICE", "/dev/net/nothing-here")
    with pytest.raises(OutputError, match=r"no virtual interface can be made \(/dev/net/nothing-here: No such file"):
        TunTap("lc0", "tap")
