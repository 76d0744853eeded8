"""`lc show config`: every value, its unit and its origin, as a table and as JSON."""

from __future__ import annotations

import json

import pytest

from lippycat_core.cli.main import run
from lippycat_core.host.settings import load_settings


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_table_has_a_line_for_each_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "config", "-M", "memory", "--tcp-stream-timeout", "2m"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["key", *load_settings()]
    assert ["tcp.performance_mode", "minimal", "-", "option", "--tcp-performance-mode"] in lines
    assert ["tcp.memory_limit", "25", "MiB", "profile", "minimal"] in lines
    assert ["tcp.stream_timeout", "2", "m", "option", "--tcp-stream-timeout"] in lines


def test_json_gives_values_that_programs_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIPPYCAT_VOIP__TCP_MEMORY_LIMIT", "1GiB")
    assert run(["show", "config", "--json"]) == 0
    rows = {row["key"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["tcp.memory_limit"] == {
        "key": "tcp.memory_limit",
        "value": 1 << 30,
        "unit": "B",
        "origin": "environment LIPPYCAT_VOIP__TCP_MEMORY_LIMIT",
    }


def test_a_wrong_profile_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "config", "-M", "fastest"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "there are minimal, balanced, high_performance, low_latency" in err
