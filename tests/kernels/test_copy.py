"""Copying bytes: all or nothing, and never outside."""

from __future__ import annotations

import numpy as np
import pytest

from lippycat_core.kernels.copy import copy_bytes


@pytest.mark.parametrize(
    ("to", "begin", "count", "copied"),
    [(0, 0, 4, 4), (2, 1, 3, 3), (4, 4, 0, 0), (5, 0, 4, 0), (0, 5, 4, 0), (-1, 0, 2, 0), (0, -1, 2, 0), (0, 0, -1, 0)],
)
def test_all_or_nothing(to: int, begin: int, count: int, copied: int) -> None:
    target, source = np.zeros(8, np.uint8), np.arange(1, 9, dtype=np.uint8)
    wanted = target.copy()
    if copied:
        wanted[to : to + count] = source[begin : begin + count]
    assert copy_bytes(target, to, source, begin, count) == copied
    assert target.tolist() == wanted.tolist()
