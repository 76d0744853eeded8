"""Conformance of compiler drivers: machine code means what the kernel's source means, integer edges included."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lippycat_core.columns import F64, I32, I64, U8, U32
from lippycat_core.interfaces.compiler import Compiler
from lippycat_core.kernels.load import be16, be32, le32, u8
from lippycat_core.kernelset import Interpreted, KernelSet


class Pair(NamedTuple):
    """Two columns of different types."""

    small: I32
    large: I64


def edges(buf: U8, words: U32, pair: Pair, numbers: F64, begin: int, end: int) -> int:
    """A kernel with a bit of everything that has gone wrong before: wide shifts, unsigned words, negative modulus, floats."""
    total = 0
    for i in range(begin, end):
        value = be32(buf, i) * 7 - le32(buf, i)
        pair.small[i] = (value ^ be16(buf, i) << 3) & 0x7FFFFFFF
        pair.large[i] = int(words[i]) * 0x7FFFFFFF - value // 3 + (u8(buf, i) - 300) % 7
        numbers[i] += (value - numbers[i]) / 16.0
        total += int(pair.small[i]) - int(words[i])
        if total < -(1 << 40):
            total = -(total >> 5)
    return total


class CompilerSuite:
    """Holds a compiler driver to the interpreted kernels: `compiler` gives the one under test."""

    def compiler(self) -> Compiler:
        """The compiler under test, with a cache that may be written."""
        raise AssertionError("derive from CompilerSuite and give a compiler")

    @staticmethod
    def _run(kernels: KernelSet) -> tuple[object, ...]:
        random = np.random.default_rng(7)
        buf = random.integers(0, 256, 4100, np.uint8)
        words = random.integers(0, 1 << 32, 4096, np.uint32)
        pair = Pair(np.zeros(4096, np.int32), np.zeros(4096, np.int64))
        numbers = np.zeros(4096, np.float64)
        total = kernels[edges](
            kernels.view(buf), kernels.view(words), kernels.view_all(pair), kernels.view(numbers), 0, len(words)
        )
        return int(total), pair.small.tolist(), pair.large.tolist(), numbers.tobytes()

    def test_machine_code_means_what_the_source_means(self) -> None:
        compiler = self.compiler()
        try:
            assert self._run(compiler.load([edges])) == self._run(Interpreted())
        finally:
            compiler.close()

    def test_is_ready_after_it_has_loaded(self) -> None:
        compiler = self.compiler()
        try:
            compiler.load([edges])
            assert compiler.ready([edges])
        finally:
            compiler.close()
