"""Session descriptions: written bodies and what they offer."""

from __future__ import annotations

import ipaddress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.addresses import words
from lippycat_core.columns import I32
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_simd.kernels import CompiledKernels
from lippycat_voip.columns import D_WIDTH, M_SDP, M_WIDTH
from lippycat_voip.kernels.literals import address_literal
from lippycat_voip.kernels.sdp import MEDIA_LIMIT, describe
from lippycat_voip.sdp import Descriptions, Media, SessionDescription

HEAD = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\n"


def table(bodies: list[bytes | None]) -> tuple[bytes, I32]:
    """A slab with the bodies, and a message table that knows nothing but where they lie."""
    rows = np.full(max(len(bodies), 1) * M_WIDTH, -1, np.int32)
    slab = b"?"
    for i, body in enumerate(bodies):
        if body is not None:
            rows[i * M_WIDTH + M_SDP] = len(slab)
            rows[i * M_WIDTH + M_SDP + 1] = len(body)
            slab += body
    return slab + b"\r\nm=audio 9 RTP/AVP 0", rows


def read(kernels: KernelSet, *bodies: bytes | None) -> dict[int, SessionDescription]:
    data, rows = table(list(bodies))
    slab = np.frombuffer(data, np.uint8).copy()
    descriptions = Descriptions()
    descriptions.bind(kernels)
    return descriptions.read(kernels.view(slab), memoryview(slab.data), kernels.view(rows), len(bodies))


def media(kernels: KernelSet, *lines: str, end: str = "\r\n") -> tuple[Media, ...]:
    found = read(kernels, (HEAD + end.join([*lines, ""])).encode())
    return found[0].media if found else ()


def only(kernels: KernelSet, *lines: str) -> Media:
    (one,) = media(kernels, *lines)
    return one


def test_an_offer(kernels: KernelSet) -> None:
    offer = media(
        kernels,
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 49170 RTP/AVP 0 8 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "m=video 51372 RTP/SAVPF 31 99",
        "c=IN IP6 2001:db8::1",
        "a=rtpmap:99 H264/90000",
        "a=recvonly",
        "a=rtcp-mux",
    )
    assert offer == (
        Media(
            type="audio",
            port=49170,
            address=words("192.0.2.1"),
            proto="RTP/AVP",
            direction="sendrecv",
            rtcp=None,
            mux=False,
            secure=False,
            formats=(0, 8, 101),
            codecs=((0, "PCMU", 8000), (101, "telephone-event", 8000)),
            ptime=20,
        ),
        Media(
            type="video",
            port=51372,
            address=words("2001:db8::1"),
            proto="RTP/SAVPF",
            direction="recvonly",
            rtcp=None,
            mux=True,
            secure=True,
            formats=(31, 99),
            codecs=((99, "H264", 90000),),
            ptime=None,
        ),
    )
    assert offer[0].endpoint == (*words("192.0.2.1"), 49170)


@pytest.mark.parametrize(
    ("session", "own", "address"),
    [
        ("c=IN IP4 192.0.2.1", "", "192.0.2.1"),
        ("c=IN IP4 192.0.2.1", "c=IN IP4 192.0.2.2", "192.0.2.2"),
        ("", "c=IN IP4 192.0.2.2\r\nc=IN IP4 192.0.2.3", "192.0.2.2"),
        ("c=IN IP4 224.2.36.42/127", "", "224.2.36.42"),
        ("c=IN IP6 FF15::101/3", "", "ff15::101"),
        ("c=IN  IP4\t192.0.2.1", "", "192.0.2.1"),
        ("c=IN IP4 2001:db8::5", "", "2001:db8::5"),
        ("c=IN IP4 media.example.com", "", None),
        ("c=IN IP4 192.0.2.1", "c=IN IP4 media.example.com", None),
        ("c=IN IP4 192.0.2", "", None),
        ("c=IN IP4", "", None),
        ("c=", "", None),
        ("", "", None),
    ],
)
def test_connection_address(kernels: KernelSet, session: str, own: str, address: str | None) -> None:
    one = only(kernels, session, "m=audio 4000 RTP/AVP 0", own)
    assert one.address == (words(address) if address else None)
    assert one.endpoint == ((*words(address), 4000) if address else None)


