"""The runs of a segment of the input: those that a kernel wrote as rows of a table, and those that reassembly made one by one.

Both in the order of the input, as one sequence. Who wants rows takes them (`RunTable.of`); for everybody else a row becomes
a `Run` when it is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np

from lippycat_core.columns import I32
from lippycat_core.connections import Stream
from lippycat_core.interfaces.dissect import Run
from lippycat_core.kernels.tcp import R_OWNER, R_ROW, R_WIDTH


class Rows(NamedTuple):
    """What `RunTable.of` gives: `table` has `used` rows of `kernels.tcp.R_` fields, those of `owner` among others; `others`
    are the runs that are in no row, each with how many rows lie in front of it."""

    table: I32
    used: int
    owner: int
    others: Sequence[tuple[int, Run]]


class RunTable(Sequence[Run]):
    """See above. Good until the next segment. `rows` rows were written to `table`, which belongs to records from
    `first_record` on; `streams` are the directions by flow slot."""

    def __init__(self, table: I32, first_record: int, streams: dict[int, Stream], owners: Sequence[object] = ()) -> None:
        self.table = table
        self.rows = 0
        self._first_record = first_record
        self._streams = streams
        self._owners = owners
        self._others: list[tuple[int, Run]] = []
        self._before: dict[int, list[tuple[int, Stream]]] = {}
        self._made: list[Run] | None = None
        self._hidden: frozenset[int] = frozenset()  # rows that `replace` put something in the place of

    def append(self, run: Run) -> None:
        """Put a run behind all that is there."""
        self._others.append((self.rows, run))

    def extend(self, runs: Iterable[Run]) -> None:
        """The same for several."""
        for run in runs:
            self.append(run)

    def gone(self, stream: Stream) -> None:
        """A direction is kept no more; rows in front of here are still its own."""
        if self.rows:
            self._before.setdefault(stream.slot, []).append((self.rows, stream))

    def replace(self, owners: Sequence[object], read: Callable[[Run], Iterable[Run]], first: Iterable[Run]) -> None:
        """Put in the place of each run of `owners` what `read` gives for it, and `first` in front of all."""
        rows = self._rows_of(owners)
        runs = [(2 * at + 1, self.run(at)) for at in rows] + [(2 * at, run) for at, run in self._others]
        others = [(0, run) for run in first]
        for key, run in sorted(runs, key=lambda pair: pair[0]):
            if any(run.connection.owner is owner for owner in owners):
                others += [((key + 1) // 2, inner) for inner in read(run)]
            else:
                others.append((key // 2, run))
        self._others, self._hidden, self._made = others, frozenset(rows), None

    def merge(self, runs: Iterable[Run]) -> None:
        """Put `runs`, in the order of their rows, among those that are there."""
        rows = self.table[: self.rows * R_WIDTH].reshape(-1, R_WIDTH)[:, R_ROW]
        more = [(int(np.searchsorted(rows, run.row, side="right")), run) for run in runs]
        self._others = sorted([*self._others, *more], key=lambda place: (place[0], place[1].row))
        self._made = None

    def has(self, owners: Sequence[object]) -> bool:
        """Whether there are runs of `owners`."""
        if any(run.connection.owner is owner for _, run in self._others for owner in owners):
            return True
        return bool(self._rows_of(owners))

    def _rows_of(self, owners: Sequence[object]) -> list[int]:
        numbers = [n for n, known in enumerate(self._owners, 1) if any(known is owner for owner in owners)]
        if not numbers or not self.rows:
            return []
        whose = self.table[: self.rows * R_WIDTH].reshape(-1, R_WIDTH)[:, R_OWNER]
        rows: list[int] = np.flatnonzero(np.isin(whose, numbers)).tolist()
        return rows

    @property
    def ended(self) -> Iterable[int]:
        """Flow slots of directions that are kept no more though there are rows of them."""
        return self._before

    def of(self, owner: object) -> Rows:
        """All rows as they are, and by what number those of `owner` are known."""
        number = next((n for n, other in enumerate(self._owners, 1) if other is owner), 0)
        return Rows(self.table, self.rows, number, self._others)

    def run(self, index: int) -> Run:
        """A row as a run."""
        row, slot, _, off, length = self.table[index * R_WIDTH : (index + 1) * R_WIDTH].tolist()
        stream = next((one for count, one in self._before.get(slot, ()) if index < count), None) or self._streams[slot]
        return Run(row, slot, stream.connection, stream.side, off, length, 1, records=(self._first_record + row,))

    def _all(self) -> list[Run]:
        if self._made is None:
            self._made = []
            at = 0
            for count, run in self._others:
                self._made += self._rows(at, count)
                self._made.append(run)
                at = count
            self._made += self._rows(at, self.rows)
        return self._made

    def _rows(self, begin: int, end: int) -> Iterator[Run]:
        return (self.run(at) for at in range(begin, end) if at not in self._hidden)

    def __len__(self) -> int:
        return self.rows - len(self._hidden) + len(self._others)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._all())

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Run]: ...
    def __getitem__(self, index: int | slice) -> Run | Sequence[Run]:
        return self._all()[index]
