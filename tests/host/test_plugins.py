"""Dissectors and hooks: several are in use at once, and a broken one is left out with a line that says so."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from lippycat_core.events import Event
from lippycat_core.hookspecs import Alert, RunInfo
from lippycat_core.host.discovery import Host

Install = Callable[..., None]
MakeHost = Callable[..., Host]

RUN = RunInfo(("a.pcap",), "sniff voip", ("voip",))
ALERT = Alert("something_failed", "warning", "something failed; another goes on")

HOOKED = """
from lippycat_core.hookspecs import hookimpl

seen = []

class Notes:
    def __init__(self, command):
        self.command = command
    def packets(self, batch):
        seen.append(("packets", batch))
    def emit(self, events):
        seen.append((self.command, events))
    def close(self):
        seen.append("closed")

@hookimpl
def register_sinks(run):
    return [Notes(run.command)]

@hookimpl
def run_started(run):
    seen.append(run)

@hookimpl
def events(events):
    seen.append([event.name for event in events])

@hookimpl
def alert(alert):
    seen.append(alert)

@hookimpl
def run_ended():
    seen.append("ended")
"""

RAISES = """
from lippycat_core.hookspecs import hookimpl

called = []

@hookimpl(tryfirst=True)
def events(events):
    called.append(len(events))
    raise ValueError("this hook\\nis no good")

@hookimpl
def run_ended(summary):
    called.append("ended")
"""


def dissector(name: str, claims: str = "") -> str:
    """Source of a module with a dissector `D`."""
    return f"class D:\n    name = {name!r}\n    claims = {claims!r}\n    def open(self, flow): return self\n"


def state_of(host: Host, kind: str, name: str) -> list[tuple[str, str, str]]:
    return [(i.distribution, i.state, i.reason) for i in host.catalogue() if (i.kind, i.name) == (kind, name)]


def test_all_hooks_are_called_with_the_arguments_that_they_take(install: Install, host: MakeHost) -> None:
    install("acme", {"lippycat.hooks": {"note": "acme_note"}}, acme_note=HOOKED)
    this = host()
    (sink,) = this.hooks.sinks(RUN)
    sink.emit([])
    sink.close()
    run = this.hooks.for_run(RUN)
    run.run_started()
    run.events([Event("call", 1, 2), Event("stream", 1, 3)])
    this.hooks.alert(ALERT)
    run.run_ended({"packets": 3})
    acme_note = sys.modules["acme_note"]

    assert acme_note.seen == [("sniff voip", []), "closed", RUN, ["call", "stream"], ALERT, "ended"]
    assert this.problems == []
    assert state_of(this, "hooks", "note") == [("acme", "chosen", "")]


def test_a_hook_that_raises_is_named_once_and_switched_off(install: Install, host: MakeHost) -> None:
    install("acme", {"lippycat.hooks": {"note": "acme_note"}}, acme_note=HOOKED)
    install("evil", {"lippycat.hooks": {"evil": "evil_hook"}}, evil_hook=RAISES)
    this = host()
    run = this.hooks.for_run(RUN)
    for _ in range(3):
        run.events([Event("call", 1, 2)])
    run.run_ended({})
    acme_note = sys.modules["acme_note"]
    evil_hook = sys.modules["evil_hook"]

    assert evil_hook.called == [1]
    assert acme_note.seen == [["call"], ["call"], ["call"], "ended"]
    assert this.problems == ["hook evil raised in events and is switched off: ValueError: this hook is no good"]


BAD_SINK = """
from lippycat_core.hookspecs import hookimpl

class Full:
    def packets(self, batch): pass
    def emit(self, events): raise OSError("no room")
    def close(self): raise OSError("still no room")

@hookimpl
def register_sinks(run):
    return [Full()]

@hookimpl
def run_ended(summary):
    raise AssertionError("called though switched off")
