"""TCP streams of real captures: as many connections and bytes as tshark's `follow,tcp` gives (4.0.17)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from lippycat_core.interfaces.dissect import Claim, FlowInfo
from lippycat_core.testing.runs import run

STREAMS = {
    "MichalCab-ISA__aaa.pcap": (1, 814),
    "NormB-sipnab__sip-over-tcp.pcap": (1, 4035),
    "OISF-suricata-verify__sip-body-large.pcap": (1, 66000),
    "aboutsip-pkts__fragmented_tcp_sip.pcap": (1, 7059),
    "irontec-sngrep__ipip.pcap": (1, 2749),
    "ntop-nDPI__imap.pcap": (1, 1580),
    "seladb-PcapPlusPlus__nanosecs_big_endian.pcap": (1, 1522),
    "sipcapture-hepagent.rs__rtp_rtcp_sip.pcap": (38, 99282),
    "wireshark-4.0.17__tls12-dsb.pcapng": (2, 8306),
    "wireshark-4.0.17__tls13-20-chacha20poly1305.pcap": (2, 9000),
    "zeek-zeek__chrome-1250-tls-x25519-kyber.pcap": (1, 10875),
    "zeek-zeek__http-qinq-0.pcap": (1, 5143),
    "zeek-zeek__openjdk-25.0.2-zeek.org.pcap": (1, 3377),
    "zeek-zeek__pop3.pcap": (5, 20847),
    "zeek-zeek__smtp.pcap": (6, 23116),
    "zeek-zeek__vxlan-encapsulated-http.pcap": (1, 9299),
}


class Counter:
    """Takes every TCP connection and counts its bytes."""

    name: ClassVar[str] = "counter"
    claims: ClassVar[tuple[Claim, ...]] = (Claim("tcp"),)

    def open(self, flow: FlowInfo) -> Count:
        return Count()


class Count:
    def __init__(self) -> None:
        self._bytes = 0

    def feed(self, side: int, data: bytes, ts_ns: int) -> Iterable[tuple[str, Mapping[str, object]]]:
        self._bytes += len(data)
        return ()

    def gap(self, side: int, missing: int) -> Iterable[tuple[str, Mapping[str, object]]]:
        return [("gap", {"missing": missing})]

    def close(self, ts_ns: int) -> Iterable[tuple[str, Mapping[str, object]]]:
        return [("connection", {"bytes": self._bytes})]


@pytest.mark.parametrize("batch_packets", [4096, 3])
@pytest.mark.parametrize("name", STREAMS)
def test_streams_are_whole(captures: Path, name: str, batch_packets: int) -> None:
    heard = run(captures / name, Counter(), batch_packets=batch_packets)
    sizes = [int(str(record["bytes"])) for record in heard.named("connection")]
    assert (len(sizes), sum(sizes)) == STREAMS[name]
    assert heard.named("gap") == []
