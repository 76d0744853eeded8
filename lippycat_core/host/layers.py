"""Where settings are written: command line, environment, configuration file. Each layer is read as dotted keys to raw values.

Which keys exist and what their values mean is `settings.py`'s business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lippycat_core.errors import SettingError

ENVIRONMENT_PREFIX = "LIPPYCAT_"
NO_SETTINGS = frozenset({"LIPPYCAT_TRACEBACK", "LIPPYCAT_CAPTURES", "LIPPYCAT_PPROF_ENABLED"})
"""Variables of our name that switch something for developers: tracebacks, the tests' captures, profiles over HTTP."""

PLACES = (".config/lippycat/config.yaml", ".config/lippycat.yaml", ".lippycat.yaml")
"""Where a configuration file is looked for, below the home folder; the first one found is the one that counts."""

LARGEST_FILE = 1 << 20

OTHER_OPTIONS = {
    "match": "gpu-backend",
    "control.socket": "control",
    "vif.enabled": "virtual-interface",
    "capture.buffer_bytes": "pcap-buffer-size",
    "capture.buffer_packets": "buffer-size",
    "capture.snaplen": "snaplen",
    "capture.promisc": "promisc",
    "capture.user": "user",
    "capture.timestamps": "timestamps",
    "tcp.max_buffers": "max-tcp-buffers",
    "tcp.memory_optimization": "memory-optimization",
    "tcp.auto_tuning": "enable-auto-tuning",
    "tcp.stream_queue_buffer": "stream-queue-buffer",
    "tcp.enable_backpressure": "enable-backpressure",
}
"""Settings whose option is not called like their key."""

BARE_SECTIONS = frozenset({"write"})
"""Sections of the core whose options leave the section's name off, as those of plugins' commands do."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A value as it was written, and where."""

    value: object
    origin: str


def from_flags(flags: Mapping[str, object], plugin_sections: Collection[str]) -> dict[str, Raw]:
    """Options of the command line by key; None means that the option was not given. An option is called like its key (but
    for `OTHER_OPTIONS`), and a plugin's command and `BARE_SECTIONS` leave the section's name off: `voip.sip_user` is
    --sip-user, `write.rotate_size` --rotate-size, `batch.packets` --batch-packets."""
    return {key: Raw(value, _option(key, plugin_sections)) for key, value in flags.items() if value is not None}


def _option(key: str, plugin_sections: Collection[str]) -> str:
    section, dot, rest = key.partition(".")
    bare = dot and (section in plugin_sections or section in BARE_SECTIONS)
    name = rest if bare else OTHER_OPTIONS.get(key, key)
    return "option --" + name.replace(".", "-").replace("_", "-")


def from_environment(environ: Mapping[str, str]) -> dict[str, Raw]:
    """LIPPYCAT_BATCH__PACKETS is `batch.packets`; an empty variable is as good as none."""
    return {
        name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", "."): Raw(value, f"environment {name}")
        for name, value in environ.items()
        if name.startswith(ENVIRONMENT_PREFIX) and name not in NO_SETTINGS and value.strip()
    }


FALLBACKS = {"SSLKEYLOGFILE": "tls.keylog"}
"""Variables that are not ours, and the settings that they give where nobody has set these."""


def fallbacks(environ: Mapping[str, str]) -> dict[str, Raw]:
    """What variables of others say of settings."""
    return {key: Raw(environ[name], f"environment {name}") for name, key in FALLBACKS.items() if environ.get(name, "").strip()}


def find_file(home: Path | None) -> Path | None:
    """The first configuration file that exists."""
    if home is None:
        return None
    return next((home / place for place in PLACES if (home / place).is_file()), None)


def from_file(path: Path) -> dict[str, Raw]:
    """A YAML file's values. SettingError where it cannot be read, is no YAML, or its top is no mapping."""
    import yaml  # here, for most runs have no file

    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise SettingError(f"{path}: larger than {LARGEST_FILE} bytes, which no configuration is")
        loader = yaml.SafeLoader(data)
        root = loader.get_single_node()
        again = _written_again(root)
        tree: Any = None if root is None else loader.construct_document(root)
    except OSError as error:
        raise SettingError(f"{path}: cannot be read: {error.strerror}; name another file with --config") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise SettingError(f"{where}: not YAML: {problem}") from error
    if again is not None:
        raise SettingError(f"{path}:{again.start_mark.line + 1}: {again.value[:80]!r} is there already: keep one of them")
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingError(f"{path}: settings are `key: value` lines, not a {type(tree).__name__}")
    return dict(_leaves(tree, "", str(path)))


def _written_again(node: Any) -> Any:
    """The first key of a YAML tree that stands twice in its mapping, of which a reader would take the last; None without."""
    pairs = node.value if getattr(node, "id", "") == "mapping" else ()
    seen: set[str] = set()
    for key, value in pairs:
        if isinstance(key.value, str):
            if key.value in seen:
                return key
            seen.add(key.value)
        if (below := _written_again(value)) is not None:
            return below
    return None


def _leaves(tree: Mapping[Any, Any], prefix: str, path: str) -> Iterator[tuple[str, Raw]]:
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _leaves(value, key + ".", path)
        elif value is not None:
            yield key, Raw(value, f"file {path}")