"""


def test_a_sink_that_raises_is_switched_off_with_its_hook(install: Install, host: MakeHost) -> None:
    install("evil", {"lippycat.hooks": {"evil": "evil_sink"}}, evil_sink=BAD_SINK)
    this = host()
    (sink,) = this.hooks.sinks(RUN)
    sink.emit([Event("call", 1, 2)])
    sink.emit([Event("call", 1, 3)])
    sink.close()
    this.hooks.for_run(RUN).run_ended({})
    assert this.problems == ["hook evil raised in its sink's emit() and is switched off: OSError: no room"]


def test_what_is_no_sink_is_left_out(install: Install, host: MakeHost) -> None:
    install("evil", {"lippycat.hooks": {"evil": "evil_sink"}}, evil_sink=BAD_SINK.replace("[Full()]", "[3]"))
    this = host()
    assert this.hooks.sinks(RUN) == []
    assert this.problems == [
        "hook evil raised in register_sinks and is switched off: TypeError: 3 is no sink: it has no packets()"
    ]


def test_a_hook_that_cannot_be_loaded_is_left_out(install: Install, host: MakeHost) -> None:
    install("acme", {"lippycat.hooks": {"note": "acme_note"}}, acme_note=HOOKED)
    install("evil", {"lippycat.hooks": {"evil": "evil_hook"}}, evil_hook="raise OSError('no such disk')")
    told: list[str] = []
    this = Host(host().settings, told.append)
    this.hooks.for_run(RUN).run_started()
    assert told == this.problems == ["hook evil of evil is left out: OSError: no such disk"]
    acme_note = sys.modules["acme_note"]

    assert acme_note.seen == [RUN]


def test_a_hook_with_arguments_that_no_spec_has_is_left_out(install: Install, host: MakeHost) -> None:
    source = "from lippycat_core.hookspecs import hookimpl\n@hookimpl\ndef events(packets): pass"
    install("evil", {"lippycat.hooks": {"evil": "evil_hook"}}, evil_hook=source)
    this = host()
    this.hooks.for_run(RUN).events([])
    assert len(this.problems) == 1
    assert "evil of evil is left out" in this.problems[0]
    assert "packets" in this.problems[0]


def test_dissectors_come_by_distribution_and_the_broken_are_named(install: Install, host: MakeHost) -> None:
    install("zeta", {"lippycat.dissect": {"z": "zeta_z:D"}}, zeta_z=dissector("z"))
    install("acme", {"lippycat.dissect": {"a": "acme_a:D"}}, acme_a=dissector("a"))
    install("able", {"lippycat.dissect": {"b": "able_b:D"}}, able_b=dissector("other"))
    install("bare", {"lippycat.dissect": {"c": "bare_c:D"}}, bare_c="class D: name = 'c'")
    install("evil", {"lippycat.dissect": {"e": "evil_e:D"}}, evil_e="import no_such_library\nclass D: pass")
    install("mean", {"lippycat.dissect": {"m": "mean_m:D"}}, mean_m="class D:\n    def __init__(self): raise KeyError('m')")
    this = host()
    assert [made.name for made in this.dissectors(["z", "a", "e", "m", "b", "c"])] == ["a", "z"]
    assert this.problems == [
        "dissector e of evil is left out: ModuleNotFoundError: No module named 'no_such_library'",
        "dissector b of able is left out: its entry point is called 'b', the dissector calls itself 'other'",
        "dissector c of bare is left out: it is no dissector: neither name, claims and open() nor what a BulkDissector has",
        "dissector m of mean is left out: KeyError: 'm'",
    ]
    assert [made.name for made in this.dissectors(["z"])] == ["z"]


def test_of_two_dissectors_of_one_name_the_first_distribution_has_it(install: Install, host: MakeHost) -> None:
    install("zeta", {"lippycat.dissect": {"same": "zeta_s:D"}}, zeta_s=dissector("same", "zeta"))
    install("acme", {"lippycat.dissect": {"same": "acme_s:D"}}, acme_s=dissector("same", "acme"))
    this = host()
    assert [made.claims for made in this.dissectors(["same"])] == ["acme"]
    (first, second) = state_of(this, "dissect", "same")
    assert first == ("acme", "chosen", "")
    assert second[:2] == ("zeta", "unfit")
    assert "acme 1.0 has one of the same name" in second[2]


@pytest.mark.parametrize(
    ("value", "source", "reason"),
    [
        ("acme_x:D", "import no_such_library\nclass D: pass", "No module named 'no_such_library'"),
        ("acme_x:D", "from no_such.library import x\nclass D: pass", "No module named 'no_such.library'"),
        ("acme_x:D", "class E: pass", "module 'acme_x' has no attribute 'D'"),
        ("acme_x:D", "class D(:", "SyntaxError"),
        ("acme_y:D", "", "No module named 'acme_y'"),
        ("acme_x.deeper:D", "class D: pass", "No module named 'acme_x.deeper'"),
    ],
)
def test_what_is_wrong_with_a_dissector_shows_without_importing_it(
    value: str, source: str, reason: str, install: Install, host: MakeHost
) -> None:
    install("acme", {"lippycat.dissect": {"x": value}}, acme_x=source)
    ((_, state, why),) = state_of(host(), "dissect", "x")
    assert state == "broken"
    assert reason in why


@pytest.mark.parametrize(
    "source",
    [
        "class D: pass",
        "from os import path as D",
        "import os as D",
        "D = 1",
        "from os.path import *",
        "try:\n    import nothing_at_all\nexcept ImportError: D = 1",
    ],
)
def test_a_good_dissector_is_chosen(source: str, install: Install, host: MakeHost) -> None:
    install("acme", {"lippycat.dissect": {"x": "acme_x:D"}}, acme_x=source)
    assert state_of(host(), "dissect", "x") == [("acme", "chosen", "")]
