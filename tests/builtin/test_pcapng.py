"""pcapng: sections, interfaces and their clocks, all packet blocks, what is kept, cuts and lies."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lippycat_core.builtin import pcapng
from lippycat_core.builtin.filesource import FileSource
from lippycat_core.builtin.pcapng import interface_row
from lippycat_core.errors import InputError
from lippycat_core.kernels.walk import I_WIDTH, LARGEST_TS_NS, since_epoch
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.pcapng import COMMENT, IF_NAME, IF_TSOFFSET, IF_TSRESOL, TLS_KEY_LOG, Blocks

Read = Callable[..., Any]
LITTLE, BIG = Blocks("<"), Blocks(">")
US = 1_700_000_000_000_000


@pytest.fixture
def opened(tmp_path: Path, kernels: KernelSet) -> Callable[[bytes], FileSource]:
    def open_bytes(data: bytes) -> FileSource:
        path = tmp_path / "a.pcapng"
        path.write_bytes(data)
        return FileSource(str(path), kernels)

    return open_bytes


@pytest.mark.parametrize("capacity", [1, 2, 3, 4096])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_three_packet_blocks(opened: Callable[[bytes], FileSource], read: Read, order: str, capacity: int) -> None:
    make = Blocks(order)
    data = make.section() + make.interface(link=113, snaplen=6)
    data += make.enhanced(US, b"abcde", wirelen=90) + make.simple(b"simple", wirelen=60) + make.old_packet(US + 5, b"old")
    data += make.simple(b"ab")
    assert read(opened(data), capacity) == (
        [
            (US * 1000, b"abcde", 90, 113),
            (US * 1000, b"simple", 60, 113),  # no time of its own: that of the record in front
            ((US + 5) * 1000, b"old", 3, 113),
            ((US + 5) * 1000, b"ab", 2, 113),
        ],
        [],
    )


def test_interfaces_have_their_own_link_type_and_clock(opened: Callable[[bytes], FileSource], read: Read) -> None:
    data = LITTLE.section()
    data += LITTLE.interface(link=1, options=[(IF_NAME, b"eth0")])
    data += LITTLE.interface(link=276, options=[(IF_TSRESOL, b"\x09"), (IF_NAME, "lö".encode())])
    data += LITTLE.interface(link=101, options=[(IF_TSRESOL, b"\x8a"), (IF_TSOFFSET, struct.pack("<q", -60))])
    data += LITTLE.enhanced(US, b"a") + LITTLE.enhanced(US * 1000 + 1, b"b", interface=1)
    data += LITTLE.enhanced(1_700_000_000 * 1024 + 512, b"c", interface=2)
    source = opened(data)
    assert [(packet.ts_ns, packet.link) for packet in read(source).packets] == [
        (US * 1000, 1),
        (US * 1000 + 1, 276),
        ((1_700_000_000 - 60) * 10**9 + 500_000_000, 101),
    ]
    assert list(source.interfaces) == ["eth0", "lö", ""]


def test_many_interfaces(opened: Callable[[bytes], FileSource], read: Read) -> None:
    data = LITTLE.section() + b"".join(LITTLE.interface(link=i) for i in range(100))
    data += b"".join(LITTLE.enhanced(US, b"x", interface=i) for i in range(100))
    assert [packet.link for packet in read(opened(data), 7).packets] == list(range(100))


def test_a_new_section_has_its_own_byte_order_and_interfaces(opened: Callable[[bytes], FileSource], read: Read) -> None:
    data = LITTLE.section() + LITTLE.interface(1) + LITTLE.interface(113) + LITTLE.enhanced(US, b"one", interface=1)
    data += BIG.section() + BIG.interface(101) + BIG.enhanced(US + 1, b"two")
    data += LITTLE.section() + LITTLE.enhanced(US + 2, b"void")
    reading = read(opened(data))
    assert [(packet.data, packet.link) for packet in reading.packets] == [(b"one", 113), (b"two", 101)]
    assert [(fault.what, fault.detail.split(": ")[1]) for fault in reading.faults] == [
        ("corrupt", "was captured on interface 0, which was not described")
    ]


def test_secrets_and_comments_are_kept_and_other_blocks_passed_over(opened: Callable[[bytes], FileSource], read: Read) -> None:
    keys = b"CLIENT_RANDOM 00 11\n" * 20_000  # longer than what is read at a time
    data = BIG.section(options=[(COMMENT, b"of the file")]) + BIG.interface(options=[(COMMENT, b"of the interface")])
    data += BIG.enhanced(US, b"one") + BIG.secrets(keys) + BIG.block(4, b"names") + BIG.block(0x0BAD, bytes(600_000))
    data += BIG.enhanced(US, b"two", options=[(2, bytes(4)), (COMMENT, "schön".encode())])
    data += BIG.block(5, bytes(8)) + BIG.enhanced(US, b"three", options=[(COMMENT, b"x" * 5000)])
    source = opened(data)
    reading = read(source, 1)
    assert [packet.data for packet in reading.packets] == [b"one", b"two", b"three"]
    assert reading.faults == []
    assert list(source.secrets) == [(TLS_KEY_LOG, keys)]
    assert list(source.comments) == [(0, "of the file"), (0, "of the interface"), (2, "schön"), (3, "x" * pcapng.LONGEST_TEXT)]


def test_what_is_kept_is_bounded(opened: Callable[[bytes], FileSource], read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcapng, "MOST_COMMENTS", 3)
    monkeypatch.setattr(pcapng, "MOST_SECRET_BYTES", 100)
    data = LITTLE.section() + LITTLE.interface() + LITTLE.secrets(bytes(60)) * 3
    data += b"".join(LITTLE.enhanced(US, b"p", options=[(COMMENT, b"%d" % i)]) for i in range(200))
    source = opened(data)
    assert len(read(source, 50).packets) == 200
    assert len(source.secrets) == 1
    assert list(source.comments) == [(1, "0"), (2, "1"), (3, "2")]


def test_more_interfaces_than_anyone_has(
    opened: Callable[[bytes], FileSource], read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcapng, "MOST_INTERFACES", 3)
    data = LITTLE.section() + LITTLE.interface() * 3 + LITTLE.enhanced(US, b"p") + LITTLE.interface()
    reading = read(opened(data))
    assert len(reading.packets) == 1
    assert reading.faults[0].detail.endswith("more than 3 interfaces in a section")


def test_every_cut_is_said_and_what_comes_before_it_is_given(opened: Callable[[bytes], FileSource], read: Read) -> None:
    blocks = [LITTLE.section(), LITTLE.interface(), LITTLE.enhanced(US, b"abc"), LITTLE.secrets(b"key"), LITTLE.block(5, b"")]
    blocks += [LITTLE.simple(b"simple"), LITTLE.enhanced(US, b"defgh", options=[(COMMENT, b"c")])]
    whole = b"".join(blocks)
    ends = [sum(map(len, blocks[:i])) for i in range(len(blocks) + 1)]
    packets = [0, 0, 0, 1, 1, 1, 2, 3]  # after that many blocks
    for size in range(12, len(whole) + 1):
        reading = read(opened(whole[:size]), 2)
        done = max(i for i, end in enumerate(ends) if end <= size)
        assert len(reading.packets) == packets[done]
        if size in ends:
            assert reading.faults == []
        else:
            (fault,) = reading.faults
            assert fault.what == "truncated"
            assert fault.detail.startswith(f"record {packets[done] + 1} at byte {ends[done]}: ")


def test_a_block_without_byte_order_is_no_capture(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for data in (LITTLE.section()[:11], b"\n\r\r\n" + bytes(40)):
        path.write_bytes(data)
        with pytest.raises(InputError, match="not a capture file"):
            FileSource(str(path), Interpreted())


BEGIN = LITTLE.section() + LITTLE.interface()
EPB = LITTLE.enhanced(US, b"abcd")


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        (struct.pack("<II", 6, 28) + bytes(100), "claims to be a block of 28 bytes"),
        (struct.pack("<II", 3, 12) + bytes(100), "claims to be a block of 12 bytes"),
        (struct.pack("<II", 99, 8) + bytes(100), "claims to be a block of 8 bytes"),
        (struct.pack("<II", 6, 300_000) + bytes(400_000), "claims to be a block of 300000 bytes"),
        (struct.pack("<II", 99, 600_000) + bytes(700_000), "its block ends with the length 0, not its own"),
        (struct.pack("<II", 99, 2**31) + bytes(100), "claims to be a block of 2147483648 bytes"),
        (EPB[:-4] + bytes(4), "its block ends with the length 0, not its own"),
        (LITTLE.block(99, bytes(8))[:-4] + b"abcd", "its block ends with the length 1684234849, not its own"),
        (EPB[:8] + b"\1" + EPB[9:], "was captured on interface 1, which was not described"),
        (EPB[:20] + b"\5" + EPB[21:], "claims 5 captured bytes, more than its block holds"),
        (LITTLE.simple(bytes(262_145)), "claims 262145 captured bytes, more than any file may hold"),
        (struct.pack("<II", 1, 12) + bytes(100), "claims to be a block of 12 bytes"),
        (struct.pack("<II", 10, 2**30) + bytes(100), "claims to be a block of 1073741824 bytes"),
        (LITTLE.section()[:8] + bytes(20), "a section without byte-order magic"),
        (LITTLE.secrets(b"")[:-4] + b"abcd", "its block ends with the length 1684234849, not its own"),
    ],
)
def test_lies_end_the_file_as_corrupt(opened: Callable[[bytes], FileSource], read: Read, tail: bytes, reason: str) -> None:
    reading = read(opened(BEGIN + EPB + tail))
    assert [packet.data for packet in reading.packets] == [b"abcd"]
    (fault,) = reading.faults
    assert fault.what == "corrupt"
    assert fault.detail == f"record 2 at byte {len(BEGIN) + len(EPB)}: {reason}"


def test_a_length_without_the_padding_is_taken_as_meant(opened: Callable[[bytes], FileSource], read: Read) -> None:
    """Some writers count a block's length without the bytes that fill it up to four."""
    short = struct.pack("<I", 35)
    block = struct.pack("<I", 6) + short + LITTLE.enhanced(US, b"abc")[8:-4] + short
    assert [packet.data for packet in read(opened(BEGIN + block + EPB)).packets] == [b"abc", b"abcd"]


