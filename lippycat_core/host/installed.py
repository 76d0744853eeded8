"""What is installed under our entry point groups, and how it is loaded without harm. It ranks nothing.

Metadata is read from disk once per `Installed` (each `importlib.metadata.entry_points()` reads it again), and with the
distribution that each entry comes from, which stevedore's own cache forgets.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from stevedore.extension import ExtensionManager

from lippycat_core.errors import PluginError

DRIVER_KINDS = ("capture", "compiler", "match", "buffer", "transport")
DISSECT, LAYERS, HOOKS, SETTINGS = "dissect", "layers", "hooks", "settings"
KINDS = (*DRIVER_KINDS, DISSECT, LAYERS, HOOKS)
PREFIX = "lippycat."


def one_line(error: BaseException) -> str:
    """An exception as one line of bounded length."""
    text = " ".join(str(error).split())
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__)[:300]


@dataclass(frozen=True)
class Entry:
    """An installed entry point and where it comes from; what stevedore asks of one (`name`, `load`) is here too."""

    name: str
    value: str
    distribution: str
    version: str
    point: importlib.metadata.EntryPoint

    def load(self) -> Any:
        """The object that the entry names. PluginError, in one line, for whatever its import raises, `sys.exit` included."""
        try:
            return self.point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PluginError(one_line(error)) from error

    @property
    def order(self) -> tuple[str, str]:
        """The order of ties: by distribution, then by name."""
        return (self.distribution, self.name)


def _entry(point: importlib.metadata.EntryPoint) -> Entry:
    dist = point.dist
    return Entry(point.name, point.value, dist.name if dist else "", dist.version if dist else "", point)


class Namespace(ExtensionManager[Any]):
    """stevedore's manager over entries that were read already; broken ones are handed to `broken(entry, error)`."""

    def __init__(self, namespace: str, entries: Sequence[Entry], broken: Callable[[Entry, BaseException], None]) -> None:
        self._entries = list(entries)
        super().__init__(namespace, on_load_failure_callback=lambda _manager, entry, error: broken(cast(Entry, entry), error))

    def list_entry_points(self) -> list[Any]:
        """The entries given, instead of what stevedore's disk cache holds."""
        return self._entries


class Installed:
    """Entries of all our groups, in the order of ties."""

    @cached_property
    def _groups(self) -> dict[str, list[Entry]]:
        groups: dict[str, list[Entry]] = {}
        everything = importlib.metadata.entry_points()
        for kind in (*KINDS, SETTINGS):
            points = everything.select(group=PREFIX + kind)
            groups[kind] = sorted(map(_entry, points), key=lambda entry: entry.order)
        return groups

    def entries(self, kind: str) -> list[Entry]:
        """Entries of one of `KINDS` or of the settings; nothing is imported."""
        return self._groups[kind]

    def load(
        self, kind: str, entries: Sequence[Entry], broken: Callable[[Entry, BaseException], None]
    ) -> list[tuple[Entry, Any]]:
        """Those of `entries` that can be imported, each with what it names; the others go to `broken`."""
        loaded = Namespace(PREFIX + kind, entries, broken).extensions
        return [(cast(Entry, extension.entry_point), extension.plugin) for extension in loaded]
