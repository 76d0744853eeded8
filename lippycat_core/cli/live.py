"""Live capture from a command's options: what may be asked for, opening the driver, and giving up root."""

from __future__ import annotations

import os
import select
import stat
import time
from collections.abc import Callable, Sequence

from lippycat_core.batchqueue import QueueRules
from lippycat_core.builtin.links import ANY
from lippycat_core.cli.kernels import compiled_already
from lippycat_core.cli.options import Input
from lippycat_core.cli.privileges import give_up_root
from lippycat_core.cli.telling import say
from lippycat_core.cli.watching import profiles_wanted
from lippycat_core.errors import DriverUnfit, SettingError, UsageError
from lippycat_core.host.discovery import AUTO, Host
from lippycat_core.host.ranking import FIT
from lippycat_core.host.settings import Settings
from lippycat_core.host.units import duration_ns
from lippycat_core.interfaces.capture import CaptureSource, LiveOptions, OwnEndpoint
from lippycat_core.interfaces.provider import Provider
from lippycat_core.kernelset import Kernel, KernelSet

FILES = "file"
"""The driver of this kind that no interface is captured with."""


QUEUE = ("tcp.stream_queue_buffer", "tcp.stream_max_queue_time", "tcp.enable_backpressure")
"""Settings of the queue between capture and analysis."""


def settled_input(command: str, source: Input, *, quiet: bool) -> Input:
    """What is read: all interfaces where nothing is named, which is said. UsageError for files and interfaces both, a live
    option without an interface, and a capture that waits on standard input and is not asked for."""
    if source.interfaces:
        if source.read_file:
            raise UsageError("-r and -i: packets come from files or from interfaces: leave one of them out")
        if source.duration is not None:
            _duration_ns(source.duration)
        return source
    if not source.read_file:
        if waits(0):
            raise UsageError(
                f"nothing to read: standard input is read with `lc {command} -r -`, interfaces with `lc {command} -i NAME`"
            )
        if not quiet:
            say(f"capturing from all interfaces (-i any) until Ctrl-C; a capture file is read with `lc {command} -r FILE`")
        return settled_input(command, source._replace(interfaces=(ANY,)), quiet=quiet)
    given = [name for name, value in (("--duration", source.duration), ("--snaplen", source.snaplen)) if value is not None]
    if given:
        raise UsageError(f"{given[0]}: is for live capture: name an interface with -i, or leave it out")
    return source


