"""Hosts and networks that the user named (--ip), and which addresses lie in them: a test of columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lippycat_core.errors import FilterError

MAPPED = 0xFFFF << 32
"""An IPv4 address among IPv6 ones (RFC 4291, 2.5.5.2)."""

Words: TypeAlias = NDArray[np.int64]
Keys: TypeAlias = NDArray[np.bytes_]


class Networks:
    """Addresses and networks in CIDR form (RFC 4632), IPv4 and IPv6; bits behind the prefix do not count. FilterError for a
    text that is neither."""

    def __init__(self, texts: Iterable[str]) -> None:
        from ipaddress import IPv4Network, ip_network  # here, for most runs name no network

        by_length: dict[int, list[int]] = {}
        for text in texts:
            try:
                if "%" in text:
                    raise ValueError("a zone is in no packet")
                network = ip_network(text, strict=False)
            except ValueError:
                raise FilterError(
                    f"{text!r} is no IP address or network: write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32"
                ) from None
            first, length = int(network.network_address), network.prefixlen
            if isinstance(network, IPv4Network):
                first, length = first | MAPPED, length + 96
            by_length.setdefault(length, []).append(first)
        self._networks = [(_mask(length), _keys(np.array([*map(_words, found)]))) for length, found in by_length.items()]

    def hold(self, addresses: Words) -> NDArray[np.bool_]:
        """Which addresses lie in any of them; one row of four words each."""
        found = np.zeros(len(addresses), np.bool_)
        for mask, networks in self._networks:
            found |= np.isin(_keys(addresses & mask), networks)
        return found


def _words(address: int) -> list[int]:
    return [address >> shift & 0xFFFFFFFF for shift in (96, 64, 32, 0)]


def _mask(length: int) -> Words:
    return np.array(_words((1 << 128) - (1 << (128 - length))), np.int64)


def _keys(addresses: Words) -> Keys:
    """One value an address, to look up."""
    return np.ascontiguousarray(addresses, ">u4").view("S16").reshape(-1)
