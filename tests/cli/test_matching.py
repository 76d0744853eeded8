"""Match backends as a user meets them: options, the line that says who was taken, devices that fail, `lc backends`."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Lc = Callable[..., subprocess.CompletedProcess[str]]
Stranger = Callable[..., dict[str, str]]

BACKENDS = """
import os
import time
from lippycat_core.builtin.match import PureProvider
from lippycat_core.errors import DeviceFailed, SettingError
from lippycat_core.interfaces.provider import Fitness

class Tool:
    def __init__(self, backend, tool):
        self.backend, self.tool, self.close = backend, tool, tool.close
    def submit(self, spans, **options):
        time.sleep(float(os.environ.get("FAKE_SLEEP_" + self.backend.name, 0)))
        self.backend.call("submit")
        self.tool.submit(spans, **options)
    def collect(self):
        self.backend.call("collect")
        answer = self.tool.collect()
        return type(answer)(*(column[:-1] for column in answer)) if "FAKE_WRONG" in os.environ else answer

class Card:
    memory = 3 << 30
    def __init__(self, name, options):
        self.name, self.pure = name, PureProvider().open()
        self.device = os.environ.get("FAKE_DEVICE", "a card") + " with " + ", ".join(
            f"{key}={value}" for key, value in sorted(options.items()) if key in ("batch_size", "max_memory", "device"))
        self.step, _, number = os.environ.get("FAKE_FAIL_" + name, "").partition(" ")
        self.left = int(number or 1)
        self.call("open")
        if options["device"] == "7":
            raise SettingError("gpu.device: there is no device 7; there is 0")
    def call(self, step):
        if step == self.step:
            self.left -= 1
            if self.left <= 0:
                raise DeviceFailed("the card fell off the bus")
    def compile(self, patterns):
        self.call("compile")
        return Tool(self, self.pure.compile(patterns))
    def extractor(self, names):
        self.call("compile")
        return Tool(self, self.pure.extractor(names))
    def close(self):
        if "FAKE_SAY_CLOSED" in os.environ:
            print("closed")

class Provider:
    def probe(self):
        return Fitness(self.priority, "" if self.priority else "there is no card; plug one in")
    def open(self, **options):
        assert set(options) == {"batch_size", "max_memory", "device", "cache_dir", "input_bytes", "wait"}, options
        return Card(self.name, options)

class Gpu(Provider):
    name, priority = "gpu", 95

class Cpu(Provider):
    name, priority = "cpu", 93

class Gone(Provider):
    name, priority = "gone", None

class Odd(Provider):
    name, priority = "odd", 1
    def probe(self):
        raise OSError("no bus")
"""

COMMAND = '''
import sys
from lippycat_core.cli.options import Input, Match, Run, input_options, match_options, run_options, with_options

class Texts:
    name = "texts"
    def __init__(self, backend):
        import numpy as np
        from lippycat_core.interfaces.dissect import Claim
        from lippycat_core.interfaces.match import Anchor, Pattern, PatternSet, Spans
        self.claims = (Claim("udp", ports=(5000,)),)
        matcher = backend.compile(PatternSet([Pattern(b"xxxxx", Anchor.CONTAINS)]))
        def hits(data):
            span = Spans(np.frombuffer(data, np.uint8), np.zeros(1, np.int32), np.array([len(data)], np.int32))
            matcher.submit(span)
            return matcher.collect().offset.tolist()
        self.hits = hits
    def open(self, flow):
        return self
    def feed(self, side, data, ts_ns):
        return [("text", {"hits": self.hits(data)})]

@with_options(source=input_options, run=run_options, match=match_options)
def scan(*, source: Input, run: Run, match: Match) -> int:
    """Look for five x."""
    from lippycat_core.builtin.jsonlines import JsonLines
    from lippycat_core.cli.compose import Setup
    setup = Setup("scan", source, run, match.flags())
    return setup.analyse([Texts(setup.match_backend("texts"))], [JsonLines(sys.stdout.buffer)]).report()
'''

HOOK = """
from lippycat_core.hookspecs import hookimpl

