"""`lc sniff -i` as users run it, on cables that the tests make: what goes in at one end is what is told at the other."""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lippycat_core.batch import Batch
from lippycat_core.builtin.files import open_source
from lippycat_core.kernelset import Interpreted
from lippycat_core.testing.packets import Record, ethernet, udp, write_pcap
from lippycat_core.testing.wire import FAR, NEAR, Wire, wire

LC = Path(sys.executable).with_name("lc")


def frames(count: int, sport: int = 1000, size: int = 100, vlans: tuple[int, ...] = ()) -> list[Record]:
    """Datagrams that can be told apart by their first four bytes."""
    packets = (udp("10.0.0.1", sport, "10.0.0.2", 5060, n.to_bytes(4, "big") + bytes(size - 4)) for n in range(count))
    return [Record(n, ethernet(packet, vlans=vlans)) for n, packet in enumerate(packets)]


class Sniff:
    """An `lc sniff` that captures in a cable's namespace."""

    def __init__(self, cable: Wire, *args: str | Path, interface: str = FAR) -> None:
        self.process = cable.start(LC, "sniff", "-i", interface, "--compiler", "pure", *args)
        cable.wait_until_captured()

    def end(self, number: int = signal.SIGINT, code: int = 130) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
        """Stop it: its records, its summary, and what it said on standard error."""
        time.sleep(0.3)
        self.process.send_signal(number)
        out, said = self.process.communicate(timeout=60)
        assert self.process.returncode == code, said.decode()
        *packets, summary = [json.loads(line) for line in out.splitlines()]
        assert summary["record"] == "summary"
        _adds_up(summary)
        return packets, summary, said.decode()


def _adds_up(summary: dict[str, Any]) -> None:
    counts = summary["accounting"]
    parts = counts["delivered"] + counts["filtered"] + sum(counts["dropped"].values()) + sum(counts["undecodable"].values())
    assert counts["captured"] == parts


def _read(path: Path) -> list[bytes]:
    kernels = Interpreted()
    source, batch, got = open_source([str(path)], kernels), Batch(kernels), []
    while source.fill(batch, 0):
        got += [bytes(batch.mem[off : off + size]) for off, size in zip(*_spans(batch), strict=True)]
    source.close()
    return got


def _spans(batch: Batch) -> tuple[list[int], list[int]]:
    return batch.frame.off[: batch.rows].tolist(), batch.frame.caplen[: batch.rows].tolist()


@pytest.mark.parametrize(("number", "code", "threads"), [(signal.SIGINT, 130, "1"), (signal.SIGTERM, 143, "2")])
def test_what_is_sent_is_captured_and_written(cable: Wire, tmp_path: Path, number: int, code: int, threads: str) -> None:
    sent = frames(5000)
    out = tmp_path / "out.pcap"
    sniff = Sniff(cable, "-w", out, "--format", "json", "--threads", threads)
    cable.send(write_pcap(tmp_path / "in.pcap", sent))
    packets, summary, _ = sniff.end(number, code)
    assert _read(out) == [record.data for record in sent]
    assert [packet["frame"] for packet in packets] == list(range(1, 5001))
    assert summary["accounting"] == {
        "captured": 5000,
        "delivered": 5000,
        "filtered": 0,
        "dropped": {"kernel": 0},
        "undecodable": {},
    }
    assert summary["capture"] == {"interfaces": [FAR], "outages": {}}
    assert abs(packets[0]["ts_ns"] - time.time_ns()) < 60_000_000_000
    assert all(early["ts_ns"] <= late["ts_ns"] for early, late in itertools.pairwise(packets))


def test_vlan_tags_are_as_on_the_wire(cable: Wire, tmp_path: Path) -> None:
    sent = frames(3, vlans=(100,)) + frames(3, vlans=(5, 6)) + frames(2)
    out = tmp_path / "out.pcap"
    sniff = Sniff(cable, "-w", out)
    cable.send(write_pcap(tmp_path / "in.pcap", sent))
    time.sleep(0.5)
    sniff.process.send_signal(signal.SIGINT)
    sniff.process.communicate(timeout=60)
    assert _read(out) == [record.data for record in sent]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("udp src port 2000", 4),
        ("vlan 7 and udp src port 3000", 3),
        ("udp src port 1000 or (vlan and udp src port 3000)", 5),
    ],
)
def test_the_kernel_filters(cable: Wire, tmp_path: Path, expression: str, wanted: int) -> None:
    sent = frames(2) + frames(4, 2000) + frames(3, 3000, vlans=(7,))
    sniff = Sniff(cable, "-f", expression)
    cable.send(write_pcap(tmp_path / "in.pcap", sent))
    packets, summary, _ = sniff.end()
    assert len(packets) == wanted
    assert summary["accounting"]["captured"] == wanted  # the others were never handed over


