"""What the settings say reaches the driver that captures."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lippycat_core.batchqueue import QueueRules
from lippycat_core.cli.live import idle_options, live_driver, open_live, queue_rules
from lippycat_core.cli.main import run as run_lc
from lippycat_core.cli.options import Input
from lippycat_core.errors import DriverUnfit
from lippycat_core.host.discovery import Host
from lippycat_core.host.installed import Entry
from lippycat_core.host.ranking import FIT, UNFIT, Candidate
from lippycat_core.host.settings import load_settings
from lippycat_core.interfaces.capture import LiveOptions
from lippycat_core.interfaces.provider import Provider
from lippycat_core.kernelset import Interpreted

EXAMPLE = Path(__file__).parents[2] / "examples" / "two-calls.pcap"


def options(**flags: object) -> LiveOptions:
    seen: list[Any] = []
    provider = SimpleNamespace(name="fake", open=lambda **given: seen.append(given["options"]))
    asked = {"capture.driver": "fake", **{key.replace("__", "."): value for key, value in flags.items()}}
    host = cast(Host, SimpleNamespace(settings=load_settings(asked, environ={}), choose=lambda kind: provider))
    open_live(host, Input([], None, False, ("lo",)), Interpreted(), lambda: False, lambda line: None)
    return cast(LiveOptions, seen[0])


@pytest.mark.parametrize("flags", [{"capture__immediate": True}, {"tcp__performance_mode": "low_latency"}])
def test_who_wants_low_latency_gets_packets_at_once(flags: dict[str, object]) -> None:
    assert options(**flags).immediate
    assert not options().immediate


def test_promiscuous_mode_is_asked_for() -> None:
    assert not options().promisc
    assert options(capture__promisc=True).promisc


def idle(*, live: bool, **flags: object) -> str:
    settings = load_settings(
        {key.replace("__", "."): value for key, value in flags.items()}, environ={"LIPPYCAT_CAPTURE__PROMISC": "yes"}
    )
    return idle_options(settings, live=live)


def test_options_that_cannot_act_are_said_and_no_others() -> None:
    assert idle(live=False) == ""  # what a file or the environment says for all runs is no mistake in one
    said = idle(live=False, capture__buffer_packets=5000, tcp__enable_backpressure=False, tcp__memory_limit="1MiB")
    assert said.startswith("--buffer-size, --enable-backpressure: without effect, for packets come from files")
    assert idle(live=True, capture__buffer_packets=5000, tcp__enable_backpressure=False) == ""
    alone = idle(live=True, threads=1, capture__buffer_packets=5000, tcp__stream_max_queue_time="30s")
    assert alone.startswith("--tcp-stream-max-queue-time: without effect, for with --threads 1")


@pytest.mark.parametrize("size", ["5000", "10000"])
def test_the_guide_s_sizes_of_the_ring_are_no_error_with_files(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_lc(["sniff", "voip", "-r", str(EXAMPLE), "--buffer-size", size, "--memory-optimization"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") > 3
    assert err == "lc: --buffer-size: without effect, for packets come from files; it is for live capture (-i)\n"


def test_the_queue_is_as_the_profile_or_the_user_says() -> None:
    def rules(**flags: object) -> QueueRules:
        return queue_rules(load_settings({key.replace("__", "."): value for key, value in flags.items()}, environ={}))

    assert rules() == QueueRules(250, 100 << 20, True, 120 * 10**9, True, True)
    assert rules(tcp__performance_mode="minimal") == QueueRules(50, 25 << 20, True, 60 * 10**9, True, False)
    assert rules(tcp__performance_mode="high_performance") == QueueRules(1000, 500 << 20, False, 180 * 10**9, True, True)
    assert rules(tcp__performance_mode="low_latency") == QueueRules(100, 200 << 20, False, 30 * 10**9, True, False)
    changed = rules(tcp__performance_mode="low_latency", tcp__enable_backpressure="yes", tcp__stream_queue_buffer=7)
    assert changed == QueueRules(7, 200 << 20, True, 30 * 10**9, True, False)


def chosen(*candidates: Candidate) -> str:
    host = SimpleNamespace(settings=load_settings({}, environ={}), candidates=lambda kind: candidates)
    return live_driver(cast(Host, host)).name


def candidate(name: str, state: str = FIT) -> Candidate:
    entry = Entry(name, "x:Y", "x", "1", EntryPoint(name, "x:Y", "lippycat.capture"))
    return Candidate(entry, state, 5, "why not", cast(Provider, SimpleNamespace(name=name)))


def test_the_first_driver_for_interfaces_that_fits_captures() -> None:
    assert chosen(candidate("file"), candidate("afpacket"), candidate("pcap")) == "afpacket"
    assert chosen(candidate("file"), candidate("pcap"), candidate("afpacket", UNFIT)) == "pcap"
    with pytest.raises(DriverUnfit, match="no driver captures from interfaces here: afpacket: why not; pcap: why not"):
        chosen(candidate("file"), candidate("afpacket", UNFIT), candidate("pcap", UNFIT))
