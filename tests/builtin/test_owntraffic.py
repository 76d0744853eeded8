"""What is ours is left out by a program that the kernel itself runs here, on a socket pair: every place of ports, and no more."""

from __future__ import annotations

import array
import socket
import struct
import sys
from collections.abc import Sequence

import pytest

from lippycat_core.builtin.links import ETHERNET, RAW
from lippycat_core.builtin.owntraffic import own_expression, without_own
from lippycat_core.builtin.packetsocket import SO_ATTACH_FILTER, accept
from lippycat_core.filters import Instruction
from lippycat_core.interfaces.capture import OwnEndpoint
from lippycat_core.testing.packets import ethernet, ip, tcp, udp

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="classic BPF is run by the Linux kernel")
OURS = [OwnEndpoint("tcp", "192.0.2.1", 9464), OwnEndpoint("udp", "192.0.2.9", 99), OwnEndpoint("tcp", "2001:db8::1", 9464)]


def kept(program: Sequence[Instruction], packet: bytes) -> bool:
    """Whether the kernel lets a packet through."""
    code = array.array("B", b"".join(struct.pack("=HBBI", *one) for one in program))
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        receiver.setblocking(False)
        receiver.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program), code.buffer_info()[0]))
        try:
            sender.send(packet)
            return receiver.recv(65536) == packet
        except (BlockingIOError, PermissionError):
            return False


def ipv6(src: str, sport: int, dst: str, dport: int, header: int = 6) -> bytes:
    addresses = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
    return struct.pack("!IHBB", 6 << 28, 20, header, 64) + addresses + struct.pack("!HH", sport, dport) + bytes(16)


def fragment(offset: int) -> bytes:
    return ip("192.0.2.1", "10.0.0.1", 6, struct.pack("!HH", 9464, 40000) + bytes(30), fragment=offset)


def options(words: int) -> bytes:
    """An IPv4 header with options."""
    plain = tcp("192.0.2.1", 9464, "10.0.0.1", 40000, 1)
    return bytes([0x45 + words]) + plain[1:20] + bytes(4 * words) + plain[20:]


CASES = [
    (tcp("192.0.2.1", 9464, "10.0.0.1", 40000, 1), False),
    (tcp("10.0.0.1", 40000, "192.0.2.1", 9464, 1), False),
    (udp("10.0.0.1", 5, "192.0.2.9", 99, b""), False),
    (ipv6("2001:db8::1", 9464, "2001:db8::2", 40000), False),
    (ipv6("2001:db8::2", 40000, "2001:db8::1", 9464), False),
    (options(3), False),
    (fragment(0x2000), False),  # the first of several has ports
    (udp("192.0.2.1", 9464, "10.0.0.1", 40000, b""), True),  # the other transport
    (tcp("192.0.2.1", 9465, "10.0.0.1", 40000, 1), True),
    (tcp("192.0.2.1", 40000, "10.0.0.1", 9464, 1), True),  # our address and that port, not together
    (tcp("192.0.2.2", 9464, "10.0.0.1", 40000, 1), True),
    (ipv6("2001:db8::1", 9465, "2001:db8::2", 40000), True),
    (ipv6("2001:db8::3", 9464, "2001:db8::2", 40000), True),
    (ipv6("2001:db8::1", 9464, "2001:db8::2", 40000, header=17), True),
    (ipv6("2001:db8::1", 9464, "2001:db8::2", 40000, header=44), True),
    (fragment(0x0010), True),
    (tcp("192.0.2.1", 9464, "10.0.0.1", 40000, 1)[:22], True),  # too short to tell is not ours
    (ip("192.0.2.1", "10.0.0.1", 1, b"")[:20], True),
]


@LINUX
@pytest.mark.parametrize("number", range(len(CASES)))
def test_packets_of_ours_are_left_out_and_no_others(number: int) -> None:
    packet, wanted = CASES[number]
    assert kept(without_own(accept(65535), RAW, OURS), packet) is wanted
    kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    for tags in (b"", b"\x81\x00\x00\x05", b"\x88\xa8\x00\x05\x81\x00\x00\x06"):
        framed = bytes(12) + tags + struct.pack("!H", kind) + packet
        assert kept(without_own(accept(65535), ETHERNET, OURS), framed) is wanted, tags


@LINUX
def test_what_is_no_ip_passes_and_the_user_s_filter_goes_on() -> None:
    program = without_own(accept(65535), ETHERNET, OURS)
    assert kept(program, bytes(12) + b"\x08\x06" + bytes(28))
    assert kept(program, bytes(12) + b"\x00\x26" + bytes(38))
    nothing = without_own([(6, 0, 0, 0)], ETHERNET, OURS)
    assert not kept(nothing, ethernet(tcp("192.0.2.2", 9464, "10.0.0.1", 40000, 1)))


@LINUX
def test_many_endpoints_are_not_too_many_for_its_jumps() -> None:
    many = [OwnEndpoint("tcp", f"192.0.2.{n}", 9464) for n in range(100)] + OURS[2:]
    program = without_own(accept(65535), RAW, many)
    assert not kept(program, tcp("192.0.2.99", 9464, "10.0.0.1", 40000, 1))
    assert kept(program, tcp("192.0.2.100", 9464, "10.0.0.1", 40000, 1))
    assert not kept(program, ipv6("2001:db8::1", 9464, "2001:db8::2", 40000))


@LINUX
@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_all_addresses_are_those_of_the_host(address: str) -> None:
    program = without_own(accept(65535), RAW, [OwnEndpoint("tcp", address, 9464)])
    assert not kept(program, tcp("127.0.0.1", 9464, "127.0.0.1", 40000, 1))
    assert kept(program, tcp("192.0.2.77", 9464, "192.0.2.78", 40000, 1))


def test_where_nothing_is_ours_nothing_is_added() -> None:
    assert without_own(accept(7), ETHERNET, []) == accept(7)
    assert without_own(accept(7), ETHERNET, [OwnEndpoint("tcp", "127.0.0.1", 0)]) == accept(7)
    assert own_expression([]) == ""


def test_the_expression_names_each() -> None:
    said = own_expression(OURS)
    assert said == (
        "not ((tcp port 9464 and host 192.0.2.1) or (udp port 99 and host 192.0.2.9) or (tcp port 9464 and host 2001:db8::1))"
    )
