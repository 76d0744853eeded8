"""From options and settings to a virtual interface: what may be asked for, and no packet that comes round again."""

from __future__ import annotations

from collections.abc import Callable

from lippycat_core.builtin.tuntap import TunTap, check_name, same_namespace
from lippycat_core.builtin.vif import Timing, VirtualInterface
from lippycat_core.cli.options import Input
from lippycat_core.errors import SettingError, UsageError
from lippycat_core.host.settings import Settings

KINDS = ("tap", "tun")


def open_interface(settings: Settings, source: Input, tell: Callable[[str], None]) -> VirtualInterface | None:
    """The interface that packets are injected into, up; None where none is asked for. UsageError and SettingError for options
    that make no sense, and what `TunTap` raises."""
    keys = [key for key in settings if key.startswith("vif.") and settings.origin(key).startswith("option")]
    if not settings["vif.enabled"]:
        if keys and keys != ["vif.enabled"]:
            option = settings.origin(next(key for key in keys if key != "vif.enabled")).partition(" ")[2]
            raise UsageError(f"{option}: is for --virtual-interface: add that, or leave it out")
        return None
    name, kind, namespace = settings["vif.name"], settings["vif.type"], settings["vif.netns"]
    check_name(name, f"vif.name ({settings.origin('vif.name')})")
    if kind not in KINDS:
        raise SettingError(f"vif.type: {kind!r} is neither of {', '.join(KINDS)} ({settings.origin('vif.type')})")
    live = bool(source.interfaces)
    if live and "vif.replay_timing" in keys and settings["vif.replay_timing"]:
        raise UsageError("--vif-replay-timing: is for files, live packets go at once: leave it out")
    if settings["vif.speed"] <= 0:
        raise SettingError(f"vif.speed: {settings['vif.speed']:g} is no speed: write 1, or 10 for ten times faster")
    if "vif.speed" in keys and live:
        raise UsageError("--vif-speed: is for files, live packets go at once: leave it out")
    if "vif.speed" in keys and not settings["vif.replay_timing"]:
        raise UsageError("--vif-speed: says how fast the original timing goes: add --vif-replay-timing, or leave it out")
    if name in source.interfaces and same_namespace(namespace):
        raise UsageError(f"-i {name}: is where packets are injected, which would come round again: choose another --vif-name")
    timing = Timing(
        settings["vif.startup_delay"] / 1e9,
        settings["vif.speed"] if settings["vif.replay_timing"] and not live else 0.0,
        live,
        settings["vif.linger"] / 1e9,
    )
    return VirtualInterface(TunTap(name, kind, namespace), kind, timing, tell)


def greeting(settings: Settings) -> str:
    """The line that tells a reader to attach."""
    name, namespace, delay = settings["vif.name"], settings["vif.netns"], settings["vif.startup_delay"]
    where = f" in network namespace {namespace}" if namespace else ""
    when = f"in {settings.shown('vif.startup_delay')}" if delay else "at once"
    return f"{name} is up{where}: packets come {when}"
