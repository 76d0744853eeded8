"""Addresses as the columns hold them (four 32-bit words, IPv4 mapped) and as people write them (RFC 5952)."""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import TypeAlias

Endpoint: TypeAlias = tuple[int, int, int, int, int]
"""Address words and port."""


@lru_cache(maxsize=16384)
def host(w0: int, w1: int, w2: int, w3: int) -> str:
    """The address as text: dotted for IPv4, RFC 5952 for IPv6."""
    if w0 == 0 and w1 == 0 and w2 == 0xFFFF:
        return f"{w3 >> 24}.{w3 >> 16 & 255}.{w3 >> 8 & 255}.{w3 & 255}"
    packed = b"".join(w.to_bytes(4, "big") for w in (w0, w1, w2, w3))
    return socket.inet_ntop(socket.AF_INET6, packed)


def endpoint(end: Endpoint) -> str:
    """`10.0.0.1:5060` or `[2001:db8::1]:5060`."""
    text = host(*end[:4])
    return f"[{text}]:{end[4]}" if ":" in text else f"{text}:{end[4]}"


def words(text: str) -> tuple[int, int, int, int]:
    """The four words of an address written as text; ValueError where it is none."""
    try:
        raw = b"\0" * 10 + b"\xff\xff" + socket.inet_pton(socket.AF_INET, text)
    except OSError:
        try:
            raw = socket.inet_pton(socket.AF_INET6, text)
        except OSError as error:
            raise ValueError(f"{text!r} is not an IP address") from error
    w = [int.from_bytes(raw[i : i + 4], "big") for i in range(0, 16, 4)]
    return w[0], w[1], w[2], w[3]
