"""The core's buffer drivers: the kit, and what tells them apart."""

from __future__ import annotations

from lippycat_core.builtin.buffers import (
    FIRST,
    MOST,
    QUIET,
    SIZE,
    AdaptiveBuffer,
    AdaptiveProvider,
    FixedBuffer,
    FixedProvider,
    RingBuffer,
    RingProvider,
)
from lippycat_core.interfaces.buffer import BufferStrategy
from lippycat_core.testing.buffer import BufferSuite


class TestFixed(BufferSuite):
    def strategy(self) -> BufferStrategy:
        return FixedProvider().open()


class TestAdaptive(BufferSuite):
    def strategy(self) -> BufferStrategy:
        return AdaptiveProvider().open()


class TestRing(BufferSuite):
    def strategy(self) -> BufferStrategy:
        return RingProvider().open()


def test_fixed_has_one_size_and_loses_what_does_not_fit() -> None:
    buffer = FixedBuffer()
    assert buffer.append(memoryview(b"a" * (SIZE - 10))) == 0
    assert buffer.cost(0) == SIZE
    assert buffer.append(memoryview(b"b" * 11)) == 11
    assert buffer.append(memoryview(b"c" * 10)) == 0
    assert bytes(buffer.peek()) == b"a" * (SIZE - 10) + b"c" * 10
    assert buffer.cost(0) == SIZE


def test_fixed_uses_the_room_in_front() -> None:
    buffer = FixedBuffer()
    buffer.append(memoryview(b"a" * SIZE))
    buffer.consume(SIZE - 3)
    assert buffer.append(memoryview(b"b" * (SIZE - 3))) == 0
    assert bytes(buffer.peek()) == b"aaa" + b"b" * (SIZE - 3)


def test_adaptive_grows_with_demand_up_to_its_bound() -> None:
    buffer = AdaptiveBuffer()
    buffer.append(memoryview(b"x"))
    assert buffer.cost(0) == FIRST
    buffer.append(memoryview(bytes(FIRST)))
    assert buffer.cost(0) == 2 * FIRST
    assert buffer.append(memoryview(bytes(MOST))) == MOST
    assert len(buffer) == FIRST + 1


def test_adaptive_shrinks_when_it_was_too_large_for_a_while() -> None:
    buffer = AdaptiveBuffer()
    buffer.append(memoryview(bytes(8 * FIRST)))
    buffer.consume(8 * FIRST)
    for n in range(2 * QUIET):
        assert buffer.cost(0) == (8 if n < QUIET else 4) * FIRST, n
        buffer.append(memoryview(b"short"))
        buffer.consume(5)
    assert buffer.cost(0) == 2 * FIRST


def test_ring_overwrites_the_oldest() -> None:
    buffer = RingBuffer()
    assert buffer.append(memoryview(b"a" * 100)) == 0
    assert buffer.append(memoryview(b"b" * (SIZE - 50))) == 50
    assert bytes(buffer.peek()) == b"a" * 50 + b"b" * (SIZE - 50)
    assert buffer.append(memoryview(b"c" * (SIZE + 7))) == SIZE + 7
    assert bytes(buffer.peek()) == b"c" * SIZE
    assert buffer.cost(0) == SIZE
