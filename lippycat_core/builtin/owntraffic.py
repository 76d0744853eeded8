"""A run never captures what it sends or serves itself: the condition for that in front of the user's filter, as a program for
the kernel and as an expression for libpcap. Which endpoints are ours is said by whoever opens them (`OwnEndpoint`).

The program is written here instruction by instruction, so that it needs no libpcap and finds VLAN tags wherever they are: in
the packet, or taken out by the kernel. What it cannot tell to be ours passes: fragments but the first, which have no ports,
and IPv6 behind extension headers.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence

from lippycat_core.builtin.links import ETHERNET, RAW, links
from lippycat_core.errors import InputError
from lippycat_core.filters import Instruction
from lippycat_core.interfaces.capture import OwnEndpoint

# linux/bpf_common.h, filter.h: what is used here of classic BPF
LD_WORD, LD_HALF, LD_BYTE, LD_LENGTH = 0x20, 0x28, 0x30, 0x80  # absolute
LD_WORD_X, LD_HALF_X, LD_BYTE_X = 0x40, 0x48, 0x50  # behind X
LD_MEMORY, LDX_MEMORY, STORE, STORE_X, LDX = 0x60, 0x61, 0x02, 0x03, 0x01
ADD, AND, SHIFT, ADD_X, TAX, TXA = 0x04, 0x54, 0x64, 0x0C, 0x07, 0x87
JUMP, EQUAL, BITS, AT_LEAST_X, RETURN = 0x05, 0x15, 0x45, 0x3D, 0x06
AD_PROTOCOL = 0xFFFFF000

IPV4, IPV6 = 0x0800, 0x86DD
TAGS = (0x8100, 0x88A8, 0x9100)
MOST_TAGS = 2
NUMBERS = {"tcp": 6, "udp": 17}
PROTOCOL, SOURCE, TARGET, SOURCE_PORT, TARGET_PORT, BASE, END = range(7)  # words of scratch memory

_PASS = -1
"""In `k` of a jump: to the end of the program. Where a jump has it is known when all is put together."""


def addresses(endpoint: OwnEndpoint) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses that an endpoint stands for; of a name all that it has. Empty where it cannot be told."""
    try:
        found = socket.getaddrinfo(endpoint.address, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    named = [ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]
    if not any(address.is_unspecified for address in named):
        return list(dict.fromkeys(named))
    try:
        here = [ipaddress.ip_address(text.partition("/")[0]) for link in links(addresses=True) for text in link.addresses]
    except InputError:
        return []
    any_version = any(address.version == 6 for address in named)  # :: takes IPv4 as well
    return list(dict.fromkeys(address for address in here if any_version or address.version == 4))


def without_own(program: Sequence[Instruction], link: int, endpoints: Iterable[OwnEndpoint]) -> list[Instruction]:
    """A program for packets of one link type that takes none of ours, and of the others those that `program` takes. Cooked
    packets are looked at without their header, as `compile_live` does."""
    v4: list[Instruction] = []
    v6: list[Instruction] = []
    for endpoint in endpoints:
        for address in addresses(endpoint) if endpoint.port else ():
            if address.version == 4:
                v4 += _match4(NUMBERS[endpoint.transport], int(address), endpoint.port)
            else:
                v6 += _match6(NUMBERS[endpoint.transport], int(address), endpoint.port)
    if not v4 and not v6:
        return list(program)
    body4, body6 = [*_read4(), *v4, _to_end()], [*_read6(), *v6]
    versions = [
        *_unless(EQUAL, IPV4, len(body4)),  # A is the EtherType, X where the IP header begins
        *body4,
        *_unless(EQUAL, IPV6, len(body6)),
        *body6,
    ]
    check = [*_head(link), *versions]
    placed = [(code, jt, jf, len(check) - at - 1 if k == _PASS else k) for at, (code, jt, jf, k) in enumerate(check)]
    return [*placed, *program]


def own_expression(endpoints: Iterable[OwnEndpoint]) -> str:
    """The same as a filter expression for libpcap; "" where nothing is ours."""
    parts = [
        f"({endpoint.transport} port {endpoint.port} and host {address})"
        for endpoint in endpoints
        for address in (addresses(endpoint) if endpoint.port else ())
    ]
    return f"not ({' or '.join(parts)})" if parts else ""


def _to_end() -> Instruction:
    return (JUMP, 0, 0, _PASS)


def _unless(test: int, k: int, skip: int) -> list[Instruction]:
    """Go over the next `skip` instructions where the test fails; the way is too long for the test's own jump."""
    return [(test, 1, 0, k), (JUMP, 0, 0, skip)]


def _need(test: int, k: int, *, holds: bool = True) -> list[Instruction]:
    """Leave the packet to the user's filter unless the test holds (or fails)."""
    return [(test, 1, 0, k) if holds else (test, 0, 1, k), _to_end()]


def _head(link: int) -> list[Instruction]:
    """A becomes the EtherType behind all tags, X the place of what it stands for."""
    if link == RAW:
        return [
            (LDX, 0, 0, 0),
            (LD_BYTE, 0, 0, 0),
            (AND, 0, 0, 0xF0),
            (EQUAL, 0, 2, 0x40),
            (0x00, 0, 0, IPV4),  # ld #IPV4
            (JUMP, 0, 0, 1),
            (0x00, 0, 0, IPV6),
        ]
    first: Instruction = (LD_HALF, 0, 0, 12) if link == ETHERNET else (LD_WORD, 0, 0, AD_PROTOCOL)
    base = 14 if link == ETHERNET else 0
    program = [(LDX, 0, 0, base), first]
    for _ in range(MOST_TAGS):
        base += 4
        # Not a tag: over the next two. The EtherType of what is tagged lies in front of it.
        program += [
            (EQUAL, 2, 0, TAGS[0]),
            (EQUAL, 1, 0, TAGS[1]),
            (EQUAL, 0, 2, TAGS[2]),
            (LDX, 0, 0, base),
            (LD_HALF, 0, 0, base - 2),
        ]
    return program


def _has(nbytes: int) -> list[Instruction]:
    """The packet has so many bytes behind X; a load that has not would refuse it, whatever it is."""
    return [
        (STORE_X, 0, 0, BASE),
        (TXA, 0, 0, 0),
        (ADD, 0, 0, nbytes),
        (STORE, 0, 0, END),
        (LD_LENGTH, 0, 0, 0),
        (LDX_MEMORY, 0, 0, END),
        *_need(AT_LEAST_X, 0),
        (LDX_MEMORY, 0, 0, BASE),
    ]


def _read4() -> list[Instruction]:
    """Addresses, protocol and ports of an IPv4 packet (RFC 791) into memory."""
    return [
        *_has(24),
        (LD_HALF_X, 0, 0, 6),
        *_need(BITS, 0x1FFF, holds=False),
        (LD_BYTE_X, 0, 0, 9),
        (STORE, 0, 0, PROTOCOL),
        (LD_WORD_X, 0, 0, 12),
        (STORE, 0, 0, SOURCE),
        (LD_WORD_X, 0, 0, 16),
        (STORE, 0, 0, TARGET),
        (LD_BYTE_X, 0, 0, 0),
        (AND, 0, 0, 0x0F),
        (SHIFT, 0, 0, 2),
        (ADD_X, 0, 0, 0),
        (TAX, 0, 0, 0),
        *_has(4),
        (LD_HALF_X, 0, 0, 0),
        (STORE, 0, 0, SOURCE_PORT),
        (LD_HALF_X, 0, 0, 2),
        (STORE, 0, 0, TARGET_PORT),
    ]


def _match4(protocol: int, address: int, port: int) -> list[Instruction]:
    """Refuse what is from or to an endpoint."""
    return [
        (LD_MEMORY, 0, 0, PROTOCOL),
        (EQUAL, 0, 9, protocol),
        (LD_MEMORY, 0, 0, SOURCE),
        (EQUAL, 0, 2, address),
        (LD_MEMORY, 0, 0, SOURCE_PORT),
        (EQUAL, 4, 0, port),
        (LD_MEMORY, 0, 0, TARGET),
        (EQUAL, 0, 3, address),
        (LD_MEMORY, 0, 0, TARGET_PORT),
        (EQUAL, 0, 1, port),
        (RETURN, 0, 0, 0),
    ]


def _read6() -> list[Instruction]:
    """An IPv6 header (RFC 8200) and ports are there."""
    return _has(44)


def _match6(protocol: int, address: int, port: int) -> list[Instruction]:
    """The same; addresses are read where they are."""
    words = [address >> shift & 0xFFFFFFFF for shift in (96, 64, 32, 0)]
    program: list[Instruction] = []
    for at, port_at in ((8, 40), (24, 42)):
        address_tests = [(LD_WORD_X, at + 4 * n, word) for n, word in enumerate(words)]
        tests = [(LD_BYTE_X, 6, protocol), *address_tests, (LD_HALF_X, port_at, port)]
        for number, (load, offset, value) in enumerate(tests):
            program += [(load, 0, 0, offset), (EQUAL, 0, 2 * (len(tests) - number) - 1, value)]
        program.append((RETURN, 0, 0, 0))
    return program
