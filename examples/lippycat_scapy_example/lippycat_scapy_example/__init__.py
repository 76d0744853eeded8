"""DHCP read by scapy: an example of a dissector that leaves the protocol to a library. Slow, and right for what is rare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lippycat_core.interfaces.dissect import Claim, FlowInfo

MESSAGE_TYPES = {1: "discover", 2: "offer", 3: "request", 4: "decline", 5: "ack", 6: "nak", 7: "release", 8: "inform"}
MAGIC_COOKIE = 236


class Dhcp:
    """Says message type, client address and offered address of each DHCP message (RFC 2131)."""

    name = "dhcp"
    claims = (Claim("udp", ports=(67, 68)),)

    def open(self, flow: FlowInfo) -> Dhcp:
        """One object serves all flows: a message stands alone."""
        return self

    def feed(self, side: int, data: bytes, ts_ns: int) -> Iterator[tuple[str, Mapping[str, object]]]:
        """A datagram is one message; what has no options is BOOTP and not ours."""
        if data[MAGIC_COOKIE : MAGIC_COOKIE + 4] != b"\x63\x82\x53\x63":
            return
        from scapy.layers.dhcp import BOOTP, DHCP  # imported when the first message comes: scapy takes half a second

        message = BOOTP(data)
        if DHCP not in message:
            return
        options = {option[0]: option[1] for option in message[DHCP].options if isinstance(option, tuple)}
        kind = MESSAGE_TYPES.get(options.get("message-type", 0), "unknown")
        yield "dhcp", {"type": kind, "client": message.chaddr[:6].hex(":"), "address": str(message.yiaddr)}
