"""Calls that SIPp makes between two hosts, over UDP and TCP, with media both ways: what is told live is what is told of the file
written at the same time, and as many calls as SIPp says it made."""

from __future__ import annotations

import csv
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
from typing import Any

import pytest

from lippycat_core.testing.wire import FAR, NEAR, Wire

LC = Path(sys.executable).with_name("lc")
HERE, THERE = "10.77.0.1", "10.77.0.2"
CALLS = 20
PAYLOAD = bytes(i * 7 % 256 for i in range(8000))
"""A second of G.711, sent again and again until the call ends."""

HEAD = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "Alice" <sip:alice[call_number]@[local_ip]:[local_port]>;tag=[pid]a[call_number]
Call-ID: [call_id]
Max-Forwards: 70
Contact: <sip:alice@[local_ip]:[local_port];transport=[transport]>"""
COPIED = """[last_Via:]
[last_From:]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:bob@[local_ip]:[local_port];transport=[transport]>"""


def sdp(port: str) -> str:
    lines = ["v=0", "o=- 1 1 IN IP4 [local_ip]", "s=-", "c=IN IP4 [local_ip]", "t=0 0", f"m=audio [{port}] RTP/AVP 0"]
    return "\n".join(["Content-Type: application/sdp", "Content-Length: [len]", "", *lines, "a=rtpmap:0 PCMU/8000", ""])


def sent(start: str, head: str, *more: str, body: str = "Content-Length: 0\n\n", again: bool = False) -> str:
    text = "\n".join([start, head, *more, body])
    opened = '<send retrans="500">' if again else "<send>"
    return f"{opened}<![CDATA[\n{text}\n]]></send>"


def request(method: str, number: int, to: str = "[peer_tag_param]", **options: Any) -> str:
    where = "sip:bob@[remote_ip]:[remote_port]"
    return sent(f"{method} {where} SIP/2.0", HEAD, f"To: <{where}>{to}", f"CSeq: {number} {method}", **options)


def answer(status: str, tag: str = ";tag=[pid]b[call_number]", **options: Any) -> str:
    return sent(f"SIP/2.0 {status}", COPIED, f"[last_To:]{tag}", **options)


def scenario(name: str, *steps: str) -> str:
    return "\n".join(['<?xml version="1.0" encoding="ISO-8859-1" ?>', f'<scenario name="{name}">', *steps, "</scenario>"])


CALLER = scenario(
    "caller",
    request("INVITE", 1, "", body=sdp("rtpstream_audio_port"), again=True),
    '<recv response="180" optional="true"/>',
    '<recv response="200" rrs="true"/>',
    request("ACK", 1),
    '<nop><action><exec rtp_stream="media.ul,-1,0"/></action></nop>',
    '<pause milliseconds="800"/>',
    '<nop><action><exec rtp_stream="pause"/></action></nop>',
    '<pause milliseconds="100"/>',
    request("BYE", 2, again=True),
    '<recv response="200"/>',
)
CALLED = scenario(
    "called",
    '<recv request="INVITE"/>',
    answer("180 Ringing"),
    '<pause milliseconds="50"/>',
    answer("200 OK", body=sdp("media_port"), again=True),
    '<recv request="ACK"/>',
    '<recv request="BYE"/>',
    answer("200 OK", ""),
)


@contextmanager
def two_hosts() -> Iterator[tuple[Wire, Wire]]:
    """Two namespaces, each with one end of a cable and an address."""
    names = [f"lcsipp{os.getpid()}{end}" for end in "ab"]
    here, there = hosts = Wire(names[0]), Wire(names[1])
    try:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
        here.run("ip", "link", "add", NEAR, "type", "veth", "peer", "name", FAR, "netns", names[1])
        for host, end, address in ((here, NEAR, HERE), (there, FAR, THERE)):
            host.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6")
            host.run("ip", "address", "add", f"{address}/24", "dev", end)
            for link in ("lo", end):
                host.run("ip", "link", "set", link, "up")
        yield hosts
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def sipp(host: Wire, folder: Path, *args: str) -> subprocess.Popen[bytes]:
    """SIPp without a terminal; it writes its counters to a file of its own."""
    own = f"{host.name}.csv"
    command = host.command("sipp", *args, "-m", str(CALLS), "-nostdin", "-trace_stat", "-stf", own, "-timeout", "40")
    env = {**os.environ, "TERM": "dumb"}
    with open(folder / f"{host.name}.out", "wb") as out:
        return subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env)


def successful(folder: Path, host: Wire) -> int:
    rows = list(csv.DictReader((folder / f"{host.name}.csv").read_text().splitlines(), delimiter=";"))
    return int(rows[-1]["SuccessfulCall(C)"])


def comparable(records: list[dict[str, Any]], *, all_written: bool) -> list[dict[str, Any]]:
    """Without what a live run and one of a file tell differently. Streams are called by the number of their first packet; where
    not all packets were written (bare acknowledgements carry nothing of a call), here by their place among the streams."""
    ids = {record["id"]: n for n, record in enumerate(r for r in records if r["record"] == "stream")}
    out = []
    for record in records:
        kept = {key: value for key, value in record.items() if key not in ("seconds", "backend", "capture", "capture_loss")}
        if record["record"] == "summary":
            kept["accounting"] = {**kept["accounting"], "dropped": {}}
            if not all_written:
                for key in ("accounting", "packets", "bytes", "first", "first_ns", "last", "last_ns"):
                    del kept[key]
        elif not all_written and record["record"] == "stream":
            kept["id"] = ids[record["id"]]
        elif not all_written and record["record"] == "call":
            kept["streams"] = [ids[number] for number in record["streams"]]
        out.append(kept)
    return out


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_calls_are_told_live_as_of_the_file(namespaces: None, tmp_path: Path, transport: str) -> None:
    if shutil.which("sipp") is None:
        pytest.skip("sipp is not installed (Debian's sip-tester)")
    (tmp_path / "media.ul").write_bytes(PAYLOAD)
    (tmp_path / "caller.xml").write_text(CALLER)
    (tmp_path / "called.xml").write_text(CALLED)
    mode = "u1" if transport == "udp" else "t1"
    with two_hosts() as (here, there):
        written = tmp_path / "live.pcapng"
        lc = here.start(LC, "sniff", "voip", "-i", NEAR, "-f", "udp or tcp", "-w", written, "--format", "json", "-q")
        here.wait_until_captured()
        called = sipp(there, tmp_path, "-sf", "called.xml", "-i", THERE, "-p", "5060", "-mp", "7000", "-rtp_echo", "-t", mode)
        port = f"{'t' if transport == 'tcp' else 'u'}n"
        for _ in range(100):
            if ":5060" in there.run("ss", f"-la{port}"):
                break
            time.sleep(0.05)
        caller = sipp(
            here,
            tmp_path,
            f"{THERE}:5060",
            "-sf",
            "caller.xml",
            "-i",
            HERE,
            "-p",
            "5070",
            "-t",
            mode,
            "-r",
            "20",
            "-l",
            str(CALLS),
        )
        try:
            assert caller.wait(timeout=60) == 0, (tmp_path / f"{here.name}.out").read_text(errors="replace")[-2000:]
        finally:
            caller.kill()
            called.kill()
            called.wait()
            time.sleep(0.5)
            lc.send_signal(signal.SIGINT)
            out, said = lc.communicate(timeout=60)
        made = successful(tmp_path, here)
    assert (lc.returncode, said.decode()) == (130, "")
    offline = subprocess.run(
        [LC, "sniff", "voip", "-r", written, "--format", "json"], check=True, capture_output=True, timeout=60
    )
    live, later = ([json.loads(line) for line in text.splitlines()] for text in (out, offline.stdout))
    calls = [record for record in live if record["record"] == "call"]
    streams = [record for record in live if record["record"] == "stream"]
    assert made == CALLS == len(calls)
    assert {call["state"] for call in calls} == {"ended"}
    assert all(call["transport"] == [transport] for call in calls)
    assert len(streams) == 2 * CALLS
    assert {stream["capture_loss"] for stream in streams} == {"no"}
    assert live[-1]["accounting"]["dropped"] == {"kernel": 0}
    assert comparable(live, all_written=transport == "udp") == comparable(later, all_written=transport == "udp")
