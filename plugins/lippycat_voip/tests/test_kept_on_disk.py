"""The real `lc` and what it leaves on disk: together, when it is stopped, when the disk is full, as another user."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from calls_on_the_wire import Wire, packets_of
from conversations import PLAIN_CALL

from lippycat_core.builtin.files import open_source
from lippycat_core.kernelset import Interpreted
from lippycat_core.testing.packets import write_pcap
from lippycat_core.testing.runs import run
from lippycat_core.testing.wire import FAR, why_not, wire

LC = Path(sys.executable).with_name("lc")
MANY = "".join(
    f"{i * 20} A>B INVITE cid=c{i} sdp=A:{10000 + 2 * i}\n"
    f"{i * 20 + 5} B>A 200 cid=c{i} tag=b sdp=B:{20000 + 2 * i}\n"
    f"{i * 20 + 7} A:{10000 + 2 * i}>B:{20000 + 2 * i} rtp=50 ssrc={i}\n"
    for i in range(60)
)


@pytest.fixture(autouse=True)
def installed() -> None:
    if not LC.exists():
        pytest.skip(f"no lc beside {sys.executable}: install lippycat-core into this environment")


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), **(more or {})}


def lc(folder: Path, *args: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LC, *args], cwd=folder, capture_output=True, text=True, timeout=120, check=False, env=environment(folder, env)
    )


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "in.pcap"
    write_pcap(path, Wire().say(MANY).records())
    return path


def test_a_file_files_of_calls_rotation_packing_encryption_and_commands_at_once(tmp_path: Path, capture: Path) -> None:
    assert lc(tmp_path, "decrypt", "--new-key", "key").returncode == 0
    log = tmp_path / "log.py"
    log.write_text("import json, sys; print(json.dumps([sys.argv[1:], json.load(sys.stdin)]), file=open('log', 'a'))")
    ran = lc(
        tmp_path,
        "sniff",
        "voip",
        "-r",
        capture,
        "-w",
        "all.pcapng.zst",
        "--rotate-count",
        "1000",
        "--per-call-pcap",
        "--per-call-pcap-pattern",
        "{call_id}.pcapng.gz",
        "--encrypt-key-file",
        "key",
        "--voip-command",
        f"{sys.executable} log.py call %callid% %pcap%",
        "--pcap-command",
        f"{sys.executable} log.py file %pcap%",
        "--tcp-io-threads",
        "3",
        "--command-concurrency",
        "1",
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    calls = [record for line in ran.stdout.splitlines() if (record := json.loads(line))["record"] == "call"]
    wholes = sorted(path.name for path in tmp_path.glob("all_*"))
    files = sorted(path.name for path in (tmp_path / "pcaps").iterdir())
    assert len(calls) == len(files) == 60
    assert len(wholes) == 4
    assert all(name.endswith(".lcenc") for name in (*wholes, *files))
    records = Wire().say(MANY).records()
    wanted = [(r.ts_ns, r.data) for r in records]
    kept = []
    for name in wholes:
        assert lc(tmp_path, "decrypt", name, "--key-file", "key").returncode == 0
        kept += packets_of(tmp_path / name.removesuffix(".lcenc"))
    assert [packet[:2] for packet in kept] == wanted
    kept = []
    for name in files[:10]:
        assert lc(tmp_path, "decrypt", f"pcaps/{name}", env={"LIPPYCAT_WRITE__ENCRYPT_KEY_FILE": "key"}).returncode == 0
        kept = packets_of(tmp_path / "pcaps" / name.removesuffix(".lcenc"))
        assert len(kept) == 52
    told = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(arguments[1] for arguments, _ in told if arguments[0] == "call") == sorted(call["call_id"] for call in calls)
    done = {arguments[1]: facts for arguments, facts in told if arguments[0] == "file"}
    assert set(done) == {*wholes, *(f"pcaps/{name}" for name in files)}
    assert sum(facts["packets"] for name, facts in done.items() if name in wholes) == len(records)
    assert all(facts["packets"] == 52 for name, facts in done.items() if name not in wholes)
    assert all(facts["pcap"]["path"] == arguments[2] for arguments, facts in told if arguments[0] == "call")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--rotate-size", "1MB"], "--rotate-size: says when a capture file ends: name one with -w"),
        (["-w", "-", "--rotate-size", "1MB"], "standard output is one stream"),
        (["-w", "x.pcap", "--rotate-keep", "2"], "--rotate-keep: says how many files stay"),
        (["-w", "x.pcap", "--rotate-time", "soon"], "write.rotate_time: 'soon' is not a duration"),
        (["-w", "no/x.pcap", "--rotate-count", "2"], "no: No such file or directory: make the folder"),
        (["-w", "x.pcap", "--rotate-size", "abc"], "(option --rotate-size)"),
        (["-w", "/dev/null", "--rotate-count", "100"], "/dev/null: is no regular file, and --rotate-count makes files beside it"),
        (["--per-call-pcap", "--per-call-pcap-dir", "/proc/foo"], "/proc/foo: No such file or directory: name a folder"),
        (["--per-call-pcap-dir", "x"], "--per-call-pcap-dir: says where files of calls go: add --per-call-pcap"),
        (["--per-call-pcap", "--per-call-pcap-dir", "in.pcap"], "in.pcap: is no folder: name a folder"),
        (["--per-call-pcap", "--per-call-pcap-pattern", "{x}"], "no field {x}"),
        (["--encrypt-key-file", "key"], "--encrypt-key-file: encrypts what is written: name a file with -w"),
        (["-w", "x.pcap", "--encrypt-key-file", "key"], "key: No such file or directory: make a key"),
        (["--pcap-command", "true"], "--pcap-command: runs for finished files, and there are none"),
        (["--voip-command", "no-such-program"], "there is no program no-such-program"),
        (["--command-timeout", "5s"], "--command-timeout: is for commands: add --pcap-command or --voip-command"),
        (["--command-concurrency", "2"], "--command-concurrency: is for commands: add --pcap-command or --voip-command"),
        (["--tcp-io-threads", "0"], "tcp.io_threads: 0 is out of range: 1 to 256 (option --tcp-io-threads)"),
        (["--tcp-compression-level", "40"], "tcp.compression_level: 40 is out of range: 0 to 19"),
    ],
)
def test_what_cannot_be_is_one_line_and_2(tmp_path: Path, capture: Path, args: list[str], said: str) -> None:
    ran = lc(tmp_path, "sniff", "voip", "-r", "in.pcap", *args)
    assert ran.returncode == 2
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert said in line
    assert {path.name for path in tmp_path.iterdir()} <= {"in.pcap", "cache"}


@pytest.mark.parametrize("module", ["zstandard", "cryptography"])
def test_what_is_not_installed_is_one_line(tmp_path: Path, capture: Path, module: str) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / f"{module}.py").write_text("raise ImportError")
    key = tmp_path / "key"
    key.write_text("00" * 32)
    key.chmod(0o600)
    args = ["-w", "x.pcap.zst"] if module == "zstandard" else ["-w", "x.pcap", "--encrypt-key-file", "key"]
    ran = lc(tmp_path, "sniff", "voip", "-r", "in.pcap", *args, env={"PYTHONPATH": str(blocked)})
    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert "is not installed: install lippycat-core[" in line


def test_decrypting_what_was_cut_or_changed(tmp_path: Path, capture: Path) -> None:
    lc(tmp_path, "decrypt", "--new-key", "key")
    lc(tmp_path, "sniff", "-r", "in.pcap", "-w", "x.pcap", "--encrypt-key-file", "key", "--batch-packets", "100")
    whole = (tmp_path / "x.pcap.lcenc").read_bytes()
    (tmp_path / "cut.pcap.lcenc").write_bytes(whole[:-5000])
    ran = lc(tmp_path, "decrypt", "cut.pcap.lcenc", "--key-file", "key")
    assert ran.returncode == 1
    assert "what came before it is whole; what came before it is in cut.pcap" in ran.stderr
    kept = packets_of(tmp_path / "cut.pcap")
    assert 0 < len(kept) < 3120
    assert [packet[:2] for packet in kept] == [(r.ts_ns, r.data) for r in Wire().say(MANY).records()][: len(kept)]
    ran = lc(tmp_path, "decrypt", "cut.pcap.lcenc", "--key-file", "key")
    assert (ran.returncode, "is there already" in ran.stderr) == (2, True)
    (tmp_path / "head.pcap.lcenc").write_bytes(whole[:30])
    ran = lc(tmp_path, "decrypt", "head.pcap.lcenc", "--key-file", "key")
    assert (ran.returncode, (tmp_path / "head.pcap").exists()) == (1, False)
    assert ran.stderr == "lc: head.pcap.lcenc: ends within its header: nothing of it can be read\n"
    with (tmp_path / "x.pcap.lcenc").open("rb") as source:
        command = [LC, "decrypt", "-", "--key-file", "key"]
        piped = subprocess.run(command, cwd=tmp_path, stdin=source, capture_output=True, timeout=120, check=True)
    (tmp_path / "piped.pcap").write_bytes(piped.stdout)
    assert len(packets_of(tmp_path / "piped.pcap")) == 3120
    (tmp_path / "bad.pcap.lcenc").write_bytes(whole[:30_000] + b"\0" + whole[30_001:])
    assert lc(tmp_path, "decrypt", "bad.pcap.lcenc", "--key-file", "key").returncode == 1
    lc(tmp_path, "decrypt", "--new-key", "other")
    ran = lc(tmp_path, "decrypt", "x.pcap.lcenc", "--key-file", "other")
    assert (ran.returncode, (tmp_path / "x.pcap").exists()) == (2, False)
    assert "another key" in ran.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small file system to be had: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["x.pcap", "x.pcapng", "x.pcap.zst"])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_full_disk_is_said_and_nothing_that_fitted_is_lost(
    tmp_path: Path, capture: Path, small_disk: Path, name: str, threads: str
) -> None:
    args = ["-w", f"small/{name}", "--tcp-io-threads", threads, "--tcp-compression-level", "0", "--batch-packets", "64"]
    ran = lc(tmp_path, "sniff", "voip", "-r", "in.pcap", *args)
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert "cannot be written (No space left on device)" in line
    assert '"calls":60' in ran.stdout.splitlines()[-1]
    source = open_source([str(small_disk / name)], Interpreted())
    source.close()
    kept = packets_of(small_disk / name)
    assert len(kept) > 1000
    assert [packet[:2] for packet in kept] == [(r.ts_ns, r.data) for r in Wire().say(MANY).records()][: len(kept)]
    assert not run(small_disk / name).faults or name.endswith(".zst")


@pytest.mark.parametrize("name", ["x.pcap.zst", "x.pcapng.gz", "x.pcapng", "x.pcap.gz.lcenc", "x.pcapng.lcenc"])
def test_one_large_write_is_kept_as_far_as_it_fitted(tmp_path: Path, capture: Path, small_disk: Path, name: str) -> None:
    """All packets come in one batch, which is larger than the disk."""
    args = ["-w", f"small/{name.removesuffix('.lcenc')}", "--tcp-compression-level", "0"]
    if name.endswith(".lcenc"):
        lc(tmp_path, "decrypt", "--new-key", "key")
        args += ["--encrypt-key-file", "key"]
    ran = lc(tmp_path, "sniff", "-r", "in.pcap", *args)
    assert (ran.returncode, "No space left on device" in ran.stderr) == (1, True)
    path = small_disk / name
    if name.endswith(".lcenc"):
        ran = lc(tmp_path, "decrypt", path, "--key-file", "key", "-o", name.removesuffix(".lcenc"))
        assert (ran.returncode, "without its end" in ran.stderr) == (1, True)
        path = tmp_path / name.removesuffix(".lcenc")
    kept = packets_of(path)
    assert len(kept) > 600
    assert [packet[:2] for packet in kept] == [(r.ts_ns, r.data) for r in Wire().say(MANY).records()][: len(kept)]


def test_files_of_calls_on_a_full_disk(tmp_path: Path, capture: Path, small_disk: Path) -> None:
    ran = lc(tmp_path, "sniff", "voip", "-r", "in.pcap", "--per-call-pcap", "--per-call-pcap-dir", "small")
    assert ran.returncode == 1
    first, last = ran.stderr.splitlines()
    assert "No space left on device" in first
    assert "files could not be written to their end" in last
    assert '"calls":60' in ran.stdout.splitlines()[-1]
    assert sum(len(packets_of(path)) for path in small_disk.iterdir() if path.stat().st_size) > 1000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("name", ["x.pcap", "x.pcapng.zst", "x.pcap.gz", "x.pcapng"])
def test_stopped_in_the_middle_all_that_was_written_can_be_read(tmp_path: Path, number: signal.Signals, name: str) -> None:
    """Packets come by a pipe that stays open; the process is stopped when the file has grown."""
    records = Wire().say(MANY).records()
    source = tmp_path / "in.pcap"
    write_pcap(source, records)
    rotated = ["--rotate-count", "1000"] if name.endswith(".pcapng") else []
    command = [LC, "sniff", "-r", "-", "-w", name, "-q", "--tcp-io-threads", "2", "--batch-packets", "200", *rotated]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, env=environment(tmp_path))
    assert process.stdin is not None
    data = source.read_bytes()
    process.stdin.write(data[: len(data) * 3 // 4])
    process.stdin.flush()
    size, until = -1, time.monotonic() + 60
    while time.monotonic() < until:
        now = sum(path.stat().st_size for path in tmp_path.glob("x*"))
        if now > 1000 and now == size:
            break
        size = now
        time.sleep(0.5)
    process.send_signal(number)
    code = process.wait(60)
    process.stdin.close()
    assert code == (-9 if number == signal.SIGKILL else 128 + number)
    kept = [packet for path in sorted(tmp_path.glob("x*")) for packet in packets_of(path)]
    assert len(kept) >= len(records) * 2 // 3
    assert [packet[:2] for packet in kept] == [(r.ts_ns, r.data) for r in records[: len(kept)]]


def test_a_folder_that_the_next_user_cannot_write_is_said_before_anything_is_captured(tmp_path: Path) -> None:
    """Root gives up root; what it could write is not the point."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("not root, or no ip: nothing can be given up")
    code = (
        "from lippycat_core.cli.privileges import give_up_root\n"
        "from lippycat_core.errors import UsageError\n"
        "import ctypes, sys\n"
        "try:\n"
        "    give_up_root('nobody', must_read=(), must_write=[sys.argv[1]], handed_over=sys.argv[2:])\n"
        "except UsageError as error:\n"
        "    print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        mine, theirs = Path(folder, "mine"), Path(folder, "theirs")
        mine.mkdir(mode=0o755)
        theirs.mkdir(mode=0o700)
        said = [
            subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True).stdout
            for paths in ([mine], [theirs, theirs])
        ]
    assert said[0].startswith(f"{mine}: nobody, as whom this run goes on, cannot make files there: choose a folder of theirs")
    assert said[1] == ""


