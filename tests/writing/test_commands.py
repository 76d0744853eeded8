"""Commands behind a capture: values reach them whole and as nothing else, and none of them holds the run up for ever."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from lippycat_core.errors import UsageError
from lippycat_core.writing.commands import Command, Commands

NAMES = ("pcap", "callid")
NASTY = ["a b", "'", '"', "`id`", "$(id)", "; rm -rf /", "%pcap%", "{pcap}", "*", "-rf", "", "\\", "caf\u00e9"]


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "command.py"
    path.write_text(text)
    return f"{sys.executable} {path}"


def finished(commands: Commands) -> None:
    commands.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lc-command")]


WRITES = """
import json, os, sys
with open(sys.argv[1] + "." + os.environ["LIPPYCAT_PCAP"], "w") as out:
    json.dump([sys.argv[2:], os.environ["LIPPYCAT_CALLID"], json.load(sys.stdin), len(os.listdir("/proc/self/fd"))], out)
"""


def test_values_come_as_arguments_environment_and_json(tmp_path: Path) -> None:
    said: list[str] = []
    commands = Commands(3, 30, said.append)
    command = Command(f"{script(tmp_path, WRITES)} {tmp_path}/out x=%callid%=y %callid% '%pcap% %callid%'", NAMES, "--c")
    for i, value in enumerate(NASTY):
        commands.run(command, {"pcap": str(i), "callid": value}, {"call_id": value, "n": i})
    finished(commands)
    assert said == []
    assert (commands.runs, commands.failures) == (len(NASTY), 0)
    for i, value in enumerate(NASTY):
        arguments, environment, record, _ = json.loads((tmp_path / f"out.{i}").read_text())
        assert arguments == [f"x={value}=y", value, f"{i} {value}"]
        assert environment == value
        assert record == {"call_id": value, "n": i}


def test_control_characters_do_not_reach_a_command_line_but_json_has_them(tmp_path: Path) -> None:
    said: list[str] = []
    commands = Commands(1, 30, said.append)
    command = Command(f"{script(tmp_path, WRITES)} {tmp_path}/out %callid%", NAMES, "--c")
    commands.run(command, {"pcap": "1", "callid": "a\0b\n\x1b[2J"}, {"call_id": "a\0b\n\x1b[2J"})
    finished(commands)
    arguments, environment, record, _ = json.loads((tmp_path / "out.1").read_text())
    assert arguments == [environment] == ["a\\x00b\\n\\x1b[2J"]
    assert record == {"call_id": "a\0b\n\x1b[2J"}


def test_descriptors_of_ours_stay_ours(tmp_path: Path) -> None:
    commands = Commands(1, 30, print)
    kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
    commands.run(Command(f"{script(tmp_path, WRITES)} {tmp_path}/out", NAMES, "--c"), {"pcap": "1", "callid": ""}, {})
    finished(commands)
    for fd in kept:
        os.close(fd)
    assert json.loads((tmp_path / "out.1").read_text())[3] <= 5


def test_a_failure_is_one_clean_line(tmp_path: Path) -> None:
    said: list[str] = []
    commands = Commands(1, 30, said.append)
    line = script(tmp_path, "import sys; print('first\\n\\x1b[31msecond' + 'x' * 100000); sys.exit(3)")
    commands.run(Command(line, NAMES, "--c"), {}, {})
    finished(commands)
    assert len(said) == 1
    assert said[0].startswith(f"command {sys.executable} ended with 3: ")
    assert len(said[0]) < 400
    assert said[0].isprintable()
    assert (commands.runs, commands.failures) == (1, 1)


def test_one_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    said: list[str] = []
    commands = Commands(1, 0.7, said.append)
    text = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[1], "w").write(str(child.pid))
print("waiting", flush=True)
time.sleep(60)
"""
    begun = time.monotonic()
    commands.run(Command(f"{script(tmp_path, text)} {tmp_path}/pid", NAMES, "--c"), {}, {})
    finished(commands)
    assert time.monotonic() - begun < 10
    assert said == [f"command {sys.executable} took longer than 0.7 s and was ended: waiting"]
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child of the command lives on")


def test_one_that_talks_without_end_is_ended_too(tmp_path: Path) -> None:
    said: list[str] = []
    commands = Commands(1, 0.5, said.append)
    commands.run(Command(script(tmp_path, "while True: print('x' * 1000)"), NAMES, "--c"), {}, {})
    finished(commands)
    assert len(said) == 1
    assert "took longer" in said[0]


def test_no_more_run_at_once_than_may(tmp_path: Path) -> None:
    text = """
import os, sys, time
mark = f"{sys.argv[1]}/{os.getpid()}.run"
open(mark, "w").close()
print(len([name for name in os.listdir(sys.argv[1]) if name.endswith(".run")]), file=open(f"{sys.argv[1]}/log", "a"))
time.sleep(0.2)
os.remove(mark)
"""
    commands = Commands(2, 30, print)
    command = Command(f"{script(tmp_path, text)} {tmp_path}", NAMES, "--c")
    for _ in range(8):
        commands.run(command, {}, {})
    finished(commands)
    counts = [int(line) for line in (tmp_path / "log").read_text().split()]
    assert len(counts) == 8
    assert max(counts) == 2


def test_a_full_queue_waits_offline_and_is_told_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lippycat_core.writing import commands as module

    monkeypatch.setattr(module, "MOST_WAITING", 2)
    command = Command(script(tmp_path, "import time; time.sleep(0.2)"), NAMES, "--c")
    patient = Commands(1, 30, print)
    for _ in range(5):
        patient.run(command, {}, {})
    finished(patient)
    assert (patient.runs, patient.failures) == (5, 0)
    said: list[str] = []
    hasty = Commands(1, 30, said.append, patient=False)
    for _ in range(9):
        hasty.run(command, {}, {})
    finished(hasty)
    assert hasty.runs + hasty.failures == 9
    assert hasty.failures >= 5
    assert said[0] == f"command {sys.executable} is not run, for too many wait"


def test_many_failures_are_counted_not_told(tmp_path: Path) -> None:
    said: list[str] = []
    commands = Commands(4, 30, said.append)
    command = Command("false", NAMES, "--c")
    for _ in range(25):
        commands.run(command, {}, {})
    finished(commands)
    assert (len(said), commands.failures) == (11, 25)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no-such-program-here %pcap%", "--c 'no-such-program-here %pcap%': there is no program no-such-program-here"),
        ("echo 'x", "no closing quotation: close the quotes"),
        ("", "--c: an empty command"),
        ("echo %who%", "no value %who%: there are %pcap%, %callid%"),
        ("/bin/sh -c 'echo %callid%'", "sh would run what a packet says"),
        ("%callid% x", "what a packet says would choose the program"),
    ],
)
def test_commands_that_cannot_be(line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Command(line, NAMES, "--c")
