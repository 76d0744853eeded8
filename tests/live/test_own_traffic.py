"""A run that serves metrics on the interface that it captures does not see them, unless it is told to."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import pytest

from lippycat_core.testing.wire import Wire

pytest.importorskip("prometheus_client", reason="prometheus-client is not installed: nothing is served")

LC = Path(sys.executable).with_name("lc")
_ASK = """
import socket, sys, urllib.request
urllib.request.urlopen(f"http://{sys.argv[1]}:9464/metrics", timeout=20).read()
other = socket.socket()
try:
    other.connect(("127.0.0.3", 9464))
except ConnectionRefusedError:
    pass
"""


@pytest.mark.parametrize(("listen", "address"), [("127.0.0.1", "127.0.0.1"), ("[::1]", "[::1]")])
@pytest.mark.parametrize("interface", ["lo", "any"])
@pytest.mark.parametrize("keep", [False, True])
def test_own_metrics(cable: Wire, listen: str, address: str, interface: str, keep: bool) -> None:
    cable.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/lo/disable_ipv6")
    settings = ["env", f"LIPPYCAT_CAPTURE__OWN_TRAFFIC={'yes' if keep else 'no'}"]
    command = (LC, "sniff", "-i", interface, "-f", "tcp", "--compiler", "pure", "--metrics-listen", f"{listen}:9464")
    process = cable.start(*settings, *command)
    cable.wait_until_captured()
    time.sleep(0.5)
    cable.run(sys.executable, "-c", _ASK, address)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 130, said.decode()
    packets = [json.loads(line) for line in out.splitlines()][:-1]
    others = [one for one in packets if "127.0.0.3:9464" in (one["src"], one["dst"])]
    assert len(others) >= 2  # somebody else's port of the same number
    assert (len(packets) > len(others)) is keep
