"""Live packets from Linux interfaces as a source: which interfaces, whether they are there, and blocks of the ring into batches.

One socket serves all interfaces of a run, so that the kernel's own order is the order of the packets; with several threads
there are as many, which `fanout` merges. The socket is `packetsocket`'s, its ring `packetring`'s, and what interfaces there are
is told by `links`.
"""

from __future__ import annotations

import contextlib
import difflib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from lippycat_core.batch import Batch
from lippycat_core.builtin.fanout import Fanout
from lippycat_core.builtin.hardwaretime import switch_on
from lippycat_core.builtin.links import ANY, SLL2, Link, links
from lippycat_core.builtin.owntraffic import without_own
from lippycat_core.builtin.packetring import PacketRing
from lippycat_core.builtin.packetsocket import BLOCK_BYTES, PacketSocket, accept, but_for, by_interface
from lippycat_core.errors import InputError, UsageError
from lippycat_core.filters import Instruction, compile_live, compile_on_interface
from lippycat_core.interfaces.capture import Fault, LiveOptions, Progress
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

LONGEST_REST_MS = 20
RING_PART = 8
"""On a busy link, how long to leave the ring alone at most, and which part of it may fill meanwhile."""

FANOUT_WAIT_MS = 5
"""With several rings, how often at most a quiet one is looked at: the others' packets wait for it."""


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
        size = options.room_bytes
        self._rings: list[PacketRing] = []
        self._fanout: Fanout | None = None
        self._stopping_ns = 0
        self._look_ns = time.monotonic_ns() + LOOK_EVERY_NS
        self._counted_ns = time.time_ns()
        self._loss = (0, 0)  # not handed over yet
        self._busy = False  # whether blocks fill before they are due
        self._rest_ms = 0.0
        self._closed = False
        self._ahead_ns = 0  # of the network card's clock before ours, where packets have its time
        if options.hardware_times:
            if self._any:
                raise UsageError("--timestamps hardware: any has no card of its own: name an interface with -i")
            for one in self._wanted:
                switch_on(one.name)
        try:
            for _ in range(options.threads):
                socket = PacketSocket(cooked=self._cooked, ring_bytes=size // options.threads, retire_ms=retire_ms)
                self._rings.append(PacketRing(socket, cooked=self._cooked, snaplen=options.snaplen))
            self._compile()
            self._begin()
            if options.threads > 1:
                self._fanout = Fanout(self._rings, kernels, behind_ns=self._behind_ns, timeout_ms=max(retire_ms, FANOUT_WAIT_MS))
            self.bind(kernels)
            if self._fanout is not None:
                self._fanout.start()
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
            one.program = without_own(one.program, SLL2 if self._cooked else one.link, options.own)
        self._program = accept(keep)
        if self._any and options.expression is not None:
            self._program = compile_live(options.expression, SLL2, keep)
        self._program = without_own(self._program, SLL2, options.own)
        if options.leave_out:
            self._program = but_for(options.leave_out, self._program)

    def _begin(self) -> None:
        """Filter first, then bind: nothing comes in that was not asked for."""
        wanted = self._wanted
        loopback = bool(wanted) and all(one.loopback for one in wanted)
        group = None
        for ring in self._rings:
            if loopback:
                ring.socket.ignore_outgoing()
            if self._options.hardware_times:
                ring.socket.take_hardware_times()
            self._attach(ring.socket)
            self._bind(ring.socket)
            if len(self._rings) > 1:
                group = ring.socket.fan_out(group, outgoing=not loopback)
        for one in wanted:
            self._join(one)
            if not one.up:
                self._tell(f"{one.name} is down: waiting for it")

    def _attach(self, socket: PacketSocket) -> None:
        if self._any:
            socket.attach(self._program)
        elif len(self._wanted) == 1 and len(self._rings) == 1:
            socket.attach(self._wanted[0].program)
        else:
            socket.attach(by_interface([(one.index, one.program) for one in self._wanted if one.index]))

    def _bind(self, socket: PacketSocket) -> None:
        """To the interface, or with several of them to all; so with several sockets too, which cannot be bound again when the
        interface is made anew."""
        single = self._wanted[0] if len(self._wanted) == 1 and len(self._rings) == 1 else None
        socket.bind(single.index if single else 0, single.name if single else ANY)

    def _join(self, one: _Wanted) -> None:
        if self._options.promisc and not one.loopback:
            self._rings[0].socket.join(one.index)

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
            for ring in self._rings:
                self._attach(ring.socket)
            if len(self._rings) == 1:
                self._bind(self._rings[0].socket)
        except InputError:  # gone again: the next look will tell
            one.index = 0
            return
        self._join(one)

    # -- batches ------------------------------------------------------------------------------------------------------

    @property
    def kernels(self) -> Sequence[Kernel]:
        """What `bind` asks for."""
        return (k.take,) if self._fanout is None else self._fanout.kernels

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels."""
        if self._fanout is not None:
            self._fanout.bind(kernels)
        else:
            self._bound = self._rings[0].bound(kernels)

    def fill(self, batch: Batch, timeout_ms: int) -> bool:
        """See CaptureSource. The batch says up to when nothing is missing (`clock_ns`) and when packets were dropped."""
        asked_ns = time.time_ns()
        if not self._stopping_ns and self._stop():
            for ring in self._rings:
                ring.socket.detach()
            self._stopping_ns = asked_ns
        timeout_ms = min(timeout_ms, LONGEST_WAIT_MS)
        if self._fanout is not None:
            rows, sure_ns = self._fanout.fill(batch, timeout_ms)
            clock_ns = min(sure_ns - self._ahead_ns, asked_ns - self._behind_ns)
        else:
            ring = self._rings[0]
            if not ring.ready():
                self._rest(ring)
            if not ring.ready():
                ring.socket.wait(timeout_ms)
            bytes_before = ring.counted(k.R_BYTES)
            rows, all_of_it = ring.fill(batch.views.slab, batch.views.frame, batch.capacity, batch.source_bytes, self._bound)
            clock_ns = asked_ns - self._behind_ns if all_of_it else 0
            self._busy = ring.counted(k.R_BYTES) - bytes_before >= BLOCK_BYTES // 2
        self._keep_house()
        batch.rows = rows
        batch.route.status[:rows] = 0
        batch.lost, self._loss = self._loss, (0, 0)
        if self._options.hardware_times and rows:
            # What was just read was stamped a moment ago, or longer: the card's clock is at least so far ahead, or behind.
            self._ahead_ns = int(batch.frame.ts_ns[rows - 1]) - time.time_ns()
        batch.clock_ns = max(clock_ns + self._ahead_ns, 0) if clock_ns > 0 else 0
        return rows > 0 or not self._stopping_ns or clock_ns < self._stopping_ns

    def _rest(self, ring: PacketRing) -> None:
        """On a busy link, let some blocks come together before the next look: waking up costs as much as hundreds of packets. The
        rest is the shorter the faster the ring fills."""
        if not self._busy or self._options.immediate or self._stopping_ns:
            self._rest_ms = 0.0
            return
        time.sleep(self._rest_ms / 1000)
        late = ring.ready(ring.socket.blocks // RING_PART)
        self._rest_ms = self._rest_ms / 2 if late else min(max(2 * self._rest_ms, 2.0), LONGEST_REST_MS)

    def _keep_house(self) -> None:
        """Read what the kernel dropped, and now and then look at the interfaces."""
        now_ns = time.time_ns()
        before = self._lost_in_rings()
        for ring in self._rings:
            ring.socket.count()
        if self._lost_in_rings() > before:
            self._loss = (self._counted_ns + self._ahead_ns, now_ns + self._ahead_ns)
        self._counted_ns = now_ns
        if self._look_ns <= time.monotonic_ns() and not self._stopping_ns:
            self._look_ns = time.monotonic_ns() + LOOK_EVERY_NS
            with contextlib.suppress(InputError):  # the kernel is asked again the next time
                self._look()

    def _lost_in_rings(self) -> int:
        return sum(ring.socket.dropped for ring in self._rings)

    # -- what is told -------------------------------------------------------------------------------------------------

    def dropped(self) -> Mapping[str, int]:
        """`kernel`: no room in the ring; `interface`: none in the device; `damaged`: blocks that made no sense."""
        interface = sum(one.lost for one in self._wanted)
        damaged = sum(ring.counted(k.R_DAMAGED) for ring in self._rings)
        counts = {"kernel": self._lost_in_rings()}
        return counts | {name: count for name, count in (("interface", interface), ("damaged", damaged)) if count}

    def faults(self) -> Sequence[Fault]:
        """See CaptureSource: a live capture does not end early."""
        return ()

    def progress(self) -> Progress:
        """See CaptureSource."""
        return Progress(sum(ring.counted(k.R_BYTES) for ring in self._rings), None)

    @property
    def link_type(self) -> int | None:
        """See KnowsLink."""
        links = {SLL2} if self._cooked else {one.link for one in self._wanted}
        return links.pop() if len(links) == 1 else None

    def report(self) -> Mapping[str, object]:
        """See TellsMore."""
        outages = {one.name: one.outages for one in self._wanted if one.outages}
        told: dict[str, object] = {"interfaces": list(self._names), "outages": outages}
        if self._options.hardware_times:
            told["hardware_times"] = sum(ring.counted(k.R_HARD) for ring in self._rings)
        return told

    def close(self) -> None:
        """See CaptureSource."""
        if self._closed:
            return
        self._closed = True
        if self._fanout is not None:
            self._fanout.close()
        for ring in self._rings:
            ring.close()
        with contextlib.suppress(AttributeError):  # the ring's memory goes when nobody looks at it
            del self._bound


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
