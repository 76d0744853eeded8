"""Our BPF machine against libpcap's, on expressions that make libpcap use every instruction it knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from lippycat_core.batch import Batch
from lippycat_core.columns import FILTERED, FRESH, LINK_TYPE
from lippycat_core.filters import compile_bpf
from lippycat_core.kernels import bpf
from lippycat_core.kernels.bpf import filter_rows
from lippycat_core.kernelset import KernelSet

pcapy = pytest.importorskip("pcapy", reason="pcapy-ng is not installed: capture filters not tested")

MakeBatch = Callable[..., Batch]

EXPRESSIONS = [
    "",
    "ip",
    "ip6",
    "arp",
    "tcp",
    "udp",
    "not udp",
    "icmp",
    "port 5060",
    "udp port 5060",
    "udp portrange 5000-6000",
    "src port 5060 or dst port 5061",
    "host 10.0.0.1",
    "src host 10.0.0.1 and not dst host 10.0.0.2",
    "net 10.0.0.0/9",
    "ip6 host 2001:db8::1",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "vlan",
    "vlan 5 and udp port 5060",
    "vlan and vlan 6 and ip",
    "ether host 02:00:00:00:00:01",
    "ether proto 0x0806",
    "less 80",
    "greater 100",
    "len >= 60 and len <= 120",
    "ip[6:2] & 0x1fff != 0",
    "ip[0] & 0xf != 5",
    "udp[8:4] = 0x494e5649",
    "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
    "ip[2:2] * 65537 * 40503 > 0x7fffffff",
    "ip[2:2] - 40000 > 100",
    "ether[20:4] % 7 = 3",
    "ether[20:4] / ether[24] = 3",
    "ether[20:4] % ether[24] = 1",
    "ether[12:2] ^ ether[14:2] > 0x1000",
    "ether[20:4] << ether[24] > ether[25]",
    "ether[20:4] >> ether[24] < 9",
    "ether[20:4] | ether[24:4] = 0xffffffff or ether[1] - ether[2] < 5",
    "-ether[20:4] > 0x80000000",
    "ether[ether[14]:2] = 0x4500",
    "ether[len - 4:4] > 0x7fffffff",
    "icmp[icmptype] = icmp-echo and ip[8] < 65",
    "ip proto 47 or ip6 proto 17",
    "ether broadcast or ip multicast",
    "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
]

E = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
PACKETS = [
    bytes(packet)
    for packet in (
        E / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5060, dport=5060) / Raw(b"INVITE sip:b SIP/2.0\r\n\r\n"),
        E / IP(src="10.0.0.1", dst="10.0.0.3", options=[IPOption_Router_Alert()]) / UDP(sport=5061, dport=5062) / Raw(bytes(90)),
        E / IP(src="10.0.0.1", dst="10.0.0.2", frag=9) / Raw(bytes(60)),
        E / IP(src="10.200.0.1", dst="10.0.0.2") / TCP(sport=80, dport=5060, flags="S"),
        E / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(dport=80, flags="PA", options=[("NOP", None)] * 4) / Raw(b"GET / HTTP/1.0"),
        E / IP() / ICMP(),
        E / IP(proto=47) / Raw(bytes(30)),
        E / IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=5060, dport=1) / Raw(b"\x80" + bytes(171)),
        E / IPv6(src="2001:db8::3", dst="2001:db8::2") / TCP(dport=5060),
        E / Dot1Q(vlan=5) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5060, dport=5060) / Raw(b"x"),
        E / Dot1AD(vlan=5) / Dot1Q(vlan=6) / IP() / UDP(dport=5060),
        E / ARP(),
        Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff") / IP(dst="255.255.255.255") / UDP(dport=67),
    )
]


@cache
def reference(expression: str) -> Any:
    return pcapy.compile(1, 262144, expression, 1, 0xFFFFFFFF)


def matched(kernels: KernelSet, make_batch: MakeBatch, expression: str, packets: Sequence[bytes]) -> list[bool]:
    program, skip = compile_bpf(expression, 1)
    batch = make_batch(packets)
    memory = kernels.view(np.zeros(bpf.MEMORY, np.int64))
    views = batch.views
    kernels[filter_rows](views.slab, views.frame, views.route, kernels.view(program), memory, 1, skip, 0, batch.rows)
    return [status == FRESH for status in batch.route.status[: batch.rows]]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_made_packets(expression: str, kernels: KernelSet, make_batch: MakeBatch) -> None:
    """Whole, and cut at every byte."""
    packets = [packet[:end] for packet in PACKETS for end in range(len(packet) + 1)]
    expected = [bool(reference(expression).filter(packet)) for packet in packets]
    assert matched(kernels, make_batch, expression, packets) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=90), min_size=1, max_size=10))
def test_random_bytes(kernels: KernelSet, make_batch: MakeBatch, packets: list[bytes]) -> None:
    for expression in EXPRESSIONS:
        expected = [bool(reference(expression).filter(packet)) for packet in packets]
        assert matched(kernels, make_batch, expression, packets) == expected


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_packets(kernels: KernelSet, make_batch: MakeBatch, data: st.DataObject) -> None:
    packet = bytearray(data.draw(st.sampled_from(PACKETS)))
    for _ in range(data.draw(st.integers(1, 6))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    for expression in EXPRESSIONS:
        assert matched(kernels, make_batch, expression, [bytes(packet)]) == [bool(reference(expression).filter(bytes(packet)))]


Instruction = tuple[int, int, int, int]
RETURN_A: Instruction = (0x16, 0, 0, 0)


def run(kernels: KernelSet, make_batch: MakeBatch, instructions: Sequence[Instruction], packet: bytes = b"\1\2\3\4") -> bool:
    """Whether a program, written by hand, accepts a packet."""
    batch = make_batch([packet], wirelens=[1000])
    program = kernels.view(np.array(instructions, np.int64).reshape(-1))
    memory = kernels.view(np.full(bpf.MEMORY, 99, np.int64))
    views = batch.views
    kernels[filter_rows](views.slab, views.frame, views.route, program, memory, 1, 0, 0, 1)
    return bool(batch.route.status[0] == FRESH)


def equals(value: int) -> list[Instruction]:
    return [(0x15, 0, 1, value), (0x06, 0, 0, 1), (0x06, 0, 0, 0)]


ARITHMETIC = {
    # name: code of the operation with k, A before, k, A after
    "add_wraps": (0x04, 0xFFFFFFFF, 2, 1),
    "sub_wraps": (0x14, 1, 2, 0xFFFFFFFF),
    "mul_wraps": (0x24, 0xFFFFFFFF, 0xFFFFFFFF, 1),
    "mul_large": (0x24, 0xDEADBEEF, 0xCAFEBABE, 0xDEADBEEF * 0xCAFEBABE & 0xFFFFFFFF),
    "div": (0x34, 0xFFFFFFFF, 16, 0x0FFFFFFF),
    "or": (0x44, 0xF0, 0x0F, 0xFF),
    "and": (0x54, 0xF0, 0x3C, 0x30),
    "lsh": (0x64, 0x80000001, 1, 2),
    "lsh_all": (0x64, 1, 32, 0),
    "rsh": (0x74, 0x80000000, 31, 1),
    "rsh_all": (0x74, 0xFFFFFFFF, 32, 0),
    "neg": (0x84, 1, 0, 0xFFFFFFFF),
    "mod": (0x94, 0xFFFFFFFF, 10, 5),
    "xor": (0xA4, 0xFF, 0x0F, 0xF0),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic(name: str, kernels: KernelSet, make_batch: MakeBatch) -> None:
    code, before, k, after = ARITHMETIC[name]
    assert run(kernels, make_batch, [(0x00, 0, 0, before), (code, 0, 0, k), *equals(after)])
    assert run(kernels, make_batch, [(0x01, 0, 0, k), (0x00, 0, 0, before), (code | 8, 0, 0, 0), *equals(after)])


def test_memory_and_registers(kernels: KernelSet, make_batch: MakeBatch) -> None:
    store_load = [(0x00, 0, 0, 7), (0x02, 0, 0, 15), (0x00, 0, 0, 0), (0x60, 0, 0, 15)]
    assert run(kernels, make_batch, [*store_load, *equals(7)])
    through_x = [(0x01, 0, 0, 8), (0x03, 0, 0, 0), (0x01, 0, 0, 0), (0x61, 0, 0, 0), (0x87, 0, 0, 0)]
    assert run(kernels, make_batch, [*through_x, *equals(8)])
    assert run(kernels, make_batch, [(0x00, 0, 0, 5), (0x07, 0, 0, 0), (0x00, 0, 0, 0), (0x87, 0, 0, 0), *equals(5)])
    assert run(kernels, make_batch, [(0x60, 0, 0, 3), *equals(0)])  # memory begins at 0, whatever ran before


def test_lengths_are_those_on_the_wire(kernels: KernelSet, make_batch: MakeBatch) -> None:
    assert run(kernels, make_batch, [(0x80, 0, 0, 0), *equals(1000)])
    assert run(kernels, make_batch, [(0x81, 0, 0, 0), (0x87, 0, 0, 0), *equals(1000)])


NO_MATCH: dict[str, list[Instruction]] = {
    "empty": [],
    "no_return": [(0x00, 0, 0, 1)],
    "jump_behind_the_end": [(0x05, 0, 0, 0xFFFFFFFF), (0x06, 0, 0, 1)],
    "word_over_the_end": [(0x20, 0, 0, 1), (0x06, 0, 0, 1)],
    "half_over_the_end": [(0x28, 0, 0, 3), (0x06, 0, 0, 1)],
    "byte_over_the_end": [(0x30, 0, 0, 4), (0x06, 0, 0, 1)],
    "load_far_away": [(0x30, 0, 0, 0xFFFFFFFF), (0x06, 0, 0, 1)],
    "indirect_far_away": [(0x01, 0, 0, 0xFFFFFFFF), (0x50, 0, 0, 1), (0x06, 0, 0, 1)],
    "header_length_over_the_end": [(0xB1, 0, 0, 4), (0x06, 0, 0, 1)],
    "division_by_0": [(0x00, 0, 0, 1), (0x34, 0, 0, 0), (0x06, 0, 0, 1)],
    "remainder_by_0": [(0x00, 0, 0, 1), (0x9C, 0, 0, 0), (0x06, 0, 0, 1)],
    "memory_16": [(0x60, 0, 0, 16), (0x06, 0, 0, 1)],
    "memory_16_x": [(0x61, 0, 0, 16), (0x06, 0, 0, 1)],
    "store_16": [(0x02, 0, 0, 16), (0x06, 0, 0, 1)],
    "unknown_operation": [(0xF4, 0, 0, 1), (0x06, 0, 0, 1)],
    "unknown_load": [(0xE0, 0, 0, 0), (0x06, 0, 0, 1)],
    "unknown_size": [(0x38, 0, 0, 0), (0x06, 0, 0, 1)],
    "returns_0": [(0x06, 0, 0, 0)],
    "returns_a_of_0": [RETURN_A],
}


@pytest.mark.parametrize("name", NO_MATCH)
def test_no_match(name: str, kernels: KernelSet, make_batch: MakeBatch) -> None:
    assert not run(kernels, make_batch, NO_MATCH[name])


def test_return_of_a_register(kernels: KernelSet, make_batch: MakeBatch) -> None:
    assert run(kernels, make_batch, [(0x30, 0, 0, 0), RETURN_A])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 0xFF), st.integers(0, 5), st.integers(0, 5), st.integers(0, 0xFFFFFFFF) | st.integers(0, 20))
    )
)
def test_any_program_ends(kernels: KernelSet, make_batch: MakeBatch, instructions: list[Instruction]) -> None:
    """A program that libpcap would never write reads nothing outside of the packet and ends."""
    assert run(kernels, make_batch, instructions) in (True, False)


def test_other_rows_are_left_alone(kernels: KernelSet, make_batch: MakeBatch) -> None:
    batch = make_batch([b"\0"] * 3)
    batch.frame.link[1] = 113
    batch.route.status[2] = LINK_TYPE
    nothing = kernels.view(np.array([0x06, 0, 0, 0], np.int64))
    memory = kernels.view(np.zeros(bpf.MEMORY, np.int64))
    views = batch.views
    kernels[filter_rows](views.slab, views.frame, views.route, nothing, memory, 1, 0, 0, 3)
    assert list(batch.route.status[:3]) == [FILTERED, FRESH, LINK_TYPE]
