"""`--capture-threads`: the same packets in the same order as with one thread, drops of all rings, interfaces that come and go."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lippycat_core.testing.packets import Record, ethernet, ip, udp, write_pcap
from lippycat_core.testing.wire import FAR, NEAR, Wire

LC = Path(sys.executable).with_name("lc")


def flows(count: int, many: int = 40, size: int = 60) -> list[Record]:
    """Datagrams of many conversations, both directions, each saying its number; every tenth in two fragments."""
    sent: list[Record] = []
    for n in range(count):
        ends = [("10.0.0.1", 1000 + n % many), ("10.0.0.2", 2000 + n % many)]
        (src, sport), (dst, dport) = ends if n % 2 else ends[::-1]
        packet = udp(src, sport, dst, dport, n.to_bytes(4, "big") + bytes(size))
        if n % 10:
            sent.append(Record(n, ethernet(packet)))
            continue
        data = packet[20:]
        sent += [
            Record(n, ethernet(ip(src, dst, 17, data[:32], ident=n, fragment=0x2000))),
            Record(n, ethernet(ip(src, dst, 17, data[32:], ident=n, fragment=4))),
        ]
    return sent


def sniffed(cable: Wire, *args: str) -> Any:
    process = cable.start(LC, "sniff", "-i", FAR, "--compiler", "pure", "--format", "json", *args)
    cable.wait_until_captured(2)
    time.sleep(0.3)
    return process


def end(process: Any) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    time.sleep(0.4)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 130, said.decode()
    *packets, summary = [json.loads(line) for line in out.splitlines()]
    counts = summary["accounting"]
    assert counts["captured"] == counts["delivered"] + sum(counts["dropped"].values()) + sum(counts["undecodable"].values())
    return packets, summary, said.decode()


def told(packet: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in packet.items() if not key.startswith("ts")}


@pytest.mark.parametrize("threads", ["2", "4"])
def test_the_answers_are_those_of_one_thread(cable: Wire, tmp_path: Path, threads: str) -> None:
    several = sniffed(cable, "--capture-threads", threads)
    one = cable.start(LC, "sniff", "-i", FAR, "--compiler", "pure", "--format", "json")
    cable.wait_until_captured(int(threads) + 1)
    time.sleep(0.3)
    cable.send(write_pcap(tmp_path / "in.pcap", flows(3000)))
    got, summary, _ = end(several)
    wanted, reference, _ = end(one)
    assert [told(packet) for packet in got] == [told(packet) for packet in wanted]
    assert len(got) == 3300
    times = [packet["ts_ns"] for packet in got]
    assert times == sorted(times)
    assert summary["accounting"] == reference["accounting"]


def test_a_quiet_ring_holds_nothing_back_for_long(cable: Wire, tmp_path: Path) -> None:
    process = sniffed(cable, "--capture-threads", "2")
    cable.send(write_pcap(tmp_path / "in.pcap", flows(4, many=1)[3:4]))  # one conversation: one ring
    first = json.loads(process.stdout.readline())
    assert abs(time.time_ns() - first["ts_ns"]) < 3_000_000_000
    end(process)


def test_drops_of_all_rings_are_counted(cable: Wire, tmp_path: Path) -> None:
    process = sniffed(cable, "--capture-threads", "2", "--pcap-buffer-size", "2MiB", "--quiet")
    os.kill(process.pid, signal.SIGSTOP)
    cable.send(write_pcap(tmp_path / "in.pcap", flows(9000, size=1000)))
    os.kill(process.pid, signal.SIGCONT)
    packets, summary, _ = end(process)
    dropped = summary["accounting"]["dropped"]["kernel"]
    assert dropped > 1000
    assert len(packets) + dropped == summary["accounting"]["captured"] == 9900


def test_an_interface_that_is_made_again_is_captured_again(cable: Wire, tmp_path: Path) -> None:
    few = write_pcap(tmp_path / "few.pcap", flows(9)[2:4])
    process = sniffed(cable, "--capture-threads", "2", "-f", "udp")
    cable.run("ip", "link", "del", FAR)
    time.sleep(1.2)
    cable.run("ip", "link", "add", NEAR, "type", "veth", "peer", "name", FAR)
    for name in (NEAR, FAR):
        cable.run("ip", "link", "set", name, "up")
    time.sleep(1.5)
    cable.send(few)
    packets, summary, said = end(process)
    assert len([packet for packet in packets if packet["src"].startswith("10.")]) == 2
    assert summary["capture"]["outages"] == {FAR: 1}
    assert said == f"lc: {FAR} is gone: waiting for it\nlc: {FAR} is up\n"
