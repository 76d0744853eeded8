from __future__ import annotations

import pytest

from lippycat_core.testing.dissector import DissectorSuite

pytest.importorskip("scapy", reason="scapy is not installed: the scapy example is not tested")

from lippycat_scapy_example import Dhcp


def message(kind: int, address: str) -> bytes:
    your = bytes(map(int, address.split(".")))
    head = b"\x01\x01\x06\x00" + b"\x39\x03\xf3\x26" + bytes(8) + your + bytes(8)
    return head + b"\x02\x00\x00\x00\x00\x01" + bytes(10 + 64 + 128) + b"\x63\x82\x53\x63" + bytes((53, 1, kind, 255))


class TestDhcp(DissectorSuite):
    dissector = Dhcp
    conversation = ((0, message(1, "0.0.0.0")), (1, message(2, "192.0.2.77")), (0, b"not dhcp"))
    port = 67
    expected = (
        ("dhcp", {"type": "discover", "client": "02:00:00:00:00:01", "address": "0.0.0.0"}),
        ("dhcp", {"type": "offer", "client": "02:00:00:00:00:01", "address": "192.0.2.77"}),
    )