def test_any_interface_is_captured_cooked_and_filtered(cable: Wire, tmp_path: Path) -> None:
    sniff = Sniff(cable, "-f", "udp port 2000", interface="any")
    cable.send(write_pcap(tmp_path / "in.pcap", frames(2) + frames(3, 2000)))
    packets, _, _ = sniff.end()
    assert [packet["link"] for packet in packets] == [276] * 6  # sent at one end, received at the other
    assert {packet["src"] for packet in packets} == {"10.0.0.1:2000"}


def test_loopback_gives_each_packet_once(cable: Wire) -> None:
    sniff = Sniff(cable, "-f", "udp port 4444", interface="lo")
    cable.run(sys.executable, "-c", _TALK)
    packets, _, _ = sniff.end()
    assert [packet["length"] for packet in packets] == [1, 2, 3]


_TALK = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for size in (1, 2, 3):
    s.sendto(b"x" * size, ("127.0.0.1", 4444))
"""


def test_two_interfaces_come_in_the_order_of_time(namespaces: None, tmp_path: Path) -> None:
    with wire([(NEAR, FAR), ("lcnear2", "lcfar2")]) as cables:
        sniff = Sniff(cables, "-f", "udp", interface=f"{FAR},lcfar2")
        for n in range(3):
            cables.send(write_pcap(tmp_path / "a.pcap", frames(2, 1000 + n)))
            cables.send(write_pcap(tmp_path / "b.pcap", frames(2, 2000 + n)), "lcnear2")
        packets, summary, _ = sniff.end()
    ports = [int(packet["src"].rpartition(":")[2]) for packet in packets]
    assert ports == [1000, 1000, 2000, 2000, 1001, 1001, 2001, 2001, 1002, 1002, 2002, 2002]
    assert summary["capture"]["interfaces"] == [FAR, "lcfar2"]


def test_an_interface_that_goes_down_is_waited_for(cable: Wire, tmp_path: Path) -> None:
    few = write_pcap(tmp_path / "few.pcap", frames(2))
    sniff = Sniff(cable)
    cable.send(few)
    cable.run("ip", "link", "set", FAR, "down")
    time.sleep(1.2)
    cable.run("ip", "link", "set", FAR, "up")
    time.sleep(1.2)
    cable.send(few)
    packets, summary, said = sniff.end()
    assert len(packets) == 4
    assert summary["capture"]["outages"] == {FAR: 1}
    assert said == f"lc: {FAR} went down: waiting for it\nlc: {FAR} is up\n"


def test_an_interface_that_is_down_at_first_is_waited_for(cable: Wire, tmp_path: Path) -> None:
    cable.run("ip", "link", "set", FAR, "down")
    sniff = Sniff(cable)
    cable.run("ip", "link", "set", FAR, "up")
    time.sleep(1.2)
    cable.send(write_pcap(tmp_path / "few.pcap", frames(2)))
    packets, summary, said = sniff.end()
    assert (len(packets), summary["capture"]["outages"]) == (2, {})
    assert said == f"lc: {FAR} is down: waiting for it\nlc: {FAR} is up\n"


def test_an_interface_that_is_made_again_is_captured_again(cable: Wire, tmp_path: Path) -> None:
    few = write_pcap(tmp_path / "few.pcap", frames(2))
    sniff = Sniff(cable)
    cable.run("ip", "link", "del", FAR)
    time.sleep(1.2)
    cable.run("ip", "link", "add", NEAR, "type", "veth", "peer", "name", FAR)
    for end in (NEAR, FAR):
        cable.run("ip", "link", "set", end, "up")
    time.sleep(1.5)
    cable.send(few)
    packets, summary, said = sniff.end()
    assert len([packet for packet in packets if packet["proto"] == "udp"]) == 2
    assert summary["capture"]["outages"] == {FAR: 1}
    assert said == f"lc: {FAR} is gone: waiting for it\nlc: {FAR} is up\n"


def test_what_finds_no_room_in_the_ring_is_counted(cable: Wire, tmp_path: Path) -> None:
    sniff = Sniff(cable, "--pcap-buffer-size", "1MiB", "--quiet")
    os.kill(sniff.process.pid, signal.SIGSTOP)
    cable.send(write_pcap(tmp_path / "in.pcap", frames(4000, size=1000)))
    os.kill(sniff.process.pid, signal.SIGCONT)
    packets, summary, _ = sniff.end()
    dropped = summary["accounting"]["dropped"]["kernel"]
    assert dropped > 1000
    assert len(packets) + dropped == summary["accounting"]["captured"] == 4000


def test_it_ends_after_a_time_or_a_count(cable: Wire, tmp_path: Path) -> None:
    begin = time.monotonic()
    done = subprocess.run(
        cable.command(LC, "sniff", "-i", FAR, "--duration", "1s", "--user", "root"), check=False, capture_output=True, timeout=60
    )
    assert done.returncode == 0
    assert time.monotonic() - begin > 1
    sniff = Sniff(cable, "-c", "3")
    cable.send(write_pcap(tmp_path / "in.pcap", frames(10)))
    out, _ = sniff.process.communicate(timeout=60)
    assert sniff.process.returncode == 0
    assert len(out.splitlines()) == 3 + 1


def test_snap_length_cuts_what_is_captured(cable: Wire, tmp_path: Path) -> None:
    sniff = Sniff(cable, "--snaplen", "80")
    cable.send(write_pcap(tmp_path / "in.pcap", frames(2)))
    packets, _, _ = sniff.end()
    assert [(packet["caplen"], packet["wirelen"]) for packet in packets] == [(80, 142)] * 2


def test_a_packet_is_told_of_within_a_moment(cable: Wire, tmp_path: Path) -> None:
    sniff = Sniff(cable)
    few = write_pcap(tmp_path / "few.pcap", frames(1))
    assert sniff.process.stdout is not None
    cable.send(few)
    first = json.loads(sniff.process.stdout.readline())  # while the capture goes on
    assert abs(time.time_ns() - first["ts_ns"]) < 2_000_000_000
    sniff.end()


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("-i", "lcfat"), 2, "lc: no interface 'lcfat'; did you mean lcfar"),
        (("-i", "qqqq"), 2, "lc: no interface 'qqqq'; there are lo, "),
        (("-i", FAR, "-f", "udp prot 5"), 2, "lc: filter 'udp prot 5' cannot be used: "),
        (("-i", "any", "-f", "vlan and udp"), 2, "lc: filter 'vlan and udp' cannot be used for packets of link type 276: VLAN"),
        (("-i", "any", "-f", "ether host 1:2:3:4:5:6"), 2, "lc: filter 'ether host 1:2:3:4:5:6' cannot be used for packets of"),
        (("-i", FAR, "--user", "nosuchuser"), 2, "lc: --user nosuchuser: there is no such user"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(cable: Wire, args: tuple[str, ...], code: int, said: str) -> None:
    done = subprocess.run(cable.command(LC, "sniff", *args), check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1)
    assert done.stderr.startswith(said)


@pytest.mark.parametrize(
    ("command", "interface", "link"), [(("sniff",), FAR, 1), (("sniff", "voip"), FAR, 1), (("sniff", "voip"), "any", 276)]
)
def test_who_reads_from_a_pipe_gets_the_header_though_no_packet_comes(
    namespaces: None, tmp_path: Path, command: tuple[str, ...], interface: str, link: int
) -> None:
    """As Wireshark does behind `-w - | wireshark -k -i -`, or on a named pipe."""
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    for target in ("-", str(fifo)):
        with wire() as cable:
            process = cable.start(LC, *command, "-i", interface, "-f", "tcp port 9", "--compiler", "pure", "-q", "-w", target)
            assert process.stdout is not None
            reading = process.stdout.fileno() if target == "-" else os.open(fifo, os.O_RDONLY)
            ready, _, _ = select.select([reading], [], [], 60)
            assert ready, "no header"
            header = os.read(reading, 24)
            assert header[:4] == b"\x4d\x3c\xb2\xa1"
            assert int.from_bytes(header[20:], "little") == link
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            assert process.returncode == 130
            if target != "-":
                os.close(reading)