@hookimpl
def alert(alert):
    print("ALERT", alert.name, alert.level, alert.message, alert.ts_ns)
"""

HITS = [[], [0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]
"""Of five x in 4, 5, 6, 7 and 8 of them: what the capture holds."""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled kernels lie, so that they are compiled once."""
    folder = tmp_path_factory.mktemp("compiled")
    folder.chmod(0o700)
    return folder


@pytest.fixture
def stranger(tmp_path: Path, compiled: Path) -> Stranger:
    """Installs a distribution with these match backends, a command `lc scan` and a hook; gives the environment to see it."""

    def put(*backends: str, **environ: str) -> dict[str, str]:
        site = tmp_path / "site"
        meta = site / "stranger-1.2.dist-info"
        meta.mkdir(parents=True, exist_ok=True)
        (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.2\n")
        points = "".join(f"{name} = stranger_cards:{name.capitalize()}\n" for name in backends)
        (meta / "entry_points.txt").write_text(
            f"[lippycat.match]\n{points}[lippycat.commands]\nscan = stranger_scan:scan\n[lippycat.hooks]\nbell = stranger_hook\n"
        )
        (site / "stranger_cards.py").write_text(BACKENDS)
        (site / "stranger_scan.py").write_text(COMMAND)
        (site / "stranger_hook.py").write_text(HOOK)
        places = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "LIPPYCAT_CACHE_DIR": str(compiled)}
        return {"PYTHONPATH": str(site), **places, **environ}

    return put


def hits(done: subprocess.CompletedProcess[str]) -> list[list[int]]:
    records = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [record["hits"] for record in records if record["record"] == "text"]


CARD = "a card with batch_size=1024, device=, max_memory=0"


def taken(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    assert hits(done) == HITS
    (line,) = done.stderr.splitlines()
    return line


def test_auto_takes_the_best_and_says_so_once(lc: Lc, stranger: Stranger, capture: Path) -> None:
    env = stranger("cpu", "gpu", "gone", "odd")
    assert taken(lc("scan", "-r", capture, env=env)) == f"lc: texts are matched by gpu on {CARD}"
    assert taken(lc("scan", "-r", capture, "--gpu-backend", "auto", env=env | {"LIPPYCAT_MATCH": "cpu"})).startswith(
        "lc: texts are matched by gpu "
    )
    quiet = lc("scan", "-r", capture, "-q", env=env)
    assert (hits(quiet), quiet.stderr) == (HITS, "")


def test_nothing_is_said_where_nothing_is_matched(lc: Lc, stranger: Stranger, capture: Path) -> None:
    assert lc("sniff", "-r", capture, env=stranger("gpu", FAKE_FAIL_gpu="open")).stderr == ""


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("cpu", "option"),
        ("cpu", "environment"),
        ("cpu", "file"),
        ("pure", "option"),
        ("disabled", "option"),
        ("disabled", "file"),
    ],
)
def test_a_name_is_taken_from_option_environment_and_file(
    name: str, way: str, lc: Lc, stranger: Stranger, capture: Path, tmp_path: Path
) -> None:
    """Whoever named it need not be told; that it is the one shows in its failure, or in none where the card is not used."""
    fails = {"FAKE_FAIL_cpu": "collect 2", "FAKE_FAIL_gpu": "open"}
    config = tmp_path / "settings.yaml"
    config.write_text(f"match: {name}\ngpu: {{batch_size: 64, device: 0}}\n")
    given = {
        "option": (["--gpu-backend", name], {"LIPPYCAT_MATCH": "gpu"}),
        "environment": ([], {"LIPPYCAT_MATCH": name}),
        "file": (["--config", str(config)], {}),
    }
    options, environ = given[way]
    done = lc("scan", "-r", capture, *options, env=stranger("cpu", "gpu", **fails, **environ))
    assert (done.returncode, hits(done)) == (0, HITS)
    assert done.stderr.startswith("lc: match cpu: collect failed: the card fell off the bus; " if name == "cpu" else "")
    assert bool(done.stderr) == (name == "cpu")


