"""What Wireshark asks of `lippycat-extcap` and reads of its answers, and where `lc extcap install` puts it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lippycat_core.builtin.links import links
from lippycat_core.cli import extcap_program
from lippycat_core.cli.extcap_folder import launcher, personal_folder
from lippycat_core.cli.extcap_program import INTERFACES, run
from lippycat_core.cli.main import run as run_lc

SENTENCE = re.compile(r"(extcap|interface|dlt|arg|value) ((?:\{[a-z]+=[^{}\n]*\})+)")
"""A sentence of extcap(4): its word and its parameters in braces."""

KEYS = {
    "extcap": {"version", "help", "display"},
    "interface": {"value", "display"},
    "dlt": {"number", "name", "display"},
    "arg": {"number", "call", "display", "tooltip", "type", "required", "reload", "placeholder", "default", "range"},
    "value": {"arg", "value", "display", "default"},
}
TYPES = {"selector", "string", "boolflag", "unsigned"}
Sentence = tuple[str, dict[str, str]]


def asked(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> list[Sentence]:
    """The sentences of an answer, each as the grammar has it."""
    assert run(args) == code
    found = []
    for line in capsys.readouterr().out.splitlines():
        match = SENTENCE.fullmatch(line)
        assert match is not None, line
        pairs = re.findall(r"\{([a-z]+)=([^{}]*)\}", match[2])
        assert {key for key, _ in pairs} <= KEYS[match[1]]
        assert len(dict(pairs)) == len(pairs)
        found.append((match[1], dict(pairs)))
    return found


@pytest.fixture
def voip_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is or not: a command that the core itself brings stands for the plugin's."""
    monkeypatch.setattr(extcap_program, "COMMAND", "sniff")


def test_interfaces_are_listed(capsys: pytest.CaptureFixture[str], voip_installed: None) -> None:
    first, *others = asked(capsys, "--extcap-interfaces", "--extcap-version=4.4")
    assert first[0] == "extcap"
    assert others == [
        ("interface", {"value": "lippycat-voip", "display": "lippycat: VoIP only"}),
        ("interface", {"value": "lippycat-user", "display": "lippycat: one SIP user"}),
    ]


def test_without_the_plugin_there_are_none(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extcap_program, "COMMAND", "sniff.nothing")
    assert run(["--extcap-interfaces"]) == 0
    out, err = capsys.readouterr()
    assert "interface" not in out
    assert err == "lippycat-extcap: calls need lippycat-voip: pip install lippycat-voip\n"


@pytest.mark.parametrize("name", INTERFACES)
def test_the_dialog(capsys: pytest.CaptureFixture[str], name: str) -> None:
    said = asked(capsys, "--extcap-interface", name, "--extcap-config")
    fields = [keys for word, keys in said if word == "arg"]
    assert [int(one["number"]) for one in fields] == list(range(len(fields)))
    assert {one["type"] for one in fields} <= TYPES
    calls = [one["call"] for one in fields]
    assert ("--sip-user" in calls, "--phone-number" in calls) == (name == "lippycat-user",) * 2
    assert calls[0] == "--device"
    values = [keys for word, keys in said if word == "value"]
    assert [one["value"] for one in values] == [*(link.name for link in links()), "any"]
    assert {one["arg"] for one in values} == {"0"}
    assert [one["default"] for one in values].count("true") == 1


@pytest.mark.parametrize("option", ["device", "--device"])
def test_devices_are_looked_up_again(capsys: pytest.CaptureFixture[str], option: str) -> None:
    said = asked(capsys, "--extcap-interface", "lippycat-voip", "--extcap-config", "--extcap-reload-option", option)
    assert {word for word, _ in said} == {"value"}


def test_link_types(capsys: pytest.CaptureFixture[str]) -> None:
    said = asked(capsys, "--extcap-dlts", "--extcap-interface", "lippycat-voip")
    assert said == [("dlt", {"number": "1", "name": "EN10MB", "display": "Ethernet"})]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("udp port 5060", ""),
        ("vlan and udp", ""),
        ("udp prot 5060", "filter 'udp prot 5060' cannot be used: can't parse filter expression"),
    ],
)
def test_a_filter_is_judged_by_what_is_printed(capsys: pytest.CaptureFixture[str], expression: str, said: str) -> None:
    pytest.importorskip("pcapy", reason="capture filters need pcapy-ng")
    assert run(["--extcap-interface", "lippycat-voip", "--extcap-capture-filter", expression]) == 0
    out = capsys.readouterr().out
    assert out.startswith(said)
    assert out.count("\n") == (1 if said else 0)


