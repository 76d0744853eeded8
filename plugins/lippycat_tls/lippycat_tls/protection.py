"""Opens records: AEAD and CBC of TLS 1.2, AEAD of TLS 1.3. `cryptography` does the arithmetic; the session knows the rest."""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from lippycat_tls.suites import Suite

FIRST_WITH_HEADER = 25
"""The draft of TLS 1.3 from which the record's header is authenticated too."""

AES_BLOCK = 16


class Unfit(Exception):
    """A record that these keys, or this number, do not open."""


class Opener(Protocol):
    """One direction's keys."""

    def open(self, header: bytes, body: bytes, number: int) -> bytes:
        """What is in the record with this header and sequence number. Raises Unfit."""
        ...


class Aead(Protocol):
    """What the AEADs of `cryptography` have in common."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Plain text, or InvalidTag."""
        ...


def opener12(suite: Suite, mac: bytes, key: bytes, iv: bytes, *, mac_last: bool) -> Opener:
    """For records of TLS 1.2."""
    if suite.protection == "cbc":
        return Cbc(suite, mac, key, mac_last=mac_last)
    return Aead12(_aead(suite, key), iv, _tag_bytes(suite))


def opener13(suite: Suite, key: bytes, iv: bytes, draft: int) -> Opener:
    """For records of TLS 1.3, its drafts included."""
    return Aead13(_aead(suite, key), iv, with_header=draft >= FIRST_WITH_HEADER)


def _aead(suite: Suite, key: bytes) -> Aead:
    if suite.protection == "gcm":
        return AESGCM(key)
    if suite.protection == "chacha":
        return ChaCha20Poly1305(key)
    return AESCCM(key, tag_length=_tag_bytes(suite))


def _tag_bytes(suite: Suite) -> int:
    return 8 if suite.protection == "ccm8" else 16


class Aead12:
    """RFC 5288, section 3: part of the nonce is in the record; RFC 7905, section 2: all of it is the IV and the number."""

    def __init__(self, aead: Aead, iv: bytes, tag_bytes: int) -> None:
        self._aead = aead
        self._iv = iv
        self._mixed = int.from_bytes(iv, "big") if len(iv) == 12 else -1
        self._tag = tag_bytes

    def open(self, header: bytes, body: bytes, number: int) -> bytes:
        """See Opener."""
        if self._mixed >= 0:
            nonce = (self._mixed ^ number).to_bytes(12, "big")
        else:
            nonce, body = self._iv + body[:8], body[8:]
        size = len(body) - self._tag
        if size < 0:
            raise Unfit
        try:
            return self._aead.decrypt(nonce, body, struct.pack("!Q3sH", number, header[:3], size))
        except (InvalidTag, ValueError) as error:
            raise Unfit from error


class Aead13:
    """RFC 8446, section 5.2."""

    def __init__(self, aead: Aead, iv: bytes, *, with_header: bool) -> None:
        self._aead = aead
        self._iv = int.from_bytes(iv, "big")
        self._with_header = with_header

    def open(self, header: bytes, body: bytes, number: int) -> bytes:
        """See Opener; the content type is the last byte that is not zero."""
        try:
            return self._aead.decrypt((self._iv ^ number).to_bytes(12, "big"), body, header if self._with_header else b"")
        except (InvalidTag, ValueError) as error:
            raise Unfit from error


class Cbc:
    """RFC 5246, section 6.2.3.2, and RFC 7366."""

    def __init__(self, suite: Suite, mac: bytes, key: bytes, *, mac_last: bool) -> None:
        self._hash = suite.mac
        self._mac = mac
        self._mac_bytes = hashlib.new(suite.mac).digest_size
        self._blocks = Cipher(algorithms.AES(key), modes.ECB()).decryptor()
        self._mac_last = mac_last

    def open(self, header: bytes, body: bytes, number: int) -> bytes:
        """See Opener."""
        if self._mac_last:
            body, mac = body[: -self._mac_bytes], body[-self._mac_bytes :]
            self._check(header, body, mac, number)
        if len(body) < 2 * AES_BLOCK or len(body) % AES_BLOCK:
            raise Unfit
        # CBC block by block (NIST SP 800-38A, 6.2): making a cipher for each record's IV costs five times as much
        blocks = self._blocks.update(body[AES_BLOCK:])
        before = int.from_bytes(body[:-AES_BLOCK], "big")
        plain = (int.from_bytes(blocks, "big") ^ before).to_bytes(len(blocks), "big")
        padding = plain[-1] + 1
        if padding > len(plain):
            raise Unfit
        plain = plain[:-padding]
        if self._mac_last:
            return plain
        if len(plain) < self._mac_bytes:
            raise Unfit
        plain, mac = plain[: -self._mac_bytes], plain[-self._mac_bytes :]
        self._check(header, plain, mac, number)
        return plain

    def _check(self, header: bytes, data: bytes, mac: bytes, number: int) -> None:
        said = struct.pack("!Q3sH", number, header[:3], len(data)) + data
        if not hmac.compare_digest(hmac.digest(self._mac, said, self._hash), mac):
            raise Unfit
