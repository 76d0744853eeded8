"""What was measured of match backends: kept for this machine alone, and trusted only where it can be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lippycat_core.host import measured
from lippycat_core.host.discovery import Host
from lippycat_core.host.measured import Measurement

Install = Callable[..., None]
MakeHost = Callable[..., Host]

GPU = Measurement(
    "gpu", "1.0", "a card", "", "2026-01-31", {"contains": {64: 900.0, 4096: 20.0}, "call-id": {64: 700.0, 4096: 10.0}}
)
CPU = Measurement("cpu", "1.0", "2 cores", "", "2026-01-31", {"contains": {64: 70.0, 4096: 60.0}, "call-id": {64: 50.0}})

PROVIDERS = """
from lippycat_core.interfaces.provider import Fitness

class Gpu:
    name, priority = "gpu", 95
    def probe(self):
        return Fitness(self.priority)
    def open(self, **options):
        return self

class Cpu(Gpu):
    name, priority = "cpu", 93
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = measured.usual_path()
    assert path == tmp_path / "cache" / "lippycat" / "backends.json"
    return path


def test_what_is_written_is_read_again(file: Path) -> None:
    assert measured.read(file) == measured.read(None) == []
    measured.write(file, [GPU, CPU])
    assert measured.read(file) == [GPU, CPU]
    other = Measurement("gpu", "1.0", "another card", "1", "2026-02-01", GPU.ns)
    newer = Measurement("cpu", "2.0", "2 cores", "", "2026-02-01", CPU.ns)
    measured.write(file, [other, newer])
    assert measured.read(file) == [GPU, other, newer]
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_figures_are_those_of_the_nearest_size() -> None:
    assert GPU.at(1) == GPU.at(64) == 800
    assert GPU.at(500) == 800
    assert GPU.at(520) == GPU.at(1 << 20) == 15
    assert CPU.at(4096) == 55


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: "null",
        lambda text: "[]",
        lambda text: text[:-9],
        lambda text: "[" * 100_000,
        lambda text: text.replace('"schema": 1', '"schema": 2'),
        lambda text: text.replace('"machine": "', '"machine": "another '),
        lambda text: text.replace("900.0", "-1"),
        lambda text: text.replace("900.0", "NaN"),
        lambda text: text.replace("900.0", "Infinity"),
        lambda text: text.replace("900.0", "null"),
        lambda text: text.replace("900.0", "[]"),
        lambda text: text.replace('"64"', '"0"'),
        lambda text: text.replace('"64"', '"many"'),
        lambda text: text.replace('"a card"', "7"),
        lambda text: json.dumps({**json.loads(text), "measured": [{**json.loads(text)["measured"][0], "ns": {}}]}),
        lambda text: json.dumps({**json.loads(text), "measured": [{**json.loads(text)["measured"][0], "ns": {"x": {}}}]}),
        lambda text: json.dumps({**json.loads(text), "measured": [{}]}),
        lambda text: json.dumps({**json.loads(text), "measured": 7}),
    ],
)
def test_a_file_that_makes_no_sense_counts_for_nothing(spoil: Callable[[str], str], file: Path) -> None:
    measured.write(file, [GPU, CPU])
    spoilt = spoil(file.read_text())
    assert spoilt != file.read_text()
    file.write_text(spoilt)
    assert measured.read(file) == []
    measured.write(file, [CPU])
    assert measured.read(file) == [CPU]


def test_a_file_that_others_may_write_counts_for_nothing(file: Path) -> None:
    measured.write(file, [GPU])
    file.chmod(0o620)
    assert measured.read(file) == []
    file.chmod(0o644)
    assert measured.read(file) == [GPU]


def test_auto_takes_what_is_faster_at_the_batch_size_that_is_set(install: Install, host: MakeHost, file: Path) -> None:
    install("acme", {"lippycat.match": {"gpu": "acme_cards:Gpu", "cpu": "acme_cards:Cpu"}}, acme_cards=PROVIDERS)

    def order(**flags: object) -> tuple[list[str], str]:
        line_up = host({key.replace("__", "."): value for key, value in flags.items()}).line_up("match")
        return [candidate.entry.name for candidate in line_up.drivers if candidate.entry.distribution == "acme"], line_up.why

    assert order() == (["gpu", "cpu"], "")
    measured.write(file, [GPU])
    assert order(gpu__batch_size=64) == (["gpu", "cpu"], "")  # nothing to compare with
    measured.write(file, [CPU])
    assert order() == (["gpu", "cpu"], "")
    why = "measured faster than gpu, 60 against 800 ns with 64 spans at once"
    assert order(gpu__batch_size=64) == (["cpu", "gpu"], why)
    assert order(gpu__batch_size=64, match="gpu") == (["gpu", "cpu"], "")
    assert order(gpu__batch_size=64, match="cpu") == (["cpu", "gpu"], "")
    assert order(gpu__batch_size=64, gpu__device="1") == (["gpu", "cpu"], "")  # that one was not measured
    (chosen,) = [info for info in host({"gpu.batch_size": 64}).catalogue() if (info.kind, info.state) == ("match", "chosen")]
    assert (chosen.name, chosen.reason) == ("cpu", why)


def test_a_difference_that_is_noise_changes_nothing(install: Install, host: MakeHost, file: Path) -> None:
    install("acme", {"lippycat.match": {"gpu": "acme_cards:Gpu", "cpu": "acme_cards:Cpu"}}, acme_cards=PROVIDERS)
    for share, first in ((0.85, "gpu"), (0.75, "cpu")):
        ns = {work: {rows: one * share for rows, one in curve.items()} for work, curve in GPU.ns.items()}
        measured.write(file, [GPU, replace(CPU, ns=ns)])
        chosen = host({"gpu.batch_size": 64}).choose("match")
        assert chosen is not None
        assert chosen.name == first


def test_another_version_is_another_driver(install: Install, host: MakeHost, file: Path) -> None:
    install("acme", {"lippycat.match": {"gpu": "acme_cards:Gpu", "cpu": "acme_cards:Cpu"}}, "2.0", acme_cards=PROVIDERS)
    measured.write(file, [GPU, CPU])
    chosen = host({"gpu.batch_size": 64}).choose("match")
    assert chosen is not None
    assert chosen.name == "gpu"
