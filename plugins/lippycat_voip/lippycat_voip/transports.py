"""What messages come over: the numbers of `M_TRANSPORT` and their names. Layers have numbers that no IP protocol can have."""

from __future__ import annotations

from lippycat_core.columns import SCTP, TCP, UDP
from lippycat_voip.columns import TLS, WS, WSS

TRANSPORTS = {UDP: "udp", TCP: "tcp", SCTP: "sctp", TLS: "tls", WS: "ws", WSS: "wss"}

_NUMBERS = {name: number for number, name in TRANSPORTS.items()}


def transport_number(name: str) -> int:
    """The number of a connection's transport; one that nobody has told us of is as good as TCP."""
    return _NUMBERS.get(name, TCP)
