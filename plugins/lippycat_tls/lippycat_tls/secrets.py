"""Secrets by the client's random number, as an NSS key log gives them (draft-ietf-tls-keylogfile)."""

from __future__ import annotations

import re
from collections import OrderedDict

MASTER = "CLIENT_RANDOM"
"""The master secret of TLS 1.2."""

CLIENT_HANDSHAKE, SERVER_HANDSHAKE = "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET"
CLIENT_TRAFFIC, SERVER_TRAFFIC = "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"

LENGTHS = {
    MASTER: (48,),
    CLIENT_HANDSHAKE: (32, 48),
    SERVER_HANDSHAKE: (32, 48),
    CLIENT_TRAFFIC: (32, 48),
    SERVER_TRAFFIC: (32, 48),
}
"""Bytes of each secret that is of use; lines with other labels are passed over."""

MOST_CONNECTIONS = 1 << 18
"""Connections whose secrets are known at once; the one heard of first goes."""

_LINE = re.compile(rb"^([A-Z_0-9]{1,64}) ([0-9A-Fa-f]{64}) ([0-9A-Fa-f]{64,96})\r?$", re.MULTILINE)


class Secrets:
    """What is known of each connection."""

    def __init__(self, most: int = MOST_CONNECTIONS) -> None:
        self._most = most
        self._known: OrderedDict[bytes, dict[str, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, random: object) -> bool:
        """Whether anything is known of the connection whose ClientHello has this random number."""
        return random in self._known

    def add(self, log: bytes) -> int:
        """Take the lines of a key log that say something, and return how many did."""
        count = 0
        for label, random, secret in _LINE.findall(log):
            name, value = label.decode(), bytes.fromhex(secret.decode())
            if len(value) not in LENGTHS.get(name, ()):
                continue
            self._known.setdefault(bytes.fromhex(random.decode()), {})[name] = value
            count += 1
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return count

    def get(self, random: bytes, label: str) -> bytes | None:
        """A secret; None while it is not known."""
        return self._known.get(random, {}).get(label)
