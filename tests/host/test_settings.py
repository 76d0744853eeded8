"""Settings: which layer wins, where a value came from, and what is said of a wrong one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lippycat_core.batch import DEFAULT_BYTES, DEFAULT_ROWS, LARGEST_RECORD
from lippycat_core.errors import SettingError
from lippycat_core.flows import FlowTable
from lippycat_core.fragments import FragmentTable
from lippycat_core.host.settings import Settings, load_settings
from lippycat_core.reassembly import TcpReassembly

Load = Callable[..., Settings]


@dataclass(frozen=True)
class Plugin:
    users: tuple[str, ...] = ()
    strict: bool = True
    room: int = field(default=100, metadata={"low": 1, "high": 1000})
    wait: int = field(default=30 * 10**9, metadata={"low": 10**9, "high": 3600 * 10**9, "unit": "duration"})
    share: float = 0.5


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load with a plugin section `plug`, a home of our own and only the given environment."""

    def call(
        flags: dict[str, object] | None = None, environ: dict[str, str] | None = None, config: Path | None = None
    ) -> Settings:
        return load_settings(flags, environ=environ or {}, home=tmp_path, config=config, sections={"plug": Plugin})

    return call


def test_defaults_suit_the_batch(load: Load) -> None:
    settings = load()
    assert (settings["batch.packets"], settings["batch.bytes"]) == (DEFAULT_ROWS, DEFAULT_BYTES)
    with pytest.raises(SettingError):
        load({"batch.bytes": LARGEST_RECORD - 1})
    assert settings.origin("batch.packets") == "default"


def test_defaults_of_limits_are_those_of_the_tables(load: Load) -> None:
    settings = load()
    for table, parameter, key in (
        (FlowTable, "max_flows", "flows"),
        (FragmentTable, "max_bytes", "fragment_bytes"),
        (FragmentTable, "timeout_ns", "fragment_timeout"),
        (TcpReassembly, "max_connections", "tcp_connections"),
    ):
        assert settings[f"limits.{key}"] == inspect.signature(table).parameters[parameter].default, key
    of_tcp = {name: parameter.default for name, parameter in inspect.signature(TcpReassembly).parameters.items()}
    assert of_tcp["max_bytes"] == settings["tcp.memory_limit"] // 2
    assert (of_tcp["max_pages"], of_tcp["timeout_ns"]) == (settings["tcp.assembler_max_pages"], settings["tcp.stream_timeout"])


def test_the_nearer_layer_wins_and_each_value_knows_its_origin(load: Load, tmp_path: Path) -> None:
    file = tmp_path / ".lippycat.yaml"
    file.write_text("threads: 2\nbatch:\n  packets: 10\n  bytes: 1MiB\nplug:\n  room: 7\n")
    settings = load({"batch.packets": 30, "threads": None}, {"LIPPYCAT_BATCH__PACKETS": "20", "LIPPYCAT_BATCH__BYTES": "2MiB"})
    assert {
        key: (settings[key], settings.origin(key)) for key in ("threads", "batch.packets", "batch.bytes", "plug.room", "match")
    } == {
        "threads": (2, f"file {file}"),
        "batch.packets": (30, "option --batch-packets"),
        "batch.bytes": (2 << 20, "environment LIPPYCAT_BATCH__BYTES"),
        "plug.room": (7, f"file {file}"),
        "match": ("auto", "default"),
    }


def test_the_first_file_found_is_the_only_one(load: Load, tmp_path: Path) -> None:
    (tmp_path / ".lippycat.yaml").write_text("threads: 2\nmatch: x")
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config" / "lippycat.yaml").write_text("match: y")
    assert (load()["threads"], load()["match"]) == (1, "y")
    (tmp_path / ".config" / "lippycat").mkdir()
    (tmp_path / ".config" / "lippycat" / "config.yaml").write_text("match: z")
    assert load()["match"] == "z"
    named = tmp_path / "mine.yaml"
    named.write_text("match: mine")
    assert load(config=named)["match"] == "mine"


