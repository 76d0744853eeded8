"""`lc debug` against real runs: a named pipe keeps each alive for as long as a test wants."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "two-calls.pcap"
HEAD = 24
PATIENCE_S = 60.0
Lc = Callable[..., subprocess.CompletedProcess[str]]


class Fed:
    """A run of `lc sniff ... -r FIFO` that reads what it is fed."""

    def __init__(
        self, lc_path: Path, folder: Path, runtime: Path, *args: str, command: tuple[str, ...] = ("sniff", "voip")
    ) -> None:
        folder.mkdir()
        pipe = folder / "pipe"
        os.mkfifo(pipe)
        home = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "XDG_RUNTIME_DIR": str(runtime)}
        words = [str(lc_path), *command, "-r", str(pipe), "--compiler", "pure", *args]
        self.process = subprocess.Popen(
            words, env={**os.environ, **home}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.pid = self.process.pid
        self._pipe = pipe.open("wb", buffering=0)
        self.socket = runtime / "lippycat" / f"{self.pid}.sock"

    def feed(self, data: bytes) -> None:
        self._pipe.write(data)

    def wait_for_socket(self) -> None:
        until(self.socket.exists, self.process)

    def end(self) -> tuple[str, str]:
        """The input ends; what the run wrote."""
        self._pipe.close()
        return self.process.communicate(timeout=PATIENCE_S)

    def kill(self) -> None:
        self._pipe.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def start(lc_path: Path, tmp_path: Path, runtime: Path) -> Iterator[Callable[..., Fed]]:
    runs: list[Fed] = []

    def begin(*args: str, **options: Any) -> Fed:
        runs.append(Fed(lc_path, tmp_path / f"fed{len(runs)}", runtime, *args, **options))
        return runs[-1]

    yield begin
    for run in runs:
        run.kill()


@pytest.fixture
def debug(lc: Lc, runtime: Path) -> Lc:
    return lambda *args: lc("debug", *args, env={"XDG_RUNTIME_DIR": str(runtime)})


def answer(done: subprocess.CompletedProcess[str], code: int = 0) -> Any:
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def packets(debug: Lc, run: Fed, count: int) -> None:
    """Wait until the run has seen so many packets."""
    until(lambda: answer(debug("health", "--json"))["packets"] >= count, run.process)


def test_nothing_runs(debug: Lc) -> None:
    for args in (["health"], ["metrics", "--json"], ["alerts", "--pid", "1"]):
        done = debug(*args)
        assert (done.returncode, done.stdout) == (4, "")
        assert re.fullmatch(r"lc: (nothing runs|no lc runs as process 1).*\n", done.stderr)


def test_the_same_number_everywhere(start: Callable[..., Fed], debug: Lc) -> None:
    """`lc debug`, Prometheus and the summary say the same of the same packets."""
    pytest.importorskip("prometheus_client", reason="prometheus-client is not installed: no metrics over HTTP")
    from prometheus_client.parser import text_string_to_metric_families

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = EXAMPLE.read_bytes()
    run = start("--metrics-listen", f"127.0.0.1:{port}")
    run.feed(data + data[HEAD : HEAD + 16] + data[HEAD + 16 :][:20])  # the last record stops in its middle: it is not counted yet
    run.wait_for_socket()
    packets(debug, run, 1515)
    told = answer(debug("metrics", "--json"))["metrics"]
    with urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        families = list(text_string_to_metric_families(page.read().decode()))
    for path in ("/", "/nope", "/metrics/x"):
        with pytest.raises(HTTPError) as elsewhere:
            urlopen(f"http://127.0.0.1:{port}{path}")
        assert (elsewhere.value.code, elsewhere.value.read()) == (404, b"metrics are at /metrics\n")
    served = {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}
    moving = {"lippycat_uptime_seconds", "lippycat_last_packet_seconds", "lippycat_resident_memory_bytes"}
    compared = 0
    for name, value in told.items():
        if name in moving:
            assert (name,) in served
        elif isinstance(value, dict) and "buckets" in value:
            assert served[f"{name}_count",] == value["count"]
            assert all(served[f"{name}_bucket", end] == count for end, count in value["buckets"].items())
        elif isinstance(value, dict):
            for label, count in value.items():
                assert served[name, label] == count, (name, label)
                compared += 1
        else:
            assert served[name,] == value, name
            compared += 1
    assert compared > 40
    out, _ = run.end()
    summary = json.loads(out.splitlines()[-1])
    accounting = summary["accounting"]
    assert accounting["captured"] == told["lippycat_packets_total"] == 1515
    assert accounting["delivered"] == told["lippycat_packets_delivered_total"]
    assert summary["bytes"] == told["lippycat_bytes_total"]
    assert summary["evicted"] == {table: count for table, count in told["lippycat_evicted_total"].items() if count}
    assert summary["sip"]["copies"] == told["lippycat_repeated_total"]["sip_copy"]


def test_every_topic_has_a_text_and_an_object(start: Callable[..., Fed], debug: Lc) -> None:
    run = start("--sip-user", "alice")
    run.feed(EXAMPLE.read_bytes())
    run.wait_for_socket()
    packets(debug, run, 1515)
    expected = {
        "health": r"packets +1,515\n",
        "summary": r"captured|batches +\d",
        "metrics": r'lippycat_packets_undecodable_total\{reason="bad_header"\} +0\n',
        "streams": r"calls +\d+ ",
        "buffers": r"TCP segments +0 bytes of 50\.0 MiB",
        "alerts": r"no alerts",
        "config": r"voip\.sip_user +alice +- +option --sip-user\n",
        "stacks": r"thread MainThread:\n  .*\n",
        "heap": r"TYPE +COUNT +BYTES\ndict|TYPE",
    }
    for topic, pattern in expected.items():
        done = debug(topic)
        assert done.returncode == 0, (topic, done.stderr)
        assert done.stdout.startswith(f"HEALTHY  process {run.pid}: sniff voip ")
        assert re.search(pattern, done.stdout), (topic, done.stdout)
        told = answer(debug(topic, "--json"))
        assert (told["pid"], told["status"], told["healthy"]) == (run.pid, "healthy", True)
    assert run.socket.stat().st_mode & 0o777 == 0o600


def test_two_runs_are_told_apart_and_a_killed_one_is_cleaned_up(start: Callable[..., Fed], debug: Lc) -> None:
    one, two = start(), start(command=("sniff",))
    for run in (one, two):
        run.feed(EXAMPLE.read_bytes()[: HEAD + 500])
        run.wait_for_socket()
    done = debug("health")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{one.pid} (sniff voip " in done.stderr
    assert f"{two.pid} (sniff " in done.stderr
    assert answer(debug("health", "--json", "--pid", str(two.pid)))["command"] == "sniff"
    one.process.send_signal(signal.SIGKILL)
    one.process.wait()
    assert one.socket.exists()
    assert debug("health", "--pid", str(one.pid)).returncode == 4
    assert not one.socket.exists()
    assert answer(debug("health", "--json"))["pid"] == two.pid
    # A new run removes what a killed one left, too.
    two.process.send_signal(signal.SIGKILL)
    two.process.wait()
    three = start()
    three.feed(EXAMPLE.read_bytes()[:100])
    three.wait_for_socket()
    assert os.listdir(three.socket.parent) == [three.socket.name]


def test_a_silent_pipe_is_degraded_until_packets_come_again(start: Callable[..., Fed], debug: Lc, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("control: {stale_after: 1s}\n")
    run = start("--config", str(config))
    data = EXAMPLE.read_bytes()
    cut = HEAD + 16 + int.from_bytes(data[HEAD + 8 : HEAD + 12], "little")
    run.feed(data[:cut])
    run.wait_for_socket()
    until(lambda: debug("health").returncode == 1, run.process)
    (alert,) = answer(debug("alerts", "--json", "--active-only"), 1)["alerts"]
    assert (alert["name"], alert["cleared"]) == ("stale_capture", None)
    assert debug("health").stdout.startswith("DEGRADED")
    assert re.search(r"ACTIVE +\d\d:\d\d:\d\d +no packet has come for", debug("alerts").stdout)
    record = data[HEAD:cut]
    enough = threading.Event()

    def go_on_feeding() -> None:
        while not enough.wait(0.05):
            run.feed(record)

    feeder = threading.Thread(target=go_on_feeding)
    feeder.start()
    try:
        until(lambda: debug("health").returncode == 0, run.process)
        assert all(alert["cleared"] is not None for alert in answer(debug("alerts", "--json"))["alerts"])
        assert "CLEARED" in debug("alerts").stdout
        assert answer(debug("alerts", "--json", "--active-only"))["alerts"] == []
    finally:
        enough.set()
        feeder.join()
    _, err = run.end()
    told = [line.split(":")[1].strip() for line in err.splitlines() if "no packet has come" in line]
    assert told[0] in ("warning", "critical")
    assert "cleared" in told
    assert all(one != other for one, other in pairwise(told)), "each once"


def test_watch_asks_again_until_the_run_ends(start: Callable[..., Fed], lc_path: Path, runtime: Path) -> None:
    run = start()
    run.feed(EXAMPLE.read_bytes()[:2000])
    run.wait_for_socket()
    watching = subprocess.Popen(
        [str(lc_path), "debug", "health", "--json", "--watch", "0.1"],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    lines = [json.loads(watching.stdout.readline()) for _ in range(3)]
    assert lines[0]["uptime_s"] < lines[2]["uptime_s"]
    run.end()
    _, err = watching.communicate(timeout=PATIENCE_S)
    assert watching.returncode == 4, err
    assert err.count("\n") == 1


def test_ctrl_c_ends_the_run_and_its_socket_at_once(start: Callable[..., Fed], runtime: Path) -> None:
    run = start()
    run.feed(EXAMPLE.read_bytes()[:2000])
    run.wait_for_socket()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.connect(str(run.socket))
        begun = time.monotonic()
        run.process.send_signal(signal.SIGINT)
        out, err = run.process.communicate(timeout=PATIENCE_S)
        assert time.monotonic() - begun < 4.5, "a silent client is not waited for"
    assert (run.process.returncode, err) == (130, "")
    assert json.loads(out.splitlines()[-1])["record"] == "summary"
    assert os.listdir(runtime / "lippycat") == []


def test_a_socket_that_cannot_be_is_said_once_and_stops_nothing(start: Callable[..., Fed], runtime: Path) -> None:
    (runtime / "lippycat").mkdir()
    (runtime / "lippycat").chmod(0o777)
    run = start()
    run.feed(EXAMPLE.read_bytes())
    time.sleep(1.5)
    out, err = run.end()
    assert err.count("\n") == 1
    assert "no control socket: " in err
    assert "not a private folder" in err
    assert run.process.returncode == 0
    assert json.loads(out.splitlines()[-1])["packets"] == 1515


def test_no_control_opens_no_socket(start: Callable[..., Fed], runtime: Path) -> None:
    run = start("--no-control")
    run.feed(EXAMPLE.read_bytes())
    time.sleep(1.5)
    _, err = run.end()
    assert (run.process.returncode, err, os.listdir(runtime)) == (0, "", [])


@pytest.mark.parametrize(
    ("where", "error"),
    [("9464", "is no address"), ("127.0.0.1:99999", "is no address"), ("192.0.2.1:1", "--metrics-listen: 192.0.2.1:1: ")],
)
def test_metrics_that_cannot_be_served_are_an_error_at_once(where: str, error: str, lc: Lc, capture: Path) -> None:
    pytest.importorskip("prometheus_client", reason="prometheus-client is not installed: no metrics over HTTP")
    done = lc("sniff", "-r", capture, "--metrics-listen", where)
    assert done.returncode == 2
    assert error in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_prometheus_client_the_way_out_is_said(lc: Lc, capture: Path, tmp_path: Path) -> None:
    (tmp_path / "prometheus_client.py").write_text("raise ImportError('not here')\n")
    done = lc("sniff", "-r", capture, "--metrics-listen", "127.0.0.1:0", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr == "lc: --metrics-listen: prometheus-client is not installed; pip install 'lippycat-core[metrics]'\n"


def test_profiles_are_served_where_the_environment_asks_for_them(
    start: Callable[..., Fed], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 6060)) == 0:
            pytest.skip("port 6060 of this machine is in use: profiles of a run not tested")
    monkeypatch.setenv("LIPPYCAT_PPROF_ENABLED", "true")
    run, second = start(), start()
    for one in (run, second):
        one.feed(EXAMPLE.read_bytes())
        one.wait_for_socket()
    with urlopen("http://127.0.0.1:6060/debug/pprof/heap") as page:
        assert page.read(2) == b"\x1f\x8b"
    told = [one.end()[1] for one in (run, second)]
    assert sorted(told)[0] == ""
    assert "no profiles at 127.0.0.1:6060: " in sorted(told)[1]
    assert [one.process.returncode for one in (run, second)] == [0, 0]


def test_help_imports_no_control(lc_path: Path) -> None:
    script = (
        "import sys\n"
        "from lippycat_core.cli.main import run\n"
        "run(['debug', '--help'])\n"
        "print([name for name in sys.modules if 'control' in name])"
    )
    done = subprocess.run([str(lc_path.with_name("python")), "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
    assert "health" in done.stdout
