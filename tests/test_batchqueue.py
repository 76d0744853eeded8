"""Batches between reader and worker: bounds by number, bytes and age, what joins, what is told of what was dropped."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lippycat_core.batch import Batch
from lippycat_core.batchqueue import FULL_AFTER, LEAST_ROWS, SLACK_AFTER, BatchQueue, QueueRules
from lippycat_core.kernels.decode import decode
from lippycat_core.kernelset import Interpreted
from lippycat_core.testing.packets import ethernet, udp

SECOND = 1_000_000_000
ROWS = 8


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.ns = 1000 * SECOND

    def __call__(self) -> int:
        return self.ns


class Waiting:
    """A queue with rules, and what the tests put into it: batches of so many packets, a nanosecond apart."""

    def __init__(self, rows: int = ROWS, **rules: Any) -> None:
        self.clock = Clock()
        self.queue = BatchQueue(QueueRules(**rules), lambda room: Batch(Interpreted(), capacity=room), rows, self.clock)
        self.sent = 0

    def put(self, count: int = ROWS, lost: tuple[int, int] | None = (0, 0), clock_ns: int = 0) -> bool:
        """Whether the batch waits."""
        batch = self.queue.blank()
        fill(batch, range(self.sent, self.sent + count))
        self.sent += count
        batch.lost, batch.clock_ns = lost, clock_ns
        return self.queue.put(batch) is None

    def take(self) -> tuple[list[int], tuple[int, int] | None]:
        """The next batch's packets and losses."""
        batch = self.queue.get()
        assert batch is not None
        return numbers(batch), batch.lost


def fill(batch: Batch, packets: Sequence[int]) -> None:
    """Datagrams that say their number, as a reader leaves them: decoded."""
    batch.clear(1)
    at = 100  # a source may leave room in front
    for row, number in enumerate(packets):
        data = ethernet(udp("10.0.0.1", 1000 + number % 50, "10.0.0.2", 5060, number.to_bytes(4, "big")))
        batch.mem[at : at + len(data)] = data
        batch.frame.off[row], batch.frame.caplen[row] = at, len(data)
        batch.frame.wirelen[row], batch.frame.link[row], batch.frame.ts_ns[row] = len(data), 1, number
        at += len(data)
    batch.rows = len(packets)
    batch.route.status[: batch.rows] = 0
    views = batch.views
    decode(views.slab, views.frame, views.net, views.transport, views.route, 0, batch.rows)
    batch.may_have_fragments = batch.may_have_tcp = False


def numbers(batch: Batch) -> list[int]:
    """What the payloads say, read by what decoding wrote."""
    offs, sizes = batch.transport.pay_off[: batch.rows].tolist(), batch.transport.pay_len[: batch.rows].tolist()
    assert batch.frame.ts_ns[: batch.rows].tolist() == [int.from_bytes(batch.mem[off : off + 4], "big") for off in offs]
    assert set(sizes) <= {4}
    return [int.from_bytes(batch.mem[off : off + size], "big") for off, size in zip(offs, sizes, strict=True)]


def test_batches_come_out_as_they_went_in() -> None:
    waiting = Waiting(batches=3)
    assert all(waiting.put() for _ in range(3))
    assert [waiting.take()[0] for _ in range(3)] == [list(range(n, n + ROWS)) for n in (0, 8, 16)]
    waiting.queue.end()
    assert waiting.queue.get() is None


def test_small_batches_that_wait_become_one_and_keep_all_they_say() -> None:
    waiting = Waiting(batches=3, joins=True)
    assert waiting.put(2, lost=(5, 6), clock_ns=7)
    assert not waiting.put(3, lost=(2, 3), clock_ns=9)
    assert not waiting.put(0, clock_ns=11)
    assert not waiting.put(2)
    assert waiting.put(2)  # 7 of 8 were there
    assert (waiting.queue.state.batches, waiting.queue.dropped()) == (2, {})
    batch = waiting.queue.get()
    assert batch is not None
    assert (numbers(batch), batch.lost, batch.clock_ns) == (list(range(7)), (2, 6), 11)
    assert waiting.take() == ([7, 8], (0, 0))


def test_joining_stops_where_bytes_are_full_and_remembers_what_is_inside() -> None:
    last, more = (Batch(Interpreted(), capacity=64) for _ in range(2))
    fill(last, range(2))
    fill(more, range(2, 4))
    more.may_have_tcp, more.may_have_fragments = True, True
    more.secrets = ((1, b"in front of these rows"),)
    assert not last.absorb(more)
    assert (last.rows, more.rows) == (2, 2)
    more.secrets = ()
    assert last.absorb(more)
    assert (last.may_have_tcp, last.may_have_fragments, numbers(last)) == (True, True, [0, 1, 2, 3])
    last.frame.off[3] = last.source_bytes - 50
    last.frame.caplen[3] = 50
    assert not last.absorb(more)
    assert last.rows == 4


def test_what_comes_much_later_does_not_join() -> None:
    waiting = Waiting(batches=3, joins=True, max_age_ns=16 * SECOND)
    assert waiting.put(1)
    waiting.clock.ns += SECOND
    assert not waiting.put(1)
    waiting.clock.ns += 1
    assert waiting.put(1)


def test_a_full_queue_drops_the_newest_and_the_next_tells_when() -> None:
    waiting = Waiting(batches=2, waits=False)
    assert [waiting.put() for _ in range(4)] == [True, True, False, False]
    assert waiting.queue.dropped() == {"queue": 16}
    assert [waiting.take() for _ in range(2)] == [(list(range(8)), (0, 0)), (list(range(8, 16)), (0, 0))]
    assert waiting.put(2)
    assert waiting.take() == ([32, 33], (16, 31))
    assert waiting.queue.owed() is None
    assert [waiting.put() for _ in range(3)] == [True, True, False]
    assert waiting.queue.owed() == (50, 57)  # nothing came behind it


