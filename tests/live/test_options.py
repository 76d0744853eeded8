"""What the settings say reaches the driver that captures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lippycat_core.builtin.afpacket import LiveOptions
from lippycat_core.cli.live import open_live
from lippycat_core.cli.options import Input
from lippycat_core.host.discovery import Host
from lippycat_core.host.settings import load_settings
from lippycat_core.kernelset import Interpreted


def options(**flags: object) -> LiveOptions:
    seen: list[Any] = []
    provider = SimpleNamespace(open=lambda **given: seen.append(given["options"]))
    settings = load_settings({key.replace("__", "."): value for key, value in flags.items()}, environ={})
    host = cast(Host, SimpleNamespace(settings=settings, choose=lambda kind, name: provider))
    open_live(host, Input([], None, False, ("lo",)), Interpreted(), lambda: False, lambda line: None)
    return cast(LiveOptions, seen[0])


@pytest.mark.parametrize("flags", [{"capture__immediate": True}, {"tcp__performance_mode": "low_latency"}])
def test_who_wants_low_latency_gets_packets_at_once(flags: dict[str, object]) -> None:
    assert options(**flags).immediate
    assert not options().immediate


def test_promiscuous_mode_is_asked_for() -> None:
    assert not options().promisc
    assert options(capture__promisc=True).promisc
