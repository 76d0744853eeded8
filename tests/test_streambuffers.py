"""The stream buffers of a run: each bound acts, in the order that it promises, and memory is never more than allowed."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.builtin.buffers import FIRST, SIZE, AdaptiveProvider, FixedProvider, RingProvider
from lippycat_core.streambuffers import KEPT, LOST, OVERWRITTEN, StreamBuffers

SECOND = 1_000_000_000


def buffers(strategy: Any = AdaptiveProvider, **bounds: Any) -> tuple[StreamBuffers, list[Hashable]]:
    made = StreamBuffers(strategy().open(), **bounds)
    gone: list[Hashable] = []
    made.on_evicted = gone.append
    return made, gone


def keep(made: StreamBuffers, key: str, size: int = 5, now_ns: int = 0) -> int:
    return made.append(key, memoryview(b"x" * size), now_ns)


def test_bytes_wait_by_key() -> None:
    made, _ = buffers()
    assert [keep(made, "a"), keep(made, "b", 3), keep(made, "a")] == [KEPT] * 3
    assert [len(made.peek(key)) for key in "abc"] == [10, 3, 0]
    made.release("a")
    assert len(made.peek("a")) == 0


def test_beyond_the_number_the_least_recently_used_goes_and_one_that_was_released_counts_no_more() -> None:
    made, gone = buffers(max_buffers=3)
    for key in "abc":
        keep(made, key)
    made.release("c")
    keep(made, "a")  # a is more recent than b
    keep(made, "d")
    assert (gone, dict(made.evicted())) == ([], {})
    keep(made, "e")
    assert (gone, made.evicted()["tcp_buffers"]) == (["b"], 1)
    assert len(made.peek("a")) == 10


def test_bytes_are_bounded_and_the_pool_goes_before_any_stream() -> None:
    made, gone = buffers(FixedProvider, max_bytes=3 * SIZE)
    for key in "abc":
        keep(made, key, SIZE)
    made.release("b")
    assert made.figures()["pooled"] == 1
    assert made.held_bytes == 3 * SIZE
    keep(made, "d", SIZE)  # takes b's
    assert (gone, made.figures()["pooled"]) == ([], 0)
    keep(made, "e", SIZE)
    assert (gone, dict(made.evicted())) == (["a"], {"tcp_buffer_bytes": 1})
    assert (made.held_bytes, made.peak_bytes) == (3 * SIZE, 3 * SIZE)


def test_what_is_larger_than_all_memory_is_lost() -> None:
    made, gone = buffers(FixedProvider, max_bytes=SIZE - 1)
    assert keep(made, "a", SIZE) == LOST
    assert (made.held_bytes, gone, dict(made.evicted())) == (0, [], {"tcp_buffer_bytes": 1})


def test_what_does_not_fit_is_counted_by_the_strategy() -> None:
    fixed, _ = buffers(FixedProvider)
    assert [keep(fixed, "a", SIZE), keep(fixed, "a", 9)] == [KEPT, LOST]
    assert dict(fixed.evicted()) == {"tcp_buffer_full": 1}
    ring, _ = buffers(RingProvider)
    assert [keep(ring, "a", SIZE), keep(ring, "a", 9)] == [KEPT, OVERWRITTEN]
    assert dict(ring.evicted()) == {"tcp_buffer_overwritten": 9}


def test_age_is_looked_at_every_interval() -> None:
    made, gone = buffers(max_age_ns=10 * SECOND, cleanup_ns=30 * SECOND)
    made.tick(0)
    keep(made, "old", now_ns=0)
    made.tick(29 * SECOND)
    assert gone == []  # older than its age, but it is not yet time to look
    keep(made, "young", now_ns=29 * SECOND)
    made.tick(30 * SECOND)
    assert (gone, dict(made.evicted())) == (["old"], {"tcp_buffer_age": 1})
    made.tick(59 * SECOND)
    assert gone == ["old"]


def test_what_is_given_up_depends_on_what_is_held_and_not_on_what_buffers_held_before() -> None:
    def given_up(before: int) -> tuple[dict[str, int], list[Hashable]]:
        made, gone = buffers(FixedProvider, max_bytes=SIZE, pool_size=8)
        for n in range(before):
            keep(made, f"large {n}", SIZE // 2)
        for n in range(before):
            made.release(f"large {n}")
        for n in range(70):
            keep(made, f"small {n}", FIRST)
        assert made.held_bytes <= SIZE
        return dict(made.evicted()), gone

    assert given_up(0) == given_up(1) == given_up(2) == ({"tcp_buffer_bytes": 6}, [f"small {n}" for n in range(6)])


def test_the_pool_keeps_so_many_for_reuse() -> None:
    made, _ = buffers(pool_size=2)
    for key in "abc":
        keep(made, key)
    for key in "abc":
        made.release(key)
    assert (made.figures()["pooled"], made.held_bytes) == (2, 2 * FIRST)
    keep(made, "d")
    assert (made.figures()["pooled"], made.held_bytes) == (1, 2 * FIRST)


def test_with_shrink_a_message_leaves_no_memory_behind() -> None:
    for shrink, left in ((False, SIZE), (True, 0)):
        made, _ = buffers(FixedProvider, shrink=shrink)
        keep(made, "a", SIZE)
        made.release("a")
        assert made.held_bytes == left
        keep(made, "a", SIZE)
        made.release("a")
        assert (made.figures()["pooled"], made.held_bytes) == (1, left)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("append", "append", "append", "release", "tick")),
        st.integers(0, 9),
        st.sampled_from((0, 1, 900, 1500, 9000, 70_000)),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(
    STEPS,
    st.sampled_from((FixedProvider, AdaptiveProvider, RingProvider)),
    st.booleans(),
    st.integers(0, 3),
    st.sampled_from((4096, SIZE, 3 * SIZE)),
)
def test_no_steps_break_a_bound(
    steps: list[tuple[str, int, int]], strategy: Any, shrink: bool, pool_size: int, max_bytes: int
) -> None:
    made, gone = buffers(strategy, max_buffers=4, max_bytes=max_bytes, pool_size=pool_size, shrink=shrink)
    for n, (step, which, size) in enumerate(steps):
        key, now_ns = str(which), n * 20 * SECOND
        if step == "append":
            keep(made, key, size, now_ns)
        elif step == "release":
            made.release(key)
        else:
            made.tick(now_ns)
        figures = made.figures()
        assert 0 <= figures["held_bytes"] <= figures["peak_bytes"] <= max_bytes
        assert figures["buffers"] <= 4
        assert figures["pooled"] <= pool_size
        assert figures["held_bytes"] >= sum(len(made.peek(str(k))) for k in range(10))
    counted = made.evicted()
    assert counted.get("tcp_buffers", 0) + counted.get("tcp_buffer_age", 0) + counted.get("tcp_buffer_bytes", 0) >= len(gone)