def test_a_plugin_gets_its_section_as_its_own_dataclass(load: Load) -> None:
    environ = {
        "LIPPYCAT_PLUG__USERS": "alice, bob,",
        "LIPPYCAT_PLUG__STRICT": "off",
        "LIPPYCAT_PLUG__WAIT": "2m",
        "LIPPYCAT_PLUG__SHARE": "0.25",
    }
    settings = load({"plug.room": "12"}, environ)
    assert settings.section("plug", Plugin) == Plugin(("alice", "bob"), False, 12, 120 * 10**9, 0.25)
    assert settings.origin("plug.room") == "option --room"
    assert settings.section("other", Plugin) == Plugin()


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"LIPPYCAT_BATCH__PACKET": "1"},
            "batch.packet: no such setting; did you mean batch.packets? (environment LIPPYCAT_BATCH__PACKET)",
        ),
        ({"LIPPYCAT_PACKETS": "1"}, "packets: no such setting; did you mean batch.packets? (environment LIPPYCAT_PACKETS)"),
        ({"LIPPYCAT_BATCH": "1"}, "batch: a section; set batch.packets, batch.bytes (environment LIPPYCAT_BATCH)"),
        ({"LIPPYCAT_BATCH__PACKETS__X": "1"}, "batch.packets.x: no such setting; did you mean batch.packets?"),
        (
            {"LIPPYCAT_BATCH__PACKETS": "0"},
            "batch.packets: '0' is out of range: 1 to 65536 (environment LIPPYCAT_BATCH__PACKETS)",
        ),
        ({"LIPPYCAT_BATCH__PACKETS": "many"}, "batch.packets: 'many' is not a whole number"),
        ({"LIPPYCAT_BATCH__BYTES": "1kB"}, "batch.bytes: '1kB' is out of range: 258KiB to 64MiB"),
        ({"LIPPYCAT_BATCH__BYTES": "1 parsec"}, "batch.bytes: '1 parsec' is not a size: write a number and one of B, "),
        ({"LIPPYCAT_PLUG__WAIT": "2h"}, "plug.wait: '2h' is out of range: 1s to 1h"),
        ({"LIPPYCAT_PLUG__WAIT": "soon"}, "plug.wait: 'soon' is not a duration"),
        ({"LIPPYCAT_PLUG__STRICT": "maybe"}, "plug.strict: 'maybe' is neither true nor false"),
        ({"LIPPYCAT_THREADS": "3"}, "threads: '3' is out of range: 1 to 2"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_the_way_out(environ: dict[str, str], message: str, load: Load) -> None:
    with pytest.raises(SettingError) as refused:
        load(environ=environ)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_empty_variable_and_those_for_developers_are_no_settings(load: Load) -> None:
    settings = load(environ={"LIPPYCAT_THREADS": " ", "LIPPYCAT_TRACEBACK": "1", "LIPPYCAT_CAPTURES": "/x", "OTHER": "y"})
    assert settings.origin("threads") == "default"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n- 2\n", "not a list"),
        ("threads: [1\n", ":2: not YAML"),
        ("threads: 1\nthreads: 2\n", ":2: 'threads' is there already: keep one of them"),
        ("tcp:\n  batch_size: 3\n  batch_size: 5\n", ":3: 'batch_size' is there already"),
        ("threads: 1\n\tmatch: x", "not YAML"),
        ("\x00", "not YAML"),
        ("threads: true\n", "threads: True is not a whole number"),
        ("threads: [1]\n", "threads: [1] is not a whole number"),
        ("threads: {x: 1}\n", "threads.x: no such setting"),
        ("batch: 5\n", "batch: a section"),
        ("match: [5]\n", "match: [5] is not a text"),
        ("match: no\n", "match: False is not a text: put it in quotes"),
        ("plug: {share: .inf}\n", "plug.share: inf is not a finite number"),
        ("{a: 1, 7: 2}\n", "no such setting"),
        ("x: " + "[" * 5000, "not YAML"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_it(text: str, message: str, load: Load, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(SettingError) as refused:
        load(config=file)
    assert message in str(refused.value)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_may_be_empty_but_must_be_there(load: Load, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("# nothing yet\nthreads:\nbatch:\n")
    with pytest.raises(SettingError, match="cannot be read: No such file"):
        load(config=tmp_path / "none.yaml")
    with pytest.raises(SettingError, match="cannot be read: Is a directory"):
        load(config=tmp_path)
    assert load(config=file)["threads"] == 1
    file.write_bytes(b"#" * (1 << 21))
    with pytest.raises(SettingError, match="larger than"):
        load(config=file)


def test_a_setting_that_code_asks_for_must_exist(load: Load) -> None:
    with pytest.raises(SettingError, match="did you mean threads"):
        load()["thread"]
    assert load().knows("batch.bytes")
    assert "threads" in list(load())


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"batch": Plugin}, "settings batch: a plugin may not replace"),
        ({"plug": int}, "settings plug: .* is no dataclass"),
        ({"plug": dataclass(type("Bare", (), {"__annotations__": {"x": int}}))}, "Bare.x has no default"),
    ],
)
def test_a_plugin_section_that_cannot_be_used_is_named(sections: dict[str, type], message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=message):
        load_settings(environ={}, home=tmp_path, sections=sections)


def test_the_section_of_an_installed_plugin_is_found_and_a_broken_one_left_out(
    install: Callable[..., None], tmp_path: Path
) -> None:
    source = "from dataclasses import dataclass\n@dataclass\nclass S:\n    depth: int = 3\n"
    install("acme", {"lippycat.settings": {"acme": "acme_settings:S"}}, acme_settings=source)
    assert load_settings(environ={"LIPPYCAT_ACME__DEPTH": "4"}, home=tmp_path)["acme.depth"] == 4
    install("evil", {"lippycat.settings": {"evil": "evil_settings:S"}}, evil_settings="raise OSError('gone')")
    install("greedy", {"lippycat.settings": {"batch": "acme_settings:S"}})
    told: list[str] = []
    settings = load_settings(environ={"LIPPYCAT_ACME__DEPTH": "5"}, home=tmp_path, on_problem=told.append)
    assert settings["acme.depth"] == 5
    assert sorted(line.partition(";")[0] for line in told) == [
        "settings batch: a plugin may not replace the core's own",
        "settings evil of evil cannot be loaded: OSError: gone",
    ]
    with pytest.raises(SettingError, match=r"evil\.x: settings evil of evil cannot be loaded: OSError: gone"):
        load_settings(environ={"LIPPYCAT_EVIL__X": "1"}, home=tmp_path)
