"""The packet writer that injects packets into a virtual interface, so that whatever captures from interfaces can read them.

Putting frames together is a kernel, making the device is `tuntap`'s business; when each frame goes and what became of it is here.
Nothing that a reader does stops the run: what the device does not take is counted.
"""

from __future__ import annotations

import errno
import math
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lippycat_core.batch import DEFAULT_BYTES, DEFAULT_ROWS
from lippycat_core.builtin.text import counted, tallies
from lippycat_core.builtin.tuntap import TunTap
from lippycat_core.columns import I32, I64, U8, Frame
from lippycat_core.interfaces.sink import PacketSink
from lippycat_core.kernels import inject
from lippycat_core.kernelset import Kernel, KernelSet

MOST_WAITING = 128
"""Slabs of half a megabyte that may wait live for the startup delay to end; what comes then is dropped, counted."""

LONGEST_SLEEP_S = 0.1
"""A wait for the next frame is looked up from so often, to see whether the run was asked to stop."""

EBADFD = 77
"""Linux's; Python knows it nowhere else."""

FULL = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)
REASONS = {**dict.fromkeys(FULL, "no room"), errno.EIO: "interface down", EBADFD: "interface gone"}
"""Why a device takes no frame; others are called as the system calls them."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When frames go: the first `delay_s` after the interface came up; with `speed` the others as far behind it as they were
    captured, so many times faster; with 0 at once. `live` packets never make the run wait. The device stays for `linger_s`
    after the last frame: what a reader has not read by the time it goes, that reader never gets."""

    delay_s: float = 0.0
    speed: float = 0.0
    live: bool = False
    linger_s: float = 0.0


class _Slab:
    """Frames that were put together, up to where they are written."""

    __slots__ = ("arrays", "sent", "state", "views")

    def __init__(self, kernels: KernelSet) -> None:
        out: U8 = np.zeros(DEFAULT_BYTES, np.uint8)
        ends: I32 = np.zeros(DEFAULT_ROWS, np.int32)
        times: I64 = np.zeros(DEFAULT_ROWS, np.int64)
        self.state: I64 = np.zeros(inject.J_WIDTH, np.int64)
        self.arrays = (out, ends, times)
        self.sent = 0
        self.bind(kernels)

    def bind(self, kernels: KernelSet) -> None:
        """Take the form of columns that the kernels want."""
        view = kernels.view
        out, ends, times = self.arrays
        self.views = (view(out), view(ends), view(times), view(self.state))

    @property
    def count(self) -> int:
        return int(self.state[inject.J_COUNT])

    def clear(self) -> None:
        self.state[inject.J_POS] = self.state[inject.J_COUNT] = self.sent = 0


