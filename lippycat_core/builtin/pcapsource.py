"""Live packets through libpcap (pcapy-ng): for systems without packet rings, and as a second opinion on Linux.

A packet costs a call into Python here, some microseconds, and has microseconds for a time: `dispatch` is what tells its length
on the wire, which `next_batch` does not. Handles are non-blocking, for libpcap's own time-outs do not hold on quiet links.
"""

from __future__ import annotations

import contextlib
import difflib
import select
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pcapy

from lippycat_core.batch import Batch
from lippycat_core.builtin.links import ANY
from lippycat_core.builtin.owntraffic import own_expression
from lippycat_core.builtin.packetsocket import no_permission
from lippycat_core.errors import FilterError, InputError, PermissionRefused, UsageError
from lippycat_core.filters import compile_bpf
from lippycat_core.interfaces.capture import Fault, LiveOptions, Progress
from lippycat_core.kernels.link import LINKTYPE_ETHERNET
from lippycat_core.kernelset import KernelSet

TIMEOUT_MS, IMMEDIATE_MS = 50, 1
"""How long libpcap may hold packets back."""

SLACK_NS = 20_000_000
LONGEST_WAIT_MS = 100
RETRY_NS = 500_000_000
"""How often an interface that is gone is tried again."""

MOST_WAITING = 65_536
"""Packets of one interface that wait for their turn beside another's; beyond it, it is not asked for more."""

DLT_TO_LINK = {12: 101, 14: 101}
"""Numbers of raw IP on this system and on others; nearly all else is the same number in files (pcap-linktype(7))."""

# pcap/pcap.h: what activating answers
NO_SUCH_DEVICE, PERMISSION_DENIED, NOT_UP = -5, -8, -9


class Packet(NamedTuple):
    """One that waits for its turn; between interfaces time decides, then what was read first."""

    ts_ns: int
    number: int
    wirelen: int
    link: int
    data: bytes


@dataclass(slots=True)
class _Interface:
    """One interface: its handle, whether it is there, and what was counted with handles before."""

    name: str
    handle: Any = None
    link: int = LINKTYPE_ETHERNET
    down: bool = True
    waiting: deque[Packet] = field(default_factory=deque)
    clock_ns: int = 0
    outages: int = 0
    retry_ns: int = 0
    before: tuple[int, int] = (0, 0)
    lost: tuple[int, int] = (0, 0)


