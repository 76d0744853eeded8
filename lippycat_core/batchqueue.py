"""Batches between the thread that reads and the one that works on them: how many may wait, for how long, and what becomes of
the others. It knows no source, no stage and no setting.

The queue lies behind decoding and in front of everything that remembers, so that UDP and TCP are treated alike.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lippycat_core.batch import Batch, lost_in_both

KEPT_FREE = 4
"""Batches that are kept for the next use. What a burst needed beyond them goes back to the system when it is over: touching
fresh memory costs as much as copying packets there."""

JOINED_FOR = 16
"""What comes within this part of the most that a batch may wait goes into the batch that waits last, where there is room."""

NO_AGE_JOINED_NS = 1_000_000_000
"""The same where no batch is dropped for its age."""

SWAY = 4
"""A tuned queue is at most so many times as long as was asked for, and at least as long as that part of it."""

LEAST_ROWS = 256
MOST_TIMES = 2
"""A tuned batch has room for so many packets at least, and at most for so many times as was asked for."""

FULL_AFTER = 4
"""Batches in a row that were full, after which the next ones have room for twice as much."""

SLACK_AFTER = 64
"""Batches in a row that were a quarter full at most, or found the queue an eighth full, after which batches or queue are half
as large, or that left more free than are kept, after which half of these go; more, so that they do not swing. A full queue
becomes longer at once, for the next batch would be lost."""


@dataclass(frozen=True, slots=True)
class QueueRules:
    """How many batches may wait, and the most memory that they take together (`nbytes`, 0: as much as they do). `waits`: who
    finds no room waits for it, else that batch is dropped. One older than `max_age_ns` is dropped (0: at no age). `joins`: small
    batches that wait become one. `tuned`: room of batches and length of the queue follow how full they are."""

    batches: int = 2
    nbytes: int = 0
    waits: bool = True
    max_age_ns: int = 0
    joins: bool = False
    tuned: bool = False


class QueueState(NamedTuple):
    """What a queue is at one moment: batches that wait and may, their memory and the most that it may be, and packets that the
    next batch has room for."""

    batches: int = 0
    limit: int = 2
    nbytes: int = 0
    nbytes_limit: int = 0
    rows: int = 0

    @property
    def fill(self) -> float:
        """How full it is, 0 to 1, by whichever is the nearer bound."""
        return min(1.0, max(self.batches / self.limit, self.nbytes / self.nbytes_limit if self.nbytes_limit else 0.0))


class BatchQueue:
    """One reader puts, one worker gets. `make(rows)` makes a batch with room for so many packets, `rows` to begin with."""

    def __init__(
        self, rules: QueueRules, make: Callable[[int], Batch], rows: int, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._rules = rules
        self._make = make
        self._clock = clock
        self._rows = rows
        self._most_rows = MOST_TIMES * rows if rules.tuned else rows
        self._limit = rules.batches
        self._waiting: deque[tuple[Batch, int]] = deque()  # with when each was put
        self._nbytes = 0
        self._free: list[Batch] = []
        self._changed = threading.Condition(threading.Lock())
        self._over = self._closed = False
        self._error: BaseException | None = None
        self._owed: tuple[int, int] | None = None  # losses that the next batch is to tell of
        self._full = self._slack = self._idle = self._spare = 0  # batches in a row
        self.dropped_full = self.dropped_old = 0

    # -- the reader's side ----------------------------------------------------------------------------------------------

    def blank(self) -> Batch:
        """A batch to fill."""
        with self._changed:
            self._spare = self._spare + 1 if len(self._free) > KEPT_FREE else 0
            if self._spare >= SLACK_AFTER:
                del self._free[: (len(self._free) - KEPT_FREE + 1) // 2]
                self._spare = 0
            while self._free:
                if (batch := self._free.pop()).capacity == self._rows:
                    return batch
        return self._make(self._rows)

    def put(self, batch: Batch) -> Batch | None:
        """Let a batch wait for the worker. The answer is the batch again where it can be filled at once: its packets were joined
        to others or dropped (`dropped_full`). None where it waits."""
        with self._changed:
            self._expire()
            if self._rules.joins and self._join(batch):
                return batch
            while not self._room(batch) and not self._closed:
                if not self._rules.waits:
                    self.dropped_full += batch.rows
                    self._owed = lost_in_both(self._owed, _whole(batch))
                    return batch
                self._changed.wait(timeout=0.2 if self._rules.max_age_ns else None)
                self._expire()
            if self._rules.tuned:
                self._note(batch)
            batch.lost, self._owed = lost_in_both(self._owed, batch.lost), None
            self._waiting.append((batch, self._clock()))
            self._nbytes += batch.nbytes
            self._changed.notify_all()
            return None

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more will come; `error` is raised for who gets."""
        with self._changed:
            self._over, self._error = True, error
            self._changed.notify_all()

    def _join(self, batch: Batch) -> bool:
        """Put a small batch's packets behind those of the one that waits last, which keeps its place and age."""
        if not self._waiting or batch.rows * 2 > batch.capacity:
            return False
        last, since = self._waiting[-1]
        joined_ns = self._rules.max_age_ns // JOINED_FOR if self._rules.max_age_ns else NO_AGE_JOINED_NS
        if (batch.rows and self._clock() - since > joined_ns) or not last.absorb(batch):
            return False
        last.lost, self._owed = lost_in_both(last.lost, self._owed), None
        return True

    def _room(self, batch: Batch) -> bool:
        if not self._waiting:
            return True  # whatever the bounds say: it is the worker's next
        if self._rules.nbytes and self._nbytes + batch.nbytes > self._rules.nbytes:
            return False
        if len(self._waiting) >= self._limit and self._rules.tuned:
            self._limit = min(2 * self._limit, SWAY * self._rules.batches)
        return len(self._waiting) < self._limit

    def _note(self, batch: Batch) -> None:
        """See how full batch and queue are; change sizes where that has been so for long."""
        self._full = self._full + 1 if batch.is_full else 0
        self._slack = self._slack + 1 if 4 * batch.rows <= self._rows else 0
        self._idle = self._idle + 1 if self.state.fill <= 0.125 else 0
        if self._full >= FULL_AFTER:
            self._rows, self._full = min(2 * self._rows, self._most_rows), 0
        elif self._slack >= SLACK_AFTER:
            self._rows, self._slack = max(self._rows // 2, min(LEAST_ROWS, self._most_rows)), 0
        if self._idle >= SLACK_AFTER:
            self._limit, self._idle = max(self._limit // 2, self._rules.batches // SWAY, 1), 0

    # -- the worker's side ----------------------------------------------------------------------------------------------

    def get(self) -> Batch | None:
        """The batch that has waited longest; waits for one. None when all is over. What ended the reader is raised."""
        with self._changed:
            while True:
                self._expire()
                if self._waiting:
                    batch, _ = self._waiting.popleft()
                    self._nbytes -= batch.nbytes
                    self._changed.notify_all()
                    return batch
                if self._over:
                    if self._error is not None:
                        raise self._error
                    return None
                self._changed.wait()

    def give_back(self, batch: Batch) -> None:
        """The worker is done with a batch."""
        with self._changed:
            self._free.append(batch)

    @property
    def closed(self) -> bool:
        """Whether the worker takes no more."""
        return self._closed

    def owed(self) -> tuple[int, int] | None:
        """When packets were dropped that no batch has told of; asked when all is over."""
        return self._owed

    def close(self) -> None:
        """The worker takes no more: a reader that waits for room goes on, and what it puts is lost with the run."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._nbytes = 0
            self._changed.notify_all()

    # -- both -----------------------------------------------------------------------------------------------------------

    def dropped(self) -> Mapping[str, int]:
        """Packets dropped for want of room and for their age; reasons without any are left out."""
        counts = {"queue": self.dropped_full, "queue_time": self.dropped_old}
        return {name: count for name, count in counts.items() if count}

    @property
    def state(self) -> QueueState:
        """What it is now."""
        return QueueState(len(self._waiting), self._limit, self._nbytes, self._rules.nbytes, self._rows)

    def _expire(self) -> None:
        """Drop what has waited for too long; what comes behind it tells of the loss."""
        if not self._rules.max_age_ns:
            return
        end_ns = self._clock() - self._rules.max_age_ns
        while self._waiting and self._waiting[0][1] < end_ns:
            batch, _ = self._waiting.popleft()
            self._nbytes -= batch.nbytes
            self.dropped_old += batch.rows
            if self._waiting:
                following = self._waiting[0][0]
                following.lost = lost_in_both(_whole(batch), following.lost)
            else:
                self._owed = lost_in_both(_whole(batch), self._owed)
            self._free.append(batch)


def _whole(batch: Batch) -> tuple[int, int] | None:
    """What a batch would have told as lost, and all that it holds."""
    if not batch.rows:
        return batch.lost
    times = batch.frame.ts_ns[: batch.rows]
    return lost_in_both(batch.lost, (int(times.min()), int(times.max())))