def test_bytes_bound_it_too_but_one_batch_always_waits() -> None:
    size = Batch(Interpreted(), capacity=ROWS).nbytes
    waiting = Waiting(batches=100, nbytes=3 * size, waits=False)
    assert [waiting.put() for _ in range(4)] == [True, True, True, False]
    assert (waiting.queue.state.nbytes, waiting.queue.state.fill) == (3 * size, 1.0)
    tiny = Waiting(batches=100, nbytes=1, waits=False)
    assert [tiny.put(), tiny.put()] == [True, False]


def test_memory_is_taken_as_needed_and_given_back() -> None:
    made: list[int] = []

    def make(rows: int) -> Batch:
        made.append(rows)
        return Batch(Interpreted(), capacity=rows)

    queue = BatchQueue(QueueRules(batches=1000), make, ROWS)
    assert made == []
    for _ in range(50):
        assert queue.put(queue.blank()) is None
        batch = queue.get()
        assert batch is not None
        queue.give_back(batch)
    assert len(made) == 1
    for _ in range(20):
        queue.put(queue.blank())
    while queue.state.batches:
        batch = queue.get()
        assert batch is not None
        queue.give_back(batch)
    assert len(queue._free) == 20  # a burst that is not over needs them again
    for _ in range(6 * SLACK_AFTER):
        queue.give_back(queue.blank())
    assert len(queue._free) == 4
    assert len(made) == 20


def test_what_waited_too_long_is_dropped_and_told_in_its_place() -> None:
    waiting = Waiting(batches=10, max_age_ns=30 * SECOND)
    waiting.put(8, lost=(1, 2))
    waiting.put(8)
    waiting.clock.ns += 20 * SECOND
    waiting.put(8)
    waiting.clock.ns += 10 * SECOND + 1
    assert waiting.take() == (list(range(16, 24)), (0, 15))
    assert waiting.queue.dropped() == {"queue_time": 16}
    waiting.put(8)
    waiting.clock.ns += 31 * SECOND
    waiting.queue.end()
    assert waiting.queue.get() is None
    assert waiting.queue.owed() == (24, 31)


def test_age_makes_room_for_who_waits() -> None:
    waiting = Waiting(batches=1, max_age_ns=30 * SECOND)
    waiting.put()
    waiting.clock.ns += 31 * SECOND
    assert waiting.put()  # would wait for ever else
    assert waiting.take() == (list(range(8, 16)), (0, 7))


def test_back_pressure_holds_the_reader_until_there_is_room() -> None:
    waiting = Waiting(batches=1)
    waiting.put()
    reader = threading.Thread(target=waiting.put, daemon=True)
    reader.start()
    reader.join(0.2)
    assert reader.is_alive()
    assert waiting.take()[0] == list(range(8))
    reader.join(5)
    assert not reader.is_alive()
    assert waiting.take()[0] == list(range(8, 16))
    assert waiting.queue.dropped() == {}


def test_a_worker_that_ends_lets_the_reader_go() -> None:
    waiting = Waiting(batches=1)
    waiting.put()
    reader = threading.Thread(target=waiting.put, daemon=True)
    reader.start()
    time.sleep(0.05)
    waiting.queue.close()
    reader.join(5)
    assert not reader.is_alive()
    assert waiting.queue.closed


def test_what_ended_the_reader_is_raised_behind_its_batches() -> None:
    waiting = Waiting()
    waiting.put()
    waiting.queue.end(ValueError("gone"))
    waiting.take()
    with pytest.raises(ValueError, match="gone"):
        waiting.queue.get()


def test_a_tuned_queue_grows_when_full_and_shrinks_slowly() -> None:
    waiting = Waiting(batches=4, tuned=True, waits=False)
    assert [waiting.put() for _ in range(17)] == [True] * 16 + [False]
    assert (waiting.queue.state.limit, waiting.queue.dropped()) == (16, {"queue": 8})
    for _ in range(16):
        waiting.take()
    for _ in range(SLACK_AFTER - 1):
        waiting.put()
        waiting.take()
    assert waiting.queue.state.limit == 16
    for _ in range(5 * SLACK_AFTER):
        waiting.put()
        waiting.take()
    assert waiting.queue.state.limit == 1
    plain = Waiting(batches=4, waits=False)
    assert [plain.put() for _ in range(5)] == [True] * 4 + [False]


def test_tuned_batches_follow_what_comes() -> None:
    waiting = Waiting(rows=4 * LEAST_ROWS, tuned=True)

    def rooms(count: int, times: int) -> int:
        for _ in range(times):
            batch = waiting.queue.blank()
            batch.clear(1)
            batch.rows = min(count, batch.capacity)
            batch.frame.ts_ns[: batch.rows] = np.arange(batch.rows)
            waiting.queue.put(batch)
            taken = waiting.queue.get()
            assert taken is not None
            waiting.queue.give_back(taken)
        return waiting.queue.state.rows

    assert rooms(1, SLACK_AFTER - 1) == 4 * LEAST_ROWS
    assert rooms(1, 1) == 2 * LEAST_ROWS
    assert rooms(1, 3 * SLACK_AFTER) == LEAST_ROWS
    assert waiting.queue.blank().capacity == LEAST_ROWS
    assert rooms(9999, FULL_AFTER - 1) == LEAST_ROWS
    assert rooms(9999, 1) == 2 * LEAST_ROWS
    assert rooms(9999, 9 * FULL_AFTER) == 8 * LEAST_ROWS  # twice as many as were asked for
