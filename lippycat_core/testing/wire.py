"""A network of its own for live tests: a namespace with a veth pair in it, and a sender of raw frames. Linux and root only."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

NEAR, FAR = "lcnear", "lcfar"
"""The two ends: frames that are sent into the first are received on the second."""

SURE_AFTER = 4
"""Looks in a row, 50 ms apart, after which a socket is there to stay."""

_numbers = itertools.count()

_SENDER = """
import socket, struct, sys, time
name, path, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
out.bind((name, 0))
data = open(path, "rb").read()
at = 24
while at + 16 <= len(data):
    size = struct.unpack_from("<I", data, at + 8)[0]
    while True:
        try:
            out.send(data[at + 16 : at + 16 + size])
            break
        except OSError as error:
            if error.errno != 105:  # no buffer space: the link is slower than this loop
                raise
            time.sleep(0.001)
    at += 16 + size
    if pause:
        time.sleep(pause)
"""

_RECORDER = """
import signal, socket, struct, sys
name, path = sys.argv[1:]
over = []
signal.signal(signal.SIGTERM, lambda number, frame: over.append(number))
end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
end.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
end.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
end.bind((name, 0))
end.settimeout(0.2)
link = 101 if end.getsockname()[3] == 65534 else 1
with open(path, "wb") as out:
    out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, link))
    while True:
        try:
            data, more, _, _ = end.recvmsg(1 << 18, 64)
        except TimeoutError:
            if over:  # and nothing waits any more
                break
            continue
        seconds, ns = struct.unpack("qq", more[0][2])
        out.write(struct.pack("<IIII", seconds, ns, len(data), len(data)) + data)
"""


class Wire:
    """A namespace `name` whose `NEAR` and `FAR` are the ends of one cable, without IPv6 chatter."""

    def __init__(self, name: str) -> None:
        self.name = name

    def command(self, *args: str | Path) -> list[str]:
        """The command line that runs a program in the namespace."""
        return ["ip", "netns", "exec", self.name, *map(str, args)]

    def run(self, *args: str | Path) -> str:
        """Run a program there and give its output."""
        return subprocess.run(self.command(*args), check=True, capture_output=True, text=True, timeout=60).stdout

    def start(self, *args: str | Path, stdout: int | IO[bytes] = subprocess.PIPE) -> subprocess.Popen[bytes]:
        """Start a program there that captures."""
        env = {**os.environ, "LIPPYCAT_CAPTURE__USER": "root"}  # whoever runs tests may keep Python where only root can read
        return subprocess.Popen(self.command(*args), stdout=stdout, stderr=subprocess.PIPE, env=env)

    def send(self, pcap: Path, interface: str = NEAR, *, pause_s: float = 0.0) -> None:
        """Send the frames of a little-endian pcap file."""
        self.run(sys.executable, "-c", _SENDER, interface, pcap, str(pause_s))

    @contextmanager
    def recorded(self, interface: str, pcap: Path) -> Iterator[None]:
        """Everything that `interface` shows, either way, while the context lasts; in a pcap file when it is over. It goes
        through a plain socket, and so is what other programs see."""
        before = self._bound()
        process = self.start(sys.executable, "-c", _RECORDER, interface, pcap)
        try:
            self.wait_until_captured(before + 1)
            yield
        finally:
            process.terminate()
            process.communicate(timeout=60)

    def _bound(self) -> int:
        """Packet sockets that take everything."""
        return sum(line.split()[3] == "0003" for line in self.run("cat", "/proc/net/packet").splitlines()[1:])

    def wait_until_captured(self, sockets: int = 1, timeout_s: float = 30.0) -> None:
        """Wait until so many packet sockets are bound, and stay so: libpcap binds one for a moment while it compiles a filter.
        TimeoutError."""
        end = time.monotonic() + timeout_s
        seen = 0
        while time.monotonic() < end:
            seen = seen + 1 if self._bound() >= sockets else 0
            if seen == SURE_AFTER:
                return
            time.sleep(0.05)
        raise TimeoutError(f"no {sockets} packet sockets in {self.name} after {timeout_s} s")


def why_not() -> str:
    """Why there can be no wire here; empty where there can."""
    if sys.platform != "linux" or shutil.which("ip") is None:
        return "live tests need Linux and the ip command (iproute2)"
    name = f"lcprobe{os.getpid()}"
    done = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        return f"live tests need network namespaces (CAP_NET_ADMIN): {' '.join(done.stderr.split())}"
    done = subprocess.run(
        ["ip", "-n", name, "link", "add", NEAR, "type", "veth", "peer", "name", FAR], check=False, capture_output=True, text=True
    )
    subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    return f"live tests need veth pairs: {' '.join(done.stderr.split())}" if done.returncode != 0 else ""


@contextmanager
def wire(pairs: Sequence[tuple[str, str]] = ((NEAR, FAR),)) -> Iterator[Wire]:
    """A wire, taken down at the end; with several pairs several cables."""
    made = Wire(f"lc{os.getpid()}-{next(_numbers)}")
    subprocess.run(["ip", "netns", "add", made.name], check=True, capture_output=True)
    try:
        quiet = "for f in all default; do echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done 2>/dev/null; true"
        made.run("sh", "-c", quiet)
        for near, far in pairs:
            made.run("ip", "link", "add", near, "type", "veth", "peer", "name", far)
            for end in (near, far):
                made.run("ip", "link", "set", end, "arp", "off", "up")
        made.run("ip", "link", "set", "lo", "up")
        yield made
    finally:
        subprocess.run(["ip", "netns", "del", made.name], check=False, capture_output=True)
