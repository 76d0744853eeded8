"""What waits until it is known whether somebody wants it: owners with a verdict, their bounds, and the messages' queue.

An *owner* is what packets and messages belong to: a dialog, a stream, or a packet that is not yet tied to one. It is undecided
until somebody wants it or it is passed over, and decided once: a dialog that matches later is wanted from there on. What waits
comes out in the order of the input: the head when its owner is decided. How packets wait is `heldpackets`' business, which
packet has which owner `following`'s; nothing here reads a message or decides who is wanted. The only clock is packet time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol

import numpy as np

from lippycat_core.columns import I32, I64
from lippycat_core.events import Event
from lippycat_voip.calls import NEVER, Dialog
from lippycat_voip.kernels.hold import UNDECIDED, UNWANTED, WANTED, WANTED_ID
from lippycat_voip.media import LOOKBACK_NS

DIALOG, STREAM, LOOSE = 0, 1, 2
"""Kinds of owners. A loose one is a packet: of a message or datagram that is not whole yet."""

PATIENCE_NS = LOOKBACK_NS
"""How long media waits for somebody to announce it, and a packet for the rest of what it carries a part of."""

MESSAGE_COST = 1024
"""What a message record that waits takes, about."""

FIRST_OWNERS = 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may wait: undecided dialogs and streams, bytes (of packets, and as many of messages), and for how long."""

    calls: int = 10_000
    nbytes: int = 64 << 20
    age_ns: int = 60_000_000_000


class Owner:
    """See above. `parents` are the undecided owners that decide it: wanted if one of them is, passed over when all are and it
    is `sealed` (no more will come)."""

    __slots__ = ("children", "id", "key", "kind", "messages", "parents", "sealed", "uses", "verdict")

    def __init__(self, number: int, kind: int, key: int, verdict: int = UNDECIDED) -> None:
        self.id = number
        self.kind = kind
        self.key = key  # serial of the dialog, slot of the stream, number of the record
        self.verdict = verdict
        self.sealed = False
        self.messages = 0  # that wait
        self.uses = 0  # messages that a loose one carries a part of and that are not tied yet
        self.parents: set[Owner] = set()
        self.children: dict[Owner, None] = {}


NOBODY, PASSED_OVER, TAKEN = (Owner(0, LOOSE, -1, UNWANTED), Owner(1, LOOSE, -1, UNWANTED), Owner(WANTED_ID, LOOSE, -1, WANTED))
"""Owners of what is decided from its beginning."""


class Packets(Protocol):
    """What is used of `following.Follower`."""

    def meet(self, record: int) -> None:
        """A message of this record is about to be taken."""
        ...

    def catch_up(self, record: int) -> None:
        """Let all packets in front of `record` wait, or go."""
        ...

    def wanted(self, dialog: Dialog) -> None:
        """The dialog is wanted from here on."""
        ...

    def decided(self, owner: Owner) -> None:
        """The owner is decided."""
        ...


