"""The TCP performance profiles, and other spellings of the settings that they fill. Data: what a value does is not said here.

A profile is a layer of settings between the configuration file and the defaults; one value written anywhere replaces one
value of the profile and nothing else.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping

from lippycat_core.errors import SettingError
from lippycat_core.host.layers import Raw

MODE = "tcp.performance_mode"
DEFAULT = "balanced"
NAMES = ("minimal", "balanced", "high_performance", "low_latency")

OLDER_NAMES = {"memory": "minimal", "throughput": "high_performance", "latency": "low_latency"}
"""What profiles were called once; accepted everywhere."""

CPUS = min(os.cpu_count() or 1, 128)

VALUES: Mapping[str, tuple[object, object, object, object]] = {
    "tcp.batch_size": (8, 32, 64, 1),
    "tcp.max_buffers": (500, 5000, 20000, 2000),
    "tcp.buffer_strategy": ("fixed", "adaptive", "ring", "fixed"),
    "tcp.memory_limit": ("25MiB", "100MiB", "500MiB", "200MiB"),
    "tcp.stream_queue_buffer": (50, 250, 1000, 100),
    "tcp.stream_max_queue_time": ("60s", "120s", "180s", "30s"),
    "tcp.buffer_max_age": ("120s", "300s", "600s", "60s"),
    "tcp.cleanup_interval": ("30s", "60s", "120s", "15s"),
    "tcp.memory_optimization": (True, False, False, False),
    "tcp.auto_tuning": (False, True, True, False),
    "tcp.enable_backpressure": (True, True, False, False),
    "tcp.stream_timeout": ("180s", "300s", "600s", "120s"),
    "tcp.assembler_max_pages": (25, 100, 500, 50),
    "tcp.buffer_pool_size": (100, 1000, 5000, 500),
    "tcp.latency_optimization": (False, False, False, True),
    "tcp.io_threads": (1, CPUS, 2 * CPUS, CPUS),
    "tcp.compression_level": (1, 1, 0, 0),
}
"""Values by key, in the order of `NAMES`, as a user would write them."""

LIMITS: Mapping[str, Mapping[str, object]] = {
    "minimal": {
        "limits.flows": 65_536,
        "limits.tcp_connections": 8192,
        "limits.fragment_bytes": "2MiB",
        "write.buffer_bytes": "8MiB",
        "write.open_files": 64,
    },
}
"""What a profile makes of settings that are not of TCP alone; a plugin says so of its own (docs/settings.md). In the others
defaults hold."""

SPELLINGS: Mapping[str, str] = {
    "voip.tcp_performance_mode": MODE,
    "voip.tcp_batch_size": "tcp.batch_size",
    "voip.max_tcp_buffers": "tcp.max_buffers",
    "voip.tcp_buffer_strategy": "tcp.buffer_strategy",
    "voip.tcp_memory_limit": "tcp.memory_limit",
    "voip.stream_queue_buffer": "tcp.stream_queue_buffer",
    "voip.tcp_stream_max_queue_time": "tcp.stream_max_queue_time",
    "voip.tcp_buffer_max_age": "tcp.buffer_max_age",
    "voip.tcp_cleanup_interval": "tcp.cleanup_interval",
    "voip.memory_optimization": "tcp.memory_optimization",
    "voip.enable_auto_tuning": "tcp.auto_tuning",
    "voip.enable_backpressure": "tcp.enable_backpressure",
    "voip.tcp_stream_timeout": "tcp.stream_timeout",
    "voip.tcp_assembler_max_pages": "tcp.assembler_max_pages",
    "voip.tcp_buffer_pool_size": "tcp.buffer_pool_size",
    "voip.tcp_latency_optimization": "tcp.latency_optimization",
    "voip.tcp_io_threads": "tcp.io_threads",
    "voip.tcp_compression_level": "tcp.compression_level",
    "limits.tcp_bytes": "tcp.memory_limit",
    "limits.tcp_timeout": "tcp.stream_timeout",
}
"""Other keys that mean a setting, in the environment and in files."""


def renamed(layer: Mapping[str, Raw]) -> dict[str, Raw]:
    """A layer with every key in its one spelling. SettingError where two spellings of one setting are written."""
    plain: dict[str, Raw] = {}
    written: dict[str, str] = {}
    for key, raw in layer.items():
        name = SPELLINGS.get(key, key)
        if name in plain:
            raise SettingError(f"{written[name]} and {key} are the same setting: write one of them ({raw.origin})")
        plain[name], written[name] = raw, key
    return plain


def profile(raw: Raw | None) -> str:
    """The name of the profile that was asked for. SettingError, which lists the known ones, where it is unknown."""
    if raw is None:
        return DEFAULT
    name = str(raw.value).strip().lower()
    name = OLDER_NAMES.get(name, name)
    if name not in NAMES:
        near = difflib.get_close_matches(name, (*NAMES, *OLDER_NAMES), 1, 0.7)
        maybe = f"did you mean {near[0]}? " if near else ""
        older = ", ".join(f"{old} = {new}" for old, new in OLDER_NAMES.items())
        raise SettingError(
            f"{MODE}: {str(raw.value)[:80]!r} is no profile: {maybe}there are {', '.join(NAMES)} (and {older}) ({raw.origin})"
        )
    return name


def layer(name: str, sections: Mapping[str, type]) -> dict[str, Raw]:
    """The values of a profile, with those that the fields of plugins' sections name in their metadata."""
    at = NAMES.index(name)
    values = {key: values[at] for key, values in VALUES.items()}
    values |= LIMITS.get(name, {})
    for section, declared in sections.items():
        for field in dataclasses.fields(declared):
            if name in (of_profiles := field.metadata.get("profiles", {})):
                values[f"{section}.{field.name}"] = of_profiles[name]
    return {key: Raw(value, f"profile {name}") for key, value in values.items()}


def balanced(key: str) -> object:
    """What holds where nobody says anything."""
    return VALUES[key][NAMES.index(DEFAULT)]
