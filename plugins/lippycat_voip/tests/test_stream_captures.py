"""Streams of real captures against what tshark says of them (per_stream_payload_types_heuristic and the stream tap).

Scapy reads the files here, so that only the stream table is under test. Without SDP types above 95 have no clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rtp_batches import Datagram, end, follow

from lippycat_core.addresses import endpoint
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_voip.columns import K_RTCP, K_RTP
from lippycat_voip.kernels.rtcp import compound
from lippycat_voip.streams import StreamTable

WITH_RTP = [
    "MichalCab-ISA__aaa.pcap",
    "NormB-sipnab__Asterisk_ZFONE_XLITE.pcap",
    "NormB-sipnab__SIP_DTMF2.cap",
    "NormB-sipnab__b2bua-asterisk.pcapng",
    "NormB-sipnab__h263-over-rtp.pcap",
    "NormB-sipnab__register-invite-reinvite-bye.pcap",
    "NormB-sipnab__rtp-protocol.pcap",
    "NormB-sipnab__sip-over-tcp.pcap",
    "NormB-sipnab__sip-rtp-g711.pcap",
    "NormB-sipnab__sip-rtp-g729a.pcap",
    "SIPp-sipp__dtmf_2833_pound.pcap",
    "ntop-nDPI__FAX-Call-t38-CA-TDM-SIP-FB-1.pcap",
    "sipcapture-hepagent.rs__rtp_rtcp_sip.pcap",
]

# tshark calls the last 27 G.711 packets of this stream T.38, which was offered on the port and refused (488): they are RTP.
MORE_PACKETS = {"0x0eaf0eaf": 27}


def datagrams(path: Path) -> Iterator[Datagram]:
    """Every whole UDP datagram of a capture, called RTCP where it is a compound packet and RTP else."""
    reader = pytest.importorskip("scapy.utils", reason="scapy is not installed: captures not read")
    inet = pytest.importorskip("scapy.layers.inet")
    pytest.importorskip("scapy.layers.all")
    for packet in reader.PcapReader(str(path)):
        if not packet.haslayer(inet.UDP) or packet.haslayer(inet.ICMP):
            continue
        ip, udp = packet[inet.IP], packet[inet.UDP]
        payload = bytes(udp.payload)[: max(0, (udp.len or 8) - 8)]
        slab = Interpreted().view(np.frombuffer(payload + b"\0", np.uint8))
        kind = K_RTCP if compound(slab, 0, len(payload), len(payload)) else K_RTP
        yield Datagram(payload, int(packet.time * 10**9), end(ip.src, udp.sport), end(ip.dst, udp.dport), kind)


@pytest.fixture(scope="module", params=WITH_RTP)
def followed(request: pytest.FixtureRequest, captures: Path, kernels: KernelSet) -> tuple[StreamTable, dict[str, Any]]:
    path = captures / request.param
    table = StreamTable()
    follow(table, list(datagrams(path)), kernels, cut=500)
    truth = json.loads((captures / f"{request.param}.truth.json").read_text())
    return table, truth["rtp"]


def by_key(table: StreamTable) -> dict[tuple[str, str, str], int]:
    keys = {}
    for slot in table.live():
        src, dst, ssrc = table.key(slot)
        keys[endpoint(src), endpoint(dst), f"0x{ssrc:08x}"] = slot
    return keys


def truth_key(stream: dict[str, Any]) -> tuple[str, str, str]:
    return f"{stream['src']}:{stream['sport']}", f"{stream['dst']}:{stream['dport']}", stream["ssrc"]


def test_counts(followed: tuple[StreamTable, dict[str, Any]]) -> None:
    table, truth = followed
    slots = by_key(table)
    for stream in truth["per_stream_payload_types_heuristic"]:
        slot = slots.pop(truth_key(stream))
        record = table.record(slot)
        more = MORE_PACKETS.get(stream["ssrc"], 0)
        assert record["packets"] == stream["unique_seq"] + more
        assert record["expected"] == stream["expected_seq"] + more
        assert record["lost"] == stream["missing_seq"]
        assert record["duplicates"] == stream["duplicate_seq"]
        assert record["reordered"] == stream["late_or_reordered"]
        assert record["payload_types"] == sorted(map(int, stream["payload_types"]))
        assert table.received(slot) == stream["packets"] + more
        assert (record["restarts"], record["stray"]) == (0, 0)
        assert table.confirmed(slot) or stream["unique_seq"] < 4
    assert not [key for key, slot in slots.items() if table.confirmed(slot)]


def test_jitter_where_the_rules_agree(followed: tuple[StreamTable, dict[str, Any]]) -> None:
    """Streams of one static type. tshark's figures differ in what they leave out: gaps in front of a marker; in its mean the
    first packet's 0 and markers count otherwise, packets with equal timestamps (video) not at all, timestamp jumps do."""
    table, truth = followed
    slots = by_key(table)
    types = {truth_key(stream): stream for stream in truth["per_stream_payload_types_heuristic"]}
    for stream in truth["heuristic_streams"]:
        one = types[truth_key(stream)]
        only = [int(pt) for pt in one["payload_types"]]
        if len(only) > 1 or only[0] > 95 or one["duplicate_seq"] or stream["packets"] < 2:
            continue
        record = table.record(slots[truth_key(stream)])
        figures = record["jitter_ms"]
        assert isinstance(figures, dict)
        assert figures["max"] == pytest.approx(stream["max_jitter_ms"], abs=0.0006)
        if record["media"] == "audio" and record["ts_jumps"] == 0:
            assert figures["mean"] == pytest.approx(stream["mean_jitter_ms"], abs=0.001, rel=0.02)
        if one["markers"] <= 1:
            assert record["max_gap_ms"] == pytest.approx(stream["max_delta_ms"], abs=0.0006)
