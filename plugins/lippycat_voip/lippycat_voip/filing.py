"""Which call's file each packet goes to: messages by their dialog, media by who announces it, from a call's first packet on.

Told by `following` of every row whose owner it learns, and by `writing` when a call is over. Rows get tags, segment by segment;
`lippycat_core.writing.groups` keeps the packets of tags and writes them. What no call has announced yet waits in memory, for as
long as an announcement counts for what came before it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lippycat_core.batch import Batch
from lippycat_core.columns import I32
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_core.writing.files import FileFacts
from lippycat_core.writing.groups import GroupFiles, Held
from lippycat_core.writing.names import Pattern, time_fields
from lippycat_voip.callbuffer import PASSED_OVER, PATIENCE_NS, CallBuffer, Owner
from lippycat_voip.calls import HEAD_FIELDS, HEAD_SEPARATOR, Dialog
from lippycat_voip.kernels.hold import UNDECIDED, tag_media
from lippycat_voip.offers import Session
from lippycat_voip.sip import address, text
from lippycat_voip.streams import StreamTable

MOST_QUIET = 4096
"""Dialogs that are no calls and may still become one (REGISTER and INVITE under one Call-ID), whose packets wait for that."""

FIELDS = ("timestamp", "date", "time", "call_id", "callid", "from", "to", "method")
"""What a pattern of file names may have."""

MOST_LOOSE = 16 << 20
"""Bytes of packets that wait for the rest of a message or a datagram."""

After = Callable[[Mapping[str, object], FileFacts | None], None]
"""Takes a finished call's record, and its file where there is one; may be called in a writer's thread."""


def no_command(record: Mapping[str, object], facts: FileFacts | None) -> None:
    """Nothing follows a call."""


@dataclass(frozen=True, slots=True)
class FilingOptions:
    """Where files go, and what comes after each call."""

    folder: str
    pattern: Pattern
    ending: str = ""  # behind what the pattern says
    after: After = no_command


class Filing:
    """The files of one run's calls."""

    kernels: tuple[Kernel, ...] = (*GroupFiles.kernels, tag_media)

    def __init__(self, files: GroupFiles, options: FilingOptions) -> None:
        self._files = files
        self._options = options
        self._groups: dict[int, int] = {}  # by serial of the dialog
        self._tags: I32 = np.zeros(0, np.int32)  # by row of the batch
        self._slots: I32 = np.zeros(1024, np.int32)  # tag by stream
        self._own: dict[int, int] = {}  # groups of streams that nobody has announced, by slot
        self._shared: dict[int, tuple[int, ...]] = {}  # tags of streams of several calls, by slot
        self._patience: deque[tuple[int, int, int]] = deque()  # deadline, slot, group
        self._fresh: list[Owner] = []  # packets by themselves of the segment at hand
        self._loose: dict[int, Held] = {}  # by record
        self._loose_bytes = 0
        self._spent: list[int] = []  # tags that no row has when the segment's rows were put
        self._over: list[tuple[Dialog, Mapping[str, object] | None, Sequence[Mapping[str, object]]]] = []
        self._begin = self._end = self._first = self._cell = 0
        self._now_ns = 0
        self._quiet: list[Dialog] = []  # no calls yet, by their begin
        self._open = False  # whether rows of a segment are still to be put

    @property
    def evicted(self) -> int:
        """Packets given up for want of room before anybody could say whose they are."""
        return self._files.evicted

    def join(self, buffer: CallBuffer, streams: StreamTable) -> None:
        """Whose packets these are."""
        self._buffer = buffer
        self._streams = streams

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels."""
        self._kernels = kernels
        self._tag_media = kernels[tag_media]
        self._files.bind(kernels)
        self._slots_view = kernels.view(self._slots)
        self._tags_view = kernels.view(self._tags)

    # -- segments ----------------------------------------------------------------------------------------------------

    def load(self, batch: Batch, begin: int, end: int) -> None:
        """Rows [begin, end) of the batch are next."""
        self._batch = batch
        if batch.capacity > len(self._tags):
            self._tags = np.zeros(batch.capacity, np.int32)
            self._tags_view = self._kernels.view(self._tags)
        self._tags[begin:end] = 0
        self._first, self._begin, self._end, self._cell = batch.first_record, begin, end, 0
        self._now_ns = max(self._now_ns, int(batch.route.now_ns[end - 1]))
        self._open = True

    def finish_segment(self) -> None:
        """Everything of the segment was told: let its packets go to their groups."""
        self._spread()
        batch, begin, end = self._batch, self._begin, self._end
        if batch.datagrams:
            for row, records in batch.datagrams:
                if begin <= row < end and self._tags[row]:
                    for record in records:
                        self._also(record, self._files.members(int(self._tags[row])))
        self._keep_loose()
        views = batch.views
        self._files.put(views.slab, views.frame, self._tags_view, begin, end)
        self._files.release(self._spent)
        self._spent.clear()
        self._open = False
        for over in self._over:
            self._finish(*over)
        self._over.clear()

    def _spread(self) -> None:
        """Give rows of media that were counted the tag of their stream."""
        cells, counted = self._streams.counted()
        if self._cell < counted:
            self._tag_media(cells, self._cell, counted, self._slots_view, self._tags_view, self._first)
            self._cell = counted

    # -- signalling --------------------------------------------------------------------------------------------------

    def _group(self, dialog: Dialog) -> int:
        """The group of a dialog; 0 where it will not have a file."""
        group = self._groups.get(dialog.serial, 0)
        if not group:
            if not dialog.wanted and self._buffer.dialog(dialog) is PASSED_OVER:
                return 0
            group = self._groups[dialog.serial] = self._files.group()
            if dialog.call is None:
                self._quiet.append(dialog)
                if len(self._quiet) > MOST_QUIET:
                    self._hush()
        if dialog.call is not None and dialog.wanted and dialog.head and not self._files.has_file(group):
            self._name(dialog, group)
        return group

    def _hush(self) -> None:
        """Too many dialogs are no calls: of the older half, those that still are none lose their packets."""
        still = [dialog for dialog in self._quiet if dialog.call is None and dialog.serial in self._groups]
        self._quiet = still[-MOST_QUIET // 2 :]
        for dialog in still[: -MOST_QUIET // 2]:
            group = self._groups.pop(dialog.serial)
            self._files.drop(group)
            self._spent.append(group)

    def _name(self, dialog: Dialog, group: int) -> None:
        head = dict(zip(HEAD_FIELDS, dialog.head.split(HEAD_SEPARATOR), strict=False))
        parties = {name: address(head.get(f"{name}_value", b"")) for name in ("from", "to")}
        call_id = text(dialog.call_id)
        values = {
            **time_fields(dialog.first_ns),
            "call_id": call_id,
            "callid": call_id,
            "method": dialog.method or "INVITE",
            **{name: party.user or party.uri or "unknown" for name, party in parties.items()},
        }
        path = os.path.join(self._options.folder, self._options.pattern.fill(values) + self._options.ending)
        said = [f"{name.capitalize()}: {party.uri}" for name, party in parties.items()]
        self._files.begin(group, path, (f"Call-ID: {call_id}", *said))

    def datagram(self, row: int, dialog: Dialog | None) -> None:
        """The message of this row was taken by a dialog, or belongs to none."""
        if dialog is not None and (group := self._group(dialog)):
            self._tags[row] = group

    def carried(self, record: int, dialog: Dialog | None) -> None:
        """A packet that a part of a message came in, which was taken by a dialog, or belongs to none."""
        if dialog is not None and (group := self._group(dialog)):
            self._also(record, [group])

    def _also(self, record: int, groups: Sequence[int]) -> None:
        """The packet of that record belongs to these groups too."""
        row = record - self._first
        if not self._begin <= row < self._end:
            one = self._loose.get(record)
            if one is not None:
                for group in groups:
                    self._files.insert(group, [one])
            return
        before = self._files.members(int(self._tags[row]))
        both = list(dict.fromkeys((*before, *groups)))
        if both != before:
            self._tags[row] = self._tag_of(both)

    def _tag_of(self, groups: Sequence[int]) -> int:
        """A tag of these groups for rows of this segment."""
        if len(groups) < 2:
            return groups[0] if groups else 0
        tags = self._files.shared(groups)
        self._spent += tags
        return tags[0]

    def piece(self, piece: Owner) -> None:
        """A packet of the segment at hand that may carry a part of something."""
        self._fresh.append(piece)

    def _keep_loose(self) -> None:
        """Copy packets that something may still be tied to."""
        frame, mem = self._batch.frame, self._batch.mem
        for piece in self._fresh:
            if (piece.uses or piece.verdict == UNDECIDED) and piece.key not in self._loose:
                row = piece.key - self._first
                off, caplen = int(frame.off[row]), int(frame.caplen[row])
                data = mem[off : off + caplen].tobytes()
                self._loose[piece.key] = Held(int(frame.ts_ns[row]), int(frame.link[row]), int(frame.wirelen[row]), data)
                self._loose_bytes += caplen
        self._fresh.clear()
        while self._loose and (
            self._loose_bytes > MOST_LOOSE or next(iter(self._loose.values())).ts_ns < self._now_ns - PATIENCE_NS
        ):
            self._loose_bytes -= len(self._loose.pop(next(iter(self._loose))).data)

    # -- media -------------------------------------------------------------------------------------------------------

    def _groups_of(self, sessions: Iterable[Session]) -> list[int]:
        found = [self._group(session.call) for session in sessions if isinstance(session.call, Dialog)]
        return [group for group in dict.fromkeys(found) if group]

    def new_stream(self, slot: int) -> None:
        """A stream is about to begin."""
        self._spread()
        if slot >= len(self._slots):
            self._slots = np.concatenate((self._slots, np.zeros(slot + 1, np.int32)))
            self._slots_view = self._kernels.view(self._slots)
        self._slots[slot] = 0

    def stream_begun(self, slot: int, *, owned: bool) -> None:
        """It is tied to who announced it, or nobody has."""
        if not owned:
            group = self._own[slot] = self._files.group()
            self._slots[slot] = group
            self._patience.append((self._streams.clock_ns() + PATIENCE_NS, slot, group))

    def owned(self, slot: int, sessions: Sequence[Session]) -> None:
        """These sessions announce the stream."""
        groups = self._groups_of(sessions)
        if groups == self._files.members(int(self._slots[slot])):
            return
        self._spread()
        own = self._own.pop(slot, 0)
        if own and groups:
            self._spent += self._files.merge(own, groups)
        elif own:
            self._files.drop(own)
            self._spent.append(own)
        self._spent += self._shared.pop(slot, ())
        if len(groups) > 1:
            tags = self._shared[slot] = self._files.shared(groups)
            self._slots[slot] = tags[0]
        else:
            self._slots[slot] = groups[0] if groups else 0

    def forgotten(self, slot: int) -> None:
        """The stream is gone; its slot may get another."""
        if slot >= len(self._slots) or not self._slots[slot]:
            return
        self._spread()
        own = self._own.pop(slot, 0)
        if own:
            self._files.drop(own)
            self._spent.append(own)
        self._spent += self._shared.pop(slot, ())
        self._slots[slot] = 0

    def of_sessions(self, row: int, sessions: Sequence[Session], slot: int | None = None) -> None:
        """A packet of these sessions; where there are none, of a stream."""
        groups = self._groups_of(sessions)
        if groups:
            self._tags[row] = self._tag_of(groups)
        elif slot is not None and not sessions and slot < len(self._slots):
            self._tags[row] = self._slots[slot]

    # -- verdicts and ends -------------------------------------------------------------------------------------------

    def wanted(self, dialog: Dialog) -> None:
        """The dialog is wanted from here on."""
        if dialog.serial in self._groups:
            self._group(dialog)

    def passed_over(self, serial: int) -> None:
        """Nobody wanted the dialog of that number: what it has goes."""
        group = self._groups.pop(serial, 0)
        if group:
            self._files.drop(group)
            self._clear((group,))
            self._spent.append(group)

    def _clear(self, groups: Sequence[int]) -> None:
        """Streams have these tags no more."""
        self._slots[np.isin(self._slots, groups)] = 0

    def over(self, dialog: Dialog, record: Mapping[str, object] | None, streams: Sequence[Mapping[str, object]] = ()) -> None:
        """The dialog's record was written, or it is gone without one; `streams` are those of its own."""
        if self._open:  # rows of the segment at hand were not put yet
            self._over.append((dialog, record, streams))
        else:
            self._finish(dialog, record, streams)

    def _finish(self, dialog: Dialog, record: Mapping[str, object] | None, streams: Sequence[Mapping[str, object]]) -> None:
        group = self._groups.pop(dialog.serial, 0)
        if group and dialog.call is not None and dialog.call.session is not None:
            self._clear((group,))  # written before its time: streams of it go on
        after = self._options.after
        if record is None:
            if group:
                self._files.drop(group)
                self._files.release((group,))
        elif not group or not self._files.finish(group, said_at_end(record, streams), lambda facts: after(record, facts)):
            after(record, None)

    def settle(self, clock_ns: int = 0) -> None:
        """A batch has ended, and no packet before `clock_ns` will come: let go of what has waited in vain, and write what has
        waited for long."""
        self._now_ns = max(self._now_ns, clock_ns)
        while self._patience and self._patience[0][0] < self._now_ns:
            _, slot, group = self._patience.popleft()
            if self._own.get(slot) == group:
                del self._own[slot]
                self._slots[slot] = 0
                self._files.drop(group)
                self._files.release((group,))
        self._files.look(self._now_ns)

    def close(self) -> None:
        """The run has ended: finish what is left."""
        self.settle()
        for group in self._groups.values():
            self._files.finish(group, (), lambda facts: None)
        self._groups.clear()


def said_at_end(record: Mapping[str, object], streams: Sequence[Mapping[str, object]]) -> list[str]:
    """How a call ended and how well it sounded, for people: one line, and one for each stream."""
    code = f", {record['code']} {record['reason'] or ''}".rstrip() if record["code"] is not None else ""
    length = f", {float(str(record['duration_ms'])) / 1000:.1f} s" if record["duration_ms"] is not None else ""
    return [f"State: {record['state']}{code}{length}", *(_quality(stream) for stream in streams)]


def _quality(stream: Mapping[str, object]) -> str:
    jitter = stream["jitter_ms"]
    shown = ""
    if isinstance(jitter, Mapping) and jitter.get("mean") is not None:
        shown = f", jitter {jitter['mean']:.3f} ms, at most {jitter['max']:.3f} ms"
    return (
        f"Stream {stream['ssrc']} {stream['src']} to {stream['dst']}: {stream['codec'] or 'unknown codec'}, "
        f"{stream['packets']} packets, {stream['lost']} lost ({stream['loss_pct']} %){shown}"
    )
