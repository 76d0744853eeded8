"""The capture filter over link types, and what it says where it cannot be used."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import CookedLinux, CookedLinuxV2, Dot1Q, Ether
from scapy.packet import Packet

from lippycat_core.batch import Batch
from lippycat_core.columns import FILTERED, FRESH
from lippycat_core.errors import FilterError
from lippycat_core.filters import CaptureFilter
from lippycat_core.kernelset import KernelSet

pytest.importorskip("pcapy", reason="pcapy-ng is not installed: capture filters not tested")

MakeBatch = Callable[..., Batch]
E = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
WANTED = [IP(dst="1.2.3.4") / UDP(sport=9, dport=5060), IPv6(dst="::1") / UDP(sport=5060, dport=9)]
UNWANTED = [IP(dst="1.2.3.4") / UDP(sport=9, dport=5061), IPv6(dst="::1") / TCP(sport=5060, dport=9)]

LINKS: dict[int, Callable[[Packet], bytes]] = {
    0: lambda p: (b"\x02\0\0\0" if IP in p else b"\x1e\0\0\0") + bytes(p),
    1: lambda p: bytes(E / p),
    12: bytes,
    14: bytes,
    101: bytes,
    108: lambda p: (b"\0\0\0\x02" if IP in p else b"\0\0\0\x18") + bytes(p),
    113: lambda p: bytes(CookedLinux() / p),
    276: lambda p: bytes(CookedLinuxV2() / p),
}


def applied(expression: str, kernels: KernelSet, batch: Batch) -> list[bool]:
    capture_filter = CaptureFilter(expression)
    capture_filter.bind(kernels)
    capture_filter.apply(batch)
    return [status == FRESH for status in batch.route.status[: batch.rows]]


@pytest.mark.parametrize("link", LINKS)
def test_every_link_type(link: int, kernels: KernelSet, make_batch: MakeBatch) -> None:
    batch = make_batch([LINKS[link](packet) for packet in WANTED + UNWANTED], link)
    assert applied("udp port 5060", kernels, batch) == [True, True, False, False]


@pytest.mark.parametrize(("link", "packet"), [(228, WANTED[0]), (229, WANTED[1])])
def test_one_ip_version(link: int, packet: Packet, kernels: KernelSet, make_batch: MakeBatch) -> None:
    assert applied("udp port 5060", kernels, make_batch([bytes(packet)], link)) == [True]
    assert applied("udp port 5061", kernels, make_batch([bytes(packet)], link)) == [False]


def test_link_types_in_one_batch(kernels: KernelSet, make_batch: MakeBatch) -> None:
    links = [1, 113, 101, 1, 0]
    batch = make_batch([LINKS[link](packet) for link in links for packet in (WANTED[0], UNWANTED[0])])
    batch.frame.link[: batch.rows] = [link for link in links for _ in range(2)]
    assert applied("udp port 5060", kernels, batch) == [True, False] * 5


def test_length_is_that_on_the_wire(kernels: KernelSet, make_batch: MakeBatch) -> None:
    for link in (0, 1):
        batch = make_batch([LINKS[link](WANTED[0])] * 2, link, wirelens=[99, 100])
        assert applied("greater 100", kernels, batch) == [False, True]


def test_rows_that_were_judged_before_stay(kernels: KernelSet, make_batch: MakeBatch) -> None:
    batch = make_batch([LINKS[1](WANTED[0])] * 2)
    batch.route.status[0] = FILTERED
    assert applied("udp", kernels, batch) == [False, True]
    assert applied("udp", kernels, make_batch([])) == []


@pytest.mark.parametrize("expression", ["udp prt 5060", "port 99999", "host", "((udp)", "ip[", "5060 port"])
def test_bad_expression(expression: str) -> None:
    with pytest.raises(FilterError) as error:
        CaptureFilter(expression)
    message = str(error.value)
    assert message.startswith(f"filter {expression!r} cannot be used: ")
    assert "pcap-filter(7)" in message
    assert "\n" not in message


def test_what_only_a_live_capture_knows() -> None:
    with pytest.raises(FilterError, match="only a live capture knows"):
        CaptureFilter("inbound and udp")


def test_expression_without_meaning_for_a_link_type(kernels: KernelSet, make_batch: MakeBatch) -> None:
    """It is said when such a packet comes, and other packets are filtered before."""
    vlan = bytes(E / Dot1Q(vlan=3) / WANTED[0])
    assert applied("vlan 3", kernels, make_batch([vlan, LINKS[1](WANTED[0])])) == [True, False]
    with pytest.raises(FilterError, match="'vlan 3' cannot be used for packets of link type 101: no VLAN support"):
        applied("vlan 3", kernels, make_batch([bytes(WANTED[0])], 101))
    with pytest.raises(FilterError, match="link type 4000: "):
        applied("udp", kernels, make_batch([b"\0"], 4000))


def test_without_pcapy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pcapy", None)
    with pytest.raises(FilterError, match=r"capture filters need pcapy-ng: pip install 'lippycat-core\[bpf\]'"):
        CaptureFilter("udp")


def test_binding_again_keeps_what_was_compiled(kernels: KernelSet, make_batch: MakeBatch) -> None:
    capture_filter = CaptureFilter("udp port 5060")
    for _ in range(2):
        capture_filter.bind(kernels)
        batch = make_batch([LINKS[113](packet) for packet in WANTED + UNWANTED], 113)
        capture_filter.apply(batch)
        assert [status == FRESH for status in batch.route.status[:4]] == [True, True, False, False]
