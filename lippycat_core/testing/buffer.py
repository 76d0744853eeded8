"""Conformance of buffer drivers: bytes come back in order, what is lost is said, and memory is what was announced."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.interfaces.buffer import BufferStrategy, StreamBuffer

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from((0, 1, 7, 700, 1460, 5000, 40_000, 70_000, 3_000_000))),
        st.tuples(st.just("consume"), st.sampled_from((1, 3, 900, 50_000, 1 << 30))),
        st.tuples(st.just("shrink"), st.just(0)),
    ),
    max_size=30,
)


class BufferSuite:
    """Holds a buffer driver to `interfaces/buffer.py`: `strategy` gives the one under test."""

    def strategy(self) -> BufferStrategy:
        """The strategy under test."""
        raise AssertionError("derive from BufferSuite and give a strategy")

    def test_a_new_buffer_is_empty_and_takes_no_memory(self) -> None:
        buffer = self.strategy().create()
        assert (len(buffer), buffer.cost(0), bytes(buffer.peek())) == (0, 0, b"")

    def test_a_message_in_pieces_comes_back_whole(self) -> None:
        buffer = self.strategy().create()
        message = bytes(range(256)) * 8
        for at in range(0, len(message), 100):
            assert buffer.append(memoryview(message)[at : at + 100]) == 0
        assert bytes(buffer.peek()) == message
        buffer.consume(len(message))
        assert (len(buffer), bytes(buffer.peek())) == (0, b"")

    def test_buffers_do_not_share(self) -> None:
        strategy = self.strategy()
        one, other = strategy.create(), strategy.create()
        one.append(memoryview(b"one"))
        assert (bytes(one.peek()), bytes(other.peek())) == (b"one", b"")

    def test_shrinking_an_empty_buffer_gives_memory_back(self) -> None:
        buffer = self.strategy().create()
        buffer.append(memoryview(bytes(3000)))
        buffer.consume(3000)
        buffer.shrink()
        assert buffer.cost(0) == 0

    def test_any_steps_mean_what_the_interface_says(self) -> None:
        @settings(max_examples=100, deadline=None)
        @given(STEPS)
        def hold(steps: list[tuple[str, int]]) -> None:
            _steps(self.strategy(), steps)

        hold()


def _steps(strategy: BufferStrategy, steps: list[tuple[str, int]]) -> None:
    buffer, held, number = strategy.create(), b"", 0
    for step, count in steps:
        if step == "append":
            number += 1
            held = _append(strategy, buffer, held, bytes([number & 255]) * count)
        elif step == "consume":
            taken = min(count, len(held))
            buffer.consume(taken)
            held = held[taken:]
        else:
            before = buffer.cost(0)
            buffer.shrink()
            assert buffer.cost(0) <= before
        assert len(buffer) == len(held)
        assert bytes(buffer.peek()) == held
        assert buffer.cost(0) >= len(held)


def _append(strategy: BufferStrategy, buffer: StreamBuffer, held: bytes, data: bytes) -> bytes:
    """Append to both; returns what must be held then."""
    announced = buffer.cost(len(data))
    lost = buffer.append(memoryview(data))
    assert buffer.cost(0) <= announced, "append took more memory than cost() announced"
    if lost == 0:
        return held + data
    if strategy.overwrites:
        assert 0 < lost <= len(held) + len(data)
        return (held + data)[lost:]
    assert lost == len(data), "a segment is lost whole or not at all"
    return held
