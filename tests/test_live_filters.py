"""Filters that the kernel will run: compiled for where it runs them, and refused where they would silently match nothing."""

from __future__ import annotations

import pytest

from lippycat_core.builtin.packetsocket import RET, SKF_AD_IFINDEX, accept, by_interface
from lippycat_core.errors import FilterError
from lippycat_core.filters import Instruction, compile_live
from lippycat_core.testing.packets import ethernet, udp

pytest.importorskip("pcapy", reason="pcapy-ng is not installed: filters are not compiled")


def run(program: list[Instruction], packet: bytes, told: dict[int, int]) -> int:
    """What a classic BPF program returns; `told` is what the kernel knows beside the packet, by ancillary offset."""
    at = accumulator = index = 0
    while True:
        code, jt, jf, k = program[at]
        at += 1
        size = {0x00: 4, 0x08: 2, 0x10: 1}.get(code & 0x18, 4)
        if code & 7 == 0 and code & 0xE0 in (0x20, 0x40):
            if k >= 0xFFFFF000:
                accumulator = told[k]
                continue
            place = k + (index if code & 0xE0 == 0x40 else 0)
            if place + size > len(packet):
                return 0
            accumulator = int.from_bytes(packet[place : place + size], "big")
        elif code == 0xB1:
            index = 4 * (packet[k] & 15)
        elif code & 7 == 5:
            if code == 0x05:
                at += k
                continue
            test = {0x10: accumulator == k, 0x20: accumulator > k, 0x30: accumulator >= k, 0x40: bool(accumulator & k)}[
                code & 0xF0
            ]
            at += jt if test else jf
        elif code & 7 == RET:
            return k
        else:
            raise AssertionError(f"code {code:#x} is not expected here")


PROTOCOL = 0xFFFFF000
PACKET = udp("10.0.0.1", 1000, "10.0.0.2", 5060, b"hello")


def test_a_match_keeps_the_snap_length() -> None:
    program = compile_live("udp port 5060", 1, 99)
    assert run(program, ethernet(PACKET), {}) == 99
    assert run(compile_live("udp port 5061", 1, 99), ethernet(PACKET), {}) == 0


@pytest.mark.parametrize(("expression", "kept"), [("udp port 5060", 7), ("udp port 5061", 0), ("ip6", 0), ("host 10.0.0.2", 7)])
def test_cooked_packets_are_looked_at_behind_their_header(expression: str, kept: int) -> None:
    assert run(compile_live(expression, 276, 7), PACKET, {PROTOCOL: 0x0800}) == kept


def test_tags_and_directions_are_the_interface_s_to_compile() -> None:
    asked: list[str] = []

    def on_link(expression: str) -> list[Instruction]:
        asked.append(expression)
        return [(RET, 0, 0, 4)]

    assert compile_live("vlan 5 and udp", 1, 80, on_link) == [(RET, 0, 0, 80)]
    assert compile_live("inbound", 1, 80, on_link) == [(RET, 0, 0, 80)]
    assert asked == ["vlan 5 and udp", "inbound"]
    with pytest.raises(FilterError, match="name one Ethernet interface"):
        compile_live("vlan", 276, 80, on_link)


@pytest.mark.parametrize("expression", ["udp prot 5", "ether host 1:2:3:4:5:6", "ip and ip6"])
def test_what_means_nothing_there_is_refused(expression: str) -> None:
    with pytest.raises(FilterError, match="cannot be used"):
        compile_live(expression, 276, 80)


def test_each_interface_has_its_own_program() -> None:
    first, second = compile_live("udp port 5060", 1, 50), compile_live("udp port 5061", 1, 60)
    program = by_interface([(3, first), (9, second), (400, first), (70_000, accept(70))])
    frame = ethernet(PACKET)
    kept = {index: run(program, frame, {SKF_AD_IFINDEX: index}) for index in (3, 9, 400, 70_000, 5)}
    assert kept == {3: 50, 9: 0, 400: 50, 70_000: 70, 5: 0}
    assert len(program) == 1 + 2 * 4 + 1 + len(first) + len(second) + 1  # a program that two have stands there once


def test_the_program_of_no_interface_keeps_nothing() -> None:
    assert run(by_interface([]), ethernet(PACKET), {SKF_AD_IFINDEX: 1}) == 0
