"""What an error calls the option that a value came from is an option that there is: gone through for all of both commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lippycat_core.cli import compose
from lippycat_core.cli.commands import SETTINGS, command_of
from lippycat_core.cli.main import lc, run
from lippycat_core.cli.stubs import command_tree
from lippycat_core.errors import UsageError
from lippycat_core.host.layers import from_flags

NO_SETTINGS = {
    "--call",
    "--config",
    "--count",
    "--duration",
    "--filter",
    "--format",
    "--help",
    "--interface",
    "--messages",
    "--quiet",
    "--read-file",
    "--tolerate-truncation",
    "--write-file",
}
"""Options that say what this run does, and so are no settings."""


def parameters(command: list[str]) -> list[Any]:
    """The options of a command, as the command line's parser has them."""
    found: Any = command_of(lc, command_tree())
    context = found.make_context("lc", [*command, "-h"], **{**SETTINGS, "resilient_parsing": True})
    for name in command:
        found = found.get_command(context, name)
    return [one for one in found.get_params(context) if one.param_type_name == "option"]


@pytest.mark.parametrize("command", [["sniff"], ["sniff", "voip"]])
def test_each_option_is_called_by_its_name_where_its_value_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    reached: list[set[str]] = []

    def load_settings(flags: Mapping[str, object], **others: object) -> None:
        reached.append({key for key, value in flags.items() if value is not None})
        raise UsageError("that is all")

    monkeypatch.setattr(compose, "load_settings", load_settings)
    silent, seen = set(), 0
    for option in parameters(command):
        names = [*option.opts, *option.secondary_opts]
        value = [] if option.is_flag else ["7" if option.metavar in ("N", "HOPS") else "json"]
        reached.clear()
        assert run([*command, "-i", "lo", names[0], *value]) in (0, 2)
        keys = reached[0] if reached else set()
        if not keys:
            silent |= {name for name in option.opts if name in NO_SETTINGS} or set(names)
            continue
        for key, raw in from_flags(dict.fromkeys(keys, 1), {"voip"}).items():
            assert raw.origin.removeprefix("option ") in names, key
            seen += 1
    capsys.readouterr()
    assert silent <= NO_SETTINGS
    assert seen > 30
