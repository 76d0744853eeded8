"""What a datagram is, by its content alone."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.batch import Batch
from lippycat_core.columns import DECODED, FRAGMENT, TCP, UDP
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.packets import rtp
from lippycat_simd.kernels import CompiledKernels
from lippycat_voip.columns import KINDS
from lippycat_voip.kernels.classify import classify

BASE = 7


def kinds(kernels: KernelSet, *datagrams: bytes, wire: int | None = None) -> list[str | None]:
    """The kind of each datagram; `wire` is the length that UDP gives when the snap length cut them."""
    batch = Batch(kernels)
    off = 0
    for row, data in enumerate(datagrams):
        batch.mem[off : off + len(data)] = data
        batch.transport.pay_off[row] = off
        batch.transport.pay_len[row] = len(data)
        batch.transport.pay_wire[row] = len(data) if wire is None else wire
        batch.net.proto[row] = UDP
        batch.route.status[row] = DECODED
        off += len(data)
    v = batch.views
    kernels[classify](v.slab, v.transport, v.net, v.route, 0, len(datagrams), BASE)
    return [None if kind == 0 else KINDS[kind - BASE] for kind in batch.route.kind[: len(datagrams)].tolist()]


def rtcp(kind: int, words: int = 6, *, count: int = 0, length: int | None = None) -> bytes:
    return struct.pack("!BBHI", 0x80 | count, kind, words if length is None else length, 0x1234) + b"\0" * 4 * (words - 1)


def stun(kind: int = 1, body: bytes = b"", cookie: int = 0x2112A442) -> bytes:
    return struct.pack("!HHI", kind, len(body), cookie) + b"t" * 12 + body


def dtls(kind: int, version: int = 0xFEFD, body: bytes = b"x" * 20) -> bytes:
    return struct.pack("!BHHIHH", kind, version, 0, 0, 1, len(body)) + body


ZRTP = b"\x10\x00\x00\x01ZRTP" + b"\0" * 24
RTP = rtp(1, 160, 0x1234, b"x" * 160)

SAMPLES: list[tuple[str, bytes, str | None]] = [
    ("request", b"INVITE sip:b@x SIP/2.0\r\n\r\n", "sip"),
    ("extension method", b"FOO-1.x sip:b@x SIP/2.0\r\n\r\n", "sip"),
    ("any case of the version", b"BYE sip:b@x sip/2.0\n\n", "sip"),
    ("request line alone", b"BYE sip:b@x SIP/2.0", "sip"),
    ("method that begins with a digit", b"1x sip:b@x SIP/2.0\r\n", "sip"),
    ("method that begins with a sign", b"!x sip:b@x SIP/2.0\r\n", "sip"),
    ("method of which a bit is wrong", b"I\xceVITE sip:b@x SIP/2.0\r\n\r\n", "sip"),
    ("method that does not begin as one", b"\xc9NVITE sip:b@x SIP/2.0\r\n\r\n", None),
    ("method that begins with another sign", b"@YE sip:b@x SIP/2.0\r\n\r\n", "sip"),
    ("NUL behind a carriage return alone", b"SIP/2.0 200 OK\r\0ia: x\r\n\r\n", "sip"),
    ("method that begins like RTP", b"\x81CK sip:b@x SIP/2.0\r\n\r\n", None),
    ("no scheme", b"INVITE bob SIP/2.0\r\n\r\n", None),
    ("NUL in the reason", b"SIP/2.0 200 O\0\r\n\r\n", None),
    ("response", b"SIP/2.0 180 Ringing\r\n\r\n", "sip"),
    ("response without reason", b"SIP/2.0 180\r\n\r\n", "sip"),
    ("line ends in front", b"\r\n\r\nOPTIONS sip:b SIP/2.0\r\n", "sip"),
    ("NUL in front", b"\0\0\0\0OPTIONS sip:b SIP/2.0\r\n", "sip"),
    ("other junk in front", b"xx\r\nOPTIONS sip:b SIP/2.0\r\n", None),
    ("cut in the start line", b"INVITE sip:b@example.com SIP/2", None),
    ("SSDP", b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n", None),
    ("M-SEARCH", b"M-SEARCH * HTTP/1.1\r\n\r\n", None),
    ("SIP/3.0", b"INVITE sip:b@x SIP/3.0\r\n\r\n", None),
    ("MGCP", b"AUEP 1 aaln/1@x MGCP 1.0\r\n", None),
    ("keep-alive CRLF", b"\r\n\r\n", None),
    ("keep-alive NUL", b"\0\0\0\0", None),
    ("keep-alive byte", b"\0", None),
    ("nothing", b"", None),
    ("text", b"hello world", None),
    ("RTP", RTP, "rtp"),
    ("RTP without payload", rtp(1, 1, 1, b""), "rtp"),
    ("RTP of a dynamic type with marker", rtp(1, 1, 1, b"x", payload_type=127, marker=True), "rtp"),
    ("RTP header cut off", RTP[:11], None),
    ("RTP with two CSRC", b"\x82" + RTP[1:], "rtp"),
    ("RTP with more CSRC than fit", b"\x8f" + RTP[1:24], None),
    ("RTP with extension", b"\x90\0" + b"\0" * 10 + b"\xbe\xde\0\x01abcd" + b"x", "rtp"),
    ("RTP with an extension that does not fit", b"\x90\0" + b"\0" * 10 + b"\xbe\xde\0\x02abcd", None),
    ("RTP with no room for its extension", b"\x90\0" + b"\0" * 12, None),
    ("RTP that is padding alone", b"\xa0" + rtp(1, 1, 1, b"\0\0\0\x04")[1:], "rtp"),
    ("RTP with more padding than fits", b"\xa0" + rtp(1, 1, 1, b"\0\0\0\x05")[1:], None),
    ("RTP with padding of no bytes", b"\xa0" + rtp(1, 1, 1, b"\0\0\0\0")[1:], None),
    ("payload type 63", rtp(1, 1, 1, b"x", payload_type=63), "rtp"),
    ("payload type 64", rtp(1, 1, 1, b"x", payload_type=64), None),
    ("payload type 95 with marker", rtp(1, 1, 1, b"x", payload_type=95, marker=True), None),
    ("payload type 96", rtp(1, 1, 1, b"x", payload_type=96), "rtp"),
    ("version 1", b"\x40" + RTP[1:], None),
    ("version 3", b"\xc0" + RTP[1:], None),
    ("TURN channel data", b"\x40\x01\0\xa0" + RTP, None),
    ("sender report", rtcp(200), "rtcp"),
    ("receiver report and SDES", rtcp(201, 1) + rtcp(202, 3, count=1), "rtcp"),
    ("feedback alone (RFC 5506)", rtcp(206, 3, count=1), "rtcp"),
    ("BYE alone", rtcp(203, 1, count=1), "rtcp"),
    ("report and something new", rtcp(201, 1) + rtcp(210, 2), "rtcp"),
    ("something new alone", rtcp(210, 2), None),
    ("type 199", rtcp(199), None),
    ("more behind the report", rtcp(200) + b"\0\0\0\0", "rtcp"),
    ("report longer than the datagram", rtcp(200, length=7), None),
    ("SRTCP", rtcp(201, 1) + b"\x80\0\0\x01" + b"a" * 10, "rtcp"),
    ("report header without sender", b"\x80\xc9\0\0", None),
    ("binding request", stun(1), "stun"),
    ("binding response with attributes", stun(0x101, b"\0\x20\0\x08" + b"x" * 8), "stun"),
    ("any method with the cookie", stun(0x03F1), "stun"),
    ("unaligned length", stun(1, b"xy"), None),
    ("classic STUN", stun(0x101, b"x" * 8, cookie=0x01020304), "stun"),
    ("classic STUN with more behind it", stun(1, cookie=5) + b"x", None),
    ("classic header of an unknown type", stun(0x30, cookie=5), None),
    ("DTLS handshake", dtls(22), "dtls"),
    ("DTLS 1.0 alert", dtls(21, 0xFEFF), "dtls"),
    ("DTLS of a type not assigned", dtls(27), None),
    ("TLS on UDP", dtls(22, 0x0303), None),
    ("DTLS cut short", dtls(22)[:20], None),
    ("ZRTP", ZRTP, "zrtp"),
    ("no ZRTP cookie", ZRTP.replace(b"ZRTP", b"ZRTQ"), None),
]


def test_samples(kernels: KernelSet) -> None:
    got = kinds(kernels, *(data for _, data, _ in SAMPLES))
    assert {name: kind for (name, _, _), kind in zip(SAMPLES, got, strict=True)} == {name: kind for name, _, kind in SAMPLES}


@pytest.mark.parametrize(
    ("data", "wire", "kind"),
    [
        (RTP[:20], 172, "rtp"),
        (RTP[:11], 172, None),
        (b"\x90\0" + b"\0" * 10, 172, "rtp"),
        (b"\x90\0" + b"\0" * 10, 15, None),
        (b"\xa0" + RTP[1:40], 172, "rtp"),
        (rtcp(200)[:12], 28, "rtcp"),
        (rtcp(200)[:12], 24, None),
        (stun(1, b"x" * 40)[:24], 60, "stun"),
        (dtls(22)[:20], 33, "dtls"),
        (b"INVITE sip:b SIP/2.0\r\nVia", 900, "sip"),
    ],
)
def test_cut_by_the_snap_length(kernels: KernelSet, data: bytes, wire: int, kind: str | None) -> None:
    assert kinds(kernels, data, wire=wire) == [kind]


def test_only_udp_rows_that_nobody_has(kernels: KernelSet) -> None:
    batch = Batch(kernels)
    batch.mem[: len(RTP)] = RTP
    for column, value in ((batch.transport.pay_len, len(RTP)), (batch.transport.pay_wire, len(RTP)), (batch.net.proto, UDP)):
        column[:6] = value
    batch.route.status[:6] = DECODED
    batch.route.status[1] = FRAGMENT
    batch.net.proto[2] = TCP
    batch.route.kind[3] = 3
    v = batch.views
    kernels[classify](v.slab, v.transport, v.net, v.route, 0, 5, BASE)
    assert batch.route.kind[:6].tolist() == [BASE + 1, 0, 0, 3, BASE + 1, 0]


def test_a_cut_datagram_is_what_it_was_or_nothing(kernels: KernelSet) -> None:
    for name, data, kind in SAMPLES:
        if kind:
            got = kinds(kernels, *(data[:n] for n in range(len(data))), wire=len(data))
            assert set(got) <= {None, kind}, name


COMPILED = CompiledKernels()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([data for _, data, _ in SAMPLES if data]), st.data(), st.integers(0, 40))
def test_mutations_mean_the_same_interpreted_and_compiled(sample: bytes, data: st.DataObject, missing: int) -> None:
    mutated = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    mutated = mutated[: data.draw(st.integers(0, len(mutated)))]
    wire = len(mutated) + missing
    assert kinds(Interpreted(), bytes(mutated), wire=wire) == kinds(COMPILED, bytes(mutated), wire=wire)


def test_random_bytes_are_hardly_ever_ours() -> None:
    random = np.random.default_rng(1)
    datagrams = [random.bytes(int(n)) for n in random.integers(0, 200, 3000)]
    got = kinds(COMPILED, *datagrams)
    assert set(got) <= {None, "rtp"}
    assert kinds(Interpreted(), *datagrams) == got