@pytest.mark.parametrize(
    ("line", "rtcp"),
    [
        ("a=rtcp:53020", (*words("192.0.2.1"), 53020)),
        ("a=rtcp:53020 IN IP4 192.0.2.7", (*words("192.0.2.7"), 53020)),
        ("a=rtcp:53020 IN IP6 2001:db8::7", (*words("2001:db8::7"), 53020)),
        ("a=rtcp:53020 IN IP4 a.example.com", (*words("192.0.2.1"), 53020)),
        ("a=rtcp:0", None),
        ("a=rtcp:65536", None),
        ("a=rtcp:", None),
        ("a=rtcp-xr:voip-metrics", None),
        ("a=rtcp-fb:* nack", None),
    ],
)
def test_rtcp(kernels: KernelSet, line: str, rtcp: tuple[int, ...] | None) -> None:
    one = only(kernels, "c=IN IP4 192.0.2.1", "m=audio 4000 RTP/AVP 0", line)
    assert (one.rtcp, one.mux) == (rtcp, False)


@pytest.mark.parametrize(
    ("session", "own", "direction", "held"),
    [
        ("", "", "sendrecv", False),
        ("a=sendonly", "", "sendonly", True),
        ("a=sendonly", "a=sendrecv", "sendrecv", False),
        ("", "a=inactive", "inactive", True),
        ("", "a=recvonly", "recvonly", False),
        ("", "a=SENDONLY", "sendonly", True),
        ("", "a=sendonlyx", "sendrecv", False),
    ],
)
def test_direction(kernels: KernelSet, session: str, own: str, direction: str, held: bool) -> None:
    one = only(kernels, "c=IN IP4 192.0.2.1", session, "m=audio 4000 RTP/AVP 0", own)
    assert (one.direction, one.held) == (direction, held)


@pytest.mark.parametrize("address", ["IP4 0.0.0.0", "IP6 ::"])
def test_hold_of_rfc_2543(kernels: KernelSet, address: str) -> None:
    one = only(kernels, f"c=IN {address}", "m=audio 4000 RTP/AVP 0")
    assert (one.held, one.endpoint, one.port) == (True, None, 4000)


@pytest.mark.parametrize(
    ("proto", "name", "secure"),
    [
        ("RTP/AVP", "RTP/AVP", False),
        ("rtp/avpf", "RTP/AVPF", False),
        ("RTP/SAVP", "RTP/SAVP", True),
        ("RTP/SAVPF", "RTP/SAVPF", True),
        ("UDP/TLS/RTP/SAVP", "RTP/SAVP", True),
        ("UDP/TLS/RTP/SAVPF", "RTP/SAVPF", True),
        ("udptl", "udptl", None),
        ("UDPTL", "udptl", None),
        ("TCP/MSRP", "TCP", None),
        ("TCP/TLS/RTP/SAVP", "TCP", None),
        ("UDP/BFCP", "other", None),
        ("RTP", "other", None),
        ("", "other", None),
    ],
)
def test_transport_protocol(kernels: KernelSet, proto: str, name: str, secure: bool | None) -> None:
    one = only(kernels, f"m=audio 4000 {proto} 0")
    assert (one.proto, one.secure) == (name, secure)


@pytest.mark.parametrize("line", ["a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", "a=fingerprint:sha-256 00"])
@pytest.mark.parametrize("level", [0, 1])
def test_keys_make_it_secure(kernels: KernelSet, line: str, level: int) -> None:
    lines = ["m=audio 4000 RTP/AVP 0", "m=video 4002 RTP/AVP 31"]
    lines.insert(level, line)
    assert [one.secure for one in media(kernels, *lines)] == [True, level == 0]


