"""Key derivation: the PRF of TLS 1.2 (RFC 5246, section 5) and HKDF as TLS 1.3 uses it (RFC 8446, section 7.1)."""

from __future__ import annotations

import hashlib
import hmac

from lippycat_tls.protection import Opener, opener12, opener13
from lippycat_tls.suites import Suite

FIRST_SHORT_LABELS = 20
"""The draft of TLS 1.3 from which labels begin with `tls13 `."""


def prf(secret: bytes, label: bytes, seed: bytes, length: int, name: str) -> bytes:
    """P_hash of the label and the seed."""
    seed = label + seed
    out, a = b"", seed
    while len(out) < length:
        a = hmac.digest(secret, a, name)
        out += hmac.digest(secret, a + seed, name)
    return out[:length]


def expand_label(secret: bytes, label: bytes, length: int, name: str, draft: int) -> bytes:
    """HKDF-Expand-Label with an empty context."""
    full = (b"tls13 " if draft >= FIRST_SHORT_LABELS else b"TLS 1.3, ") + label
    info = length.to_bytes(2, "big") + bytes([len(full)]) + full + b"\0"
    out, block, number = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(secret, block + info + bytes([number]), name)
        out += block
        number += 1
    return out[:length]


def keys12(suite: Suite, master: bytes, client_random: bytes, server_random: bytes, *, mac_last: bool) -> tuple[Opener, Opener]:
    """What opens the client's and the server's records (RFC 5246, section 6.3). `mac_last`: encrypt-then-MAC (RFC 7366)."""
    mac = hashlib.new(suite.mac).digest_size if suite.mac else 0
    iv = {"gcm": 4, "ccm": 4, "ccm8": 4, "chacha": 12, "cbc": 0}[suite.protection]
    block = prf(master, b"key expansion", server_random + client_random, 2 * (mac + suite.key + iv), suite.hash)
    pieces, at = [], 0
    for size in (mac, mac, suite.key, suite.key, iv, iv):
        pieces.append(block[at : at + size])
        at += size
    client, server = (opener12(suite, *pieces[side::2], mac_last=mac_last) for side in (0, 1))
    return client, server


def keys13(suite: Suite, secret: bytes, draft: int) -> Opener:
    """What opens the records under a traffic secret (RFC 8446, section 7.3)."""
    key = expand_label(secret, b"key", suite.key, suite.hash, draft)
    return opener13(suite, key, expand_label(secret, b"iv", 12, suite.hash, draft), draft)


def next_secret(suite: Suite, secret: bytes, draft: int) -> bytes:
    """The traffic secret behind a KeyUpdate (RFC 8446, section 7.2)."""
    return expand_label(secret, b"traffic upd", len(secret), suite.hash, draft)
