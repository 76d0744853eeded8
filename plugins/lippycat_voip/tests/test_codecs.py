"""Payload types: the static table of RFC 3551, and what SDP may and may not say otherwise."""

from __future__ import annotations

import pytest

from lippycat_voip.codecs import STATIC, Codec, PayloadMap, codec
from lippycat_voip.stream_columns import COMFORT_NOISE, EVENT, MEDIA, UNKNOWN


@pytest.mark.parametrize(
    ("name", "rate", "expected"),
    [
        ("opus", 48000, Codec("opus", 48000, "audio")),
        ("OPUS", 8000, Codec("opus", 48000, "audio")),
        ("g722", 16000, Codec("G722", 8000, "audio")),
        ("pcmu", 8000, Codec("PCMU", 8000, "audio")),
        ("AMR-WB", 16000, Codec("AMR-WB", 16000, "audio")),
        ("h264", 90000, Codec("H264", 90000, "video")),
        ("MPA", 90000, Codec("MPA", 90000, "audio")),
        ("x-own", 32000, Codec("x-own", 32000, "audio")),
        ("x-own", 90000, Codec("x-own", 90000, "video")),
    ],
)
def test_rtpmap(name: str, rate: int, expected: Codec) -> None:
    assert codec(name, rate) == expected


def test_static_types() -> None:
    assert {pt: found.clock_rate for pt, found in STATIC.items() if found.clock_rate != 8000 and found.media == "audio"} == {
        6: 16000,
        10: 44100,
        11: 44100,
        14: 90000,
        16: 11025,
        17: 22050,
    }
    assert {pt for pt, found in STATIC.items() if found.media == "video"} == {25, 26, 28, 31, 32, 33, 34}
    assert all(found.clock_rate == 90000 for found in STATIC.values() if found.media == "video")


def test_meanings() -> None:
    meanings = PayloadMap(
        ((101, "Telephone-Event", 8000), (96, "opus", 48000), (118, "CN", 16000), (100, "X-NSE", 8000), (200, "?", 1))
    )
    assert [meanings.classes[pt] for pt in (0, 13, 96, 97, 100, 101, 118)] == [
        MEDIA,
        COMFORT_NOISE,
        MEDIA,
        UNKNOWN,
        EVENT,
        EVENT,
        COMFORT_NOISE,
    ]


def test_cells_for_the_kernel() -> None:
    cells = PayloadMap(((96, "opus", 8000), (97, "odd", 2**40))).cells()
    assert len(cells) == 128
    assert cells[0] == 8000 * 4 + MEDIA
    assert cells[96] == 48000 * 4 + MEDIA
    assert cells[97] == MEDIA  # a clock that cannot be is unknown
    assert cells[98] == UNKNOWN