def test_media_lines(kernels: KernelSet) -> None:
    lines = [
        "m=image 0 udptl t38",
        "m=application 5000/2 UDP/BFCP *",
        "m=text 5004 RTP/AVP 98",
        "m=message 5 TCP/MSRP *",
        "m=x 1 RTP/AVP 0",
    ]
    got = [(one.type, one.port, one.ports, one.formats) for one in media(kernels, *lines)]
    assert got == [
        ("image", 0, 1, ()),
        ("application", 5000, 2, ()),
        ("text", 5004, 1, (98,)),
        ("message", 5, 1, ()),
        ("other", 1, 1, (0,)),
    ]


@pytest.mark.parametrize(
    ("line", "port", "formats"),
    [
        ("m=audio 29156  RTP/AVP 18  0", 29156, (18, 0)),
        ("m=audio 65536 RTP/AVP 0", 0, (0,)),
        ("m=audio 184467440737095516161 RTP/AVP 0", 0, (0,)),
        ("m=audio -1 RTP/AVP 0", 0, (0,)),
        ("m=audio 1 RTP/AVP 0 0 128 127 999 x 1000 96", 1, (0, 127, 96)),
        ("m=audio 1 RTP/AVP", 1, ()),
        ("m=audio", 0, ()),
        ("m=", 0, ()),
        ("m=audio 5/0 RTP/AVP 0", 5, (0,)),
    ],
)
def test_odd_media_lines(kernels: KernelSet, line: str, port: int, formats: tuple[int, ...]) -> None:
    one = only(kernels, line)
    assert (one.port, one.formats) == (port, formats)


@pytest.mark.parametrize(
    ("lines", "codecs"),
    [
        (["a=rtpmap:96 opus/48000/2"], ((96, "opus", 48000),)),
        (["a=rtpmap: 96  opus/48000"], ((96, "opus", 48000),)),
        (["a=rtpmap:96 opus"], ()),
        (["a=rtpmap:96 /8000"], ()),
        (["a=rtpmap:200 x/8000"], ()),
        (["a=rtpmap:96 a/1", "a=rtpmap:96 b/2"], ((96, "b", 2),)),
        (["a=fmtp:96 x", "a=rtpmap:96 a/1", "a=x", "a=rtpmap:97 b/2", "a=y"], ((96, "a", 1), (97, "b", 2))),
    ],
)
def test_codecs(kernels: KernelSet, lines: list[str], codecs: tuple[tuple[int, str, int], ...]) -> None:
    first, second = media(kernels, "m=audio 4000 RTP/AVP 96 97", *lines, "m=video 4002 RTP/AVP 96")
    assert (first.codecs, second.codecs) == (codecs, ())


def test_ptime(kernels: KernelSet) -> None:
    lines = [
        "m=audio 1 RTP/AVP 0",
        "a=ptime:20.5",
        "m=audio 1 RTP/AVP 0",
        "a=ptime:x",
        "m=audio 1 RTP/AVP 0",
        "a=ptime:0",
        "a=maxptime:30",
    ]
    assert [one.ptime for one in media(kernels, *lines)] == [20, None, None]


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r\r\n"])
def test_line_ends_of_bodies(kernels: KernelSet, end: str) -> None:
    (one,) = media(kernels, "c=IN IP4 192.0.2.1", "m=audio 4000 RTP/AVP 0", "a=sendonly", "a=rtpmap:0 PCMU/8000", end=end)
    assert (one.address, one.direction, one.codecs) == (words("192.0.2.1"), "sendonly", ((0, "PCMU", 8000),))
    assert one.formats == (0,)


def test_lines_that_are_not_sdp(kernels: KernelSet) -> None:
    assert media(kernels, "m =video 1 RTP/AVP 0", "", "m", "=", "garbage", "M=audio 1 RTP/AVP 0") == ()
    assert media(kernels) == ()


