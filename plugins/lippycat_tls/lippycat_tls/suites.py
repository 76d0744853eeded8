"""Cipher suites as data: how records are protected, and with which hash keys are derived (IANA, TLS Cipher Suites)."""

from __future__ import annotations

from typing import Literal, NamedTuple

Protection = Literal["gcm", "ccm", "ccm8", "chacha", "cbc"]


class Suite(NamedTuple):
    """What of a suite matters to who reads records."""

    protection: Protection
    key: int  # bytes of the key
    hash: str  # of PRF or HKDF, by hashlib's name
    mac: str = ""  # of CBC records, by hashlib's name


_GCM128, _GCM256 = Suite("gcm", 16, "sha256"), Suite("gcm", 32, "sha384")
_CHACHA = Suite("chacha", 32, "sha256")
_CCM128, _CCM256 = Suite("ccm", 16, "sha256"), Suite("ccm", 32, "sha256")
_CCM8_128, _CCM8_256 = Suite("ccm8", 16, "sha256"), Suite("ccm8", 32, "sha256")
_CBC128_SHA, _CBC256_SHA = Suite("cbc", 16, "sha256", "sha1"), Suite("cbc", 32, "sha256", "sha1")
_CBC128_SHA256, _CBC256_SHA256 = Suite("cbc", 16, "sha256", "sha256"), Suite("cbc", 32, "sha256", "sha256")
_CBC256_SHA384 = Suite("cbc", 32, "sha384", "sha384")

_NUMBERS: tuple[tuple[Suite, tuple[int, ...]], ...] = (
    # TLS 1.3 (RFC 8446, B.4)
    (_GCM128, (0x1301,)),
    (_GCM256, (0x1302,)),
    (_CHACHA, (0x1303,)),
    (_CCM128, (0x1304,)),
    (_CCM8_128, (0x1305,)),
    # TLS 1.2: RSA, DHE, ECDHE with RSA or ECDSA, PSK (RFC 5246, 5288, 5289, 5487, 6655, 7251, 7905)
    (_GCM128, (0x009C, 0x009E, 0x00A2, 0x00A8, 0x00AA, 0xC02B, 0xC02F, 0xD001)),
    (_GCM256, (0x009D, 0x009F, 0x00A3, 0x00A9, 0x00AB, 0xC02C, 0xC030, 0xD002)),
    (_CHACHA, (0xCCA8, 0xCCA9, 0xCCAA, 0xCCAB, 0xCCAC, 0xCCAD)),
    (_CCM128, (0xC09C, 0xC09E, 0xC0A4, 0xC0A6, 0xC0AC)),
    (_CCM256, (0xC09D, 0xC09F, 0xC0A5, 0xC0A7, 0xC0AD)),
    (_CCM8_128, (0xC0A0, 0xC0A2, 0xC0A8, 0xC0AA, 0xC0AE)),
    (_CCM8_256, (0xC0A1, 0xC0A3, 0xC0A9, 0xC0AB, 0xC0AF)),
    (_CBC128_SHA, (0x002F, 0x0032, 0x0033, 0x008C, 0x0090, 0xC009, 0xC013, 0xC035)),
    (_CBC256_SHA, (0x0035, 0x0038, 0x0039, 0x008D, 0x0091, 0xC00A, 0xC014, 0xC036)),
    (_CBC128_SHA256, (0x003C, 0x0040, 0x0067, 0x00AE, 0x00B2, 0xC023, 0xC027, 0xC037)),
    (_CBC256_SHA256, (0x003D, 0x006A, 0x006B)),
    (_CBC256_SHA384, (0x00AF, 0x00B3, 0xC024, 0xC028, 0xC038)),
)

SUITES: dict[int, Suite] = {number: suite for suite, numbers in _NUMBERS for number in numbers}
