"""One row as an object, and as a scapy packet."""

from __future__ import annotations

import sys

import pytest

from lippycat_core.batch import Batch
from lippycat_core.columns import BAD_HEADER, OTHER
from lippycat_core.errors import InputError
from lippycat_core.kernelset import Interpreted
from lippycat_core.packet import Packet
from lippycat_core.testing.conversation import Sent, fill, tcp, udp

A, B = "10.0.0.1:5060", "10.0.0.2:5070"


def packet(sent: Sent, link: int = 1) -> Packet:
    batch = Batch(Interpreted())
    fill(batch, [udp(B, A, b"before"), sent], first_record=41)
    batch.frame.link[1] = link
    return Packet(batch, 1)


def test_a_packet_shows_its_row() -> None:
    shown = packet(tcp(A, "[2001:db8::1]:80", 1, b"payload", wire=20, ts_ns=5))
    assert (shown.record, shown.ts_ns, shown.caplen, shown.wirelen, shown.link, shown.proto) == (42, 5, 7, 20, 1, 6)
    assert (shown.src, shown.dst, shown.transport) == ("10.0.0.1:5060", "[2001:db8::1]:80", "tcp")
    assert (shown.payload, shown.frame) == (b"payload", b"payload")


def test_what_is_not_there_is_none() -> None:
    icmp = packet(Sent(A, B, b"ping", proto=1, status=OTHER))
    assert (icmp.src, icmp.dst, icmp.transport, icmp.payload, icmp.proto) == ("10.0.0.1", "10.0.0.2", None, b"", 1)
    for nothing in (Sent(A, B, b"arp", proto=-1, status=OTHER), Sent(A, B, b"junk", status=BAD_HEADER)):
        shown = packet(nothing)
        assert (shown.src, shown.dst, shown.transport, shown.proto) == (None, None, None, None)


def test_scapy_sees_the_frame() -> None:
    inet = pytest.importorskip("scapy.layers.inet", reason="scapy is not installed")
    frame = bytes(inet.IP(src="10.0.0.1", dst="10.0.0.2") / inet.UDP(sport=5060, dport=5070) / b"hello")
    whole = packet(udp(A, B, frame, ts_ns=1_500_000_000), link=101).scapy()
    assert (whole[inet.UDP].sport, bytes(whole[inet.UDP].payload), float(whole.time)) == (5060, b"hello", 1.5)
    unknown = packet(udp(A, B, frame), link=9999).scapy()
    assert (type(unknown).__name__, bytes(unknown)) == ("Raw", frame)


def test_without_scapy_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scapy.config", None)
    with pytest.raises(InputError, match=r"lippycat-core\[scapy\]"):
        packet(udp(A, B)).scapy()