ON = ("--extcap-interface", "lippycat-voip")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ((), 2, "Wireshark starts this program; `lc extcap install` puts it where it looks for it"),
        (("--extcap-interface", "eth0", "--extcap-dlts"), 3, "no interface 'eth0': there are lippycat-voip, lippycat-user"),
        (ON, 2, "lippycat-voip: nothing is asked for"),
        ((*ON, "--extcap-config", "--extcap-reload-option", "snaplen"), 2, "snaplen: has no values to look up"),
        ((*ON, "--capture", "--device", "lo"), 4, "--fifo: Wireshark names no pipe"),
        ((*ON, "--capture", "--fifo", "/no/such"), 4, "/no/such: Wireshark's pipe is not there"),
        ((*ON, "--extcap-cleanup-postkill"), 0, ""),
        (("--extcap-config", "--nonsense"), 2, "no such option --nonsense"),
        (("--capture", "--extcap-interface"), 2, "--extcap-interface: its value is missing"),
    ],
)
def test_what_cannot_be_is_one_line(capsys: pytest.CaptureFixture[str], args: tuple[str, ...], code: int, said: str) -> None:
    assert run(args) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"lippycat-extcap: {said}" if said else "")
    assert err.count("\n") == bool(said)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (ON, 3, "no device: choose one in the interface's options"),
        (
            ("--extcap-interface", "lippycat-user", "--device", "lo"),
            2,
            "no user and no number: name one in the interface's options",
        ),
    ],
)
def test_what_is_missing_in_the_dialog_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], code: int, said: str
) -> None:
    pipe = tmp_path / "pipe"
    pipe.touch()
    assert run([*args, "--capture", "--fifo", str(pipe)]) == code
    err = capsys.readouterr().err
    assert err.startswith(f"lippycat-extcap: {said}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--device", "nope"), 3, "no device 'nope': there are lo, "),
        (("--device", "lo,nope"), 3, "no device 'nope': there are lo, "),
        (("--device", "lo", "--extcap-capture-filter", "udp prot"), 2, "filter 'udp prot' cannot be used: "),
        (("--device", "any", "--extcap-capture-filter", "vlan"), 2, "filter 'vlan' cannot be used"),
    ],
)
def test_what_cannot_be_captured_is_said_before_the_pipe_has_a_reader(
    tmp_path: Path, args: tuple[str, ...], code: int, said: str
) -> None:
    """Opening it would wait for one for good."""
    if "--extcap-capture-filter" in args:
        pytest.importorskip("pcapy", reason="capture filters need pcapy-ng")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    program = [sys.executable, "-m", "lippycat_core.cli.extcap_program", *ON, "--capture", "--fifo", str(pipe), *args]
    done = subprocess.run(program, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"lippycat-extcap: {said}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["--extcap-version", "--version"])
def test_the_version(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert asked(capsys, option)[0][0] == "extcap"


def test_who_starts_it_by_hand_is_told_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert capsys.readouterr().out.startswith("Wireshark starts this program")


# -- installing ----------------------------------------------------------------------------------------------------------


def test_the_launcher_is_installed_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "with a space"
    for _ in range(2):  # again over our own
        assert run_lc(["extcap", "install", "--dir", str(folder)]) == 0
    path = folder / "lippycat-extcap"
    assert capsys.readouterr().out.count(f"{path} is in place: Wireshark lists it") == 2
    done = subprocess.run([path, "--extcap-interfaces"], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("extcap {version=")
    assert [entry.name for entry in folder.iterdir()] == ["lippycat-extcap"]
    assert run_lc(["extcap", "install", "--remove", "--dir", str(folder)]) == 0
    assert not path.exists()
    assert run_lc(["extcap", "install", "--remove", "--dir", str(folder)]) == 0
    assert capsys.readouterr().out == f"{path} is removed\n{path}: is not there; nothing to remove\n"


@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_others_put_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str], remove: bool, kind: str) -> None:
    path = tmp_path / "lippycat-extcap"
    if kind == "file":
        path.write_text("#!/bin/sh\nexit 0\n")
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.mkdir()
    before = path.lstat().st_ino
    assert run_lc(["extcap", "install", "--dir", str(tmp_path), *(["--remove"] if remove else [])]) == 1
    assert path.lstat().st_ino == before
    assert not (tmp_path / "elsewhere").exists()
    err = capsys.readouterr().err
    assert err.startswith(f"lc: {path}: is ")
    assert err.count("\n") == 1


def test_a_folder_that_cannot_be_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert run_lc(["extcap", "install", "--dir", str(tmp_path / "file" / "below")]) == 1
    assert run_lc(["extcap", "install", "--dir", ""]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "cannot be written (" in first
    assert first.endswith("): choose another folder with --dir")
    assert second == "lc: --dir: an empty name: name a folder, or leave the option out"


@pytest.mark.parametrize(
    ("version", "folder"),
    [
        (None, ".local/lib/wireshark/extcap"),
        ((4, 6), ".local/lib/wireshark/extcap"),
        ((4, 1), ".local/lib/wireshark/extcap"),
        ((4, 0), ".config/wireshark/extcap"),
        ((3, 6), ".config/wireshark/extcap"),
    ],
)
def test_the_folder_is_that_of_the_version(version: tuple[int, int] | None, folder: str) -> None:
    assert personal_folder(Path("/home/a"), version) == Path("/home/a") / folder


def test_the_launcher_takes_any_path() -> None:
    assert "exec '/a b/it'\"'\"'s/python' -m " in launcher("/a b/it's/python")