def test_more_media_than_are_read(kernels: KernelSet) -> None:
    found = media(kernels, *(f"m=audio {4000 + i} RTP/AVP 0" for i in range(100)), "c=IN IP4 192.0.2.1")
    assert [one.port for one in found] == list(range(4000, 4000 + MEDIA_LIMIT))
    assert found[-1].address is None


def test_many_messages_with_and_without(kernels: KernelSet) -> None:
    bodies: list[bytes | None] = []
    for i in range(400):
        lines = "".join(f"m=audio {i + 1} RTP/AVP {k}\r\n" for k in range(i % 17))
        bodies.append(None if i % 5 == 0 else (HEAD + lines).encode())
    found = read(kernels, *bodies)
    assert sorted(found) == [i for i in range(400) if i % 5 and i % 17]
    for i, description in found.items():
        assert [(one.port, one.formats) for one in description.media] == [(i + 1, (k,)) for k in range(min(i % 17, MEDIA_LIMIT))]
    assert read(kernels) == {}


def test_equal_lists_are_one_object() -> None:
    line = "m=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\n"
    found = read(Interpreted(), (HEAD + line).encode(), (HEAD + line.replace("4000", "4002")).encode())
    assert found[0].media[0].codecs is found[1].media[0].codecs


COMPILED = CompiledKernels()
PARTS = st.sampled_from(
    [
        b"v=0\r\n",
        b"m=audio 4000 RTP/AVP 0 101\r\n",
        b"m=",
        b"c=IN IP4 10.0.0.1\r\n",
        b"c=IN IP6 ::1\r\n",
        b"a=sendonly\r\n",
        b"a=rtcp:1 IN IP4 1.2.3.4",
        b"a=rtpmap:0 PCMU/8000",
        b"a=",
        b"a=crypto:",
        b"a=ptime:20",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"999999999999999999999",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PARTS | st.binary(max_size=6), max_size=40))
def test_any_bytes_describe_the_same_interpreted_and_compiled(parts: list[bytes]) -> None:
    data, rows = table([b"".join(parts), None, b"".join(reversed(parts))])
    slab = np.frombuffer(data, np.uint8).copy()
    pure, simd = np.zeros(40 * D_WIDTH, np.int64), np.zeros(40 * D_WIDTH, np.int64)
    view = Interpreted().view
    describe(view(slab), view(rows), 0, 3, view(pure), 40)
    COMPILED[describe](slab, rows, 0, 3, simd, 40)
    assert pure.tolist() == simd.tolist()
    read(Interpreted(), b"".join(parts))


IPV6 = st.ip_addresses(v=6).map(str) | st.lists(
    st.sampled_from(["::", ":", "1", "ffff", "0abc", "12345", "1.2.3.4", "g", "%1"]), max_size=12
).map("".join)
IPV4 = st.ip_addresses(v=4).map(str) | st.lists(st.sampled_from([".", "1", "255", "256", "0001", "01", " "]), max_size=9).map(
    "".join
)


@settings(max_examples=600, deadline=None)
@given(IPV6 | IPV4)
def test_address_literals_are_those_of_the_standard_library(written: str) -> None:
    data = written.encode()
    known, *got = address_literal(Interpreted().view(np.frombuffer(data, np.uint8)), 0, len(data))
    try:
        wanted = ipaddress.ip_address(written)
    except ValueError:
        octets = written.split(".")
        leading_zeros = (
            len(octets) == 4 and ":" not in written and all(o.isdigit() and len(o) <= 3 and int(o) < 256 for o in octets)
        )
        assert known == leading_zeros
        return
    assert known == ("%" not in written)
    if known:
        number = int(wanted) if wanted.version == 6 else (0xFFFF << 32) + int(wanted)
        assert got == [number >> 96, number >> 64 & 0xFFFFFFFF, number >> 32 & 0xFFFFFFFF, number & 0xFFFFFFFF]
