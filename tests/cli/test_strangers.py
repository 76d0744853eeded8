"""What a stranger's plugin can do to `lc`: everything here is an installed distribution, made up for the test."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Lc = Callable[..., subprocess.CompletedProcess[str]]
Install = Callable[[str, str, str], dict[str, str]]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Installs a distribution `stranger` with one entry point and the module `stranger`; gives the environment to see it."""

    def put(group: str, entry: str, source: str) -> dict[str, str]:
        site = tmp_path / "site"
        meta = site / "stranger-1.2.dist-info"
        meta.mkdir(parents=True)
        (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.2\n")
        (meta / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")
        (site / "stranger.py").write_text(source)
        return {"PYTHONPATH": str(site)}

    return put


def summary(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert record["record"] == "summary"
    return record


COMMAND = '''
from typing import Annotated
import typer

def paint(colour: Annotated[str, typer.Option("--colour")] = "red", bright: bool = True) -> int:
    """Paint a packet.

    More about it.
    """
    print(colour, bright)
    return 7
'''


def test_a_command_is_listed_by_its_docstring_and_runs(lc: Lc, install: Install) -> None:
    env = install("lippycat.commands", "paint = stranger:paint", COMMAND)
    assert re.search(r"^  paint +Paint a packet\.$", lc("--help", env=env).stdout, re.MULTILINE)
    done = lc("paint", "--colour=blue", "--bright=false", env=env)
    assert (done.returncode, done.stdout) == (7, "blue False\n")
    assert "More about it." in lc("paint", "-h", env=env).stdout


def test_a_command_below_another_makes_it_a_group(lc: Lc, install: Install) -> None:
    env = install("lippycat.commands", "sniff.paint = stranger:paint", COMMAND)
    assert "Paint a packet." in lc("sniff", "-h", env=env).stdout
    assert lc("sniff", "paint", env=env).stdout == "red True\n"


def test_a_word_without_a_command_lists_what_is_below(lc: Lc, install: Install) -> None:
    env = install("lippycat.commands", "art.paint = stranger:paint", COMMAND)
    assert "Commands: paint" in lc("--help", env=env).stdout
    assert "Paint a packet." in lc("art", env=env).stdout


def test_listing_commands_imports_none(lc: Lc, install: Install) -> None:
    env = install("lippycat.commands", "paint = stranger:paint", COMMAND + "\nprint('imported')\n")
    assert "imported" not in lc("--help", env=env).stdout


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module\n" + COMMAND, "No module named 'no_such_module'"),
        (COMMAND.replace("def paint", "def draw"), "no attribute 'paint'"),
        ("def paint(:\n", "SyntaxError"),
    ],
)
def test_a_broken_command_is_listed_as_broken_and_fails_in_one_line(lc: Lc, install: Install, source: str, reason: str) -> None:
    env = install("lippycat.commands", "paint = stranger:paint", source)
    listed = lc("--help", env=env)
    assert listed.returncode == 0
    assert "(broken: " in listed.stdout
    done = lc("paint", env=env)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("lc: command `paint` of stranger cannot be loaded: ")
    assert reason in done.stderr


def test_a_command_that_raises_is_one_line(lc: Lc, install: Install) -> None:
    env = install("lippycat.commands", "paint = stranger:paint", "def paint():\n    raise ValueError('no colour')\n")
    done = lc("paint", env=env)
    assert done.returncode == 1
    assert done.stderr == "lc: internal error: ValueError: no colour; LIPPYCAT_TRACEBACK=1 shows where\n"


DISSECTOR = """
from lippycat_core.interfaces.dissect import Claim

class Session:
    def feed(self, side, data, ts_ns):
        {body}

class Echo:
    name = "echo"
    claims = (Claim("udp", ports=(5000,)),)
    def open(self, flow):
        return Session()
"""


def test_a_dissectors_events_follow_their_packets(lc: Lc, install: Install, capture: Path) -> None:
    source = DISSECTOR.format(body="return [('echo', {'said': data.decode(), 'at': ts_ns})]")
    env = install("lippycat.dissect", "echo = stranger:Echo", source)
    records = [json.loads(line) for line in lc("sniff", "-r", capture, env=env).stdout.splitlines()]
    assert [record["record"] for record in records] == ["packet", "echo"] * 5 + ["summary"]
    assert records[1] == {"record": "echo", "schema": 1, "said": "xxxx", "at": 1_700_000_000_000_000_000}
    one_by_one = lc("sniff", "-r", capture, "--batch-packets", "1", env=env).stdout.splitlines()
    assert [json.loads(line) for line in one_by_one[:-1]] == records[:-1]


def test_what_a_dissector_says_is_made_printable(lc: Lc, install: Install, capture: Path) -> None:
    env = install(
        "lippycat.dissect", "echo = stranger:Echo", DISSECTOR.format(body=r"return [('echo', {'said': 'a\x1b[2J b', 'n': [1]})]")
    )
    lines = lc("sniff", "-r", capture, "--format", "text", env=env).stdout.splitlines()
    assert lines[1] == r'      1 22:13:20.000000 echo: said="a\x1b[2J b" n=[1]'


def test_a_dissector_that_raises_is_named_and_the_run_goes_on(lc: Lc, install: Install, capture: Path) -> None:
    env = install("lippycat.dissect", "echo = stranger:Echo", DISSECTOR.format(body="raise ValueError('too short')"))
    done = lc("sniff", "-r", capture, env=env)
    assert done.stderr == "lc: dissector echo raised ValueError: too short; it is switched off for the rest of the run\n"
    assert done.returncode == 1
    assert summary(done)["packets"] == 5


def test_a_dissector_cannot_end_the_process(lc: Lc, install: Install, capture: Path) -> None:
    env = install("lippycat.dissect", "echo = stranger:Echo", DISSECTOR.format(body="raise SystemExit(9)"))
    done = lc("sniff", "-r", capture, env=env)
    assert done.stderr == "lc: dissector echo raised SystemExit: 9; it is switched off for the rest of the run\n"
    assert done.returncode == 1
    assert summary(done)["packets"] == 5


def test_what_a_dissector_says_is_made_json(lc: Lc, install: Install, capture: Path) -> None:
    body = "return [('echo', {'raw': b'\\xff!', 'nan': float('nan'), 'all': (1, {2: {3}}), 'odd': object()})]"
    env = install("lippycat.dissect", "echo = stranger:Echo", DISSECTOR.format(body=body))
    done = lc("sniff", "-r", capture, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout.splitlines()[1])
    assert said == {"record": "echo", "schema": 1, "raw": "\ufffd!", "nan": None, "all": [1, {"2": [3]}], "odd": "object"}


def test_a_dissector_that_cannot_be_imported_is_left_out(lc: Lc, install: Install, capture: Path) -> None:
    env = install("lippycat.dissect", "echo = stranger:Echo", "raise RuntimeError('no licence')\n")
    done = lc("sniff", "-r", capture, env=env)
    assert done.stderr == "lc: dissector echo of stranger is left out: RuntimeError: no licence\n"
    assert done.returncode == 0
    assert summary(done)["packets"] == 5


def test_a_hook_that_raises_is_switched_off(lc: Lc, install: Install, capture: Path) -> None:
    source = """
from lippycat_core.hookspecs import hookimpl

@hookimpl
def run_ended(summary):
    raise ValueError("nobody listens")
"""
    env = install("lippycat.hooks", "alarm = stranger", source)
    done = lc("sniff", "-r", capture, env=env)
    assert done.stderr == "lc: hook alarm raised in run_ended and is switched off: ValueError: nobody listens\n"
    assert done.returncode == 0


def test_a_hook_may_bring_a_sink(lc: Lc, install: Install, capture: Path) -> None:
    source = """
import sys
from lippycat_core.hookspecs import hookimpl

class Counter:
    rows = 0
    def packets(self, batch):
        self.rows += batch.rows
    def emit(self, events):
        pass
    def close(self):
        print(self.rows, "packets seen", file=sys.stderr)

@hookimpl
def register_sinks(run):
    return [Counter()] if run.command == "sniff" else []
"""
    env = install("lippycat.hooks", "count = stranger", source)
    assert lc("sniff", "-r", capture, env=env).stderr == "5 packets seen\n"


def test_a_compiler_that_cannot_be_opened_is_one_line(lc: Lc, install: Install, capture: Path) -> None:
    source = """
from lippycat_core.interfaces.provider import Fitness

class Fast:
    name = "fast"
    def probe(self):
        return Fitness(99)
    def open(self, **options):
        raise OSError("no card")
"""
    env = install("lippycat.compiler", "fast = stranger:Fast", source)
    for line in (["sniff", "-r", str(capture), "--compiler", "fast"], ["plugins", "--warm"]):
        done = lc(*line, env=env)
        assert done.returncode == 1
        assert done.stderr.startswith("lc: compiler fast cannot be opened: OSError: no card; `--compiler pure`")
        assert done.stderr.count("\n") == 1


def test_a_driver_whose_probe_raises_is_shown_as_broken(lc: Lc, install: Install, capture: Path) -> None:
    source = """
class Fast:
    name = "fast"
    def probe(self):
        raise OSError("no card")
    def open(self):
        pass
"""
    env = install("lippycat.compiler", "fast = stranger:Fast", source)
    found = {row["name"]: row for row in json.loads(lc("plugins", "--json", env=env).stdout)}
    assert set(found["fast"]) == {"kind", "name", "distribution", "version", "priority", "state", "reason"}
    assert found["fast"]["state"] == "broken"
    assert "no card" in found["fast"]["reason"]
    assert lc("sniff", "-r", capture, env=env).returncode == 0
    forced = lc("sniff", "-r", capture, "--compiler", "fast", env=env)
    assert forced.returncode == 2
    assert "no card" in forced.stderr