def test_cpu_simd_is_simd(lc: Lc, stranger: Stranger, capture: Path) -> None:
    done = lc("plugins", "match", "--json", env=stranger("gpu", LIPPYCAT_MATCH="cpu-simd"))
    chosen = [row["name"] for row in json.loads(done.stdout) if row["state"] == "chosen"]
    assert chosen in (["simd"], [])  # where lippycat-simd is not installed


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--gpu-backend gpx", "match gpx (option --gpu-backend): no such driver; did you mean gpu?"),
        ("--gpu-backend CUDA", "match CUDA (option --gpu-backend): no such driver; did you mean cuda?"),
        (
            "--gpu-backend gone",
            "match gone (option --gpu-backend): unfit: there is no card; plug one in; auto takes the best that fits",
        ),
        (
            "--gpu-backend odd",
            "match odd (option --gpu-backend): broken: its probe raised OSError: no bus; auto takes the best that fits",
        ),
        ("--gpu-batch-size 0", "gpu.batch_size: 0 is out of range: 1 to 1048576 (option --gpu-batch-size)"),
        ("--gpu-device 7", "gpu.device: there is no device 7; there is 0"),
        ("--gpu-backend gpu --gpu-device 7", "gpu.device: there is no device 7; there is 0"),
    ],
)
def test_what_cannot_be_had_is_one_line_and_2(options: str, said: str, lc: Lc, stranger: Stranger, capture: Path) -> None:
    done = lc("scan", "-r", capture, *options.split(), env=stranger("cpu", "gpu", "gone", "odd"))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"lc: {said}\n")


def test_what_is_not_installed_says_how_to_get_it(lc: Lc, stranger: Stranger, capture: Path) -> None:
    cuda = lc("plugins", "match", "--json", env=stranger("gpu"))
    (row,) = [row for row in json.loads(cuda.stdout) if row["name"] == "cuda"]
    if row["state"] != "absent":
        pytest.skip("lippycat-cuda is installed")
    done = lc("scan", "-r", capture, "--gpu-backend", "cuda", env=stranger("gpu"))
    assert done.returncode == 2
    assert done.stderr == "lc: match cuda (option --gpu-backend): not installed; pip install lippycat-cuda\n"


def test_a_named_backend_that_cannot_be_opened_is_an_error(lc: Lc, stranger: Stranger, capture: Path) -> None:
    done = lc("scan", "-r", capture, "--gpu-backend", "gpu", env=stranger("cpu", "gpu", FAKE_FAIL_gpu="open"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "lc: match gpu: cannot be opened: the card fell off the bus; auto takes the best that fits\n"


def test_a_wish_that_cannot_be_had_is_said_though_nothing_is_matched(lc: Lc, stranger: Stranger, capture: Path) -> None:
    pytest.importorskip("lippycat_voip", reason="lippycat-voip is not installed: no command that may match or not")
    done = lc("sniff", "voip", "-r", capture, "--gpu-backend", "gone", env=stranger("gone"))
    assert done.returncode == 2
    assert "there is no card" in done.stderr


def test_what_a_device_may_use_comes_from_the_options(lc: Lc, stranger: Stranger, capture: Path) -> None:
    options = ("--gpu-batch-size", "64", "--gpu-max-memory", "2GiB", "--gpu-device", "H100")
    done = lc("scan", "-r", capture, *options, env=stranger("gpu"))
    assert taken(done).endswith(f"with batch_size=64, device=H100, max_memory={2 << 30}")


@pytest.mark.parametrize(
    ("fails", "begin", "shares"),
    [
        ({"gpu": "open"}, "open", ""),
        ({"gpu": "compile"}, "compile", "5 batches by cpu; 1 failure"),
        ({"gpu": "submit"}, "submit", "5 batches by cpu; 1 failure"),
        ({"gpu": "submit 4"}, "submit", "3 batches by gpu, then 2 batches by cpu; 1 failure"),
        ({"gpu": "collect 2"}, "collect", "1 batch by gpu, then 4 batches by cpu; 1 failure"),
        ({"gpu": "collect 5", "cpu": "open"}, "collect", "4 batches by gpu, then 1 batch by {}; 2 failures"),
    ],
)
def test_a_device_that_fails_loses_nothing_and_is_told_to_users_and_plugins(
    fails: Mapping[str, str], begin: str, shares: str, lc: Lc, stranger: Stranger, capture: Path
) -> None:
    env = stranger("cpu", "gpu", **{f"FAKE_FAIL_{name}": how for name, how in fails.items()})
    done = lc("scan", "-r", capture, "-q", env=env)
    assert (done.returncode, hits(done)) == (0, HITS)
    said = done.stderr.splitlines()
    failures = [line for line in said if "failed" in line]
    assert failures[0].startswith(f"lc: match gpu: {begin} failed: the card fell off the bus; cpu goes on")
    alerts = [line for line in done.stdout.splitlines() if line.startswith("ALERT")]
    assert alerts == [f"ALERT match_backend_failed warning {line.removeprefix('lc: ')} None" for line in failures]
    assert len(failures) == len(fails)
    last = failures[-1].partition(" goes on")[0].rpartition(" ")[2]
    assert said[-1].startswith(f"lc: texts were matched in {shares.format(last)}" if shares else "lc: texts were matched in")


def test_the_backend_is_closed_at_the_end(lc: Lc, stranger: Stranger, capture: Path) -> None:
    done = lc("scan", "-r", capture, env=stranger("gpu", FAKE_SAY_CLOSED="1"))
    assert done.stdout.splitlines().count("closed") == 1


# -- lc backends ------------------------------------------------------------------------------------------------------------


def listed(lc: Lc, *options: str, env: Mapping[str, str], code: int = 0) -> dict[str, dict[str, Any]]:
    done = lc("backends", "--json", *options, env=env)
    assert done.returncode == code, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)}


