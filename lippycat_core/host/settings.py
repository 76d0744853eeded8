"""Settings: which there are, what they may be, and where each value came from.

The command line wins over the environment, that over the configuration file, that over what others' variables say
(SSLKEYLOGFILE) and the TCP profile (`profiles.py`), those over the default. A plugin adds a section of its own with a
dataclass that an entry point of `lippycat.settings` names:
defaults from its fields, ranges and units from their metadata (`low`, `high`, `unit`: "duration" or "size").
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator
from pydantic.fields import FieldInfo
from pydantic_core.core_schema import ValidationInfo

from lippycat_core.errors import SettingError
from lippycat_core.host import profiles, units
from lippycat_core.host.installed import SETTINGS, Entry, Installed
from lippycat_core.host.layers import Raw, fallbacks, find_file, from_environment, from_file, from_flags

S = TypeVar("S")

SECOND_NS = units.NANOSECONDS["s"]

_READERS: dict[object, Callable[[object], object]] = {
    "duration": units.duration_ns,
    "size": units.size_bytes,
    int: units.whole_number,
    float: units.number,
    str: units.text,
    bool: units.truth,
    tuple[str, ...]: units.words,
}
_SHOW: dict[str, Callable[[int], str]] = {"duration": units.show_duration, "size": units.show_size}


def setting(default: Any, low: int | None = None, high: int | None = None, *, unit: str = "") -> Any:
    """A field with its default, range (both ends allowed) and unit: "duration" (kept in ns), "size" (in bytes), or what a
    number counts ("packets"; only shown)."""
    return Field(default, ge=low, le=high, json_schema_extra={"low": low, "high": high, "unit": unit})


def _profiled(name: str, low: int | None = None, high: int | None = None, *, unit: str = "") -> Any:
    """A field of `Tcp` that the profiles fill; its default is what the default profile says."""
    default = profiles.balanced(f"tcp.{name}")
    reader = _READERS.get(unit)
    return setting(default if reader is None else reader(default), low, high, unit=unit)


def _extra(field: FieldInfo) -> dict[str, Any]:
    return cast(dict[str, Any], field.json_schema_extra)


class Section(BaseModel):
    """Settings that belong together. Values are read by the field's unit, else by its type."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _read(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields[cast(str, info.field_name)]
        if field.json_schema_extra is None:
            return value
        reader = _READERS.get(_extra(field)["unit"]) or _READERS.get(field.annotation)
        return reader(value) if reader is not None else value


class Batch(Section):
    """Size of the batches in which packets travel; results never depend on it."""

    packets: int = setting(4096, 1, 65_536, unit="packets")
    bytes: int = setting(512 * 1024, 258 * 1024, 64 << 20, unit="size")


class Limits(Section):
    """How much the core's tables hold before the oldest entries go, which is counted, and how long an entry may wait."""

    flows: int = setting(1 << 20, 2, 1 << 24, unit="flows")
    fragment_bytes: int = setting(8 << 20, 64 * 1024, 1 << 30, unit="size")
    fragment_timeout: int = setting(30 * SECOND_NS, SECOND_NS, 3600 * SECOND_NS, unit="duration")
    tcp_connections: int = setting(1 << 16, 1, 1 << 22, unit="connections")