class PcapSource:
    """A `CaptureSource` of interfaces by name, merged by time. `activate` makes a handle of a name, as pcapy's `create` and
    `activate` do. It ends when `stop()` says so. UsageError for what libpcap cannot do, InputError where an interface is not
    there, FilterError for a filter that cannot be used there, PermissionRefused where capturing is not allowed."""

    def __init__(
        self,
        names: Sequence[str],
        options: LiveOptions | None = None,
        *,
        stop: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] = lambda line: None,
        activate: Callable[[str, LiveOptions], tuple[Any, int]] | None = None,
    ) -> None:
        self._options = options = LiveOptions() if options is None else options
        if options.threads > 1:
            raise UsageError("--capture-threads: the capture driver pcap has one thread; leave it out, or use afpacket")
        if options.hardware_times:
            raise UsageError("--timestamps hardware: the capture driver pcap has none; leave it out, or use afpacket")
        self._names = list(dict.fromkeys(names))
        if not self._names or not all(self._names):
            raise UsageError("an empty interface name: name one as in -i eth0")
        if options.leave_out and ANY in self._names:
            raise UsageError(
                "-i any: the capture driver pcap cannot leave the virtual interface out; name interfaces, or use afpacket"
            )
        self._stop = stop
        self._tell = tell
        self._activate = activate or activated
        self._filter = _both(options.expression, own_expression(options.own))
        if options.expression is not None and "vlan" not in options.expression:
            compile_bpf(options.expression, LINKTYPE_ETHERNET)  # what is wrong is said though an interface is down
        self._behind_ns = 2 * (IMMEDIATE_MS if options.immediate else TIMEOUT_MS) * 1_000_000 + SLACK_NS
        self._poll = select.poll()
        self._number = self._bytes = 0
        self._stopping_ns = 0
        self._counted_ns = time.time_ns()
        self._loss = (0, 0)
        self._interfaces = [_Interface(name) for name in self._names]
        try:
            for one in self._interfaces:
                self._open(one)
        except BaseException:
            self.close()
            raise

    # -- interfaces -----------------------------------------------------------------------------------------------------

    def _open(self, one: _Interface) -> None:
        """Begin with an interface, or wait for it."""
        handle, code = self._activate(one.name, self._options)
        if code < 0:
            _refused(one.name, code)
            self._tell(f"{one.name} is down: waiting for it")
            one.retry_ns = time.monotonic_ns() + RETRY_NS
            return
        self._take_over(one, handle)

    def _open_again(self, one: _Interface) -> None:
        """See whether an interface is there again. Who has given root up by then cannot make a new handle; the old one goes on
        where the interface is the same."""
        one.retry_ns = time.monotonic_ns() + RETRY_NS
        try:
            handle, code = self._activate(one.name, self._options)
        except InputError:
            return
        if code >= 0:
            self._release(one)
            self._take_over(one, handle)
            self._tell(f"{one.name} is up")

    def _take_over(self, one: _Interface, handle: Any) -> None:
        if self._filter:
            _set_filter(handle, self._filter)
        one.link = DLT_TO_LINK.get(handle.datalink(), handle.datalink())
        one.handle = handle
        one.down = False
        with contextlib.suppress(pcapy.PcapError):  # a file stands in for an interface in tests
            handle.setnonblock(1)
        if (descriptor := handle.getfd()) >= 0:
            self._poll.register(descriptor, select.POLLIN)

    def _gone(self, one: _Interface) -> None:
        """An interface has gone down, or away."""
        one.down = True
        one.outages += 1
        one.retry_ns = time.monotonic_ns() + RETRY_NS
        self._tell(f"{one.name} went down: waiting for it")

    def _release(self, one: _Interface) -> None:
        if one.handle is None:
            return
        self._count_one(one)
        one.before = one.lost
        with contextlib.suppress(KeyError, ValueError, OSError):
            self._poll.unregister(one.handle.getfd())
        one.handle.close()
        one.handle = None

    # -- batches --------------------------------------------------------------------------------------------------------

    def bind(self, kernels: KernelSet) -> None:
        """No kernel is used."""

    def fill(self, batch: Batch, timeout_ms: int) -> bool:
        """See CaptureSource. The batch says up to when nothing is missing (`clock_ns`) and when packets were dropped."""
        if not self._stopping_ns and self._stop():
            self._stopping_ns = time.time_ns()
        self._collect()
        if not self._ready() and not self._stopping_ns:
            self._poll.poll(min(timeout_ms, LONGEST_WAIT_MS))
            self._collect()
        rows = self._hand_over(batch)
        self._count()
        batch.rows = rows
        batch.route.status[:rows] = 0
        batch.lost, self._loss = self._loss, (0, 0)
        clock_ns = self._sure_ns()
        batch.clock_ns = max(clock_ns, 0)
        return rows > 0 or not self._stopping_ns or clock_ns < self._stopping_ns

    def _collect(self) -> None:
        """Read what has come."""
        for one in self._interfaces:
            if one.down and one.retry_ns <= time.monotonic_ns():
                self._open_again(one)
            asked_ns = time.time_ns()
            if len(one.waiting) < MOST_WAITING and (one.handle is None or self._read(one)):
                one.clock_ns = asked_ns - self._behind_ns

    def _read(self, one: _Interface) -> bool:
        """Let libpcap hand over what it has; whether that was all."""
        link, waiting = one.link, one.waiting
        before = len(waiting)

        def take(head: Any, data: bytes) -> None:
            seconds, micros = head.getts()
            self._number += 1
            waiting.append(Packet(seconds * 1_000_000_000 + micros * 1000, self._number, head.getlen(), link, data))

        try:
            one.handle.dispatch(-1, take)
        except pcapy.PcapError:
            if not one.down:
                self._gone(one)
        if one.down and len(waiting) > before:
            one.down = False
            self._tell(f"{one.name} is up")
        return len(waiting) == before or self._stopping_ns > 0

    def _sure_ns(self) -> int:
        """No packet before this time is still to come from an interface of which none waits, nor to be handed over."""
        return min(one.waiting[0].ts_ns if one.waiting else one.clock_ns for one in self._interfaces)

    def _ready(self) -> bool:
        """Whether a packet can be handed over now."""
        return self._next() is not None

    def _next(self) -> _Interface | None:
        """Who has the earliest packet, where that is sure to be the earliest."""
        there = [one for one in self._interfaces if one.waiting]
        if not there:
            return None
        first = min(there, key=lambda one: one.waiting[0][:2])
        quiet = [one.clock_ns for one in self._interfaces if not one.waiting]
        if quiet and len(self._interfaces) > 1 and first.waiting[0].ts_ns >= min(quiet):
            return None
        return first

    def _hand_over(self, batch: Batch) -> int:
        """Copy packets into the batch, the earliest first."""
        rows = at = 0
        while rows < batch.capacity and (one := self._next()) is not None:
            packet = one.waiting[0]
            if self._stopping_ns and packet.ts_ns > self._stopping_ns:
                one.waiting.clear()  # what came after the end
                one.clock_ns = max(one.clock_ns, self._stopping_ns)
                continue
            size = len(packet.data)
            if at + size > batch.source_bytes:
                break
            one.waiting.popleft()
            batch.mem[at : at + size] = packet.data
            frame = batch.frame
            frame.ts_ns[rows], frame.off[rows], frame.caplen[rows] = packet.ts_ns, at, size
            frame.wirelen[rows], frame.link[rows] = packet.wirelen, packet.link
            at += size
            rows += 1
        self._bytes += at
        return rows

    # -- what is told -----------------------------------------------------------------------------------------------------

    def _count(self) -> None:
        """Read what libpcap says that was dropped."""
        now_ns = time.time_ns()
        before = sum(sum(one.lost) for one in self._interfaces)
        for one in self._interfaces:
            self._count_one(one)
        if sum(sum(one.lost) for one in self._interfaces) > before:
            self._loss = (self._counted_ns, now_ns)
        self._counted_ns = now_ns

    def _count_one(self, one: _Interface) -> None:
        if one.handle is None:
            return
        with contextlib.suppress(pcapy.PcapError):  # a file, or a handle whose interface went away
            _received, dropped, by_interface = one.handle.stats()
            one.lost = (one.before[0] + dropped, one.before[1] + by_interface)

    def dropped(self) -> Mapping[str, int]:
        """`kernel`: no room in libpcap's buffer; `interface`: none in the device."""
        kernel, interface = (sum(one.lost[at] for one in self._interfaces) for at in range(2))
        return {"kernel": kernel} | ({"interface": interface} if interface else {})

    def faults(self) -> Sequence[Fault]:
        """See CaptureSource: a live capture does not end early."""
        return ()

    def progress(self) -> Progress:
        """See CaptureSource."""
        return Progress(self._bytes, None)

    @property
    def link_type(self) -> int | None:
        """See KnowsLink."""
        links = {None if one.handle is None else one.link for one in self._interfaces}
        return links.pop() if len(links) == 1 else None

    def report(self) -> Mapping[str, object]:
        """See TellsMore."""
        outages = {one.name: one.outages for one in self._interfaces if one.outages}
        return {"interfaces": self._names, "outages": outages}

    def close(self) -> None:
        """See CaptureSource."""
        for one in self._interfaces:
            self._release(one)


