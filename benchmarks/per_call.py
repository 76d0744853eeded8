"""What a file for each call costs: 5,000 calls at once, written per call, beside the same run without files.

    python benchmarks/per_call.py [--calls 5000] [--packets 1000000] [--threads 1 2] [--folder /dev/shm]

Prints rows of a table: ns a packet by CPU and by clock of the whole process, most descriptors open at once, and whether the
packets in the files are those of the calls.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
LC = Path(sys.executable).with_name("lc")


class Cost(NamedTuple):
    seconds: float
    cpu_s: float
    descriptors: int
    megabytes: int


def measured(command: list[str]) -> Cost:
    """Run a command and watch its descriptors."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    most = memory = 0
    while process.poll() is None:
        try:
            most = max(most, len(os.listdir(f"/proc/{process.pid}/fd")))
            status = Path(f"/proc/{process.pid}/status").read_text()
            memory = max(memory, int(status.split("VmHWM:")[1].split()[0]))
        except (OSError, IndexError):
            pass  # it has just ended
        time.sleep(0.01)
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: ended with {process.returncode}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, cpu, most, memory // 1024)


def packets_in(path: Path) -> int:
    """Enhanced Packet Blocks of a pcapng file."""
    data, pos, count = path.read_bytes(), 0, 0
    while pos + 8 <= len(data):
        kind, total = struct.unpack_from("<II", data, pos)
        count += kind == 6
        pos += total
    if pos != len(data):
        sys.exit(f"{path}: ends in the middle of a block")
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--folder", help="where files go, as on a disk of memory; by default where temporary files go")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lc-per-call-", dir=options.folder))
    try:
        capture = folder / "calls.pcap"
        made = [sys.executable, str(HERE / "generate.py"), str(capture)]
        subprocess.run([*made, "--calls", str(options.calls), "--packets", str(options.packets)], check=True)
        base = [str(LC), "sniff", "voip", "-r", str(capture), "-q", "--format", "json"]
        first = folder / "first"
        measured(
            [*base, "-w", str(first), "--per-call-pcap", "--per-call-pcap-dir", f"{first}-calls"]
        )  # kernels are compiled now
        shutil.rmtree(f"{first}-calls")
        size = capture.stat().st_size
        count = 0
        with capture.open("rb") as file:
            file.seek(24)
            while head := file.read(16):
                count += 1
                file.seek(struct.unpack_from("<I", head, 8)[0], 1)
        print("| run | threads | ns a packet (clock) | ns a packet (CPU) | MB/s | descriptors | memory | packets in files |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        plain = measured(base)
        row("no files", "", plain, count, size, "")
        for threads in options.threads:
            writing = [*base, "--tcp-io-threads", str(threads)]
            row("`-w`", str(threads), measured([*writing, "-w", str(folder / "all.pcapng")]), count, size, "")
            (folder / "all.pcapng").unlink()
            calls = folder / f"calls-{threads}"
            cost = measured([*writing, "--per-call-pcap", "--per-call-pcap-dir", str(calls)])
            files = list(calls.iterdir())
            found = sum(map(packets_in, files))
            said = f"{found:,} of {count:,} in {len(files):,} files"
            row("`--per-call-pcap`", str(threads), cost, count, size, said)
            shutil.rmtree(calls)
            if found != count:
                sys.exit("packets are missing")
    finally:
        shutil.rmtree(folder)


def row(what: str, threads: str, cost: Cost, count: int, size: int, said: str) -> None:
    print(
        f"| {what} | {threads} | {cost.seconds / count * 1e9:,.0f} | {cost.cpu_s / count * 1e9:,.0f} | "
        f"{size / cost.seconds / 1e6:,.0f} | {cost.descriptors} | {cost.megabytes} MB | {said} |"
    )


if __name__ == "__main__":
    main()
