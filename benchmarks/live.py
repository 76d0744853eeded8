"""Live capture on this machine: drops and processor time at the highest rate that tcpreplay sends, and latency.

    sudo python benchmarks/live.py [--packets 100000] [--loops 10] [--runs 3] [--only NAME]

Needs root (network namespaces), tcpreplay, and for the rivals tcpdump and dumpcap. Prints tables in Markdown. Processor time and
rate are those of the run with the least processor time, drops the most of any. Processor time of a thread is the scheduler's
(/proc/PID/task/TID/schedstat). Latency is from the kernel's time of a SIP message to its line of JSON being read.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from generate import write

from lippycat_core.testing.packets import Record, ethernet, udp, write_pcap
from lippycat_core.testing.wire import FAR, NEAR, Wire, why_not, wire

LC = Path(sys.executable).with_name("lc")


class Contender(NamedTuple):
    """A program that captures from `FAR` until it is interrupted."""

    name: str
    command: Sequence[str | Path]
    ours: bool = True
    sockets: int = 1


def contenders(folder: Path) -> list[Contender]:
    sniff = (LC, "sniff", "-i", FAR, "--user", "root")
    voip = (LC, "sniff", "voip", "-i", FAR, "--quiet", "--user", "root")
    out = folder / "out.pcap"
    found = [
        Contender("tcpdump -w /dev/null", ("tcpdump", "-i", FAR, "-w", "/dev/null", "-B", "32768"), False),
        Contender("dumpcap -w - > /dev/null", ("dumpcap", "-q", "-i", FAR, "-w", "-", "-B", "32"), False),
        Contender("lc sniff -w /dev/null", (*sniff, "-w", "/dev/null")),
        Contender("lc sniff -w FILE", (*sniff, "-w", out)),
        Contender("lc sniff -w /dev/null --capture-threads 2", (*sniff, "-w", "/dev/null", "--capture-threads", "2"), True, 2),
        Contender("lc sniff voip", voip),
        Contender("lc sniff voip -M high_performance", (*voip, "-M", "high_performance")),
        Contender("lc sniff voip -M minimal", (*voip, "-M", "minimal")),
    ]
    return [one for one in found if one.ours or shutil.which(str(one.command[0]))]


class Figures(NamedTuple):
    """What one run came to. Processor time is ns a packet sent; `capture_ns` is of the threads that capture, None where a program
    has only one; `latency_ms` are those of a run that was asked for it."""

    rate: float
    captured: int
    dropped: dict[str, int]
    process_ns: float
    capture_ns: float | None


class Child:
    """A program that captures in the namespace, its output in a file."""

    def __init__(self, cable: Wire, contender: Contender, folder: Path, sockets: int) -> None:
        self._environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "LIPPYCAT_CAPTURE__USER": "root"}
        self._out = folder / "out.txt"
        with (self._out if contender.ours else Path(os.devnull)).open("wb") as out:
            command = cable.command(*contender.command)
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, env=self._environment)
        cable.wait_until_captured(sockets)
        time.sleep(1.5)

    def cpu_ns(self) -> dict[int, int]:
        """Processor time of each thread."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return {int(one.name): int((one / "schedstat").read_text().split()[0]) for one in tasks.iterdir()}

    def threads(self) -> dict[int, str]:
        """Names of the threads of a run of ours by their numbers, as it says itself."""
        command = [str(LC), "debug", "stacks", "--pid", str(self.process.pid), "--json"]
        asked = subprocess.run(command, capture_output=True, text=True, env=self._environment, check=False)
        return {one["native_id"]: one["name"] for one in json.loads(asked.stdout)["threads"]}

    def end(self) -> tuple[str, str]:
        """Interrupt it; its last line, and what it said on standard error."""
        self.process.send_signal(signal.SIGINT)
        _, error = self.process.communicate(timeout=120)
        lines = self._out.read_text().splitlines() if self._out.exists() else []
        return (lines[-1] if lines else ""), error.decode()


def drops(text: str) -> int:
    """What tcpdump or dumpcap said that it dropped."""
    told = re.findall(r"(\d+) packets? dropped by|received/dropped on interface .*?: \d+/(\d+)", text)
    return sum(int(one or other) for one, other in told)


def accounting(last: str, error: str) -> tuple[int, dict[str, int]]:
    """What a run of ours captured and dropped: by its summary, or where packets were written by its line for people."""
    if last:
        counts = json.loads(last)["accounting"]
        return counts["captured"], counts["dropped"]
    told = re.search(r"([\d,]+) packets, ([\d,]+) dropped", error)
    if told is None:
        raise SystemExit(error)
    captured, dropped = (int(number.replace(",", "")) for number in told.groups())
    return captured, {"all": dropped}