def activated(name: str, options: LiveOptions) -> tuple[Any, int]:
    """A handle of an interface, and libpcap's answer: below 0 where it cannot be had."""
    try:
        handle = pcapy.create(name)
        handle.set_snaplen(options.snaplen)
        handle.set_promisc(options.promisc)
        handle.set_timeout(IMMEDIATE_MS if options.immediate else TIMEOUT_MS)
        handle.set_buffer_size(min(options.room_bytes, 2**31 - 1))
        return handle, handle.activate() or 0
    except pcapy.PcapError as error:
        raise InputError(f"{name}: cannot be captured: {error}") from None


def _refused(name: str, code: int) -> None:
    """Raise what an answer of libpcap means, but where waiting helps."""
    if code == NOT_UP:
        return
    if code == PERMISSION_DENIED:
        raise PermissionRefused(no_permission())
    if code == NO_SUCH_DEVICE:
        there = pcapy.findalldevs()
        near = difflib.get_close_matches(name, there, 3, 0.5)
        way_out = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(there)}"
        raise InputError(f"no interface {name!r}; {way_out}")
    raise InputError(f"{name}: cannot be captured: libpcap says {code} (pcap_activate(3))")


def _set_filter(handle: Any, expression: str) -> None:
    try:
        handle.setfilter(expression)
    except pcapy.PcapError as error:
        raise FilterError(f"filter {expression!r} cannot be used: {error}; the syntax is pcap-filter(7)") from None


def _both(one: str | None, other: str) -> str:
    """Both of two filter expressions, either of which may be missing."""
    if one is None or not other:
        return one or other
    return f"({one}) and {other}"
