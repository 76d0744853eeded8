"""Timestamps of network cards: what the kernel is asked, for cards that have them and cards that do not; and what an interface
without any says."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lippycat_core.batch import Batch
from lippycat_core.builtin import afpacket
from lippycat_core.builtin.hardwaretime import (
    CONFIG,
    FILTER_ALL,
    FILTER_NONE,
    RAW_HARDWARE,
    RX_HARDWARE,
    SIOCETHTOOL,
    SIOCGHWTSTAMP,
    SIOCSHWTSTAMP,
    TS_INFO,
    stamps,
    switch_on,
)
from lippycat_core.errors import InputError, PermissionRefused
from lippycat_core.interfaces.capture import LiveOptions
from lippycat_core.kernelset import Interpreted

ABLE = RX_HARDWARE | RAW_HARDWARE
LC = Path(sys.executable).with_name("lc")


class Card:
    """What a driver says; it notes what it is told."""

    def __init__(
        self, abilities: int = RX_HARDWARE | RAW_HARDWARE, filters: int = 1 << FILTER_ALL, now: int = FILTER_NONE
    ) -> None:
        self.abilities, self.filters, self.now = abilities, filters, now
        self.refuses: dict[int, int] = {}
        self.told: list[tuple[int, ...]] = []

    def __call__(self, request: int, name: str, data: bytes) -> bytes:
        assert name == "eth7"
        if request in self.refuses:
            raise OSError(self.refuses[request], "no")
        if request == SIOCETHTOOL:
            assert len(data) == 44  # struct ethtool_ts_info
            return TS_INFO.pack(0x41, self.abilities, 0, 3, self.filters)
        if request == SIOCGHWTSTAMP:
            return CONFIG.pack(0, 1, self.now)
        self.told.append(CONFIG.unpack(data))
        return data


def test_a_card_that_stamps_all_is_known() -> None:
    assert stamps("eth7", Card())
    assert not stamps("eth7", Card(abilities=0))
    assert not stamps("eth7", Card(filters=1 << 12))  # PTP packets alone
    none = Card()
    none.refuses[SIOCETHTOOL] = errno.EOPNOTSUPP
    assert not stamps("eth7", none)


def test_it_is_switched_on_once_and_what_is_sent_stays_as_it_is() -> None:
    card = Card()
    switch_on("eth7", card)
    assert card.told == [(0, 1, FILTER_ALL)]
    on = Card(now=FILTER_ALL)
    switch_on("eth7", on)
    assert on.told == []


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(InputError, match="eth7: has no hardware timestamps of all packets"):
        switch_on("eth7", Card(abilities=0))
    barred = Card()
    barred.refuses[SIOCSHWTSTAMP] = errno.EPERM
    with pytest.raises(InputError, match="takes CAP_NET_ADMIN: run it with sudo, or switch them on before with"):
        switch_on("eth7", barred)
    broken = Card()
    broken.refuses[SIOCSHWTSTAMP] = errno.ERANGE
    with pytest.raises(InputError, match="cannot be switched on: "):
        switch_on("eth7", broken)


@pytest.mark.skipif(sys.platform != "linux", reason="the ioctl is Linux's")
def test_the_kernel_itself_says_that_loopback_has_none() -> None:
    assert not stamps("lo")
    assert not stamps("nosuchone")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("-i", "lo", "--timestamps", "hardware"), "lc: lo: has no hardware timestamps of all packets"),
        (("-i", "any", "--timestamps", "hardware"), "lc: --timestamps hardware: any has no card of its own"),
        (("-i", "lo", "--timestamps", "sundial"), "lc: capture.timestamps: 'sundial' is no clock: there are kernel and hardware"),
        (
            ("-i", "lo", "--timestamps", "hardware", "--capture-driver", "pcap"),
            "lc: --timestamps hardware: the capture",
        ),
    ],
)
def test_one_line_says_why_not(args: tuple[str, ...], said: str) -> None:
    if sys.platform != "linux":
        pytest.skip("live capture by afpacket needs Linux")
    done = subprocess.run([LC, "sniff", *args], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(said)


def test_a_capture_counts_the_packets_that_had_the_card_s_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback stands for a card: the kernel takes the wish, and its packets have the kernel's time."""
    if sys.platform != "linux":
        pytest.skip("live capture by afpacket needs Linux")
    asked: list[str] = []
    monkeypatch.setattr(afpacket, "switch_on", asked.append)
    try:
        source = afpacket.AfPacketSource(["lo"], Interpreted(), LiveOptions("udp port 4747", hardware_times=True))
    except PermissionRefused as error:
        pytest.skip(str(error))
    batch = Batch(Interpreted())
    batch.clear(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", 4747))
    end = time.monotonic() + 5
    while source.fill(batch, 100) and not batch.rows and time.monotonic() < end:
        batch.clear(1)
    assert (asked, batch.rows, source.report()["hardware_times"]) == (["lo"], 1, 0)
    assert abs(int(batch.frame.ts_ns[0]) - time.time_ns()) < 5_000_000_000
    source.close()
