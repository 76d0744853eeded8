"""The classic pcap format: all its variants, every place where a file can be cut, and what liars write."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lippycat_core.builtin.filesource import FileSource
from lippycat_core.errors import InputError
from lippycat_core.interfaces.capture import Fault
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.packets import Record, pcap

MICRO, NANO, KUZNETZOV = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34
Read = Callable[..., Any]

RECORDS = [
    (1_700_000_000, 1, b"first"),
    (1_700_000_000, 999_999, b""),
    (1_700_000_001, 0, b"x" * 1500),
    (1_699_999_999, 500, b"earlier than the one before"),
]


def variant(
    magic: int, order: str, records: list[tuple[int, int, bytes]] = RECORDS, link: int = 1, snaplen: int = 65535
) -> bytes:
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link)
    for seconds, units, data in records:
        out += struct.pack(order + "IIII", seconds, units, len(data), len(data) + 3)
        if magic == KUZNETZOV:
            out += struct.pack(order + "IHBB", 2, 0x0800, 0, 0)
        out += data
    return out


@pytest.mark.parametrize("capacity", [1, 2, 3, 4096])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit_ns"), [(MICRO, 1000), (NANO, 1), (KUZNETZOV, 1000)])
def test_every_variant_gives_the_same_records(
    tmp_path: Path, kernels: KernelSet, read: Read, magic: int, unit_ns: int, order: str, capacity: int
) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(variant(magic, order, link=113))
    reading = read(FileSource(str(path), kernels), capacity)
    assert reading.packets == [(s * 10**9 + units * unit_ns, data, len(data) + 3, 113) for s, units, data in RECORDS]
    assert reading.faults == []


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_check_sequence_bits_are_no_part_of_the_link_type(tmp_path: Path, kernels: KernelSet, read: Read, order: str) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(variant(MICRO, order, link=0x24000001))
    assert {packet.link for packet in read(FileSource(str(path), kernels)).packets} == {1}


def test_a_header_without_records_is_an_empty_capture(tmp_path: Path, kernels: KernelSet, read: Read) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(variant(MICRO, "<", []))
    assert read(FileSource(str(path), kernels)) == ([], [])


def test_every_cut_is_said_and_what_comes_before_it_is_given(tmp_path: Path, kernels: KernelSet, read: Read) -> None:
    whole = variant(NANO, "<", [(1, 2, b"abc"), (3, 4, b"defgh"), (5, 6, b"")])
    ends = [24, 24 + 19, 24 + 19 + 21, len(whole)]
    path = tmp_path / "a.pcap"
    for size in range(24, len(whole) + 1):
        path.write_bytes(whole[:size])
        reading = read(FileSource(str(path), kernels), 2)
        good = sum(end <= size for end in ends) - 1
        assert len(reading.packets) == good
        if size in ends:
            assert reading.faults == []
        else:
            place = f"record {good + 1} at byte {ends[good]}"
            assert reading.faults == [Fault(str(path), "truncated", f"{place}: the file ends {size - ends[good]} bytes into it")]


@pytest.mark.parametrize("size", range(4, 24))
def test_a_cut_file_header_is_no_capture(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(variant(MICRO, "<")[:size])
    with pytest.raises(InputError, match=f"its header is cut after {size} bytes"):
        FileSource(str(path), Interpreted())


def test_an_absurd_length_ends_the_file_as_corrupt(tmp_path: Path, kernels: KernelSet, read: Read) -> None:
    path = tmp_path / "a.pcap"
    good = variant(MICRO, "<", [(1, 1, b"good")])
    path.write_bytes(good + struct.pack("<IIII", 1, 1, 262145, 262145) + bytes(300_000))
    reading = read(FileSource(str(path), kernels))
    assert [packet.data for packet in reading.packets] == [b"good"]
    detail = f"record 2 at byte {len(good)}: claims 262145 captured bytes, more than any file may hold"
    assert reading.faults == [Fault(str(path), "corrupt", detail)]


def test_the_longest_record_is_read_whatever_the_header_claims(tmp_path: Path, kernels: KernelSet, read: Read) -> None:
    longest = bytes(range(256)) * 1024
    path = tmp_path / "a.pcap"
    path.write_bytes(variant(MICRO, ">", [(1, 1, b"a"), (2, 2, longest), (3, 3, longest), (4, 4, b"z")], snaplen=96))
    reading = read(FileSource(str(path), kernels))
    assert [packet.data for packet in reading.packets] == [b"a", longest, longest, b"z"]
    assert reading.faults == []


def test_numbers_at_their_ends(tmp_path: Path, kernels: KernelSet, read: Read) -> None:
    path = tmp_path / "a.pcap"
    head = struct.pack("<IHHiIII", MICRO, 2, 4, 0, 0, 0, 1)
    top = 2**32 - 1
    path.write_bytes(head + struct.pack("<IIII", top, top, 0, top) + struct.pack("<IIII", 0, 1_000_000, 2, 1) + b"ab")
    packets = read(FileSource(str(path), kernels)).packets
    assert packets == [
        (top * 10**9 + top * 1000, b"", 2**31 - 1, 1),  # as far as the columns go
        (10**9, b"ab", 2, 1),  # a sub-second field of a second; more captured than there was on the wire
    ]


records = st.lists(
    st.builds(Record, st.integers(0, 2**32 * 10**9 - 1), st.binary(max_size=300), st.integers(300, 2**31 - 1)), max_size=40
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=records, big=st.booleans(), capacity=st.integers(1, 50))
def test_what_was_written_is_read(
    tmp_path: Path, kernels: KernelSet, read: Read, records: list[Record], big: bool, capacity: int
) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(records, big_endian=big))
    assert read(FileSource(str(path), kernels), capacity) == ([(*record, 1) for record in records], [])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=400), order=st.sampled_from("<>"), capacity=st.sampled_from([1, 3, 4096]))
def test_any_bytes_end_in_records_and_at_most_one_fault(
    tmp_path: Path, kernels: KernelSet, read: Read, body: bytes, order: str, capacity: int
) -> None:
    """Differential: a plain struct reader says how many records there are."""
    path = tmp_path / "a.pcap"
    path.write_bytes(variant(NANO, order, []) + body)
    wanted, at = [], 0
    while len(body) - at >= 16:
        seconds, ns, caplen, wirelen = struct.unpack_from(order + "IIII", body, at)
        if caplen > 262144 or at + 16 + caplen > len(body):
            break
        wanted.append((seconds * 10**9 + ns, body[at + 16 : at + 16 + caplen], min(max(wirelen, caplen), 2**31 - 1), 1))
        at += 16 + caplen
    reading = read(FileSource(str(path), kernels), capacity)
    assert reading.packets == wanted
    assert len(reading.faults) == (1 if at < len(body) else 0)
