"""Live packets from Linux interfaces as a source: which interfaces, whether they are there, and blocks of the ring into batches.

One socket serves all interfaces of a run, so that the kernel's own order is the order of the packets. The socket and its
ring are `packetsocket`'s, the walk over a block is `kernels.ring`'s, and what interfaces there are is told by `links`.
"""

from __future__ import annotations

import contextlib
import difflib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from lippycat_core.batch import Batch
from lippycat_core.builtin.links import ANY, LINK_TYPES, SLL2, Link, links
from lippycat_core.builtin.packetsocket import BLOCK_BYTES, PacketSocket, accept, but_for, by_interface
from lippycat_core.columns import I32, I64, U8
from lippycat_core.errors import InputError, UsageError
from lippycat_core.filters import Instruction, compile_live, compile_on_interface
from lippycat_core.interfaces.capture import Fault, Progress
from lippycat_core.kernels import ring as k
from lippycat_core.kernelset import Kernel, KernelSet

RETIRE_MS = 50
"""A block is handed over at the latest after this time, however little is in it; with `immediate` after the one below."""
IMMEDIATE_RETIRE_MS = 1

LONGEST_WAIT_MS = 100
"""A quiet link gives an empty batch so often: time goes on, and what it makes due is written."""

LOOK_EVERY_NS = 500_000_000
"""How often interfaces are looked at."""

SLACK_NS = 20_000_000
"""Beside twice the retire time, how long a packet may take from the interface to the ring."""

PACKET_BYTES = 2048
"""What a packet of `buffer_packets` is taken to need of the ring."""

