"""Live capture from a command's options: what may be asked for, opening the driver, and giving up root."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from lippycat_core.cli.kernels import compiled_already
from lippycat_core.cli.options import Input
from lippycat_core.cli.privileges import give_up_root
from lippycat_core.errors import ContractError, SettingError, UsageError
from lippycat_core.host.discovery import Host
from lippycat_core.host.units import duration_ns
from lippycat_core.interfaces.capture import CaptureSource
from lippycat_core.kernelset import Kernel, KernelSet

DRIVER = "afpacket"


def check_input(command: str, source: Input) -> None:
    """UsageError where nothing is named to read, files and interfaces both, or a live option without an interface."""
    if source.interfaces:
        if source.read_file:
            raise UsageError("-r and -i: packets come from files or from interfaces: leave one of them out")
        if source.duration is not None:
            _duration_ns(source.duration)
        return
    if not source.read_file:
        raise UsageError(
            f"nothing to read: name a capture file with `lc {command} -r FILE` (- is standard input), "
            f"or an interface with `lc {command} -i NAME`"
        )
    live = {
        "--duration": source.duration,
        "--pcap-buffer-size": source.buffer_bytes,
        "--buffer-size": source.buffer_packets,
        "--snaplen": source.snaplen,
        "--promisc": source.promisc,
        "--user": source.user,
    }
    given = [name for name, value in live.items() if value is not None]
    if given:
        raise UsageError(f"{given[0]}: is for live capture: name an interface with -i, or leave it out")


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


def open_live(
    host: Host, source: Input, kernels: KernelSet, stop: Callable[[], bool], tell: Callable[[str], None]
) -> CaptureSource:
    """The capture, open. It ends after `source.duration`, or when `stop()` says so."""
    from lippycat_core.builtin.afpacket import LiveOptions

    provider = host.choose("capture", DRIVER)
    if provider is None:
        raise ContractError(f"capture {DRIVER}: a driver that was named is there or an error")
    settings = host.settings
    options = LiveOptions(
        source.capture_filter,
        settings["capture.snaplen"],
        settings["capture.promisc"],
        settings["capture.buffer_bytes"],
        settings["capture.buffer_packets"],
        settings["capture.immediate"] or settings["tcp.latency_optimization"],
    )
    end_ns = time.monotonic_ns() + _duration_ns(source.duration) if source.duration is not None else None

    def ended() -> bool:
        return stop() or (end_ns is not None and time.monotonic_ns() >= end_ns)

    opened: CaptureSource = provider.open(interfaces=source.interfaces, kernels=kernels, options=options, stop=ended, tell=tell)
    return opened


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