def test_backends_are_listed_with_device_and_memory(lc: Lc, stranger: Stranger) -> None:
    rows = listed(lc, env=stranger("gpu", "cpu", "gone", "odd", FAKE_FAIL_cpu="open"))
    assert rows["gpu"] == {
        "name": "gpu",
        "distribution": "stranger",
        "version": "1.2",
        "priority": 95,
        "state": "chosen",
        "reason": "",
        "device": CARD,
        "memory": 3 << 30,
        "measured": None,
    }
    assert (rows["cpu"]["state"], rows["cpu"]["reason"]) == ("broken", "cannot be opened: the card fell off the bus")
    assert (rows["gone"]["state"], rows["gone"]["reason"]) == ("unfit", "there is no card; plug one in")
    assert rows["odd"]["state"] == "broken"
    assert (rows["pure"]["state"], rows["pure"]["memory"]) == ("fit", None)
    assert {"cuda", "opencl", "simd"} <= set(rows)


def test_backends_are_columns_in_a_pipe(lc: Lc, stranger: Stranger) -> None:
    head, *rows = lc("backends", env=stranger("gpu", "gone")).stdout.splitlines()
    assert head.split() == ["name", "distribution", "state", "priority", "device", "memory", "measured", "reason"]
    (gpu,) = [row for row in rows if row.startswith("gpu ")]
    assert "3.0 GiB" in gpu
    assert gpu[head.index("device") :].startswith("a card with")


def test_one_backend_is_listed_alone(lc: Lc, stranger: Stranger) -> None:
    env = stranger("gpu", "gone")
    assert list(listed(lc, "--gpu-backend", "gone", env=env)) == ["gone"]
    assert list(listed(lc, "--gpu-backend", "disabled", env=env)) == ["pure"]
    for options, said in (("--gpu-backend gpx", "did you mean gpu?"), ("--gpu-backend gone --bench", "there is no card")):
        done = lc("backends", *options.split(), env=env)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert said in done.stderr
    assert lc("backends", "--seconds", "0", env=env).stderr.startswith("lc: invalid value for '--seconds'")


