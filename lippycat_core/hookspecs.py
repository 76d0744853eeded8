"""Hooks that a plugin may implement, all of them called (pluggy). Per run or per batch, never per packet.

A plugin is a module, or an object, that an entry point of `lippycat.hooks` names; its functions carry `@hookimpl` and take
those of the arguments below that they want. One that raises is reported once and switched off; the run goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from lippycat_core.events import Event
    from lippycat_core.interfaces.sink import Sink

PROJECT = "lippycat"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a run is about to do: the `inputs` as the user named them, the `command` and the names of its dissectors."""

    inputs: tuple[str, ...]
    command: str
    dissectors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that whoever watches a run should know: a `name` for programs, a `level` ("warning"), one line for people,
    and the packet time where it belongs to one."""

    name: str
    level: str
    message: str
    ts_ns: int | None = None


class Hooks:
    """The specifications; each implementation may leave arguments out, none may change what it is given."""

    @hookspec
    def register_sinks(self, run: RunInfo) -> Sequence[Sink]:
        """Give sinks that take this run's packets and events beside the command's own; asked before the run starts."""
        return ()

    @hookspec
    def run_started(self, run: RunInfo) -> None:
        """The first batch is about to be read."""

    @hookspec
    def events(self, events: Sequence[Event]) -> None:
        """Events of one batch, in order; called only where there are some."""

    @hookspec
    def alert(self, alert: Alert) -> None:
        """Something went wrong that the run gets over, such as a device that failed; called when it does."""

    @hookspec
    def run_ended(self, summary: Mapping[str, object]) -> None:
        """All is read and written; `summary` is the summary record of the output contract."""
