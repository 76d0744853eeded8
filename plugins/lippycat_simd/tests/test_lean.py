"""The short way to machine code: what the left-out passes and the shared look-ups must not change."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lippycat_simd.kernels import CompiledKernels
from lippycat_simd.rebind import Rebinder

Make = Callable[..., ModuleType]

SOURCE = """
from lippycat_core.columns import F64, I32, I64, U8

PAIR = (3, 5)
TABLE = bytes(range(255, -1, -1))

def leaf_of_a_chain(x: int, by: int) -> int:
    return x * by + PAIR[1]

def middle(x: int) -> tuple[int, bool]:
    return leaf_of_a_chain(x, 2) + leaf_of_a_chain(x, PAIR[0]), x > 3

def chain(x: int) -> int:
    y, large = middle(x)
    return leaf_of_a_chain(y, y) if large else -y

def operators(bytes_: U8, small: I32, wide: I64, real: F64) -> float:
    # the same operators on pairs of all types, now and again the other way round
    total = 0.0
    for i in range(len(real)):
        total += int(bytes_[i]) * int(small[i]) - int(wide[i]) // 3
        total = real[i] + total
        total = total - int(wide[i]) % 7
        if real[i] > small[i] and small[i] != wide[i]:
            total += 1
        total += (small[i] in (1, 2, 3)) + TABLE[bytes_[i]]
    return total

def reassigned(n: int) -> int:
    x = 1
    y = 0
    while n > 0:
        x, y = x + y, x
        if x % 2 == 0:
            n -= 1
            continue
        if x > 10**6:
            break
        n -= 1
    return x * 10 + (y & 1)
"""


@pytest.fixture
def made(module: Make) -> ModuleType:
    """A module with the kernels above."""
    return module(SOURCE)


def test_helpers_of_helpers(made: ModuleType) -> None:
    compiled = CompiledKernels(None)[made.chain]
    assert [compiled(x) for x in range(-5, 10)] == [made.chain(x) for x in range(-5, 10)]


def test_an_operator_on_other_types_is_another_operator(made: ModuleType) -> None:
    rng = np.random.default_rng(3550)
    columns: tuple[Any, ...] = (
        rng.integers(0, 256, 300).astype(np.uint8),
        rng.integers(-5, 5, 300).astype(np.int32),
        rng.integers(-(2**40), 2**40, 300),
        rng.normal(0, 5, 300),
    )
    assert CompiledKernels(None)[made.operators](*columns) == made.operators(*(column.tolist() for column in columns))


def test_a_set_of_kernels_shares_helpers_and_look_ups(made: ModuleType) -> None:
    kernels = CompiledKernels(None)
    chain, reassigned = kernels[made.chain], kernels[made.reassigned]
    assert [reassigned(n) for n in range(60)] == [made.reassigned(n) for n in range(60)]
    assert chain(7) == made.chain(7)


def test_what_is_left_of_a_helper_is_in_its_kernel(made: ModuleType) -> None:
    """Optimised as a whole: small helpers are gone, not called."""
    symbols = re.findall(rb"_ZN(?!08NumbaEnv)\w*leaf_of_a_chain", Rebinder().kernel(made.chain))
    assert symbols == []