class Tcp(Section):
    """What TCP streams may hold and for how long: all of it filled by a performance profile, each value replaceable."""

    performance_mode: str = setting(profiles.DEFAULT)
    batch_size: int = _profiled("batch_size", 1, 512, unit="messages")
    max_buffers: int = _profiled("max_buffers", 1, 1 << 24, unit="streams")
    buffer_strategy: str = _profiled("buffer_strategy")
    memory_limit: int = _profiled("memory_limit", 64 * 1024, 8 << 30, unit="size")
    stream_queue_buffer: int = _profiled("stream_queue_buffer", 1, 100_000, unit="batches")
    stream_max_queue_time: int = _profiled("stream_max_queue_time", SECOND_NS // 10, 3600 * SECOND_NS, unit="duration")
    buffer_max_age: int = _profiled("buffer_max_age", SECOND_NS, 86_400 * SECOND_NS, unit="duration")
    cleanup_interval: int = _profiled("cleanup_interval", SECOND_NS, 3600 * SECOND_NS, unit="duration")
    memory_optimization: bool = _profiled("memory_optimization")
    auto_tuning: bool = _profiled("auto_tuning")
    enable_backpressure: bool = _profiled("enable_backpressure")
    stream_timeout: int = _profiled("stream_timeout", SECOND_NS, 86_400 * SECOND_NS, unit="duration")
    assembler_max_pages: int = _profiled("assembler_max_pages", 1, 1 << 20, unit="pages of 4KiB")
    buffer_pool_size: int = _profiled("buffer_pool_size", 0, 1 << 24, unit="buffers")
    latency_optimization: bool = _profiled("latency_optimization")
    io_threads: int = _profiled("io_threads", 1, 256, unit="threads")
    compression_level: int = _profiled("compression_level", 0, 19)


class Write(Section):
    """Files that packets are written to."""

    rotate_size: int = setting(0, 0, 1 << 44, unit="size")
    rotate_time: int = setting(0, 0, 366 * 86_400 * SECOND_NS, unit="duration")
    rotate_count: int = setting(0, 0, 1_000_000_000, unit="packets")
    rotate_keep: int = setting(0, 0, 1_000_000, unit="files")
    rotate_total: int = setting(0, 0, 1 << 50, unit="size")
    encrypt_key_file: str = setting("")
    pcap_command: str = setting("")
    command_concurrency: int = setting(4, 1, 256, unit="commands")
    command_timeout: int = setting(30 * SECOND_NS, SECOND_NS // 10, 86_400 * SECOND_NS, unit="duration")
    open_files: int = setting(256, 8, 65_536, unit="files")
    buffer_bytes: int = setting(64 << 20, 1 << 20, 8 << 30, unit="size")


class Gpu(Section):
    """What a match backend may use of its device; backends without one pass over it."""

    batch_size: int = setting(1024, 1, 1 << 20, unit="spans")
    max_memory: int = setting(0, 0, unit="size")
    device: str = setting("")


class Capture(Section):
    """How packets are captured live."""

    driver: str = setting("auto")
    buffer_bytes: int = setting(32 << 20, 1 << 20, 2 << 30, unit="size")
    buffer_packets: int = setting(0, 0, 1_000_000)
    snaplen: int = setting(262_144, 64, 262_144)
    promisc: bool = setting(False)
    immediate: bool = setting(False)
    threads: int = setting(1, 1, 16, unit="threads")
    own_traffic: bool = setting(False)
    timestamps: str = setting("kernel")
    user: str = setting("")


class Vif(Section):
    """The virtual interface that packets are injected into."""

    enabled: bool = setting(False)
    name: str = setting("lc0")
    netns: str = setting("")
    type: str = setting("tap")
    replay_timing: bool = setting(False)
    speed: float = setting(1.0, 0, 1_000_000)
    startup_delay: int = setting(3 * SECOND_NS, 0, 3600 * SECOND_NS, unit="duration")
    linger: int = setting(2 * SECOND_NS, 0, 3600 * SECOND_NS, unit="duration")


class Control(Section):
    """Whether and how a run can be asked about itself."""

    socket: bool = setting(True)
    stale_after: int = setting(60 * SECOND_NS, SECOND_NS, 86_400 * SECOND_NS, unit="duration")


class Tls(Section):
    """What opens TLS."""

    keylog: str = setting("")


class Metrics(Section):
    """Where metrics are to be had beside the control socket."""

    listen: str = setting("")


class Core(Section):
    """The core's own settings."""

    compiler: str = setting("auto")
    match: str = setting("auto")
    threads: int = setting(1, 1, 2)
    cache_dir: str = setting("")
    batch: Batch = Batch()
    limits: Limits = Limits()
    tcp: Tcp = Tcp()
    write: Write = Write()
    gpu: Gpu = Gpu()
    capture: Capture = Capture()
    vif: Vif = Vif()
    control: Control = Control()
    metrics: Metrics = Metrics()
    tls: Tls = Tls()


def _section_of(declared: type) -> type[Section]:
    """The model of a plugin's dataclass. TypeError where it is none or a field has no default."""
    if not dataclasses.is_dataclass(declared):
        raise TypeError(f"{declared!r} is no dataclass")
    hints = typing.get_type_hints(declared)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(declared):
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if default is dataclasses.MISSING:
            raise TypeError(f"{declared.__name__}.{field.name} has no default")
        meta = field.metadata
        fields[field.name] = (hints[field.name], setting(default, meta.get("low"), meta.get("high"), unit=meta.get("unit", "")))
    return create_model(declared.__name__, __base__=Section, **fields)


class Settings:
    """All settings of a run, valid and with their origins. `settings["batch.packets"]` is a value."""

    def __init__(self, model: Section, origins: Mapping[str, str], declared: Mapping[str, type]) -> None:
        self._values = dict(_flat(model))
        self._units = {key: _extra(_field(type(model), key.split(".")))["unit"] for key in self._values}
        self._origins = dict(origins)
        self._declared = dict(declared)
        self._model = type(model)

    def __getitem__(self, key: str) -> Any:
        """The value of a key. SettingError where there is no such key."""
        if key not in self._values:
            raise SettingError(_unknown(key, self._values))
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def knows(self, key: str) -> bool:
        """Whether there is such a setting."""
        return key in self._values

    def unit(self, key: str) -> str:
        """What a value is in: `duration` (nanoseconds), `size` (bytes), what it counts, or nothing."""
        self[key]
        return str(self._units[key])

    def origin(self, key: str) -> str:
        """Where a value came from: `option --threads`, `environment LIPPYCAT_THREADS`, `file PATH`, `profile NAME` or
        `default`."""
        self[key]
        return self._origins.get(key, "default")

    def shown(self, key: str) -> str:
        """The value of a key as it could be written in a file: `30s`, `512KiB`, `alice,bob`."""
        value = self[key]
        show = _SHOW.get(_extra(_field(self._model, key.split(".")))["unit"])
        if show is not None:
            return show(value)
        return ",".join(value) if isinstance(value, tuple) else str(value).lower() if isinstance(value, bool) else str(value)

    def section(self, name: str, declared: type[S]) -> S:
        """A plugin's settings as the dataclass that it declared; its defaults where the section is not installed."""
        if name not in self._declared:
            return declared()
        prefix = name + "."
        return declared(**{key.removeprefix(prefix): value for key, value in self._values.items() if key.startswith(prefix)})


def load_settings(
    flags: Mapping[str, object] | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    home: Path | None = None,
    sections: Mapping[str, type] | None = None,
    on_problem: Callable[[str], None] = lambda line: None,
) -> Settings:
    """Read and check all layers. `flags` are values by dotted key, None for an option that was not given; `config` is the
    file to read instead of the usual places; the others are the process's own unless given. A plugin's section that
    cannot be used is left out and told to `on_problem`; only who sets something in it gets an error.

    SettingError, one line, for an unknown key (with the nearest one), a value out of range or of the wrong kind, and a file
    that cannot be read.
    """
    declared, left_out = _installed_sections() if sections is None else (dict(sections), {})
    for problem in left_out.values():
        on_problem(f"{problem}; it is left out")
    model = create_model("All", __base__=Core, **cast(Any, _with_sections(declared)))
    file = Path(config).expanduser() if config else find_file(_home() if home is None else home)
    raw: dict[str, Raw] = {}
    for layer in (
        fallbacks(os.environ if environ is None else environ),
        from_file(file) if file else {},
        from_environment(os.environ if environ is None else environ),
        from_flags(flags or {}, declared),
    ):
        raw |= profiles.renamed(layer)
    known = [key for key, _ in _flat(model())]
    for key, written in raw.items():
        section = key.partition(".")[0]
        if section in left_out:
            raise SettingError(f"{key}: {left_out[section]} ({written.origin})")
        if key not in known:
            raise SettingError(f"{_unknown(key, known)} ({written.origin})")
    mode = raw.get(profiles.MODE)
    name = profiles.profile(mode)
    raw = {**profiles.layer(name, declared), **raw}
    if mode is not None:
        raw[profiles.MODE] = Raw(name, mode.origin)
    try:
        checked = model.model_validate(_nested(raw))
    except ValidationError as error:
        raise SettingError(_explain(error, model, raw)) from None
    return Settings(checked, {key: written.origin for key, written in raw.items()}, declared)


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:
        return None


def _installed_sections() -> tuple[dict[str, type], dict[str, str]]:
    """The sections that plugins declare, and by name what is wrong with those that cannot be used."""
    installed = Installed()
    wrong: dict[str, str] = {}

    def broken(entry: Entry, error: BaseException) -> None:
        wrong[entry.name] = f"settings {entry.name} of {entry.distribution} cannot be loaded: {error}; reinstall or remove it"

    declared: dict[str, type] = {}
    for entry, plugin in installed.load(SETTINGS, installed.entries(SETTINGS), broken):
        try:
            _with_section({}, entry.name, plugin)
        except SettingError as error:
            wrong[entry.name] = f"{error} (of {entry.distribution})"
        else:
            declared[entry.name] = plugin
    return declared, wrong


def _with_sections(declared: Mapping[str, type]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, dataclass in declared.items():
        _with_section(fields, name, dataclass)
    return fields


def _with_section(fields: dict[str, Any], name: str, dataclass: type) -> None:
    if name in Core.model_fields:
        raise SettingError(f"settings {name}: a plugin may not replace the core's own; rename its section")
    try:
        section = _section_of(dataclass)
    except TypeError as error:
        raise SettingError(f"settings {name}: {error}") from error
    fields[name] = (section, section())


def _flat(model: Section, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, Section):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _nested(raw: Mapping[str, Raw]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, written in raw.items():
        *path, name = key.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[name] = written.value
    return tree


def _unknown(key: str, known: typing.Iterable[str]) -> str:
    keys = list(known)
    below = [name for name in keys if name.startswith(key + ".")]
    if below:
        return f"{key}: a section; set {', '.join(below)}"
    spelt = difflib.get_close_matches(key, profiles.SPELLINGS, 1, 0.8)
    if spelt:
        return f"{key}: no such setting; did you mean {spelt[0]}?"
    near = difflib.get_close_matches(key, keys, 1, 0.5) or difflib.get_close_matches(key, {k.split(".")[-1] for k in keys}, 1)
    full = next((name for name in keys if near and (name == near[0] or name.endswith("." + near[0]))), None)
    return f"{key}: no such setting; " + (f"did you mean {full}?" if full else "`lc show config` lists all")


def _explain(error: ValidationError, model: type[Section], raw: Mapping[str, Raw]) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    field = _field(model, key.split("."))
    low, high, unit = (_extra(field)[name] for name in ("low", "high", "unit"))
    if first["type"] in ("greater_than_equal", "less_than_equal"):
        show = _SHOW.get(unit, str)
        allowed = (
            f"{show(low)} to {show(high)}"
            if None not in (low, high)
            else f"{'at least' if high is None else 'at most'} {show(low if high is None else high)}"
        )
        why = f"out of range: {allowed}"
    else:
        why = first["msg"].removeprefix("Value error, ")  # what one of our readers said
    return f"{key}: {repr(raw[key].value)[:80]} is {why} ({raw[key].origin})"


def _field(model: type[Section], path: list[str]) -> FieldInfo:
    field = model.model_fields[path[0]]
    if len(path) == 1:
        return field
    return _field(cast(type[Section], field.annotation), path[1:])