def test_what_was_measured_is_shown_kept_and_used(lc: Lc, stranger: Stranger, capture: Path, tmp_path: Path) -> None:
    slow = {"FAKE_SLEEP_gpu": "0.03", "FAKE_SLEEP_cpu": "0.015"}
    env = stranger("gpu", "cpu", **slow)
    done = lc("backends", "--bench", "--seconds", "0.05", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\nrows ") == 3
    assert "1 pattern, anywhere in the message" in done.stdout
    file = tmp_path / "cache" / "lippycat" / "backends.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700

    rows = listed(lc, env=env)
    assert rows["gpu"]["measured"]["device"].startswith("a card")
    (first, *_) = rows["cpu"]["measured"]["works"]["call-id"]
    assert first["rows"] == 64
    assert first["ns_per_packet"] > 0.015 * 1e9 / 64
    assert first["packets_per_s"] == pytest.approx(1e9 / first["ns_per_packet"])
    assert first["batches_per_s"] == pytest.approx(first["packets_per_s"] / 64)
    assert not first["fastest"]
    fastest = [name for name, row in rows.items() if row["measured"] and row["measured"]["works"]["call-id"][0]["fastest"]]
    assert len(fastest) == 1
    assert fastest[0] not in ("gpu", "cpu")

    line = taken(lc("scan", "-r", capture, "--gpu-batch-size", "64", env=env))
    assert re.fullmatch(r"lc: texts are matched by (\w+) on .+: measured faster than gpu, .+ ns with 64 spans at once", line)
    states = {row["name"]: row["state"] for row in listed(lc, "--gpu-batch-size", "64", env=env).values()}
    (chosen,) = (name for name, state in states.items() if state == "chosen")
    assert line.startswith(f"lc: texts are matched by {chosen} on ")
    assert states["gpu"] == states["cpu"] == "fit"
    assert taken(lc("scan", "-r", capture, "--gpu-device", "other", env=env)).startswith("lc: texts are matched by gpu ")

    file.write_text(file.read_text()[:-20])
    assert taken(lc("scan", "-r", capture, "--gpu-batch-size", "64", env=env)).startswith("lc: texts are matched by gpu ")
    file.unlink()
    file.mkdir()
    assert taken(lc("scan", "-r", capture, "--gpu-batch-size", "64", env=env)).startswith("lc: texts are matched by gpu ")
    done = lc("backends", "--bench", "--seconds", "0.05", "--gpu-backend", "cpu", env=env)
    assert done.returncode == 0
    assert done.stderr == f"lc: what was measured is not kept: {file}: Is a directory\n"
    assert os.listdir(file.parent) == [file.name]


def test_a_backend_that_is_wrong_or_fails_is_said_and_not_kept(lc: Lc, stranger: Stranger, tmp_path: Path) -> None:
    options = ("backends", "--bench", "--seconds", "0.05", "--gpu-backend", "gpu")
    wrong = lc(*options, env=stranger("gpu", FAKE_WRONG="1"))
    assert wrong.returncode == 1
    assert wrong.stderr == (
        "lc: match gpu gives other hits than the plain backend (1 pattern, anywhere in the message, 64 at once): "
        "do not use it, and tell who made it\n"
    )
    failed = lc(*options, env=stranger("gpu", FAKE_FAIL_gpu="collect 7"))
    assert failed.returncode == 1
    assert failed.stderr == "lc: match gpu failed while it was measured: the card fell off the bus\n"
    assert not (tmp_path / "cache" / "lippycat").exists()


def test_a_cache_that_cannot_be_written_stops_nobody(lc: Lc, stranger: Stranger, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    done = lc("backends", "--bench", "--seconds", "0.05", "--gpu-backend", "gpu", env=stranger("gpu"))
    assert done.returncode == 0
    assert done.stderr.startswith("lc: what was measured is not kept: ")
    assert done.stderr.count("\n") == 1
    assert "1 pattern" in done.stdout


def test_help_names_the_options(lc: Lc) -> None:
    shown = lc("backends", "-h").stdout
    for option in ("--bench", "--seconds", "--json", "--gpu-backend", "--gpu-batch-size", "--gpu-max-memory", "--gpu-device"):
        assert option in shown
