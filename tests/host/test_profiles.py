"""TCP profiles: a layer between file and default, every value replaceable alone, and their table in the documents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lippycat_core.errors import SettingError
from lippycat_core.host import profiles
from lippycat_core.host.configview import config_rows
from lippycat_core.host.settings import Settings, load_settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def load(tmp_path: Path, flags: dict[str, object] | None = None, file: str = "", **environ: str) -> Settings:
    (tmp_path / ".lippycat.yaml").write_text(file)
    return load_settings(flags, environ=environ, home=tmp_path, sections={})


@pytest.mark.parametrize("name", profiles.NAMES)
def test_a_profile_fills_what_nobody_wrote(tmp_path: Path, name: str) -> None:
    settings = load(tmp_path, {profiles.MODE: name})
    assert settings[profiles.MODE] == name
    for key, values in profiles.VALUES.items():
        assert settings.origin(key) == f"profile {name}"
        assert settings[key] == load(tmp_path, {key: values[profiles.NAMES.index(name)]})[key]


def test_balanced_is_the_default_and_a_profile_too(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert (settings[profiles.MODE], settings.origin(profiles.MODE)) == ("balanced", "default")
    assert {settings.origin(key) for key in profiles.VALUES} == {"profile balanced"}


@pytest.mark.parametrize("older", profiles.OLDER_NAMES)
def test_older_names_mean_profiles(tmp_path: Path, older: str) -> None:
    settings = load(tmp_path, LIPPYCAT_TCP__PERFORMANCE_MODE=older)
    assert settings[profiles.MODE] == profiles.OLDER_NAMES[older]
    assert settings.origin("tcp.memory_limit") == f"profile {profiles.OLDER_NAMES[older]}"


@pytest.mark.parametrize("key", profiles.VALUES)
def test_one_written_value_replaces_one_value(tmp_path: Path, key: str) -> None:
    """In the file, in the environment and as an option, each layer over the one before; all else is the profile's."""
    other = next(value for value in profiles.VALUES[key] if value != profiles.VALUES[key][0])
    spelt = next(name for name, plain in profiles.SPELLINGS.items() if plain == key)
    plain = load(tmp_path, {profiles.MODE: "minimal"})
    section, name = key.split(".")
    of_voip = spelt.split(".")
    variable = "LIPPYCAT_" + spelt.upper().replace(".", "__")
    for settings, origin in (
        (load(tmp_path, {profiles.MODE: "minimal", key: other}), "option --"),
        (load(tmp_path, {profiles.MODE: "minimal"}, **{variable: str(other)}), f"environment {variable}"),
        (load(tmp_path, {profiles.MODE: "minimal"}, f"{section}:\n  {name}: {other}"), "file "),
        (load(tmp_path, {profiles.MODE: "minimal"}, f"{of_voip[0]}:\n  {of_voip[1]}: {other}"), "file "),
    ):
        assert settings.origin(key).startswith(origin)
        assert {k for k in settings if settings[k] != plain[k]} == {key}
        assert {k for k in profiles.VALUES if settings.origin(k) != "profile minimal"} == {key}


def test_a_nearer_layer_wins_whatever_the_spelling(tmp_path: Path) -> None:
    file = "voip:\n  tcp_performance_mode: minimal\n  tcp_memory_limit: 30MiB\n  tcp_stream_timeout: 100s\n"
    settings = load(tmp_path, {"tcp.stream_timeout": "50s"}, file, LIPPYCAT_TCP__MEMORY_LIMIT="40MiB")
    assert settings["tcp.memory_limit"] == 40 << 20
    assert settings["tcp.stream_timeout"] == 50 * 10**9
    assert settings["tcp.assembler_max_pages"] == 25


def test_two_spellings_of_one_setting_in_one_place_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"tcp\.memory_limit and voip\.tcp_memory_limit are the same setting: write one"):
        load(tmp_path, file="tcp:\n  memory_limit: 1MiB\nvoip:\n  tcp_memory_limit: 2MiB\n")


def test_settings_of_before_keep_working(tmp_path: Path) -> None:
    settings = load(tmp_path, file="limits:\n  tcp_bytes: 3MiB\n  tcp_timeout: 9s\n  tcp_connections: 7\n")
    assert (settings["tcp.memory_limit"], settings["tcp.stream_timeout"], settings["limits.tcp_connections"]) == (
        3 << 20,
        9 * 10**9,
        7,
    )


def test_an_unknown_profile_is_one_line_that_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        load(tmp_path, LIPPYCAT_VOIP__TCP_PERFORMANCE_MODE="minimum")
    line = str(caught.value)
    assert "\n" not in line
    assert all(name in line for name in (*profiles.NAMES, *profiles.OLDER_NAMES))
    assert "did you mean minimal?" in line
    assert "(environment LIPPYCAT_VOIP__TCP_PERFORMANCE_MODE)" in line


def test_a_misspelt_key_of_voip_finds_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"did you mean voip\.tcp_memory_limit\?"):
        load(tmp_path, LIPPYCAT_VOIP__TCP_MEMORY_LIMITS="1MiB")


def test_out_of_range_names_key_value_range_and_origin(tmp_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        load(tmp_path, {"tcp.memory_limit": "1kB"})
    assert str(caught.value) == "tcp.memory_limit: '1kB' is out of range: 64KiB to 8GiB (option --tcp-memory-limit)"


def test_the_page_has_the_profiles_as_they_are() -> None:
    rows = re.findall(r"^\| ([a-z_]+) \| `(voip\.[a-z_]+)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    cpus = {"CPUs": str(profiles.CPUS), "twice CPUs": str(2 * profiles.CPUS)}
    listed = {f"tcp.{name}": [cpus.get(cell.strip(), cell.strip()) for cell in cells.split("|")] for name, _, cells in rows}
    assert listed == {key: [_text(value) for value in values] for key, values in profiles.VALUES.items()}
    assert all(profiles.SPELLINGS[spelt] == f"tcp.{name}" for name, spelt, _ in rows)


def _text(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def test_every_setting_is_shown_with_value_unit_and_origin(tmp_path: Path) -> None:
    settings = load(tmp_path, {profiles.MODE: "minimal", "tcp.stream_timeout": "90s"})
    rows = {row.key: row for row in config_rows(settings)}
    assert list(rows) == list(settings)
    assert rows["tcp.stream_timeout"][1:] == (90 * 10**9, "ns", "option --tcp-stream-timeout", "90", "s")
    assert rows["tcp.memory_limit"][1:] == (25 << 20, "B", "profile minimal", "25", "MiB")
    assert rows["tcp.assembler_max_pages"][1:4] == (25, "pages of 4KiB", "profile minimal")
    assert rows["threads"][1:4] == (1, "", "default")