@given(resolution=st.integers(0, 255), units=st.integers(0, 2**64 - 1), offset_s=st.integers(-(2**63), 2**63 - 1))
@settings(max_examples=1000, deadline=None)
def test_times_of_any_resolution_are_right_or_at_their_bounds(resolution: int, units: int, offset_s: int) -> None:
    """Differential against whole numbers without bounds; units finer than a nanosecond may be a nanosecond off."""
    table = np.array(interface_row(1, 0, resolution, offset_s), np.int64)
    got = since_epoch(Interpreted().view(table), 0, units >> 32, units & 0xFFFFFFFF)
    per_second = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    since = min(units * 10**9 // per_second, LARGEST_TS_NS) if units < 2**63 else LARGEST_TS_NS
    offset = min(max(offset_s * 10**9, -LARGEST_TS_NS), LARGEST_TS_NS)
    exact = LARGEST_TS_NS if units >= 2**63 else min(max(since + offset, 0), LARGEST_TS_NS)
    assert len(table) == I_WIDTH
    assert abs(got - exact) <= 1


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from([EPB, LITTLE.simple(b"s"), LITTLE.interface(101), LITTLE.section(), BIG.section(), BIG.interface()]),
            st.builds(LITTLE.block, st.integers(0, 12), st.binary(max_size=60)),
        ),
        max_size=12,
    ),
    capacity=st.sampled_from([1, 3, 4096]),
)
def test_any_bytes_end_the_same_way_whatever_the_batch(
    tmp_path: Path, kernels: KernelSet, read: Read, body: list[bytes], capacity: int
) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(BEGIN + b"".join(body))
    reading = read(FileSource(str(path), kernels), capacity)
    assert len(reading.faults) <= 1
    assert reading == read(FileSource(str(path), kernels), 4096)
    assert reading == read(FileSource(str(path), kernels, read_bytes=4096), capacity)
