"""`lc sniff --capture-driver pcap` on a cable: the answers of the other driver, outages, drops counted, ends as it should."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lippycat_core.testing.packets import Record, ethernet, udp, write_pcap
from lippycat_core.testing.wire import FAR, Wire, wire

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pcapy") is None, reason="pcapy-ng is not installed: nothing is captured through libpcap"
)

LC = Path(sys.executable).with_name("lc")


def frames(count: int, sport: int = 1000, vlans: tuple[int, ...] = ()) -> list[Record]:
    packets = (udp("10.0.0.1", sport, "10.0.0.2", 5060, n.to_bytes(4, "big") + bytes(60)) for n in range(count))
    return [Record(n, ethernet(packet, vlans=vlans)) for n, packet in enumerate(packets)]


def begun(cable: Wire, *args: str | Path, driver: str = "pcap", interface: str = FAR, sockets: int = 1) -> Any:
    command = (LC, "sniff", "-i", interface, "--compiler", "pure", "--capture-driver", driver, "--format", "json", *args)
    process = cable.start(*command)
    cable.wait_until_captured(sockets)
    return process


def ended(process: Any) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    time.sleep(0.4)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 130, said.decode()
    *packets, summary = [json.loads(line) for line in out.splitlines()]
    counts = summary["accounting"]
    assert counts["captured"] == counts["delivered"] + sum(counts["dropped"].values())
    return packets, summary, said.decode()


def told(packets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in packet.items() if not key.startswith(("ts", "ns", "time"))} for packet in packets]


def test_it_says_what_the_other_driver_says(cable: Wire, tmp_path: Path) -> None:
    process = begun(cable, "-f", "udp port 5060")
    other = begun(cable, "-f", "udp port 5060", driver="afpacket", sockets=2)
    cable.send(write_pcap(tmp_path / "in.pcap", frames(500) + frames(3, 2000, vlans=(7,)) + frames(200)))
    packets, summary, _ = ended(process)
    wanted, reference, _ = ended(other)
    assert len(packets) == 703
    assert told(packets) == told(wanted)
    assert summary["accounting"] == reference["accounting"]
    assert summary["capture"] == {"interfaces": [FAR], "outages": {}}


def test_two_interfaces_come_in_the_order_of_time(namespaces: None, tmp_path: Path) -> None:
    with wire([("lcnear", "lcfar"), ("lcnear2", "lcfar2")]) as cables:
        process = begun(cables, "-f", "udp", interface="lcfar,lcfar2", sockets=2)
        for n in range(3):
            cables.send(write_pcap(tmp_path / "a.pcap", frames(2, 1000 + n)))
            cables.send(write_pcap(tmp_path / "b.pcap", frames(2, 2000 + n)), "lcnear2")
        packets, _, _ = ended(process)
    ports = [int(packet["src"].rpartition(":")[2]) for packet in packets]
    assert ports == [1000, 1000, 2000, 2000, 1001, 1001, 2001, 2001, 1002, 1002, 2002, 2002]


def test_an_interface_that_goes_down_is_waited_for(cable: Wire, tmp_path: Path) -> None:
    few = write_pcap(tmp_path / "few.pcap", frames(2))
    process = begun(cable)
    cable.send(few)
    time.sleep(0.3)
    cable.run("ip", "link", "set", FAR, "down")
    time.sleep(1.2)
    cable.run("ip", "link", "set", FAR, "up")
    time.sleep(1.2)
    cable.send(few)
    packets, summary, said = ended(process)
    assert len(packets) == 4
    assert summary["capture"]["outages"] == {FAR: 1}
    assert said == f"lc: {FAR} went down: waiting for it\nlc: {FAR} is up\n"


def test_a_quiet_link_does_not_hold_it(cable: Wire) -> None:
    command = cable.command(LC, "sniff", "-i", FAR, "--capture-driver", "pcap", "--duration", "0.5", "--user", "root")
    done = subprocess.run(command, check=False, capture_output=True, timeout=30)
    assert (done.returncode, json.loads(done.stdout)["packets"]) == (0, 0)


def test_a_driver_that_reads_files_captures_nothing(cable: Wire) -> None:
    for name, said in (("file", "lc: capture file: reads files"), ("nosuch", "lc: capture nosuch")):
        command = cable.command(LC, "sniff", "-i", FAR, "--capture-driver", name)
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert done.stderr.startswith(said)
