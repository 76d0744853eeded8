"""Documents are held to the program: commands run, links lead somewhere, plugin code does what the tutorial says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*/README.md")])
EXAMPLE = "examples/two-calls.pcap"


def lc(*arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "lippycat_core", *arguments], cwd=ROOT, input=stdin, capture_output=True, timeout=120, check=False
    )


def shell_lines(text: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    lines = [re.sub(r"\s+# .*", "", line).strip() for block in blocks for line in block.splitlines()]
    return [line.partition(" | jq ")[0] for line in lines if line]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_test_command_is_what_ci_runs() -> None:
    commands = shell_lines((ROOT / "README.md").read_text())
    (wanted,) = [line for line in commands if line.endswith("/nox")]
    assert wanted in (ROOT / ".ci" / "run").read_text().splitlines()


def test_readme_commands_are_understood(tmp_path: Path) -> None:
    """Each `lc` line of the README runs on the example capture; only names of files and calls are put in."""
    known = {
        "trunk.pcap": EXAMPLE,
        "ring-*.pcapng.gz": "examples/two-*.pcap",
        "part.pcapng": str(tmp_path / "part.pcapng"),
        "3848276298220188511@atlanta": "oneway@10.0.0.5",
        "calls": str(tmp_path / "calls"),
    }
    lines = [line for line in shell_lines((ROOT / "README.md").read_text()) if line.startswith("lc ")]
    assert len(lines) == 6
    for line in lines:
        words = [known.get(word, word) for word in shlex.split(line)[1:]]
        done = lc(*words)
        assert done.returncode == 0, (line, done.stderr)
        assert not done.stderr.startswith(b"lc: ") or b" are matched by " in done.stderr, (line, done.stderr)
    assert (tmp_path / "part.pcapng").stat().st_size > 0
    assert any((tmp_path / "calls").rglob("*.pcapng"))


def test_every_hook_is_documented() -> None:
    from lippycat_core.hookspecs import Hooks

    text = (ROOT / "docs" / "hooks.md").read_text()
    names = [name for name in vars(Hooks) if not name.startswith("_")]
    assert names
    for name in names:
        assert f"`{name}(" in text, f"docs/hooks.md does not say what {name} is for"


def test_the_tutorials_dissector_is_the_examples() -> None:
    """The class printed in the tutorial says the same of a message as the installed example."""
    text = (ROOT / "docs" / "writing-plugins.md").read_text()
    code = re.search(r"```python\n(from lippycat_core.interfaces.dissect.*?)```", text, re.S)
    assert code is not None
    scope: dict[str, object] = {}
    exec(compile(code[1], "writing-plugins.md", "exec"), scope)
    session = scope["Syslog"]().open(None)
    assert list(session.feed(0, b"<34>su failed", 0)) == [("syslog", {"facility": 4, "severity": 2, "text": "su failed"})]


def test_the_tutorials_match_backend_passes_the_kit(tmp_path: Path) -> None:
    """The backend printed in the tutorial and its test are written down as the text says, and run (a small part of the suite)."""
    text = (ROOT / "docs" / "writing-plugins.md").read_text()
    section = text[text.index("## A match backend") : text.index("## A buffer for TCP streams")]
    backend, test = re.findall(r"```python\n(.*?)```", section, re.S)
    (tmp_path / "lippycat_find.py").write_text(backend)
    (tmp_path / "test_find.py").write_text(test)
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not thousand and not many"]
    done = subprocess.run([*run, "test_find.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d\d+ passed", done.stdout)


def test_the_tutorials_layer_reads_through(tmp_path: Path) -> None:
    from lippycat_core.interfaces.layer import StreamLayer
    from lippycat_core.testing.packets import write_pcap
    from lippycat_core.testing.runs import run
    from lippycat_core.testing.streams import tcp_conversation

    text = (ROOT / "docs" / "writing-plugins.md").read_text()
    code = re.search(r"```python\n(class Proxy:.*?)```", text, re.S)
    assert code is not None
    scope: dict[str, Any] = {}
    exec(compile(code[1], "writing-plugins.md", "exec"), scope)
    assert isinstance(scope["Proxy"](), StreamLayer)
    pytest.importorskip("lippycat_voip", reason="lippycat-voip is not installed: no SIP to read")
    from lippycat_voip.dissector import VoipDissector

    sip = b"OPTIONS sip:a@example.org SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"
    for segment in (1, 1400):
        pieces = [
            (0, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + sip),
            (1, b"SIP/2.0 200 OK\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"),
        ]
        path = write_pcap(tmp_path / "x.pcap", tcp_conversation(pieces, segment=segment))
        summary: Any = run(path, VoipDissector(), layers=[scope["Proxy"]()]).summary
        assert summary["sip"]["messages"] == 2


def test_the_tutorials_buffer_passes_the_kit(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "writing-plugins.md").read_text()
    section = text[text.index("## A buffer for TCP streams") : text.index("## Hooks and commands")]
    buffer, test = re.findall(r"```python\n(.*?)```", section, re.S)
    (tmp_path / "lippycat_pieces.py").write_text(buffer)
    (tmp_path / "test_pieces.py").write_text(test)
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_pieces.py"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


def test_every_record_field_is_documented() -> None:
    import json

    text = (ROOT / "docs" / "output.md").read_text()
    records = [json.loads(line) for line in lc("sniff", "voip", "-r", EXAMPLE, "--messages").stdout.splitlines()]
    assert {record["record"] for record in records} == {"call", "stream", "message", "summary"}
    records += [json.loads(line) for line in lc("sniff", "-r", EXAMPLE, "-c", "1").stdout.splitlines()]
    conventions = {"record", "schema", "first", "last"}  # and *_ns, which the table of conventions explains
    named = {word for quoted in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", quoted)}
    for record in records:
        assert f"`{record['record']}`" in text
        fields = {field for field in record if not (field.startswith(("first", "last")) and field.endswith("_ns"))}
        assert fields - conventions <= named, f"docs/output.md does not explain these fields of {record['record']}"


def test_examples_are_what_the_generator_writes(tmp_path: Path) -> None:
    written = tmp_path / "again.pcap"
    subprocess.run([sys.executable, "examples/generate.py", str(written)], cwd=ROOT, check=True, capture_output=True, timeout=60)
    assert written.read_bytes() == (ROOT / EXAMPLE).read_bytes()
