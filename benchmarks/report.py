"""The figures of lippycat on this machine: whole processes, against tshark where it is installed, and a table a stage.

    python benchmarks/report.py [--packets 1000000] [--calls 2000] [--large]

Captures are generated into a temporary folder. Every figure is the minimum and the median of several runs; compare figures
of one report only. `--large` adds ten million packets, and 20,000 calls for memory (2.4 GB of disk).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent


class Measured(NamedTuple):
    """One command: seconds of each run and the largest peak memory."""

    wall_s: list[float]
    cpu_s: list[float]
    peak_mb: float
    output: bytes

    def text(self) -> str:
        wall, cpu = (f"min {min(v):.2f} median {statistics.median(v):.2f} s" for v in (self.wall_s, self.cpu_s))
        return f"wall {wall}; cpu {cpu}; peak {self.peak_mb:.0f} MB"


def measure(command: list[str], runs: int, env: dict[str, str] | None = None) -> Measured:
    wall, cpu, peak, output = [], [], 0.0, b""
    for _ in range(runs):
        with tempfile.TemporaryFile() as out:
            start = time.perf_counter()
            child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env={**os.environ, **(env or {})})
            _, status, usage = os.wait4(child.pid, 0)
            wall.append(time.perf_counter() - start)
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                raise SystemExit(f"{' '.join(command)}: exit code {child.returncode}")
            cpu.append(usage.ru_utime + usage.ru_stime)
            peak = max(peak, usage.ru_maxrss / 1024)
            out.seek(0)
            output = out.read()
    return Measured(wall, cpu, peak, output)


def lc(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lippycat_core", *arguments]


def generate(path: Path, packets: int, calls: int) -> None:
    command = [sys.executable, str(HERE / "generate.py"), str(path), "--packets", str(packets), "--calls", str(calls)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(Path(folder), arguments.packets, arguments.calls, arguments.large)


def report(folder: Path, packets: int, calls: int, large: bool) -> None:
    capture, small = folder / "calls.pcap", folder / "small.pcap"
    generate(capture, packets, calls)
    generate(small, 1000, 10)
    print(f"lc --help              {measure(lc('--help'), 11).text()}")
    print(f"1,000 packets          {measure(lc('sniff', 'voip', '-r', str(small)), 5).text()}")

    voip = lc("sniff", "voip", "-r", str(capture), "--format", "json")
    cold = measure(voip, 1, {"LIPPYCAT_CACHE_DIR": str(folder / "cache")})
    summary = json.loads(cold.output.splitlines()[-1])
    print(f"{summary['packets']:,} packets, {summary['calls']:,} calls, {summary['streams']:,} streams")
    print(f"  first run ever       {cold.text()} (kernels {summary['backend']} at the end)")
    warm = measure(voip, 5, {"LIPPYCAT_CACHE_DIR": str(folder / "cache")})
    print(f"  next runs            {warm.text()}")
    if tshark := shutil.which("tshark"):
        rival = measure([tshark, "-r", str(capture), "-q", "-z", "rtp,streams"], 1)
        print(f"  tshark -z rtp,streams {rival.text()}")
        print(f"  tshark / lc          {rival.wall_s[0] / statistics.median(warm.wall_s):.1f} times the wall time")
    else:
        print("  tshark is not installed: no rival's figure")
    subprocess.run([sys.executable, str(HERE / "stages.py"), str(capture)], check=True)
    capture.unlink()
    if large:
        for name, count, of in (("ten million packets", 10_000_000, 2000), ("20,000 calls", 2_000_000, 20_000)):
            generate(capture, count, of)
            big = measure(voip, 2)
            seconds = json.loads(big.output.splitlines()[-1])["seconds"]
            print(f"{name:<22} {big.text()}; {seconds / count * 1e9:.0f} ns a packet in the run, kernels' loading included")
            capture.unlink()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
