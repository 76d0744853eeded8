"""Work on its way through a device: each queue is a lane that holds one part of a submission at a time, with buffers of its
own, so that one part is copied and put together while the device works on the other."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from lippycat_core.columns import I32, I64, U8
from lippycat_core.errors import ContractError, DeviceFailed
from lippycat_core.gpu.device import QUEUES, Buffer, Device
from lippycat_core.gpu.memory import Budget, Growing, size
from lippycat_core.gpu.packing import Layout, layout, pack
from lippycat_core.interfaces.match import IN_FLIGHT, Spans

T = TypeVar("T")
R = TypeVar("R", covariant=True)

ZERO = np.zeros(1, np.int64)
MOST_SERIAL = (1 << 31) - 1

BYTES_A_ROW = 8  # its offset and its length, on the way to the device


class Rows(NamedTuple):
    """Spans where kernels can reach them."""

    text: Buffer
    off: Buffer
    length: Buffer
    rows: int


class Task(Protocol[R]):
    """What is done with the spans of one part."""

    def start(self, lane: Lane, spans: Rows) -> None:
        """Queue it."""
        ...

    def finish(self, lane: Lane, spans: Rows) -> R:
        """The result, once the queue is done."""
        ...


class Lane:
    """A queue and its buffers. What is put in drives out what was there before it, which keeps its result or its error."""

    def __init__(self, device: Device, queue: int, budget: Budget) -> None:
        self.device, self.queue, self.budget = device, queue, budget
        self.results = Growing(device)
        self.serial = 0  # of the launches that remember patterns in `marks`
        self.counted = 0  # what the number in front of the hits stood at, when nothing else was written there
        self._marks = Growing(device)
        self._zeros: U8 = np.zeros(0, np.uint8)
        self._hits: Buffer | None = None
        self._sent = (Growing(device), Growing(device), Growing(device))
        self._occupant: Ticket[Any] | None = None

    def put(self, task: Task[T], slab: U8, off: I32, length: I32, wanted: Layout | None) -> Ticket[T]:
        """Queue a task over spans of a slab: of its own memory, or of a layout's runs."""
        if self._occupant is not None:
            self._occupant.settle()
        kept: tuple[Any, ...] = ()
        try:
            if wanted is None:
                kept = (slab, off, length)
                spans = Rows(self.device.wrap(slab), self.device.wrap(off), self.device.wrap(length), len(off))
            else:
                spans = self._send(slab, wanted, length)
            ticket = Ticket(self, task, spans, kept)
            task.start(self, spans)
        except DeviceFailed:
            self.recover()
            raise
        self._occupant = ticket
        return ticket

    def recover(self) -> None:
        """After a failure: nothing is queued any more, and what buffers hold is not known."""
        with contextlib.suppress(DeviceFailed):
            self.device.finish(self.queue)
        self._hits = None
        self._marks.release()

    def _send(self, slab: U8, wanted: Layout, length: I32) -> Rows:
        text, off, lengths = self._sent
        most = self.budget.text
        target = text.buffer(wanted.nbytes, most)
        staged = text.staging(wanted.nbytes)
        pack(slab, wanted, staged)
        self.device.upload(self.queue, staged, target)
        return Rows(target, off.send(self.queue, wanted.off, most), lengths.send(self.queue, length, most), len(length))

    def hits(self, nbytes: int, most: int) -> Buffer:
        """The buffer for results with a number in front that stands at `counted`."""
        buffer = self.results.buffer(nbytes, most)
        if buffer is not self._hits:
            self.device.upload(self.queue, ZERO, buffer)
            self.counted = 0
            self._hits = buffer
        return buffer

    def fields(self, nbytes: int) -> Buffer:
        """The buffer for results of any form."""
        self._hits = None
        return self.results.buffer(nbytes, self.budget.results)

    def marks(self, nbytes: int) -> Buffer:
        """Memory in which no number is the new `serial`."""
        had = self._marks.nbytes
        marks = self._marks.buffer(nbytes, nbytes)
        self.serial += 1
        if self._marks.nbytes != had or self.serial > MOST_SERIAL:
            self.serial = 1
            self._zeros = np.zeros(marks.nbytes, np.uint8)
            self.device.upload(self.queue, self._zeros, marks)
        return marks

    def leave(self, ticket: Ticket[Any]) -> None:
        """Make room: this one is done."""
        if self._occupant is ticket:
            self._occupant = None

    def clear(self) -> None:
        """Settle what is there and give all buffers back."""
        if self._occupant is not None:
            self._occupant.settle()
        self._hits = None
        for growing in (self.results, self._marks, *self._sent):
            growing.release()


