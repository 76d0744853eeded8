"""Blocks of a packet ring, made by hand as linux/if_packet.h lays them out: whole, damaged, and larger than a batch."""

from __future__ import annotations

import struct
import sys
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.batch import Batch
from lippycat_core.builtin.links import LINK_TYPES
from lippycat_core.kernels import ring as k
from lippycat_core.kernelset import KernelSet

BLOCK = 1 << 16
FRAME = bytes(range(1, 15)) + b"payload of a frame"


class Sent(NamedTuple):
    """One record of a ring."""

    data: bytes
    wirelen: int | None = None
    hatype: int = 1
    kind: int = 0
    tci: int | None = None
    tpid: int | None = None


def block(sent: list[Sent], *, order: str = "=") -> bytearray:
    """A block with these records, as the kernel would fill it."""
    out = bytearray(k.BLOCK_HEADER_BYTES)
    for number, one in enumerate(sent):
        mac = k.RECORD_HEADER_BYTES + 14
        size = -(-(mac + len(one.data)) // 16) * 16
        status = 1 | (k.VLAN_VALID if one.tci is not None else 0) | (k.VLAN_TPID_VALID if one.tpid is not None else 0)
        wirelen = len(one.data) if one.wirelen is None else one.wirelen
        head = struct.pack(order + "6I2H", size, 1_700_000_000 + number, number, len(one.data), wirelen, status, mac, mac + 14)
        head += struct.pack(order + "2IH10x", 0, one.tci or 0, one.tpid or 0)
        address = struct.pack(order + "H2sIHBB8s", 17, b"\x08\x00", 7, one.hatype, one.kind, 6, b"\1\2\3\4\5\6")
        record = head + address
        out += record.ljust(mac, b"\0") + one.data + bytes(size - mac - len(one.data))
    struct.pack_into(order + "4I", out, k.B_STATUS, 1, len(sent), k.BLOCK_HEADER_BYTES, len(out))
    return out.ljust(BLOCK, b"\0")


class Reader:
    """The kernel over one block, into batches."""

    def __init__(
        self, kernels: KernelSet, data: bytearray, *, cooked: bool = False, snaplen: int = 1 << 18, **rooms: int
    ) -> None:
        self.batch = Batch(kernels, capacity=rooms.get("rows", 64))
        self.nbytes = rooms.get("nbytes", self.batch.source_bytes)
        self.state = np.zeros(k.R_WIDTH, np.int64)
        self.state[[k.R_SIZE, k.R_POS]] = len(data), -1
        self.state[k.R_BIG] = sys.byteorder == "big"
        self.state[[k.R_COOKED, k.R_SNAPLEN]] = cooked, snaplen
        links = np.array([number for pair in LINK_TYPES.items() for number in pair], np.int32)
        self.views = tuple(map(kernels.view, (np.frombuffer(data, np.uint8), self.state, links)))
        self.kernel = kernels[k.take]

    def read(self) -> list[tuple[int, bytes, int, int]]:
        """(time, bytes, length on the wire, link type) of the rows of one call."""
        self.state[k.R_ROOM] = 0
        views, frame = self.batch.views, self.batch.frame
        rows = self.kernel(*self.views, views.slab, views.frame, 0, self.batch.capacity, self.nbytes)
        out = []
        for row in range(rows):
            off, size = int(frame.off[row]), int(frame.caplen[row])
            assert 0 <= off <= off + size <= self.nbytes
            out.append(
                (int(frame.ts_ns[row]), bytes(self.batch.mem[off : off + size]), int(frame.wirelen[row]), int(frame.link[row]))
            )
        return out


def test_records_become_rows(kernels: KernelSet) -> None:
    reader = Reader(kernels, block([Sent(FRAME), Sent(FRAME[:20], wirelen=1500)]))
    assert reader.read() == [
        (1_700_000_000_000_000_000, FRAME, len(FRAME), 1),
        (1_700_000_001_000_000_001, FRAME[:20], 1500, 1),
    ]
    assert reader.state[[k.R_STOP, k.R_LEFT, k.R_TAKEN, k.R_DAMAGED]].tolist() == [k.DONE, 0, 2, 0]


def test_a_full_batch_is_gone_on_with(kernels: KernelSet) -> None:
    sent = [Sent(bytes([number]) * 40) for number in range(10)]
    for rooms in ({"rows": 3}, {"nbytes": 130}):
        reader = Reader(kernels, block(sent), **rooms)
        got = [reader.read()]
        while reader.state[k.R_STOP] == k.FULL:
            got.append(reader.read())
        assert [len(rows) for rows in got] == [3, 3, 3, 1]
        assert [row[1] for rows in got for row in rows] == [one.data for one in sent]


def test_vlan_tags_are_put_back(kernels: KernelSet) -> None:
    first, second = Reader(kernels, block([Sent(FRAME, tci=0x2064), Sent(FRAME, tci=7, tpid=0x88A8)])).read()
    assert first[1:3] == (FRAME[:12] + b"\x81\x00\x20\x64" + FRAME[12:], len(FRAME) + 4)
    assert second[1] == FRAME[:12] + b"\x88\xa8\x00\x07" + FRAME[12:]


def test_the_snap_length_holds_with_a_tag_too(kernels: KernelSet) -> None:
    (row,) = Reader(kernels, block([Sent(FRAME[:20], wirelen=99, tci=5)]), snaplen=20).read()
    assert (len(row[1]), row[2]) == (20, 103)


def test_loopback_gives_each_packet_once(kernels: KernelSet) -> None:
    reader = Reader(kernels, block([Sent(FRAME, hatype=772, kind=4), Sent(FRAME, hatype=772), Sent(FRAME, kind=4)]))
    assert len(reader.read()) == 2  # what Ethernet sends does not come again
    assert reader.state[k.R_DOUBLED] == 1


def test_the_link_type_is_the_interface_s(kernels: KernelSet) -> None:
    rows = Reader(kernels, block([Sent(FRAME, hatype=65534), Sent(FRAME, hatype=772), Sent(FRAME, hatype=801)])).read()
    assert [row[3] for row in rows] == [101, 1, -1]


def test_cooked_headers_are_as_on_the_page(kernels: KernelSet) -> None:
    plain, tagged = Reader(kernels, block([Sent(b"ip", kind=3), Sent(b"ip", tci=9)]), cooked=True).read()
    fields = b"\0\0" + struct.pack("!IH", 7, 1)
    assert plain[1:] == (b"\x08\x00" + fields + b"\x03\x06\1\2\3\4\5\6\0\0ip", 22, 276)
    assert tagged[1:] == (b"\x81\x00" + fields + b"\x00\x06\1\2\3\4\5\6\0\0" + b"\0\x09\x08\x00ip", 26, 276)


@pytest.mark.parametrize(
    ("offset", "value"), [(0, 0), (0, 10), (0, 1 << 30), (12, 1 << 31), (12, BLOCK), (24, 0), (24, 0xFFFF)], ids=str
)
def test_damage_ends_the_block_and_is_counted(kernels: KernelSet, offset: int, value: int) -> None:
    data = block([Sent(FRAME)] * 5)
    size = struct.unpack_from("=I", data, k.BLOCK_HEADER_BYTES)[0]
    struct.pack_into("=H" if offset == 24 else "=I", data, k.BLOCK_HEADER_BYTES + size + offset, value)
    reader = Reader(kernels, data)
    rows = len(reader.read())
    assert rows in (1, 2)
    assert rows + int(reader.state[k.R_DAMAGED]) == 5
    assert reader.state[k.R_STOP] == k.DONE


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=0, max_size=600), st.integers(0, 400), st.booleans())
def test_nothing_that_a_block_may_hold_harms(kernels: KernelSet, noise: bytes, at: int, cooked: bool) -> None:
    data = block([Sent(FRAME, tci=1)] * 3)[:1024]
    data[at : at + len(noise)] = noise
    reader = Reader(kernels, data[:1024], cooked=cooked, rows=8)
    for _ in range(200):
        reader.read()
        if reader.state[k.R_STOP] == k.DONE:
            break
    assert reader.state[k.R_DAMAGED] >= 0
    assert 0 <= reader.state[k.R_ROOM] <= reader.nbytes


def test_a_block_too_short_for_its_header_gives_nothing(kernels: KernelSet) -> None:
    assert Reader(kernels, bytearray(40)).read() == []


def test_rows_with_the_time_of_the_card_are_counted(kernels: KernelSet) -> None:
    data = block([Sent(FRAME)] * 3)
    second = k.BLOCK_HEADER_BYTES + int(struct.unpack_from("=I", data, k.BLOCK_HEADER_BYTES)[0])
    (status,) = struct.unpack_from("=I", data, second + k.P_STATUS)
    struct.pack_into("=I", data, second + k.P_STATUS, status | k.TS_RAW_HARDWARE)
    reader = Reader(kernels, data)
    reader.read()
    assert (reader.state[k.R_TAKEN], reader.state[k.R_HARD]) == (3, 1)
