"""What a stream's row says in a record: keys in and out, spans of timestamps in milliseconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lippycat_voip.kernels.cells import pair
from lippycat_voip.stream_records import duration_ms, ends

WORD = st.integers(0, 2**32 - 1)
END = st.tuples(WORD, WORD, WORD, WORD, st.integers(0, 65535)) | st.tuples(
    st.just(0), st.just(0), st.just(0xFFFF), WORD, st.integers(0, 65535)
)


@given(src=END, dst=END, ssrc=WORD)
def test_ends_of_a_key(src: tuple[int, int, int, int, int], dst: tuple[int, int, int, int, int], ssrc: int) -> None:
    """IPv4 and IPv6, mixed too."""
    words = [
        src[3] * 0x10000 + src[4],
        dst[3] * 0x10000 + dst[4],
        pair(src[0], src[1]),
        pair(dst[0], dst[1]),
        pair(src[2], dst[2]),
        ssrc,
    ]
    assert ends(words) == (src, dst, ssrc)


@pytest.mark.parametrize(
    ("units", "rate", "expected"), [(160, 8000, 20), (960, 48000, 20), (20, 8000, 2.5), (1024, 44100, 23.22), (240, 8000, 30)]
)
def test_duration(units: int, rate: int, expected: float) -> None:
    value = duration_ms(units, rate)
    assert value == expected
    assert isinstance(value, type(expected))
