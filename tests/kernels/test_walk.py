"""The record walks: where they stop, that both forms agree on any bytes, and that nothing outside the bytes is touched."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.builtin.pcapng import interface_row
from lippycat_core.columns import Frame
from lippycat_core.kernels import walk
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.packets import Record, pcap
from lippycat_core.testing.pcapng import COMMENT, Blocks

ROWS = 8
UNTOUCHED = -77


class Walked:
    """A walk over `data` at `begin` of a slab, and all that it wrote."""

    def __init__(
        self, kernels: KernelSet, data: bytes, *, ng: bool, order: str = "<", rows: tuple[int, int] = (0, ROWS), begin: int = 0
    ) -> None:
        slab = np.frombuffer(bytes(begin) + data, np.uint8).copy()
        off, caplen, wirelen, link = (np.full(ROWS, UNTOUCHED, np.int32) for _ in range(4))
        self.frame = Frame(np.full(ROWS, UNTOUCHED, np.int64), off, caplen, wirelen, link)
        self.state = np.zeros(walk.W_WIDTH, np.int64)
        self.state[walk.W_POS] = begin
        self.state[walk.W_END] = len(slab)
        self.state[walk.W_BIG] = order == ">"
        self.state[walk.W_UNIT_NS] = 1
        self.state[walk.W_LINK] = 1
        self.state[walk.W_HEADER] = 16
        self.notes = np.full(2 * walk.N_WIDTH, UNTOUCHED, np.int32)
        views = kernels.view(slab), kernels.view(self.state)
        if ng:
            table = np.array(interface_row(113, 5, 6, 0) + interface_row(1, 0, 0x9F, -5), np.int64)
            self.state[walk.W_INTERFACES] = 2
            frame, notes = kernels.view_all(self.frame), kernels.view(self.notes)
            self.row = kernels[walk.walk_pcapng](*views, kernels.view(table), frame, notes, *rows)
        else:
            self.row = kernels[walk.walk_pcap](*views, kernels.view_all(self.frame), *rows)

    @property
    def stop(self) -> int:
        return int(self.state[walk.W_STOP])

    @property
    def pos(self) -> int:
        return int(self.state[walk.W_POS])

    def written(self) -> list[list[int]]:
        return [column.tolist() for column in (*self.frame, self.state, self.notes)]


FILE = pcap([Record(10**9 * i + i, b"x" * i) for i in range(5)])[24:]


def test_a_walk_stops_where_its_rows_are_full_and_goes_on_from_there(kernels: KernelSet) -> None:
    walked = Walked(kernels, FILE, ng=False, rows=(3, 5), begin=7)
    assert (walked.row, walked.stop, walked.pos) == (5, walk.FULL, 7 + 16 + 17)
    assert walked.frame.off.tolist() == [UNTOUCHED] * 3 + [23, 39] + [UNTOUCHED] * 3
    assert walked.frame.ts_ns.tolist()[3:5] == [0, 10**9 + 1]


@pytest.mark.parametrize("size", range(len(FILE) + 1))
def test_a_cut_record_is_left_for_later(kernels: KernelSet, size: int) -> None:
    walked = Walked(kernels, FILE[:size], ng=False)
    ends = [0, 16, 33, 51, 70, 90]
    whole = max(i for i, end in enumerate(ends) if end <= size)
    assert (walked.row, walked.stop, walked.pos) == (whole, walk.NEED, ends[whole])


def test_blocks_for_python_stop_the_walk_in_front_of_them(kernels: KernelSet) -> None:
    make = Blocks()
    packet, other = make.enhanced(1, b"abc"), make.block(11, bytes(100))
    for stopper in (make.section(), make.interface(), make.secrets(b"k")):
        walked = Walked(kernels, packet + other + stopper[:12], ng=True)
        assert (walked.row, walked.stop, walked.pos) == (1, walk.BLOCK, len(packet + other))
    walked = Walked(kernels, packet + other[:-1], ng=True)
    assert (walked.row, walked.stop, walked.pos) == (1, walk.BLOCK, len(packet))
    walked = Walked(kernels, packet + other[:11], ng=True)
    assert (walked.row, walked.stop, walked.pos) == (1, walk.NEED, len(packet))


def test_comments_are_noted_while_there_is_room(kernels: KernelSet) -> None:
    make = Blocks(">")
    packets = [make.enhanced(1, b"abcde", options=[(9, b"123"), (COMMENT, b"c%d" % i), (COMMENT, b"second")]) for i in range(4)]
    walked = Walked(kernels, b"".join([make.enhanced(1, b""), *packets]), ng=True, order=">")
    assert walked.row == 5
    assert int(walked.state[walk.W_NOTES]) == 2
    size = len(packets[0])
    assert walked.notes.tolist() == [1, 32 + 28 + 8 + 8 + 4, 2, 2, 32 + size + 28 + 8 + 8 + 4, 2]


@pytest.mark.parametrize(
    "options", [b"\1\0\1\0", b"\1\0\5\0abcd", b"\2\0\xff\xffabcd", b"\0\0\0\0\1\0\1\0a\0\0\0", b"\2\0\4\0abcd\1\0\2\0"]
)
def test_options_that_lie_are_no_comments(kernels: KernelSet, options: bytes) -> None:
    block = Blocks().block(6, struct.pack("<IIIII", 0, 0, 0, 0, 0) + options)
    walked = Walked(kernels, block + bytes(8), ng=True)
    assert (walked.row, int(walked.state[walk.W_NOTES])) == (1, 0)


def test_a_time_at_the_edge_of_its_field_stays_in_bounds(kernels: KernelSet) -> None:
    make = Blocks()
    units = (2**64 - 1, 2**63, 2**63 - 1, 2**62 // 1000, 0)
    walked = Walked(kernels, b"".join(make.enhanced(unit, b"", interface=i % 2) for i, unit in enumerate(units)), ng=True)
    assert walked.frame.ts_ns.tolist()[:5] == [
        walk.LARGEST_TS_NS,
        walk.LARGEST_TS_NS,
        walk.LARGEST_TS_NS,
        ((2**62 // 1000) * 10**9 >> 31) - 5 * 10**9,
        0,
    ]


pieces = st.lists(
    st.one_of(
        st.binary(max_size=24),
        st.builds(Blocks("<").enhanced, st.integers(0, 2**64 - 1), st.binary(max_size=9), st.none(), st.integers(0, 2)),
        st.builds(Blocks("<").simple, st.binary(max_size=9), st.integers(0, 20)),
        st.builds(Blocks("<").block, st.sampled_from([2, 3, 6, 7]), st.binary(max_size=48)),
        st.builds(lambda data: pcap([Record(5, data)])[24:], st.binary(max_size=30)),
    ),
    max_size=10,
).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(data=pieces, ng=st.booleans(), order=st.sampled_from("<>"), cut=st.integers(0, 60), first=st.integers(0, ROWS))
def test_any_bytes_walk_the_same_in_both_forms(
    kernels: KernelSet, data: bytes, ng: bool, order: str, cut: int, first: int
) -> None:
    """The interpreted form raises on a read beyond the slab, so agreement also shows that there was none."""
    data = data[: len(data) - cut]
    walked = Walked(kernels, data, ng=ng, order=order, rows=(first, ROWS))
    assert walked.written() == Walked(Interpreted(), data, ng=ng, order=order, rows=(first, ROWS)).written()
    assert 0 <= walked.pos <= len(data)
    for row in range(first, walked.row):
        off, caplen = int(walked.frame.off[row]), int(walked.frame.caplen[row])
        assert 0 <= off <= off + caplen <= walked.pos
        assert caplen <= walked.frame.wirelen[row]
    for column in walked.frame:
        assert set(column[:first].tolist()) | set(column[walked.row :].tolist()) <= {UNTOUCHED}
