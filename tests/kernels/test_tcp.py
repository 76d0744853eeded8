from __future__ import annotations

import pytest

from lippycat_core.kernels.tcp import ahead


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [(5, 3, 2), (3, 5, -2), (0, 0xFFFFFFFF, 1), (0xFFFFFFFF, 0, -1), (0x7FFFFFFF, 0, 0x7FFFFFFF), (0x80000000, 0, -0x80000000)],
)
def test_distances_wrap_at_32_bits(a: int, b: int, distance: int) -> None:
    assert ahead(a, b) == distance