class VirtualInterface(PacketSink):
    """A `PacketWriter`, a `Sink` and an `Injector` that injects each packet, once and in order, into `device`.

    Between two batches `drain` sends what waits for its time, and `end` what is left; `take_away` closes the device when all
    else of the run is closed. `stop` says whether the run was asked to end, `tell` takes one line where the device fails for
    the first time.
    """

    kernels: Sequence[Kernel] = (inject.gather,)

    def __init__(self, device: TunTap, kind: str, timing: Timing, tell: Callable[[str], None] = lambda line: None) -> None:
        self._device = device
        self._bare = int(kind == "tun")
        self._timing = timing
        self._tell = tell
        self._start_s = time.monotonic() + timing.delay_s
        self._first: tuple[float, int] | None = None  # when the first frame went, and its capture time
        self._waiting: deque[_Slab] = deque()
        self._free: list[_Slab] = []
        self._skipped: I64 = np.zeros(inject.J_WIDTH, np.int64)
        self._kernels: KernelSet | None = None
        self._last_s = -math.inf  # when the last frame went
        self.stop: Callable[[], bool] = lambda: False
        self.injected = 0
        self.dropped: Counter[str] = Counter()

    @property
    def name(self) -> str:
        """The interface's."""
        return self._device.name

    @property
    def index(self) -> int:
        """Its number in this process's own network namespace, else 0."""
        return self._device.index

    def skipped(self) -> dict[str, int]:
        """Packets that cannot be put in the interface's form, by why."""
        reasons = {"link layer": inject.J_LINK, "header": inject.J_HEADER, "longer than 65535 bytes": inject.J_LONG}
        return {reason: int(self._skipped[place]) for reason, place in reasons.items() if self._skipped[place]}

    def results(self) -> Mapping[str, int]:
        """Packets by what became of them: injected, dropped, skipped."""
        return {"injected": self.injected, "dropped": self.dropped.total(), "skipped": sum(self.skipped().values())}

    @property
    def lost(self) -> int:
        """Packets that were not injected."""
        return self.dropped.total() + sum(self.skipped().values())

    def account(self) -> str:
        """The same as a line for people, with the reasons."""
        parts = [f"{counted('packet', self.injected)} injected"]
        for what, reasons in (("dropped", self.dropped), ("skipped", self.skipped())):
            if reasons:
                parts.append(f"{sum(reasons.values()):,} {what} ({tallies(reasons)})")
        return f"{self.name}: {', '.join(parts)}"

    # -- as a packet writer -------------------------------------------------------------------------------------------

    def records(self, kernels: KernelSet, slab: U8, frame: Frame, status: I32, begin: int, end: int) -> None:
        """See PacketWriter. Never waits, and never fails for what a reader does."""
        if kernels is not self._kernels:
            self._bind(kernels)
        at_once = not self._waiting and self._timing.speed == 0 and time.monotonic() >= self._start_s
        row = begin
        while row < end:
            target = self._room(kernels)
            row = self._gather(slab, frame, status, self._bare, *target.views, row, end)
            if at_once:
                self._send(target)
                self._recycle()

    def _bind(self, kernels: KernelSet) -> None:
        self._kernels = kernels
        self._gather = kernels[inject.gather]
        for slab in (*self._waiting, *self._free):
            slab.bind(kernels)

    def _room(self, kernels: KernelSet) -> _Slab:
        """A slab with room for a frame at least."""
        if self._waiting:
            last = self._waiting[-1]
            largest = inject.MOST_MTU + inject.ETHERNET_HEADER
            if last.count < DEFAULT_ROWS and int(last.state[inject.J_POS]) + largest <= DEFAULT_BYTES:
                return last
        if self._timing.live and len(self._waiting) >= MOST_WAITING:
            self._lose(self._waiting.popleft(), "no room before the delay was over")
        self._waiting.append(self._free.pop() if self._free else _Slab(kernels))
        return self._waiting[-1]

    def _lose(self, slab: _Slab, reason: str) -> None:
        self.dropped[reason] += slab.count - slab.sent
        self._give_back(slab)

    def _recycle(self) -> None:
        """The first slab was sent."""
        self._give_back(self._waiting.popleft())

    def _give_back(self, slab: _Slab) -> None:
        self._skipped += slab.state
        slab.state[:] = 0
        slab.clear()
        if not self._free:
            self._free.append(slab)

    # -- sending ------------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Send what waits: from a file all of it, each frame at its time, unless the run is asked to stop; live what may go."""
        if self._timing.live and time.monotonic() < self._start_s:
            return
        if self._waiting and not self._until(self._start_s):
            self._give_up()
        while self._waiting:
            slab = self._waiting[0]
            if self._timing.speed and not self._timing.live:
                if not self._send_in_time(slab):
                    self._give_up()
                    return
            else:
                self._send(slab)
            self._recycle()

    def end(self) -> None:
        """The input is over: send what waits. What became of each packet is final then."""
        if self._timing.live:
            self._start_s = min(self._start_s, time.monotonic())
        self.drain()
        self._give_up()

    def close(self) -> None:
        """Send nothing more: what waits now is of a run that failed. May be called twice."""
        self._give_up()

    def take_away(self) -> None:
        """Close the device once its readers had time for the last frame; whoever asks the run to stop meanwhile does not wait.
        May be called twice."""
        self.close()
        if self._device.fd < 0:
            return
        asked = self.stop()  # a live capture ends that way, and its readers are to have its tail too
        while (left_s := self._last_s + self._timing.linger_s - time.monotonic()) > 0 and (asked or not self.stop()):
            time.sleep(min(left_s, LONGEST_SLEEP_S))
        self._device.close()

    def _give_up(self) -> None:
        while self._waiting:
            self._lose(self._waiting.popleft(), "the run was stopped")

    def _send(self, slab: _Slab) -> None:
        """Write the frames, one system call each: a device takes no more."""
        write, fd, lost = os.write, self._device.fd, 0
        out, ends, _ = slab.arrays
        frames = memoryview(out.data)
        count, begin = slab.count, 0
        for end in ends[:count].tolist():
            try:
                write(fd, frames[begin:end])
            except OSError as error:
                lost += 1
                self._refused(error)
            begin = end
        slab.sent = count
        self.injected += count - lost
        if lost < count:
            self._last_s = time.monotonic()

    def _send_in_time(self, slab: _Slab) -> bool:
        """The same, each at its time; False where the run was asked to stop before all went."""
        out, ends, times = slab.arrays
        frames = memoryview(out.data)
        count, begin = slab.count, 0
        for end, ts_ns in zip(ends[:count].tolist(), times[:count].tolist(), strict=True):
            if self._first is None:
                self._first = (time.monotonic(), ts_ns)
            first_s, first_ns = self._first
            if not self._until(first_s + (ts_ns - first_ns) / 1e9 / self._timing.speed):
                return False
            try:
                os.write(self._device.fd, frames[begin:end])
                self.injected += 1
                self._last_s = time.monotonic()
            except OSError as error:
                self._refused(error)
            slab.sent += 1
            begin = end
        return True

    def _until(self, moment_s: float) -> bool:
        """Wait until then; False where the run was asked to stop."""
        while (left_s := moment_s - time.monotonic()) > 0:
            if self.stop():
                return False
            time.sleep(min(left_s, LONGEST_SLEEP_S))
        return not (self._timing.speed and self.stop())

    def _refused(self, error: OSError) -> None:
        """The device did not take a frame."""
        reason = REASONS.get(error.errno or 0) or (error.strerror or str(error)).lower()
        if error.errno not in FULL and reason not in self.dropped:
            self._tell(f"{self.name}: {reason}: packets for it are dropped and counted; the run goes on")
        self.dropped[reason] += 1