LARGEST_SNAPLEN = 262144


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How to capture: a pcap filter expression, bytes kept of each packet, promiscuous mode, the ring's size (the larger of
    both), whether latency goes before cost, and the index of an interface that `any` leaves out (0: none)."""

    expression: str | None = None
    snaplen: int = LARGEST_SNAPLEN
    promisc: bool = False
    buffer_bytes: int = 32 << 20
    buffer_packets: int = 0
    immediate: bool = False
    leave_out: int = 0


@dataclass(slots=True)
class _Wanted:
    """One interface of the run: its name, where it is now (index 0: gone), and how often it went away."""

    name: str
    index: int
    link: int
    loopback: bool
    up: bool
    lost_before: int
    lost: int = 0
    outages: int = 0
    program: list[Instruction] = field(default_factory=list)


class AfPacketSource:
    """A `CaptureSource` of one or more interfaces by name, or of `any` (all, with Linux cooked headers).

    It ends when `stop()` says so, after what was captured until then. `tell` is told of interfaces that go away and come
    back. UsageError for names that make no sense, InputError where an interface is not there, FilterError for a filter that
    cannot be used there, PermissionRefused where capturing is not allowed.
    """

    kernels: Sequence[Kernel] = (k.take,)

    def __init__(
        self,
        names: Sequence[str],
        kernels: KernelSet,
        options: LiveOptions | None = None,
        *,
        stop: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._options = options = LiveOptions() if options is None else options
        self._names = names
        self._stop = stop
        self._tell = tell
        self._wanted = _look_up(names)
        self._any = not self._wanted
        self._cooked = self._any or any(one.link == SLL2 for one in self._wanted)
        retire_ms = IMMEDIATE_RETIRE_MS if options.immediate else RETIRE_MS
        self._behind_ns = 2 * retire_ms * 1_000_000 + SLACK_NS
        size = max(options.buffer_bytes, options.buffer_packets * min(options.snaplen + k.RECORD_HEADER_BYTES, PACKET_BYTES))
        self._socket = PacketSocket(cooked=self._cooked, ring_bytes=size, retire_ms=retire_ms)
        self._ring: U8 = np.frombuffer(self._socket.ring, np.uint8)
        self._state: I64 = np.zeros(k.R_WIDTH, np.int64)
        self._state[k.R_SIZE] = BLOCK_BYTES
        self._state[k.R_POS] = -1
        self._state[k.R_BIG] = sys.byteorder == "big"
        self._state[k.R_COOKED] = self._cooked
        self._state[k.R_SNAPLEN] = options.snaplen
        self._links: I32 = np.array([number for pair in LINK_TYPES.items() for number in pair], np.int32)
        self._block = 0
        self._begun = False  # whether a walk of the block has begun
        self._stopping_ns = 0
        self._look_ns = time.monotonic_ns() + LOOK_EVERY_NS
        self._counted_ns = time.time_ns()
        self._loss = (0, 0)  # not handed over yet
        self._closed = False
        self.bind(kernels)
        try:
            self._compile()
            self._begin()
        except BaseException:
            self.close()
            raise

    # -- the interfaces -----------------------------------------------------------------------------------------------

    def _compile(self) -> None:
        """Each interface's filter program."""
        options = self._options
        keep = max(options.snaplen - (k.SLL2_BYTES if self._cooked else 0), 1)
        for one in self._wanted:
            one.program = accept(keep)
            if options.expression is not None:
                link = SLL2 if self._cooked else one.link
                one.program = compile_live(options.expression, link, keep, partial(compile_on_interface, one.name))
        self._program = accept(keep)
        if self._any and options.expression is not None:
            self._program = compile_live(options.expression, SLL2, keep)
        if options.leave_out:
            self._program = but_for(options.leave_out, self._program)

    def _begin(self) -> None:
        """Filter first, then bind: nothing comes in that was not asked for."""
        wanted = self._wanted
        if wanted and all(one.loopback for one in wanted):
            self._socket.ignore_outgoing()
        self._attach()
        self._bind()
        for one in wanted:
            self._join(one)
            if not one.up:
                self._tell(f"{one.name} is down: waiting for it")

    def _attach(self) -> None:
        if self._any:
            self._socket.attach(self._program)
        elif len(self._wanted) == 1:
            self._socket.attach(self._wanted[0].program)
        else:
            self._socket.attach(by_interface([(one.index, one.program) for one in self._wanted if one.index]))

    def _bind(self) -> None:
        single = self._wanted[0] if len(self._wanted) == 1 else None
        self._socket.bind(single.index if single else 0, single.name if single else ANY)

    def _join(self, one: _Wanted) -> None:
        if self._options.promisc and not one.loopback:
            self._socket.join(one.index)

    def _look(self) -> None:
        """See which interfaces are there; bind again to one that came back as another."""
        there = {link.name: link for link in links()} if self._wanted else {}
        for one in self._wanted:
            link = there.get(one.name)
            if link is None or not link.up:
                if one.up:
                    one.outages += 1
                    self._tell(f"{one.name} {'is gone' if link is None else 'went down'}: waiting for it")
                one.up = False
                if link is None:
                    one.index = 0
                    continue
            if link.index != one.index:
                self._again(one, link)
            elif link.lost >= one.lost_before:
                one.lost = link.lost - one.lost_before
            if link.up and not one.up:
                one.up = True
                self._tell(f"{one.name} is up")

    def _again(self, one: _Wanted, link: Link) -> None:
        """An interface of that name was made anew."""
        one.index = link.index
        one.lost_before = link.lost - one.lost
        try:
            self._attach()
            self._bind()
        except InputError:  # gone again: the next look will tell
            one.index = 0
            return
        self._join(one)

    # -- batches ------------------------------------------------------------------------------------------------------

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels."""
        self._take = kernels[k.take]
        self._views = (kernels.view(self._ring), kernels.view(self._state), kernels.view(self._links))
        self._fields = memoryview(self._state.data)

    def fill(self, batch: Batch, timeout_ms: int) -> bool:
        """See CaptureSource. The batch says up to when nothing is missing (`clock_ns`) and when packets were dropped."""
        asked_ns = time.time_ns()
        if not self._stopping_ns and self._stop():
            self._socket.detach()
            self._stopping_ns = asked_ns
        if not self._socket.ready(self._block):
            self._socket.wait(min(timeout_ms, LONGEST_WAIT_MS))
        self._fields[k.R_ROOM] = 0
        rows = 0
        while more := self._socket.ready(self._block):
            rows = self._walk(batch, rows)
            if self._fields[k.R_STOP] == k.FULL:
                break
        self._keep_house()
        batch.rows = rows
        batch.route.status[:rows] = 0
        batch.lost, self._loss = self._loss, (0, 0)
        if not more:
            batch.clock_ns = asked_ns - self._behind_ns
        return rows > 0 or not self._stopping_ns or batch.clock_ns < self._stopping_ns

    def _walk(self, batch: Batch, rows: int) -> int:
        """Take what fits of the block at hand; give it back where that was all."""
        fields = self._fields
        if not self._begun:
            self._begun = True
            fields[k.R_BLOCK] = self._block * BLOCK_BYTES
            fields[k.R_POS] = -1
        views = batch.views
        rows = self._take(*self._views, views.slab, views.frame, rows, batch.capacity, batch.source_bytes)
        if fields[k.R_STOP] == k.DONE:
            self._begun = False
            self._socket.release(self._block)
            self._block = (self._block + 1) % self._socket.blocks
        return rows

    def _keep_house(self) -> None:
        """Read what the kernel dropped, and now and then look at the interfaces."""
        now_ns = time.time_ns()
        before = self._socket.dropped
        self._socket.count()
        if self._socket.dropped > before:
            self._loss = (self._counted_ns, now_ns)
        self._counted_ns = now_ns
        if self._look_ns <= time.monotonic_ns() and not self._stopping_ns:
            self._look_ns = time.monotonic_ns() + LOOK_EVERY_NS
            with contextlib.suppress(InputError):  # the kernel is asked again the next time
                self._look()

    # -- what is told -------------------------------------------------------------------------------------------------

    def dropped(self) -> Mapping[str, int]:
        """`kernel`: no room in the ring; `interface`: none in the device; `damaged`: blocks that made no sense."""
        interface = sum(one.lost for one in self._wanted)
        damaged = int(self._state[k.R_DAMAGED])
        counts = {"kernel": self._socket.dropped}
        return counts | {name: count for name, count in (("interface", interface), ("damaged", damaged)) if count}

    def faults(self) -> Sequence[Fault]:
        """See CaptureSource: a live capture does not end early."""
        return ()

    def progress(self) -> Progress:
        """See CaptureSource."""
        return Progress(self._fields[k.R_BYTES], None)

    def report(self) -> Mapping[str, object]:
        """See TellsMore."""
        outages = {one.name: one.outages for one in self._wanted if one.outages}
        return {"interfaces": list(self._names), "outages": outages}

    def close(self) -> None:
        """See CaptureSource."""
        if self._closed:
            return
        self._closed = True
        nothing: U8 = np.zeros(0, np.uint8)
        self._ring, self._views = nothing, (nothing, *self._views[1:])  # the ring's memory goes when nobody looks at it
        self._socket.close()


def _look_up(names: Sequence[str]) -> list[_Wanted]:
    """The interfaces of these names, each once; none for `any`."""
    asked = list(dict.fromkeys(names))
    if not asked or not all(asked):
        raise UsageError("an empty interface name: name one as in -i eth0, or any")
    if ANY in asked:
        if len(asked) > 1:
            raise UsageError(f"-i {','.join(asked)}: any is all interfaces already: leave the others out")
        return []
    there = {link.name: link for link in links()}
    for name in asked:
        if name not in there:
            near = difflib.get_close_matches(name, [*there, ANY], 3, 0.5)
            way_out = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join([*there, ANY])};"
            raise InputError(f"no interface {name!r}; {way_out} `lc interfaces` lists them")
    return [_wanted(there[name]) for name in asked]


def _wanted(link: Link) -> _Wanted:
    loopback = link.hatype == k.ARPHRD_LOOPBACK
    return _Wanted(link.name, link.index, link.link_type, loopback, link.up, link.lost)