def test_live_packets_come_at_once_and_files_of_calls_are_those_of_the_same_packets(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    example = Path(__file__).parents[3] / "examples" / "two-calls.pcap"
    args = ["sniff", "voip", "-i", FAR, "-w", "-", "--per-call-pcap", "--per-call-pcap-dir", tmp_path / "live", "-q"]
    with wire() as cable, (tmp_path / "out.pcap").open("wb") as out:
        process = cable.start(LC, *args, "--per-call-pcap-pattern", "{call_id}.pcapng", stdout=out)
        cable.wait_until_captured()
        cable.send(example)
        until = time.monotonic() + 30
        written = tmp_path / "out.pcap"
        while not written.stat().st_size or len(packets_of(written)) < len(packets_of(example)):
            assert time.monotonic() < until
            time.sleep(0.2)
        assert process.poll() is None
        came = packets_of(tmp_path / "out.pcap")  # while the capture goes on
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert [packet[1] for packet in came] == [packet[1] for packet in packets_of(example)]
    more = ["--per-call-pcap", "--per-call-pcap-dir", "offline", "--per-call-pcap-pattern", "{call_id}.pcapng", "-q"]
    assert lc(tmp_path, "sniff", "voip", "-r", "out.pcap", *more).returncode == 0
    live, offline = ({path.name: packets_of(path) for path in (tmp_path / name).iterdir()} for name in ("live", "offline"))
    assert live == offline
    assert len(live) == 2


def test_commands_run_for_calls_without_files_too(tmp_path: Path) -> None:
    write_pcap(tmp_path / "in.pcap", Wire().say(PLAIN_CALL).records())
    code = "import sys; open('out', 'w').write(' '.join(sys.argv[1:]))"
    line = f'{sys.executable} -c "{code}" %caller% %called% %state% %code% x%pcap%'
    ran = lc(tmp_path, "sniff", "voip", "-r", "in.pcap", "-q", "--voip-command", line)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "out").read_text() == "alice bob ended 200 x"
