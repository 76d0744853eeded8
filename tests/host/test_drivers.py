"""Drivers: ranking, forced choices, and what the host says of each that it did not take."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lippycat_core.errors import DriverUnfit
from lippycat_core.host.discovery import Host, PluginInfo

Install = Callable[..., None]
MakeHost = Callable[..., Host]

PROVIDER = """
from lippycat_core.interfaces.provider import Fitness

class P:
    name = {name!r}

    def probe(self):
        {body}
        return {fitness}

    def open(self, **options):
        return self
"""


def provider(name: str, fitness: str, body: str = "pass") -> str:
    return PROVIDER.format(name=name, fitness=fitness, body=body)


def lines(host: Host, kind: str) -> dict[tuple[str, str], PluginInfo]:
    return {(info.distribution, info.name): info for info in host.catalogue() if info.kind == kind}


def state(info: PluginInfo) -> tuple[str, int | None]:
    return (info.state, info.priority)


def test_the_highest_priority_is_chosen(install: Install, host: MakeHost) -> None:
    install("acme", {"lippycat.match": {"fast": "acme_fast:P"}}, acme_fast=provider("fast", "Fitness(99)"))
    found = lines(host(), "match")
    assert found["acme", "fast"] == PluginInfo("match", "fast", "acme", "1.0", 99, "chosen", "")
    assert state(found["lippycat-core", "pure"]) == ("fit", 10)
    chosen = host().choose("match")
    assert chosen is not None
    assert chosen.name == "fast"


def test_ties_go_by_distribution_then_name(install: Install, host: MakeHost) -> None:
    install("zeta", {"lippycat.match": {"a": "zeta_a:P"}}, zeta_a=provider("a", "Fitness(99)"))
    install(
        "beta",
        {"lippycat.match": {"c": "beta_c:P", "b": "beta_b:P"}},
        beta_c=provider("c", "Fitness(99)"),
        beta_b=provider("b", "Fitness(99)"),
    )
    found = lines(host(), "match")
    assert [key for key, info in found.items() if info.state == "chosen"] == [("beta", "b")]
    fit = [key for key in found if found[key].state in ("chosen", "fit") and key[0] in ("beta", "zeta")]
    assert fit == [("beta", "b"), ("beta", "c"), ("zeta", "a")]


def test_of_two_with_one_name_the_first_by_rank_stands_for_it(install: Install, host: MakeHost) -> None:
    install("zeta", {"lippycat.match": {"fast": "zeta_fast:P"}}, "2.0", zeta_fast=provider("fast", "Fitness(50)"))
    install("beta", {"lippycat.match": {"fast": "beta_fast:P"}}, "3.0", beta_fast=provider("fast", "Fitness(50)"))
    found = lines(host(), "match")
    assert state(found["beta", "fast"]) == ("chosen", 50)
    assert state(found["zeta", "fast"]) == ("unfit", 50)
    assert "beta 3.0 has a driver of the same name" in found["zeta", "fast"].reason
    chosen = host({"match": "fast"}).choose("match")
    assert type(chosen).__module__ == "beta_fast"


def test_a_broken_one_does_not_keep_the_name_from_one_that_fits(install: Install, host: MakeHost) -> None:
    install("beta", {"lippycat.match": {"fast": "beta_fast:P"}}, beta_fast="raise RuntimeError('no luck')")
    install("zeta", {"lippycat.match": {"fast": "zeta_fast:P"}}, zeta_fast=provider("fast", "Fitness(50)"))
    assert type(host({"match": "fast"}).choose("match")).__module__ == "zeta_fast"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise AssertionError('bad\\nnews')", "AssertionError: bad news"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("x = (", "SyntaxError"),
        ("Q = 1", "AttributeError"),
        ("P = 7", "is no provider"),
        ("class P:\n    name = 'odd'", "is no provider"),
        ("class P:\n    def __init__(self): raise ValueError('not today')", "ValueError: not today"),
        (provider("even", "Fitness(1)"), "calls itself 'even'"),
        (provider("odd", "Fitness(1)", "raise OSError('no device')"), "its probe raised OSError: no device"),
        (provider("odd", "5"), "which is no Fitness"),
        (provider("odd", "Fitness('high')"), "which is no Fitness"),
    ],
)
def test_a_broken_driver_is_shown_and_takes_nobody_with_it(source: str, reason: str, install: Install, host: MakeHost) -> None:
    install("acme", {"lippycat.match": {"odd": "acme_odd:P"}}, acme_odd=source)
    found = lines(host(), "match")
    assert state(found["acme", "odd"]) == ("broken", None)
    assert reason in found["acme", "odd"].reason
    assert "\n" not in found["acme", "odd"].reason
    assert state(found["lippycat-core", "pure"]) in (("chosen", 10), ("fit", 10))  # fit, beside a faster one
    with pytest.raises(DriverUnfit, match=r"match odd .*: broken: "):
        host({"match": "odd"}).choose("match")


def test_a_named_driver_that_does_not_fit_is_an_error_with_its_reason(install: Install, host: MakeHost) -> None:
    install("acme", {"lippycat.match": {"gpu": "acme_gpu:P"}}, acme_gpu=provider("gpu", "Fitness(None, 'there is no GPU here')"))
    assert lines(host(), "match")["acme", "gpu"] == PluginInfo(
        "match", "gpu", "acme", "1.0", None, "unfit", "there is no GPU here"
    )
    chosen = host().choose("match")
    assert chosen is not None
    assert chosen.name != "gpu"
    with pytest.raises(DriverUnfit) as refused:
        host(environ={"LIPPYCAT_MATCH": "gpu"}).choose("match")
    assert (
        str(refused.value) == "match gpu (environment LIPPYCAT_MATCH): unfit: there is no GPU here; auto takes the best that fits"
    )
    assert refused.value.exit_code == 2
    with pytest.raises(DriverUnfit, match="match gpu: unfit"):
        host().choose("match", "gpu")


def test_the_command_goes_before_the_setting(install: Install, host: MakeHost) -> None:
    install("acme", {"lippycat.match": {"fast": "acme_fast:P"}}, acme_fast=provider("fast", "Fitness(99)"))
    chosen = host(environ={"LIPPYCAT_MATCH": "fast"}).choose("match", "pure")
    assert chosen is not None
    assert chosen.name == "pure"
    info = lines(host(environ={"LIPPYCAT_MATCH": "pure"}), "match")
    assert state(info["lippycat-core", "pure"]) == ("chosen", 10)
    assert info["lippycat-core", "pure"].reason == "asked for (environment LIPPYCAT_MATCH)"
    assert state(info["acme", "fast"]) == ("fit", 99)


def test_a_name_that_nobody_has_is_an_error_with_the_nearest(host: MakeHost) -> None:
    with pytest.raises(DriverUnfit, match=r"match puer \(option --gpu-backend\): no such driver; did you mean pure\?"):
        host({"match": "puer"}).choose("match")
    with pytest.raises(DriverUnfit, match="there is none at all"):
        host().choose("transport", "pigeon")
    listed = lines(host(environ={"LIPPYCAT_MATCH": "puer"}), "match")
    assert state(listed["lippycat-core", "pure"]) == ("fit", 10)
    assert state(listed["", "puer"]) == ("absent", None)
    assert listed["", "puer"].reason == "asked for (environment LIPPYCAT_MATCH), and no installed distribution brings it"


def test_no_compiler_is_a_choice(host: MakeHost) -> None:
    for name in ("pure", "off"):
        assert host({"compiler": name}).choose("compiler") is None
        assert "chosen" not in {info.state for info in lines(host({"compiler": name}), "compiler").values()}


def test_what_is_not_installed_is_absent_with_the_way_to_get_it(host: MakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = host()
    monkeypatch.setattr(type(bare.installed), "entries", lambda self, kind: [])
    absent = {(info.kind, info.name): info for info in bare.catalogue()}
    assert {info.state for info in absent.values()} == {"absent"}
    assert "pip install lippycat-simd" in absent["compiler", "simd"].reason
    assert "pip install lippycat-voip" in absent["dissect", "voip"].reason
    with pytest.raises(DriverUnfit, match="not installed; pip install lippycat-simd"):
        bare.choose("compiler", "simd")
    assert bare.choose("compiler") is None


def test_listing_plugins_imports_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from lippycat_core.host.discovery import Host\n"
        "from lippycat_core.host.settings import load_settings\n"
        "kinds = {info.kind for info in Host(load_settings(environ={})).catalogue()}\n"
        "assert {'capture', 'compiler', 'match', 'dissect'} <= kinds, kinds\n"
        "heavy = {'numpy', 'numba', 'llvmlite', 'scapy', 'rich', 'yaml', 'textual', 'grpc', 'nats', 'pyopencl', 'pycuda'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={"HOME": str(tmp_path), "PATH": ""}, check=False
    )
    assert (ran.stdout, ran.stderr) == ("[]\n", "")
