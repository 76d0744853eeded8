"""The real `lc` as a child process, and small captures for it to read."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import pytest

LC = Path(sys.executable).with_name("lc")
Lc = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def lc_path() -> Path:
    """The installed `lc`."""
    if not LC.exists():
        pytest.skip(f"no lc beside {sys.executable}: install lippycat-core into this environment")
    return LC


@pytest.fixture(scope="session")
def lc(lc_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Lc:
    """Runs `lc` with the given arguments, away from the user's settings, its outputs captured."""
    home = tmp_path_factory.mktemp("home")

    def run(
        *args: str | Path, env: Mapping[str, str] | None = None, stdin: IO[bytes] | None = None
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), **(env or {})}
        command = [str(lc_path), *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180, env=environment, stdin=stdin)

    return run


def udp_frame(payload: bytes, sport: int = 5060, dport: int = 5060) -> bytes:
    """An Ethernet frame from 10.0.0.1 to 10.0.0.2."""
    udp = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    return bytes(12) + b"\x08\x00" + ip + udp


def pcap(frames: list[bytes], link: int = 1) -> bytes:
    """A capture file: one frame a millisecond from 2023-11-14T22:13:20Z on."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)
    records = (
        struct.pack("<IIII", 1_700_000_000 + n // 1000, n % 1000 * 1000, len(frame), len(frame)) + frame
        for n, frame in enumerate(frames)
    )
    return head + b"".join(records)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Five UDP datagrams with 4, 5, 6, 7 and 8 bytes, ports 1000 to 1004 to 5000."""
    file = tmp_path / "five.pcap"
    file.write_bytes(pcap([udp_frame(b"x" * (4 + n), 1000 + n, 5000) for n in range(5)]))
    return file


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """20,000 small datagrams."""
    file = tmp_path / "many.pcap"
    file.write_bytes(pcap([udp_frame(b"x" * 20)] * 20_000))
    return file