def measure(cable: Wire, contender: Contender, trunk: Path, total: int, loops: int, folder: Path) -> Figures:
    """One replay into one program."""
    child = Child(cable, contender, folder, contender.sockets)
    names = child.threads() if contender.ours else {}
    before = child.cpu_ns()
    said = cable.run("tcpreplay", "-q", "-K", "--topspeed", "--loop", str(loops), "-i", NEAR, trunk)
    time.sleep(2.0)
    spent = {thread: ns - before.get(thread, 0) for thread, ns in child.cpu_ns().items()}
    last, error = child.end()
    capture_ns, captured, dropped = None, total, {"kernel": drops(error)}
    if contender.ours:
        captured, dropped = accounting(last, error)
        capturing = [thread for thread, name in names.items() if name.startswith(("lc-reader", "lc-capture"))]
        capture_ns = sum(spent[thread] for thread in capturing) / total
    rate = re.search(r"([\d.]+) pps", said)
    return Figures(float(rate[1]) if rate else 0.0, captured, dropped, sum(spent.values()) / total, capture_ns)


def message(number: int) -> bytes:
    """A SIP request that can be told apart by its Call-ID."""
    text = (
        "OPTIONS sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK{0}\r\nFrom: <sip:a@example.com>;tag=1\r\n"
        "To: <sip:b@example.com>\r\nCall-ID: {0}@10.0.0.1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    return text.format(number).encode()


def latencies(cable: Wire, profile: str, count: int, folder: Path) -> list[float]:
    """Milliseconds from a SIP message's capture to its record being read, of `count` messages, 200 a second."""
    sent = [Record(n, ethernet(udp("10.0.0.1", 5060, "10.0.0.2", 5060, message(n)))) for n in range(count)]
    path = write_pcap(folder / "sip.pcap", sent)
    command = cable.command(
        LC, "sniff", "voip", "-i", FAR, "-q", "--messages", "--format", "json", "-M", profile, "--user", "root"
    )
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    found: list[float] = []

    def read() -> None:
        for line in process.stdout or ():
            now_ns = time.time_ns()
            record: dict[str, Any] = json.loads(line)
            if record["record"] == "message":
                found.append((now_ns - record["ns"]) / 1e6)

    reader = threading.Thread(target=read)
    reader.start()
    cable.wait_until_captured()
    time.sleep(2.0)
    cable.send(path, pause_s=0.005)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    reader.join()
    return sorted(found)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    for cells in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(cells) + " |")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=100_000, help="of the trunk that is replayed")
    parser.add_argument("--loops", type=int, default=10, help="how often it is replayed")
    parser.add_argument("--runs", type=int, default=3, help="of each program")
    parser.add_argument("--messages", type=int, default=1000, help="for the latencies")
    parser.add_argument("--only", default="", help="programs whose name has this in it; latency is one")
    arguments = parser.parse_args()
    if reason := why_not():
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        trunk = folder / "trunk.pcap"
        with trunk.open("wb") as out:
            packets = write(out, 500, arguments.packets, 0.5)
        # The load lasts some seconds: what is interpreted until a compiler is done would be most of it.
        subprocess.run([str(LC), "plugins", "--warm"], check=True, stdout=subprocess.DEVNULL)
        if shutil.which("tcpreplay"):
            replays(trunk, packets * arguments.loops, arguments, folder)
        else:
            print("no tcpreplay: nothing is replayed")
        if arguments.only in "latency":
            rows = []
            for profile in ("low_latency", "balanced"):
                with wire() as cable:
                    found = latencies(cable, profile, arguments.messages, folder)
                lost = arguments.messages - len(found)
                quantiles = statistics.quantiles(found, n=100)
                rows.append([profile, f"{quantiles[49]:.1f}", f"{quantiles[98]:.1f}", f"{found[-1]:.1f}", f"{lost}"])
            table(("profile", "p50 ms", "p99 ms", "most", "missing"), rows)


def replays(trunk: Path, total: int, arguments: argparse.Namespace, folder: Path) -> None:
    """The table of drops and processor time."""
    rows = []
    for contender in contenders(folder):
        if arguments.only not in contender.name:
            continue
        runs = []
        for _ in range(arguments.runs):
            with wire() as cable:
                runs.append(measure(cable, contender, trunk, total, arguments.loops, folder))
        best = min(runs, key=lambda one: one.process_ns)
        lost = max(sum(one.dropped.values()) for one in runs)
        wrong = "" if all(one.captured == total for one in runs) else " (not all were seen)"
        capture = "" if best.capture_ns is None else f"{best.capture_ns:.0f}"
        rows.append([f"`{contender.name}`", capture, f"{best.process_ns:.0f}", f"{best.rate:,.0f}", f"{lost}{wrong}"])
    if not rows:
        return
    head = ("reader", "capture thread, ns a packet", "process, ns a packet", "packets a second", "dropped, most of the runs")
    table(head, rows)


if __name__ == "__main__":
    main()