class Ticket(Generic[T]):
    """A task that was put into a lane. `kept` are arrays that the device reads where they lie."""

    def __init__(self, lane: Lane, task: Task[T], spans: Rows, kept: tuple[Any, ...]) -> None:
        self._lane, self._task, self._spans, self._kept = lane, task, spans, kept
        self._done = False
        self._result: T | None = None
        self._error: DeviceFailed | None = None

    def settle(self) -> None:
        """Wait for it, and keep its result or why there is none."""
        if self._done:
            return
        try:
            self._lane.device.finish(self._lane.queue)
            self._result = self._task.finish(self._lane, self._spans)
        except DeviceFailed as error:
            self._error = error
            self._lane.recover()
        finally:
            self._done = True
            self._lane.leave(self)
            self._kept = ()

    def result(self) -> T:
        """What the task gave. DeviceFailed where the device did."""
        self.settle()
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result


class Lanes:
    """All queues of a device, taken in turn."""

    def __init__(self, device: Device, budget: Budget, batch_rows: int) -> None:
        self.device, self.budget, self.batch_rows = device, budget, batch_rows
        self._lanes = [Lane(device, queue, budget) for queue in range(QUEUES)]
        self._next = 0

    def put(self, task: Callable[[], Task[T]], most_rows: int, slab: U8, off: I32, length: I32) -> list[tuple[int, Ticket[T]]]:
        """Queue spans in parts that fit: each with the span that it begins at. DeviceFailed where one alone does not."""
        most = min(most_rows, self.batch_rows, max(self.budget.text // 2 // BYTES_A_ROW, 1))
        tickets: list[tuple[int, Ticket[T]]] = []
        begin = 0
        try:
            while begin < len(off):
                end = min(begin + most, len(off))
                wanted: Layout | None = None
                if not self.device.unified or slab.nbytes > self.device.largest:
                    wanted, end = self._fitting(off, length, begin, end)
                lane = self._lanes[self._next]
                self._next = (self._next + 1) % QUEUES
                tickets.append((begin, lane.put(task(), slab, off[begin:end], length[begin:end], wanted)))
                begin = end
        except DeviceFailed:
            for _, ticket in tickets:  # nobody will ask for them, and their tables may go
                ticket.settle()
            raise
        return tickets

    def _fitting(self, off: I32, length: I32, begin: int, end: int) -> tuple[Layout, int]:
        """The layout of as many spans as fit, halved until they do, and where they end."""
        while True:
            wanted = layout(off[begin:end], length[begin:end])
            if wanted.nbytes + BYTES_A_ROW * (end - begin) <= self.budget.text:
                return wanted, end
            if end - begin == 1:
                raise DeviceFailed(
                    f"a span of {size(wanted.nbytes)} does not fit into the {size(self.budget.text)} that {self.device.name} "
                    "has for one part; raise the memory limit or take another match backend"
                )
            end = begin + (end - begin) // 2

    def clear(self) -> None:
        """Settle what is on its way and give all buffers back."""
        for lane in self._lanes:
            lane.clear()


@dataclass(slots=True)
class Submission(Generic[T]):
    """Spans on their way: how many rows, which of them are spans (None where all are), and the parts' tickets with the place
    in `live` that each begins at."""

    rows: int
    live: I64 | None
    tickets: list[tuple[int, Ticket[T]]]

    def parts(self) -> list[tuple[int, T]]:
        """Each part's result. DeviceFailed where the device failed on one."""
        return [(begin, ticket.result()) for begin, ticket in self.tickets]


class Submissions(Generic[T]):
    """The open submissions of one matcher or extractor, oldest first."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._open: deque[Submission[T]] = deque()

    def submit(self, spans: Spans, task: Callable[[], Task[T]], most_rows: int) -> None:
        """Queue a task for all spans, `most_rows` at a time. ContractError for one too many, or a span outside its slab."""
        if len(self._open) == IN_FLIGHT:
            raise ContractError(f"{IN_FLIGHT} submissions are open: collect one first")
        off, length = spans.off, spans.length
        rows = len(off)
        live: I64 | None = None
        present = length >= 0
        if not present.all():
            live = np.flatnonzero(present)
            off, length = off[live], length[live]
        if ((off < 0) | (off > len(spans.slab) - length)).any():
            raise ContractError("a span lies outside its slab")
        off, length = np.ascontiguousarray(off), np.ascontiguousarray(length)
        self._open.append(Submission(rows, live, self._lanes.put(task, most_rows, spans.slab, off, length)))

    def next(self) -> Submission[T]:
        """The oldest, which is open no more. ContractError where none is."""
        if not self._open:
            raise ContractError("no submission is open: submit spans first")
        return self._open.popleft()

    def drop(self) -> None:
        """Wait for all and forget them."""
        while self._open:
            for _, ticket in self._open.popleft().tickets:
                ticket.settle()
