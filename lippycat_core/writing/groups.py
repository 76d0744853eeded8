"""Packets of groups on their way to a file each: they wait in pages of memory, bounded for all groups together, and go when there
is no room, when they have waited for some time, or when the group is finished. What a group is, its owner knows.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from lippycat_core.builtin.blocks import interface_description, interface_statistics, pcap_header, section_header
from lippycat_core.columns import I32, I64, U8, Frame
from lippycat_core.kernels import pages as page_kernels
from lippycat_core.kernels.pages import (
    FULL,
    G_BYTES,
    G_FIRST,
    G_FIRST_NS,
    G_HELD,
    G_LAST,
    G_LAST_NS,
    G_LINK,
    G_LINKS,
    G_PACKETS,
    G_SINCE_NS,
    G_WIDTH,
    MOST_LINKS,
    NEW_LINK,
    PAGE,
    S_FREES,
    S_GROUP,
    S_LINK,
    S_STOP,
    S_TAG,
    S_WIDTH,
)
from lippycat_core.kernels.walk import ENHANCED_PACKET_BLOCK
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_core.writing.crew import Crew
from lippycat_core.writing.files import FileFacts
from lippycat_core.writing.manyfiles import ManyFiles, Target

FIRST_GROUPS = 1024
HEAD_BYTES = 32
PATIENCE_NS = 10_000_000_000
"""How long packets wait for more before they are written, in packet time."""

FREED = 2
"""Where pages run out, one part in so many is freed at once, so that writes are large."""

_EPB = struct.Struct("<IIIIIII")
_PCAP = struct.Struct("<IIII")


class Held(NamedTuple):
    """One packet by itself."""

    ts_ns: int
    link: int
    wirelen: int
    data: bytes


class GroupFiles:
    """Groups by number (1 and up; 0 is nobody). A group without a file (`begin`) waits in memory; for want of room the oldest of
    these lose their packets, which `evicted` counts."""

    kernels: tuple[Kernel, ...] = (page_kernels.put_rows, page_kernels.take, page_kernels.append)

    def __init__(self, files: ManyFiles, crew: Crew, *, nbytes: int, pcapng: bool) -> None:
        self._files = files
        self._crew = crew
        self._pcapng = pcapng
        self._count = max(nbytes // PAGE, 256)
        self._pages: U8 = np.zeros(self._count * PAGE, np.uint8)
        self._page_next: I32 = np.arange(1, self._count + 1, dtype=np.int32)
        self._page_next[-1] = -1
        self._head: U8 = np.zeros(HEAD_BYTES, np.uint8)
        self._state: I64 = np.zeros(S_WIDTH, np.int64)
        self._state[S_FREES] = self._count
        self._out: U8 = np.zeros(PAGE, np.uint8)
        self._groups: I64 = np.zeros(FIRST_GROUPS * G_WIDTH, np.int64)
        self._goal: I32 = np.zeros(FIRST_GROUPS, np.int32)
        self._then: I32 = np.zeros(FIRST_GROUPS, np.int32)
        self._used = 1
        self._free: list[int] = []
        self._targets: dict[int, Target] = {}
        self._made = 0
        self._looked_ns = 0
        self.evicted = 0
        self.left_out = 0  # packets whose link type a file could not hold
        self.packets = 0  # that went to files
        self._kernels: KernelSet | None = None

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels (between two batches)."""
        self._kernels = kernels
        self._put = kernels[page_kernels.put_rows]
        self._take = kernels[page_kernels.take]
        self._append = kernels[page_kernels.append]
        self._store_views = (kernels.view(self._pages), kernels.view(self._page_next))
        self._head_view, self._state_view = kernels.view(self._head), kernels.view(self._state)
        self._view()

    def _view(self) -> None:
        if self._kernels is not None:
            view = self._kernels.view
            self._tables = (view(self._goal), view(self._then), view(self._groups))
            self._out_view = view(self._out)

    # -- groups and tags ---------------------------------------------------------------------------------------------

    def _number(self) -> int:
        if self._free:
            return self._free.pop()
        if self._used == len(self._goal):
            self._groups = np.concatenate((self._groups, np.zeros_like(self._groups)))
            self._goal = np.concatenate((self._goal, np.zeros_like(self._goal)))
            self._then = np.concatenate((self._then, np.zeros_like(self._then)))
            self._view()
        self._used += 1
        return self._used - 1

    def group(self) -> int:
        """A new group; its number is its tag too."""
        number = self._number()
        base = number * G_WIDTH
        self._groups[base : base + G_WIDTH] = 0
        self._groups[base + G_FIRST] = self._groups[base + G_LAST] = -1
        self._goal[number], self._then[number] = number, 0
        return number

    def shared(self, groups: Sequence[int]) -> tuple[int, ...]:
        """Tags for packets that belong to all of these groups: rows get the first. `release` them."""
        tags = tuple(self._number() for _ in groups)
        for tag, group, behind in zip(tags, groups, (*tags, 0)[1:], strict=True):
            self._goal[tag], self._then[tag] = group, behind
        return tags

    def members(self, tag: int) -> list[int]:
        """The groups of a tag."""
        found = []
        while tag:
            if self._goal[tag]:
                found.append(int(self._goal[tag]))
            tag = int(self._then[tag])
        return found

    def held(self, group: int) -> int:
        """Packets of the group that wait in memory."""
        return int(self._groups[group * G_WIDTH + G_HELD])

    def first_ns(self, group: int) -> int:
        """Time of the group's first packet."""
        return int(self._groups[group * G_WIDTH + G_FIRST_NS])

    # -- packets -----------------------------------------------------------------------------------------------------

    def put(self, slab: U8, frame: Frame, tags: I32, begin: int, end: int) -> None:
        """Take rows [begin, end) by their tags; columns in the form that the bound kernels take."""
        row = begin
        while row < end:
            row = self._put(
                slab, frame, tags, *self._tables, *self._store_views, self._head_view, self._state_view, self._pcapng, row, end
            )
            stop = int(self._state[S_STOP])
            if stop == NEW_LINK:
                if self._meet(int(self._state[S_GROUP]), int(self._state[S_LINK])) < 0:
                    self.left_out += 1
                    row = self._go_on(row)
            elif stop == FULL:
                self._relieve(self._count // FREED)

    def _go_on(self, row: int) -> int:
        """Leave the group out at which `put_rows` stopped; the row to go on with."""
        behind = int(self._then[self._state[S_TAG]])
        self._state[S_TAG] = behind
        return row if behind else row + 1

    def _meet(self, group: int, link: int) -> int:
        """The number of a link type in a group; -1 where there are too many, which in a pcap file are two."""
        base = group * G_WIDTH
        known = int(self._groups[base + G_LINKS])
        links = self._groups[base + G_LINK : base + G_LINK + known].tolist()
        if link in links:
            return int(links.index(link))
        if known == (MOST_LINKS if self._pcapng else 1):
            return -1
        self._groups[base + G_LINK + known] = link
        self._groups[base + G_LINKS] = known + 1
        return known

    def insert(self, group: int, late: Sequence[Held]) -> None:
        """Packets that came before some that the group has already; in order of time where that is in memory still."""
        met = [(number, one) for one in late if (number := self._meet(group, one.link)) >= 0]
        self.left_out += len(late) - len(met)
        late = [one for _, one in met]
        if not late:
            return
        base = group * G_WIDTH
        groups = self._groups
        fresh = groups[base + G_PACKETS] == 0
        first_ns, last_ns = min(one.ts_ns for one in late), max(one.ts_ns for one in late)
        both = met
        since_ns = first_ns
        if groups[base + G_HELD]:
            since_ns = min(since_ns, int(groups[base + G_SINCE_NS]))
            if first_ns < groups[base + G_LAST_NS]:
                both = sorted((*self._read(group, self._taken(group)), *both), key=lambda pair: pair[1].ts_ns)
        target = self._targets.get(group)
        if target is not None and first_ns < target.written_ns:
            target.unordered = True
        groups[base + G_PACKETS] += len(late)
        groups[base + G_FIRST_NS] = first_ns if fresh else min(first_ns, int(groups[base + G_FIRST_NS]))
        groups[base + G_LAST_NS] = last_ns if fresh else max(last_ns, int(groups[base + G_LAST_NS]))
        groups[base + G_SINCE_NS] = since_ns
        for number, one in both:
            self._append_bytes(group, self._record(number, one))
            groups[base + G_HELD] += 1

    def _append_bytes(self, group: int, data: bytes) -> None:
        if (int(self._state[S_FREES]) - 2) * PAGE < len(data):
            self._relieve(self._count // FREED)
        source: U8 = np.frombuffer(data, np.uint8).copy()
        assert self._kernels is not None
        self._append(*self._store_views, self._tables[2], group, self._kernels.view(source), 0, len(data), self._state_view)

    def _record(self, interface: int, one: Held) -> bytes:
        ts_ns, caplen = max(one.ts_ns, 0), len(one.data)
        if not self._pcapng:
            return _PCAP.pack(ts_ns // 10**9, ts_ns % 10**9, caplen, one.wirelen) + one.data
        total = 32 + (caplen + 3) // 4 * 4
        head = _EPB.pack(ENHANCED_PACKET_BLOCK, total, interface, ts_ns >> 32, ts_ns & 0xFFFFFFFF, caplen, one.wirelen)
        return head + one.data + bytes(-caplen % 4) + struct.pack("<I", total)

    def _read(self, group: int, data: bytes) -> list[tuple[int, Held]]:
        """Records that were put together as packets again, each with its link type's number."""
        base, pos, found = group * G_WIDTH, 0, []
        links = self._groups[base + G_LINK : base + G_WIDTH].tolist()
        while pos < len(data):
            if self._pcapng:
                _, total, interface, high, low, caplen, wirelen = _EPB.unpack_from(data, pos)
                one = Held(high << 32 | low, links[interface], wirelen, data[pos + 28 : pos + 28 + caplen])
            else:
                seconds, rest, caplen, wirelen = _PCAP.unpack_from(data, pos)
                interface, total = 0, 16 + caplen
                one = Held(seconds * 10**9 + rest, links[0], wirelen, data[pos + 16 : pos + 16 + caplen])
            found.append((interface, one))
            pos += total
        return found

    def _taken(self, group: int) -> bytes:
        """What waits of a group, which waits no more."""
        nbytes = int(self._groups[group * G_WIDTH + G_BYTES])
        if nbytes > len(self._out):
            self._out = np.zeros(max(nbytes, 2 * len(self._out)), np.uint8)
            self._view()
        count = self._take(*self._store_views, self._tables[2], group, self._out_view, self._state_view)
        return self._out[:count].tobytes()

    def merge(self, group: int, into: Sequence[int]) -> tuple[int, ...]:
        """The packets that wait of a group, and rows that have its tag still, belong to others. Returns tags to be released when
        no row has them."""
        late = [one for _, one in self._read(group, self._taken(group))]
        for other in into:
            self.insert(other, late)
        rest = self.shared(into[1:])
        self._goal[group], self._then[group] = into[0], rest[0] if rest else 0
        return (group, *rest)

    def drop(self, group: int) -> None:
        """Nobody wants the group: its packets go. Its tag is to be released when no row has it."""
        self._taken(group)
        self._targets.pop(group, None)
        self._goal[self._goal == group] = 0

    def release(self, tags: Iterable[int]) -> None:
        """No row and no other tag has these tags any more; their numbers are free."""
        for tag in tags:
            self._goal[tag] = self._then[tag] = 0
            self._free.append(tag)

    # -- files -------------------------------------------------------------------------------------------------------

    def has_file(self, group: int) -> bool:
        """Whether `begin` was called for the group."""
        return group in self._targets

    def begin(self, group: int, path: str, comments: Sequence[str]) -> None:
        """From now on the group has a file, made when it is first written."""
        self._made += 1
        target = self._targets[group] = Target(path, self._made)
        target.comments = tuple(comments)

    def finish(self, group: int, comments: Sequence[str], done: Callable[[FileFacts], None]) -> bool:
        """All packets of the group were put: write what waits, with what is to be said at the end, and close its file; `done` is
        told of it, in a writer's thread. False where there was no packet, and so is no file."""
        target = self._targets.pop(group, None)
        base = group * G_WIDTH
        packets = int(self._groups[base + G_PACKETS])
        if target is None or not packets:
            self.drop(group)
            self.release((group,))
            return False
        first_ns, last_ns = int(self._groups[base + G_FIRST_NS]), int(self._groups[base + G_LAST_NS])
        tail = interface_statistics(0, first_ns, last_ns, packets, comments) if self._pcapng else b""
        self._write(group, target, tail)
        self._goal[self._goal == group] = 0
        self.release((group,))

        def facts(written: Target) -> FileFacts:
            return FileFacts(written.path, packets, written.size, first_ns, last_ns)

        self._crew.submit(target.number, 0, lambda lane: self._files.finish(lane, target, facts, done))
        return True

    def _write(self, group: int, target: Target, tail: bytes = b"") -> None:
        """Hand what waits of a group to its file's lane."""
        base = group * G_WIDTH
        known = int(self._groups[base + G_LINKS])
        held, last_ns = self.held(group), int(self._groups[base + G_LAST_NS])
        links = self._groups[base + G_LINK + target.links : base + G_LINK + known].tolist()
        headed = target.links == 0
        if self._pcapng:
            head = b"".join(map(interface_description, links))
            head = section_header(target.comments) + head if headed else head
        else:
            head = pcap_header(links[0]) if headed and links else b""
        target.links = known
        data = head + self._taken(group) + tail
        target.packets += held
        target.written_ns = last_ns
        self.packets += held
        self._crew.submit(target.number, len(data), lambda lane: self._files.write(lane, target, data, headed=headed))

    def look(self, now_ns: int) -> None:
        """Write what has waited for so long at packet time `now_ns`."""
        if now_ns - self._looked_ns < PATIENCE_NS // 10:
            return
        self._looked_ns = now_ns
        table = self._groups[: self._used * G_WIDTH].reshape(-1, G_WIDTH)
        due = (table[:, G_HELD] > 0) & (table[:, G_SINCE_NS] < now_ns - PATIENCE_NS)
        for group in np.flatnonzero(due).tolist():
            target = self._targets.get(group)
            if target is not None:
                self._write(group, target)

    def _relieve(self, wanted: int) -> None:
        """Free so many pages: write the largest groups that have a file, then let the oldest of the others go."""
        table = self._groups[: self._used * G_WIDTH].reshape(-1, G_WIDTH)
        held = np.flatnonzero(table[:, G_BYTES] > 0)
        for group in held[np.argsort(-table[held, G_BYTES], kind="stable")].tolist():
            target = self._targets.get(group)
            if target is not None:
                self._write(group, target)
                if self._state[S_FREES] >= wanted:
                    return
        held = np.flatnonzero(table[:, G_BYTES] > 0)
        for group in held[np.argsort(table[held, G_SINCE_NS], kind="stable")].tolist():
            self.evicted += self.held(group)
            self._groups[group * G_WIDTH + G_PACKETS] -= self.held(group)
            self._taken(group)
            if self._state[S_FREES] >= wanted:
                return