def waits(fd: int) -> bool:
    """Whether a file, or bytes in a pipe, wait at a descriptor."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    if stat.S_ISREG(mode):
        return True
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return stat.S_ISFIFO(mode) and any(event & select.POLLIN for _, event in poll.poll(0))


LIVE_ONLY = (
    "capture.buffer_bytes",
    "capture.buffer_packets",
    "capture.driver",
    "capture.promisc",
    "capture.threads",
    "capture.timestamps",
    "capture.user",
    *QUEUE,
)
"""Settings that say how live packets are taken, and so change nothing of what a file says."""


def idle_options(settings: Settings, *, live: bool) -> str:
    """One line about options that were given and cannot act in this run; "" where all of them do."""
    if live and not in_turns(settings):
        return ""
    keys = [key for key in (QUEUE if live else LIVE_ONLY) if key != "capture.user" or not settings["vif.enabled"]]
    origins = [settings.origin(key) for key in keys]
    given = ", ".join(origin.removeprefix("option ") for origin in origins if origin.startswith("option "))
    if not given:
        return ""
    if live:
        return f"{given}: without effect, for with --threads 1 there is no queue between capture and analysis"
    them = "they are" if "," in given else "it is"
    return f"{given}: without effect, for packets come from files; {them} for live capture (-i)"


def in_turns(settings: Settings) -> bool:
    """Whether a live run reads and analyses in turns: only who asks for one thread gets that."""
    return settings["threads"] == 1 and settings.origin("threads") != "default"


def queue_rules(settings: Settings) -> QueueRules:
    """What holds for the queue of a live run."""
    return QueueRules(
        batches=settings["tcp.stream_queue_buffer"],
        nbytes=settings["tcp.memory_limit"],
        waits=settings["tcp.enable_backpressure"],
        max_age_ns=settings["tcp.stream_max_queue_time"],
        joins=True,
        tuned=settings["tcp.auto_tuning"],
    )


def _duration_ns(text: str) -> int:
    try:
        ns = duration_ns(text)
    except ValueError as error:
        raise SettingError(f"--duration {text!r}: {error}") from None
    if ns <= 0:
        raise SettingError(f"--duration {text!r}: no time at all: write one as in 30s")
    return ns


def never() -> bool:
    """No: the source itself ends."""
    return False


def own_endpoints(settings: Settings) -> list[OwnEndpoint]:
    """Where the settings let a run be reached over the network."""
    found: list[OwnEndpoint] = []
    if settings["metrics.listen"]:
        from lippycat_core.control.prometheus import address

        host, port = address(settings["metrics.listen"])
        found.append(OwnEndpoint("tcp", host, port))
    if profiles_wanted():
        from lippycat_core.control.pprof import HOST, PORT

        found.append(OwnEndpoint("tcp", HOST, PORT))
    return found


def live_driver(host: Host) -> Provider:
    """Who captures: the driver that the settings name, else the best that fits. DriverUnfit where that cannot be."""
    if host.settings["capture.driver"] != AUTO:
        chosen = host.choose("capture")
        if chosen is not None and chosen.name != FILES:
            return chosen
        raise DriverUnfit(f"capture {FILES}: reads files; `lc plugins capture` lists drivers for interfaces")
    live = [one for one in host.candidates("capture") if one.entry.name != FILES]
    for candidate in live:
        if candidate.state == FIT and candidate.provider is not None:
            return candidate.provider
    reasons = "; ".join(f"{one.entry.name}: {one.reason}" for one in live)
    raise DriverUnfit(f"no driver captures from interfaces here: {reasons or 'none is installed'}")


def open_live(
    host: Host,
    source: Input,
    kernels: KernelSet,
    stop: Callable[[], bool],
    tell: Callable[[str], None],
    own: Sequence[OwnEndpoint] = (),
    leave_out: int = 0,
) -> CaptureSource:
    """The capture, open. It ends after `source.duration`, or when `stop()` says so. Packets from and to `own` are left out,
    unless the settings want them. `leave_out` is the index of an interface that is not meant by `any`."""
    provider = live_driver(host)
    settings = host.settings
    options = LiveOptions(
        source.capture_filter,
        settings["capture.snaplen"],
        settings["capture.promisc"],
        settings["capture.buffer_bytes"],
        settings["capture.buffer_packets"],
        settings["capture.immediate"] or settings["tcp.latency_optimization"],
        () if settings["capture.own_traffic"] else tuple(own),
        settings["capture.threads"],
        leave_out,
        _hardware_times(settings),
    )
    end_ns = time.monotonic_ns() + _duration_ns(source.duration) if source.duration is not None else None

    def ended() -> bool:
        return stop() or (end_ns is not None and time.monotonic_ns() >= end_ns)

    opened: CaptureSource = provider.open(interfaces=source.interfaces, kernels=kernels, options=options, stop=ended, tell=tell)
    return opened


CLOCKS = ("kernel", "hardware")


def _hardware_times(settings: Settings) -> bool:
    """Whether the network card's clock gives the times. SettingError where it is neither of the two."""
    asked = settings["capture.timestamps"]
    if asked not in CLOCKS:
        origin = settings.origin("capture.timestamps")
        raise SettingError(f"capture.timestamps: {asked[:40]!r} is no clock: there are {' and '.join(CLOCKS)} ({origin})")
    return bool(asked == CLOCKS[1])


def give_up_powers(
    host: Host,
    wanted: Sequence[Kernel],
    must_write: Sequence[str],
    handed_over: Sequence[str],
    tell: Callable[[str], None],
) -> KernelSet | None:
    """Give up root and all capabilities, and say so where root is kept. Where the kernels of the run lie compiled already they
    are loaded before, for the cache may be one that only root can read; else the answer is None. UsageError where who goes on
    cannot make files in one of the folders `must_write`; those of `handed_over`, which the run made, become theirs."""
    loaded = compiled_already(host, wanted)
    kept = give_up_root(host.settings["capture.user"], must_write=must_write, handed_over=handed_over)
    if kept:
        tell(f"root is kept for this run: {kept}; install lc where all can read it, or name a user with --user")
    return loaded
