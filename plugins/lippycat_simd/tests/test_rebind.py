"""One meaning: what a kernel computes interpreted it computes compiled, at the edges of integers too."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lippycat_core.errors import PluginError
from lippycat_core.kernelset import Interpreted
from lippycat_simd.cache import KernelCache
from lippycat_simd.kernels import CompiledKernels
from lippycat_simd.rebind import signature

Make = Callable[..., ModuleType]

EDGES = """
from lippycat_core.columns import F64, I32, I64, U8, U32
from lippycat_core.kernels.load import be16, be24, be32, le16, le32, u8

def mixed(buf: U8, words: U32, small: I32, wide: I64, out: I64) -> int:
    for i in range(len(words)):
        word, number, far = int(words[i]), int(small[i]), int(wide[i])
        out[16 * i + 0] = word + number
        out[16 * i + 1] = word - number
        out[16 * i + 2] = (word * 40503) & 0xFFFFFFFF
        out[16 * i + 3] = word ^ number
        out[16 * i + 4] = number >> 3
        out[16 * i + 5] = far // 1000
        out[16 * i + 6] = far % 1000
        out[16 * i + 7] = -far // 7
        out[16 * i + 8] = far - word if far > word else number - far
        out[16 * i + 9] = min(word, far) + max(number, -number)
        out[16 * i + 10] = ~number + ~word - (-word)
        out[16 * i + 11] = (word << 20) - (-int(buf[i])) + (int(buf[i]) << 8)
        out[16 * i + 12] = be32(buf, i) - le32(buf, i)
        out[16 * i + 13] = be24(buf, i) * 256 + u8(buf, i)
        out[16 * i + 14] = be16(buf, i) - le16(buf, i) if be16(buf, i) != le16(buf, i) else -1
        out[16 * i + 15] = ((word - number + 32768) % 65536) - 32768
    return len(words)

def jitter(times: F64, out: F64) -> int:
    mean = 0.0
    for i in range(1, len(times)):
        mean += (abs(times[i] - times[i - 1]) - mean) / 16.0
        out[i] = mean * 3.0 + times[i] * 0.1
    return 0

def quotient(x: int, y: int) -> int:
    return x // y

def stored(out: I32, value: int) -> int:
    out[0] = ((value + 0x80000000) & 0xFFFFFFFF) - 0x80000000
    return int(out[0])
"""


@pytest.fixture
def forms(module: Make, cache: KernelCache) -> Callable[[str], list[tuple[Any, Any]]]:
    """(set, kernel) of both forms."""
    made = module(EDGES)
    return lambda name: [(kernels, kernels[getattr(made, name)]) for kernels in (Interpreted(), CompiledKernels(cache))]


def test_integers_mean_the_same_at_their_edges(forms: Callable[[str], list[tuple[Any, Any]]]) -> None:
    rng = random.Random(3261)
    words = [0, 1, 2**16 - 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1] + [rng.randrange(2**32) for _ in range(200)]
    small = [-(2**31), -1, 0, 1, 2**31 - 1, -7, 7] + [rng.randrange(-(2**31), 2**31) for _ in range(200)]
    wide = [-(2**62), -1, 0, 1, 2**62, -1000, 999] + [rng.randrange(-(2**62), 2**62) for _ in range(200)]
    columns = [
        np.frombuffer(bytes([255] * 8) + rng.randbytes(len(words)), np.uint8).copy(),
        np.array(words, np.uint32),
        np.array(small, np.int32),
        np.array(wide, np.int64),
    ]
    answers = []
    for kernels, mixed in forms("mixed"):
        out = np.zeros(16 * len(words), np.int64)
        assert mixed(*map(kernels.view, columns), kernels.view(out)) == len(words)
        answers.append(out.tolist())
    assert answers[0] == answers[1]


def test_floats_are_the_same_to_the_last_bit(forms: Callable[[str], list[tuple[Any, Any]]]) -> None:
    rng = random.Random(3550)
    times = np.array([rng.expovariate(1) * 10.0 ** rng.randrange(-5, 9) for _ in range(2000)])
    answers = []
    for kernels, jitter in forms("jitter"):
        out = np.zeros_like(times)
        jitter(kernels.view(times), kernels.view(out))
        answers.append(out.tobytes())
    assert answers[0] == answers[1]


def test_a_division_by_zero_raises_in_both(forms: Callable[[str], list[tuple[Any, Any]]]) -> None:
    for _, quotient in forms("quotient"):
        assert [quotient(7, 2), quotient(-7, 2), quotient(7, -2)] == [3, -4, -4]
        with pytest.raises((ZeroDivisionError, PluginError)):
            quotient(1, 0)


def test_a_masked_store_wraps_in_both(forms: Callable[[str], list[tuple[Any, Any]]]) -> None:
    for kernels, stored in forms("stored"):
        out = kernels.view(np.zeros(1, np.int32))
        assert [stored(out, value) for value in (2**31 - 1, 2**31, -(2**31) - 1, 2**40 + 5)] == [
            2**31 - 1,
            -(2**31),
            2**31 - 1,
            5,
        ]
        assert math.isfinite(out[0])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def kernel(x) -> int: return 1\n", "no annotation for x"),
        ("def kernel(x: bytes) -> int: return 1\n", "no kernel argument can be of type <class 'bytes'>"),
        ("def kernel(x: list[int]) -> int: return 1\n", "no kernel argument can be of type"),
    ],
)
def test_a_kernel_without_a_usable_signature_is_refused(source: str, message: str, module: Make) -> None:
    with pytest.raises(TypeError, match=message):
        signature(module(source).kernel)


def test_named_tuples_scalars_and_helpers_of_helpers(module: Make, cache: KernelCache) -> None:
    made = module(
        """
        from typing import NamedTuple
        from lippycat_core.columns import I32

        class Pair(NamedTuple):
            left: I32
            right: I32

        def inner(x: int) -> int:
            return x + 1

        def outer(x: int) -> int:
            return inner(x) * 2

        def kernel(pair: Pair, scale: float, flag: bool) -> int:
            total = 0
            for i in range(len(pair.left)):
                total += outer(int(pair.left[i])) + int(pair.right[i])
            return int(total * scale) if flag else -1
        """
    )
    pair = made.Pair(np.arange(3, dtype=np.int32), np.ones(3, np.int32))
    for kernels in (Interpreted(), CompiledKernels(cache), CompiledKernels(cache)):
        kernel = kernels[made.kernel]
        other = kernels[made.kernel]  # a caller of its own, which shares nothing with the first
        assert other(kernels.view_all(made.Pair(pair.right, pair.left)), 1.0, True) == 15
        assert [kernel(kernels.view_all(pair), 0.5, flag) for flag in (True, False)] == [7, -1]
