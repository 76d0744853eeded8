"""Calls the hooks that plugins implement, each on its own, so that one that raises takes nobody with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from lippycat_core import hookspecs
from lippycat_core.hookspecs import RunInfo
from lippycat_core.host.installed import HOOKS, Entry, Installed, one_line

if TYPE_CHECKING:
    from lippycat_core.events import Event
    from lippycat_core.interfaces.sink import Sink


class HookCaller:
    """The implementations of all hook plugins. `on_problem` gets one line for each that is left out or switched off."""

    def __init__(self, installed: Installed, on_problem: Callable[[str], None]) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs.Hooks)
        self._on_problem = on_problem
        for entry, plugin in installed.load(HOOKS, installed.entries(HOOKS), self._left_out):
            self._register(entry, plugin)
        self._callers = {name: self._callers_of(name) for name in ("register_sinks", "run_started", "events", "run_ended")}

    def _left_out(self, entry: Entry, error: BaseException) -> None:
        self._on_problem(f"hook {entry.name} of {entry.distribution} is left out: {error}")

    def _register(self, entry: Entry, plugin: Any) -> None:
        try:
            self._manager.register(plugin() if isinstance(plugin, type) else plugin, entry.name)
        except Exception as error:
            self._left_out(entry, Exception(one_line(error)))

    def _callers_of(self, hook: str) -> list[tuple[str, Callable[..., list[Any]]]]:
        """For each plugin that implements the hook a caller of it alone, in pluggy's order."""
        everyone = self._manager.get_plugins()
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        return [
            (impl.plugin_name, self._manager.subset_hook_caller(hook, [other for other in everyone if other is not impl.plugin]))
            for impl in reversed(implementations)
        ]

    def _call(self, hook: str, **arguments: Any) -> list[Any]:
        results: list[Any] = []
        for name, caller in list(self._callers[hook]):
            try:
                results += caller(**arguments)
            except Exception as error:
                self._switch_off(name)
                self._on_problem(f"hook {name} raised in {hook} and is switched off: {one_line(error)}")
        return results

    def _switch_off(self, plugin: str) -> None:
        for hook, callers in self._callers.items():
            self._callers[hook] = [(name, caller) for name, caller in callers if name != plugin]

    def sinks(self, run: RunInfo) -> list[Sink]:
        """The sinks that plugins want to have beside the command's own."""
        return [sink for given in self._call("register_sinks", run=run) for sink in given]

    def for_run(self, run: RunInfo) -> RunHooks:
        """What a pipeline calls."""
        return RunHooks(self._call, run)


class RunHooks:
    """The hooks of one run."""

    def __init__(self, call: Callable[..., object], run: RunInfo) -> None:
        self._call = call
        self._run = run

    def run_started(self) -> None:
        """The first batch is about to be read."""
        self._call("run_started", run=self._run)

    def events(self, events: Sequence[Event]) -> None:
        """Events of one batch, in order."""
        self._call("events", events=events)

    def run_ended(self, summary: Mapping[str, object]) -> None:
        """All is read and written."""
        self._call("run_ended", summary=summary)