class CallBuffer:
    """The owners of a run. `evicted` counts what was given up for want of room: packets and messages.

    `verdicts`, `entries` (packets that wait, by owner) and `weights` (their bytes) are what kernels read; `version` changes
    with the arrays.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.evicted = 0
        self.packets: Packets | None = None
        self.undecided = 0  # dialogs and streams
        self.version = 0
        self.verdicts: I32 = np.zeros(FIRST_OWNERS, np.int32)
        self.entries: I64 = np.zeros(FIRST_OWNERS, np.int64)
        self.weights: I64 = np.zeros(FIRST_OWNERS, np.int64)
        self._owners: list[Owner | None] = [NOBODY, PASSED_OVER, TAKEN]
        self.verdicts[: len(self._owners)] = (UNWANTED, UNWANTED, WANTED)
        self._free: list[int] = []
        self._retired: list[Owner] = []
        self._dialogs: dict[int, Owner] = {}  # the undecided ones, by serial
        self._made = 0
        self._ages: list[tuple[int, int, int, Owner]] = []  # heap: deadline, record, number; dialogs and streams
        self._patience: list[tuple[int, int, int, Owner]] = []  # the same: streams and loose ones
        self._lane: deque[tuple[Event, Owner | None]] = deque()
        self._done: list[Event] = []
        self._most_messages = bounds.nbytes // MESSAGE_COST
        self._record = 0

    # -- owners ------------------------------------------------------------------------------------------------------

    def new(self, kind: int, key: int, record: int, now_ns: int) -> Owner:
        """A new undecided owner, first met at `record`, when the packet clock was `now_ns`. Where that is one dialog or
        stream too many, the oldest is passed over."""
        if self._free:
            number = self._free.pop()
            owner = self._owners[number] = Owner(number, kind, key)
        else:
            owner = Owner(len(self._owners), kind, key)
            self._owners.append(owner)
            if len(self._owners) > len(self.verdicts):
                self.verdicts = np.concatenate((self.verdicts, np.zeros_like(self.verdicts)))
                self.entries = np.concatenate((self.entries, np.zeros_like(self.entries)))
                self.weights = np.concatenate((self.weights, np.zeros_like(self.weights)))
                self.version += 1
        self.verdicts[owner.id] = UNDECIDED
        self._made += 1
        if kind != DIALOG:
            heappush(self._patience, (now_ns + min(PATIENCE_NS, self.bounds.age_ns), record, self._made, owner))
        if kind != LOOSE:
            heappush(self._ages, (now_ns + self.bounds.age_ns, record, self._made, owner))
            self.undecided += 1
            while self.undecided > self.bounds.calls:
                self.pass_over(heappop(self._ages)[3])
        return owner

    def owner(self, number: int) -> Owner:
        """The owner of that number."""
        return self._owners[number] or NOBODY

    def tie(self, owner: Owner, to: Owner) -> None:
        """`owner` is wanted if `to` is."""
        if owner.verdict != UNDECIDED or to is owner:
            return
        if to.verdict == WANTED:
            self.decide(owner, WANTED)
        elif to.verdict == UNDECIDED and to not in owner.parents:
            owner.parents.add(to)
            to.children[owner] = None

    def seal(self, owner: Owner) -> None:
        """All that can want `owner` is known."""
        owner.sealed = True
        if not owner.parents:
            self.decide(owner, UNWANTED)

    def decide(self, owner: Owner, verdict: int) -> int:
        """Decide an owner, and those that hang on it; how many packets and messages that makes unwanted."""
        if owner.verdict != UNDECIDED:
            return 0
        owner.verdict = self.verdicts[owner.id] = verdict
        lost = int(self.entries[owner.id]) + owner.messages if verdict == UNWANTED else 0
        if owner.kind != LOOSE:
            self.undecided -= 1
        if owner.kind == DIALOG:
            del self._dialogs[owner.key]
        if self.packets is not None:
            self.packets.decided(owner)
        self._retired.append(owner)
        for parent in owner.parents:
            if parent.verdict == UNDECIDED:
                del parent.children[owner]
        children, owner.parents, owner.children = owner.children, set(), {}
        for child in children:
            child.parents.discard(owner)
            if verdict == WANTED or (child.sealed and not child.parents):
                lost += self.decide(child, verdict)
        return lost

    def pass_over(self, owner: Owner) -> None:
        """Give an owner up for want of room."""
        self.evicted += self.decide(owner, UNWANTED)

    def recycle(self) -> None:
        """Nothing but packets that wait refers to decided owners any more: numbers of those without are free."""
        kept = []
        for owner in self._retired:
            if self.entries[owner.id]:
                kept.append(owner)
            else:
                self._owners[owner.id] = None
                self.verdicts[owner.id] = UNWANTED
                self._free.append(owner.id)
        self._retired = kept

    # -- dialogs -----------------------------------------------------------------------------------------------------

    def dialog(self, dialog: Dialog) -> Owner:
        """Who owns the packets of a dialog now."""
        return TAKEN if dialog.wanted else self._dialogs.get(dialog.serial, PASSED_OVER)

    def begun(self, dialog: Dialog) -> None:
        """A dialog that may yet be wanted."""
        self._dialogs[dialog.serial] = self.new(DIALOG, dialog.serial, dialog.record, dialog.started_now_ns)

    def want(self, dialog: Dialog) -> None:
        """The dialog becomes wanted."""
        owner = self._dialogs.get(dialog.serial)
        if owner is None and self.packets is not None:
            self.packets.catch_up(self._record)  # what came before stays passed over
        dialog.wanted = True
        if owner is not None:
            self.decide(owner, WANTED)
        if self.packets is not None:
            self.packets.wanted(dialog)

    def leave(self, dialog: Dialog) -> None:
        """Nobody wanted the dialog while there was time: it was answered, or is over."""
        owner = self._dialogs.get(dialog.serial)
        if owner is not None:
            self.decide(owner, UNWANTED)

    # -- time --------------------------------------------------------------------------------------------------------

    def clock(self, record: int, now_ns: int) -> None:
        """The message of `record` is next; the packet clock is `now_ns`."""
        self._record = record
        if self.packets is not None:
            self.packets.meet(record)
        if self.deadline_ns() < now_ns:
            if self.packets is not None:
                self.packets.catch_up(record)
            self.expire(now_ns)

    def deadline_ns(self) -> int:
        """The packet time behind which `expire` may have something to do."""
        for heap in (self._ages, self._patience):
            while heap and heap[0][3].verdict != UNDECIDED:
                heappop(heap)
        ages, patience = self._ages, self._patience
        return min(ages[0][0] if ages else NEVER, patience[0][0] if patience else NEVER)

    def expire(self, now_ns: int) -> None:
        """Pass over what has waited for too long at packet time `now_ns`."""
        while (deadline_ns := self.deadline_ns()) < now_ns:
            if self._patience and self._patience[0][0] == deadline_ns:
                owner = heappop(self._patience)[3]
                if owner.sealed:
                    continue  # its parents decide
                lost = self.decide(owner, UNWANTED)
                if self.bounds.age_ns < PATIENCE_NS:
                    self.evicted += lost
            else:
                self.pass_over(heappop(self._ages)[3])

    def finish(self, now_ns: int) -> None:
        """The input has ended: what nobody has wanted until now is not wanted."""
        self.expire(now_ns)
        for owner in tuple(self._owners):
            if owner is not None:
                self.decide(owner, UNWANTED)

    # -- messages ----------------------------------------------------------------------------------------------------

    def hold(self, before: list[Event], event: Event, dialog: Dialog) -> None:
        """Let a message record wait for its dialog, behind the events `before`, which are taken out of their list. It goes
        where the dialog was passed over."""
        owner = self.dialog(dialog)
        if owner is PASSED_OVER:
            return
        self._lane.extend((earlier, None) for earlier in before)
        before.clear()
        self._lane.append((event, owner))
        owner.messages += 1
        if len(self._lane) > self._most_messages:
            self._relieve()

    def take(self, events: list[Event]) -> list[Event]:
        """What can go out now, when `events` come behind all others."""
        if self.packets is None:
            self.recycle()
        if not self._lane and not self._done:
            return events
        self._lane.extend((event, None) for event in events)
        self._drain()
        done, self._done = self._done, []
        return done

    def _drain(self) -> None:
        lane = self._lane
        while lane:
            event, owner = lane[0]
            if owner is None or owner.verdict == WANTED:
                self._done.append(event)
            elif owner.verdict == UNDECIDED:
                return
            lane.popleft()

    def _relieve(self) -> None:
        """Too many messages wait: pass over the owner of the first."""
        self._drain()
        while len(self._lane) > self._most_messages:
            owner = self._lane[0][1]
            if self.packets is not None:
                self.packets.catch_up(self._record)
            if owner is not None:
                self.pass_over(owner)
            self._drain()
