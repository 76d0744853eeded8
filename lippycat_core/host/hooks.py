"""Calls the hooks that plugins implement, each on its own, so that one that raises takes nobody with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from lippycat_core import hookspecs
from lippycat_core.hookspecs import Alert, RunInfo
from lippycat_core.host.installed import HOOKS, Entry, Installed, one_line

if TYPE_CHECKING:
    from lippycat_core.batch import Batch
    from lippycat_core.events import Event
    from lippycat_core.interfaces.sink import Sink
    from lippycat_core.kernelset import Kernel


CALLED = ("register_sinks", "run_started", "events", "alert", "run_ended")


class HookCaller:
    """The implementations of all hook plugins. `on_problem` gets one line for each that is left out or switched off."""

    def __init__(self, installed: Installed, on_problem: Callable[[str], None]) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs.Hooks)
        self._on_problem = on_problem
        for entry, plugin in installed.load(HOOKS, installed.entries(HOOKS), self._left_out):
            self._register(entry, plugin)
        self._callers = {name: self._callers_of(name) for name in CALLED}

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
            except (Exception, SystemExit) as error:
                self._raised(name, hook, error)
        return results

    def _raised(self, plugin: str, where: str, error: BaseException) -> None:
        self._switch_off(plugin)
        self._on_problem(f"hook {plugin} raised in {where} and is switched off: {one_line(error)}")

    def _switch_off(self, plugin: str) -> None:
        for hook, callers in self._callers.items():
            self._callers[hook] = [(name, caller) for name, caller in callers if name != plugin]

    def sinks(self, run: RunInfo) -> list[Sink]:
        """The sinks that plugins want to have beside the command's own; one that raises later is switched off."""
        sinks: list[Sink] = []
        for name, caller in list(self._callers["register_sinks"]):
            try:
                sinks += [GuardedSink(name, sink, self._raised) for given in caller(run=run) for sink in given]
            except (Exception, SystemExit) as error:
                self._raised(name, "register_sinks", error)
        return sinks

    def alert(self, alert: Alert) -> None:
        """Tell all plugins that care."""
        self._call("alert", alert=alert)

    def for_run(self, run: RunInfo) -> RunHooks:
        """What a pipeline calls."""
        return RunHooks(self._call, run)


class GuardedSink:
    """A plugin's sink that leaves the run when it raises, and the run in peace. TypeError for what is no sink."""

    def __init__(self, plugin: str, sink: Any, raised: Callable[[str, str, BaseException], None]) -> None:
        for method in ("packets", "emit", "close"):
            if not callable(getattr(sink, method, None)):
                raise TypeError(f"{sink!r:.60} is no sink: it has no {method}()")
        self._plugin = plugin
        self._sink = sink
        self._raised = raised
        self._off = False

    @property
    def kernels(self) -> Sequence[Kernel]:
        """What the sink says that it runs; see kernelset.UsesKernels."""
        return tuple(getattr(self._sink, "kernels", ()))

    def packets(self, batch: Batch) -> None:
        """See Sink."""
        self._guarded("packets", batch)

    def emit(self, events: Sequence[Event]) -> None:
        """See Sink."""
        self._guarded("emit", events)

    def close(self) -> None:
        """See Sink."""
        self._guarded("close")

    def _guarded(self, method: str, *arguments: Any) -> None:
        if self._off:
            return
        try:
            getattr(self._sink, method)(*arguments)
        except (Exception, SystemExit) as error:
            self._off = True
            self._raised(self._plugin, f"its sink's {method}()", error)


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
