from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lippycat_core.cli import main
from lippycat_core.errors import LippycatError, OutputError, UsageError

RECORD_BYTES = 16 + 14 + 20 + 8 + 20
"""One record of the capture `many`."""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("snif", "no command `lc snif`; did you mean `lc sniff`?"),
        ("--versio", "no such option --versio; did you mean --version?; `lc -h` lists the options"),
        ("sniff --formt json", "no such option --formt; did you mean --format?; `lc sniff -h` lists the options"),
        ("sniff -z", "no such option -z; `lc sniff -h` lists the options"),
        ("sniff -r", "option '-r' requires an argument"),
        ("sniff x.pcap", "no command `lc sniff x.pcap`; to read a file write `lc sniff -r x.pcap`"),
        ("sniff -r x -i lo", "-r and -i: packets come from files or from interfaces: leave one of them out"),
        ("sniff -r x --duration 3s", "--duration: is for live capture: name an interface with -i, or leave it out"),
        ("sniff -i lo --duration 0s", "--duration '0s': no time at all: write one as in 30s"),
        ("sniff -i lo,", "an empty interface name: name one as in -i eth0, or any"),
        ("sniff -i any,lo", "-i any,lo: any is all interfaces already: leave the others out"),
        (
            "sniff -r x --format xml",
            "invalid value for --format: 'xml' is no format: write json or text; `lc sniff -h` lists the options",
        ),
        ("plugins compilr", "no kind 'compilr'; did you mean compiler?"),
        ("plugins match --warm", "--warm compiles kernels and lists nothing: leave out KIND and --json"),
        ("plugins --json --warm", "--warm compiles kernels and lists nothing: leave out KIND and --json"),
        ("sniff -- vopi x", "no command `lc sniff vopi`; did you mean `lc sniff voip`?"),
        ("-r x.pcap", "no such option -r; `lc sniff -h` lists the options to read captures with"),
    ],
)
def test_wrong_usage_is_one_line_and_2(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(line.split()) == 2
    assert capsys.readouterr().err == f"lc: {message}\n"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("one\ntwo"), 2, "lc: one two"),
        (OutputError("lost \x1b[2J"), 1, "lc: lost \\x1b[2J"),
        (LippycatError("x"), 1, "lc: x"),
        (ZeroDivisionError("oops"), 1, "lc: internal error: ZeroDivisionError: oops; LIPPYCAT_TRACEBACK=1 shows where"),
        (
            OSError(28, "No space left on device"),
            1,
            "lc: cannot write the results: No space left on device; free some space or write elsewhere",
        ),
        (PermissionError(13, "Permission denied", "/x"), 1, "lc: /x: Permission denied"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_each_error_has_its_line_and_code(
    error: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: list[str]) -> int:
        raise error

    monkeypatch.setattr(main, "_invoke", fail)
    monkeypatch.setattr(main, "_discard_stdout", lambda: None)
    assert main.run([]) == code
    assert capsys.readouterr().err.strip() == line


def test_a_traceback_is_shown_to_who_asks_for_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(args: list[str]) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(main, "_invoke", fail)
    monkeypatch.setenv("LIPPYCAT_TRACEBACK", "1")
    assert main.run([]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["-h", "--help", "", "sniff -h", "sniff --help", "plugins -h", "--version"])
def test_help_and_version_end_with_0(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(line.split()) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(("Usage: lc", "lc "))
    assert shown.err == ""


def test_help_imports_nothing_heavy() -> None:
    heavy = ["numpy", "numba", "pydantic", "rich", "yaml", "scapy", "stevedore", "pluggy", "pcapy"]
    script = (
        "import sys\nfrom lippycat_core.cli.main import run\nrun(['--help'])\n"
        f"sys.exit(str([name for name in {heavy} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"
    assert "sniff" in done.stdout


def test_head_ends_it_quietly(lc_path: Path, many: Path) -> None:
    child = subprocess.Popen([str(lc_path), "sniff", "-r", str(many)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.stderr.read() == b""
    assert child.wait(30) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_with_a_true_summary(lc_path: Path, many: Path, number: signal.Signals, code: int) -> None:
    feed = many.read_bytes()
    child = subprocess.Popen(
        [str(lc_path), "sniff", "-r", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(feed[: 24 + RECORD_BYTES * 100])
    child.stdin.flush()
    child.stdout.readline()
    child.send_signal(number)
    lines = child.stdout.read().splitlines()
    assert child.wait(30) == code
    assert b'"record":"summary"' in lines[-1]
    assert f'"packets":{len(lines)},'.encode() in lines[-1]  # the first line was read above, the last is the summary


def test_the_second_signal_ends_it_at_once(lc_path: Path, many: Path) -> None:
    child = subprocess.Popen(
        [str(lc_path), "sniff", "-r", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(many.read_bytes()[: 24 + RECORD_BYTES])
    child.stdin.flush()
    child.stdout.readline()  # it runs, and waits for more
    child.send_signal(signal.SIGINT)
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 130  # while standard input is still open


def test_a_signal_during_the_imports_leaves_no_traceback(tmp_path: Path) -> None:
    """Whenever it comes after Python itself has started."""
    script = (
        "import os, signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'lippycat_core.cli.main':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from lippycat_core.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_full_standard_error_does_not_change_the_code(lc_path: Path) -> None:
    done = subprocess.run(f"{lc_path} sniff -r nothing.pcap 2>/dev/full", shell=True, check=False)
    assert done.returncode == 2


def test_a_closed_output_is_no_crash(lc_path: Path, capture: Path) -> None:
    for command in ("--help", f"sniff -r {capture}", f"sniff -r {capture} --format text"):
        done = subprocess.run(f"{lc_path} {command} >&-", shell=True, capture_output=True, text=True, check=False)
        assert done.returncode == 0
        assert "error" not in done.stderr
