"""Packets of any link layer in the form that an interface takes, and what becomes of those that have none."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from lippycat_core.batch import Batch
from lippycat_core.columns import FILTERED
from lippycat_core.kernels import inject as k
from lippycat_core.kernelset import KernelSet
from lippycat_core.testing.packets import ethernet, udp

MakeBatch = Callable[..., Batch]

IP4 = udp("10.0.0.1", 1000, "10.0.0.2", 5060, b"four")
IP6 = bytes.fromhex("6000000000041140") + bytes(15) + b"\1" + bytes(15) + b"\2" + b"data"
MADE_UP = bytes.fromhex("020000000002020000000001")
SENDER = bytes.fromhex("0a0b0c0d0e0f")


def gathered(
    kernels: KernelSet,
    make_batch: MakeBatch,
    packets: Sequence[bytes],
    link: int,
    *,
    bare: int = 0,
    drop: Sequence[int] = (),
    room: int = 200_000,
    rows: int = 100,
) -> tuple[list[bytes], list[int], dict[int, int]]:
    """Frames and their times over as many calls as it takes, and counts by place of the state."""
    batch = make_batch(packets, link, times_ns=range(100, 100 + len(packets)))
    for row in drop:
        batch.route.status[row] = FILTERED
    out, ends, times = np.zeros(room, np.uint8), np.zeros(rows, np.int32), np.zeros(rows, np.int64)
    state = np.zeros(k.J_WIDTH, np.int64)
    view = kernels.view
    run, views = kernels[k.gather], batch.views
    frames: list[bytes] = []
    stamps: list[int] = []
    row = 0
    while row < batch.rows:
        before = row
        row = run(
            views.slab, views.frame, views.route.status, bare, view(out), view(ends), view(times), view(state), row, batch.rows
        )
        count, begin = int(state[k.J_COUNT]), 0
        for end, stamp in zip(ends[:count].tolist(), times[:count].tolist(), strict=True):
            frames.append(out[begin:end].tobytes())
            stamps.append(stamp)
            begin = end
        assert row > before
        assert state[k.J_POS] == begin
        state[[k.J_POS, k.J_COUNT]] = 0
    return frames, stamps, {place: int(state[place]) for place in (k.J_LINK, k.J_HEADER, k.J_LONG) if state[place]}


@pytest.mark.parametrize(("room", "rows"), [(200_000, 100), (100, 100), (200_000, 1)])
def test_frames_go_as_they_are_in_order(kernels: KernelSet, make_batch: MakeBatch, room: int, rows: int) -> None:
    packets = [ethernet(IP4, vlans=(n,)) + bytes(n) for n in range(20)]
    frames, stamps, left_out = gathered(kernels, make_batch, packets, 1, drop=(3, 19), room=room, rows=rows)
    assert frames == [packet for n, packet in enumerate(packets) if n not in (3, 19)]
    assert stamps == [100 + n for n in range(20) if n not in (3, 19)]
    assert left_out == {}


@pytest.mark.parametrize(
    ("link", "packet", "frame"),
    [
        (101, IP4, MADE_UP + b"\x08\x00" + IP4),
        (12, IP6, MADE_UP + b"\x86\xdd" + IP6),
        (228, IP4, MADE_UP + b"\x08\x00" + IP4),
        (229, IP6, MADE_UP + b"\x86\xdd" + IP6),
        (0, struct.pack("<I", 2) + IP4, MADE_UP + b"\x08\x00" + IP4),
        (108, struct.pack(">I", 24) + IP6, MADE_UP + b"\x86\xdd" + IP6),
        (113, struct.pack("!HHH6s2xH", 0, 1, 6, SENDER, 0x0800) + IP4, MADE_UP[:6] + SENDER + b"\x08\x00" + IP4),
        (113, struct.pack("!HHH6s2xH", 0, 1, 0, b"", 0x0806) + b"arp", MADE_UP + b"\x08\x06arp"),
        (276, struct.pack("!HHIHBB6s2x", 0x0800, 0, 7, 1, 0, 6, SENDER) + IP4, MADE_UP[:6] + SENDER + b"\x08\x00" + IP4),
        (276, struct.pack("!HHIHBB6s2x", 0x8100, 0, 7, 1, 0, 0, b"") + b"\0\7\x08\0", MADE_UP + b"\x81\0\0\7\x08\0"),
    ],
)
def test_other_link_layers_get_an_ethernet_header(
    kernels: KernelSet, make_batch: MakeBatch, link: int, packet: bytes, frame: bytes
) -> None:
    assert gathered(kernels, make_batch, [packet, packet], link) == ([frame, frame], [100, 101], {})


@pytest.mark.parametrize(
    ("link", "packet", "place"),
    [
        (105, bytes(60), k.J_LINK),
        (0, struct.pack("<I", 7) + IP4, k.J_LINK),
        (101, b"\x00" + IP4, k.J_HEADER),
        (101, b"", k.J_HEADER),
        (113, bytes(15), k.J_HEADER),
        (276, bytes(19), k.J_HEADER),
        (1, bytes(13), k.J_HEADER),
        (1, bytes(65536), k.J_LONG),
        (101, b"\x45" + bytes(65521), k.J_LONG),
    ],
)
def test_what_has_no_such_form_is_counted(
    kernels: KernelSet, make_batch: MakeBatch, link: int, packet: bytes, place: int
) -> None:
    frames, stamps, left_out = gathered(kernels, make_batch, [packet, packet], link)
    assert (frames, stamps, left_out) == ([], [], {place: 2})


def test_the_longest_frame_goes(kernels: KernelSet, make_batch: MakeBatch) -> None:
    longest = ethernet(IP4) + bytes(65535 - 14 - len(IP4))
    assert gathered(kernels, make_batch, [longest], 1)[0] == [longest]


@pytest.mark.parametrize(
    ("link", "packet", "bare"),
    [
        (1, ethernet(IP4) + bytes(18), IP4),  # padding of a short frame
        (1, ethernet(IP4, vlans=(5, 6)), IP4),
        (1, bytes(12) + b"\x86\xdd" + IP6 + bytes(2), IP6),
        (101, IP4, IP4),
        (101, IP4[:-2], IP4[:-2]),  # cut by the snap length
        (101, IP4[:2] + bytes(2) + IP4[4:], IP4[:2] + bytes(2) + IP4[4:]),  # no length: segmentation was left to the card
        (276, struct.pack("!HHIHBB6s2x", 0x0800, 0, 7, 1, 0, 6, SENDER) + IP4, IP4),
    ],
)
def test_a_tun_device_gets_bare_ip(kernels: KernelSet, make_batch: MakeBatch, link: int, packet: bytes, bare: bytes) -> None:
    assert gathered(kernels, make_batch, [packet], link, bare=1)[0] == [bare]


def test_a_tun_device_gets_nothing_but_ip(kernels: KernelSet, make_batch: MakeBatch) -> None:
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    assert gathered(kernels, make_batch, [arp, ethernet(IP4), arp[:13]], 1, bare=1) == (
        [IP4],
        [101],
        {k.J_LINK: 1, k.J_HEADER: 1},
    )
