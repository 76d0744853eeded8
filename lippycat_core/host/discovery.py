"""The host: which plugins there are, which of them a run takes, and what `lc plugins` says about each.

A `Host` is passed to whoever needs one; nothing here is global, and nothing is imported before it is asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from lippycat_core.errors import DriverUnfit, PluginError
from lippycat_core.host import measured
from lippycat_core.host.hooks import HookCaller
from lippycat_core.host.inspection import what_is_wrong
from lippycat_core.host.installed import DISSECT, DRIVER_KINDS, KINDS, LAYERS, Entry, Installed, one_line
from lippycat_core.host.ranking import ABSENT, BROKEN, CHOSEN, FIT, UNFIT, Candidate, candidates
from lippycat_core.host.settings import Settings
from lippycat_core.interfaces.provider import Provider

AUTO = "auto"
WORTH_IT = 0.8
"""What another match driver may take of the time of the first by rank to go before it: less of a difference is noise."""
OFF = ("pure", "off")
"""Names that choose no compiler: the kernels themselves run."""

WISHES = {"buffer": "tcp.buffer_strategy", "capture": "capture.driver"}
"""Settings that name a driver and are not called like its kind."""

ALIASES = {"match": {"cpu-simd": "simd", "disabled": "pure"}}
"""What drivers may be called too, by kind."""


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One line of `lc plugins`. `priority` is None where a kind has none, or the driver does not fit."""

    kind: str
    name: str
    distribution: str
    version: str
    priority: int | None
    state: str
    reason: str


class FirstParty(NamedTuple):
    """A plugin of ours that can be installed."""

    kind: str
    name: str
    distribution: str
    gives: str


def canonical(kind: str, name: str) -> str:
    """The name of the driver that may be called `name`."""
    return ALIASES.get(kind, {}).get(name, name)


class LineUp(NamedTuple):
    """The drivers of a kind that a run may take: the chosen one first, then those behind it that fit, looked for when asked
    for. `asked` says that the first was named, `why` for what reason it is not the one of the highest priority."""

    asked: bool
    why: str
    drivers: Iterator[Candidate]


FIRST_PARTY = (
    FirstParty("compiler", "simd", "lippycat-simd", "kernels as machine code"),
    FirstParty("match", "cuda", "lippycat-cuda", "patterns on NVIDIA GPUs"),
    FirstParty("match", "opencl", "lippycat-opencl", "patterns on GPUs and other OpenCL devices"),
    FirstParty("match", "simd", "lippycat-simd", "patterns with compiled kernels"),
    FirstParty("dissect", "voip", "lippycat-voip", "SIP calls and RTP streams, `lc sniff voip`"),
    FirstParty("layers", "tls", "lippycat-tls", "what TLS carries, with a key log"),
)


class Host:
    """Plugins of this installation under these settings. `on_problem` is told, in one line each, what had to be left out."""

    def __init__(self, settings: Settings, on_problem: Callable[[str], None] | None = None) -> None:
        self.settings = settings
        self.installed = Installed()
        self.problems: list[str] = []
        self._on_problem = on_problem
        self._found: dict[tuple[str, str | None], list[Candidate]] = {}

    # -- drivers ----------------------------------------------------------------------------------------------------------

    def choose(self, kind: str, forced: str | None = None) -> Provider | None:
        """The driver of a kind: `forced` (the command's own wish), else the setting's, else the best that fits.

        None where nothing fits, or the setting says that no compiler is wanted. DriverUnfit where a driver was named and
        does not fit, is broken or is not there; a named driver is never replaced by another.
        """
        first = next(self.line_up(kind, forced).drivers, None)
        return None if first is None else first.provider

    def line_up(self, kind: str, forced: str | None = None) -> LineUp:
        """The driver that `choose` gives, and those that could go on where it fails. Errors as there."""
        name, origin = self._wish(kind, forced)
        if kind == "compiler" and name in OFF:
            return LineUp(True, "", iter(()))
        if name is not None:
            return LineUp(True, "", self._behind(kind, self._named(kind, name, origin)))
        found, why = self._ordered(kind)
        return LineUp(False, why, iter([candidate for candidate in found if candidate.state == FIT]))

    def candidates(self, kind: str, name: str | None = None) -> list[Candidate]:
        """The drivers of a kind (or of that name), best first, each probed once."""
        if (kind, name) not in self._found:
            self._found[kind, name] = candidates(self.installed, kind, name)
        return self._found[kind, name]

    def _behind(self, kind: str, first: Candidate) -> Iterator[Candidate]:
        """`first`, then all others by rank; who never goes past the first never probes the others."""
        yield first
        for candidate in self.candidates(kind):
            if candidate.state == FIT and candidate.entry.name != first.entry.name:
                yield candidate

    def _ordered(self, kind: str) -> tuple[list[Candidate], str]:
        """The drivers in the order of `auto`: by rank, but a match driver that measured faster than the first goes before it."""
        found = self.candidates(kind)
        if kind != "match":
            return found, ""
        rows = self.settings["gpu.batch_size"]
        known = [(candidate, self.measurement(candidate)) for candidate in found if candidate.state == FIT]
        times = [(candidate, one.at(rows)) for candidate, one in known if one is not None]
        if not times or times[0][0] is not found[0]:
            return found, ""
        (usual, usual_ns), (best, best_ns) = times[0], min(times, key=lambda pair: pair[1])
        if best_ns > usual_ns * WORTH_IT:
            return found, ""
        why = f"measured faster than {usual.entry.name}, {best_ns:,.0f} against {usual_ns:,.0f} ns with {rows:,} spans at once"
        return [best, *(candidate for candidate in found if candidate is not best)], why

    def measurement(self, candidate: Candidate) -> measured.Measurement | None:
        """What is known of the speed of a match driver, in this version and on the device that the settings name."""
        entry, asked = candidate.entry, self.settings["gpu.device"]
        for one in self._measured:
            if (one.driver, one.version, one.asked) == (entry.name, entry.version, asked):
                return one
        return None

    @cached_property
    def _measured(self) -> list[measured.Measurement]:
        return measured.read(measured.usual_path())

    def _wish(self, kind: str, forced: str | None) -> tuple[str | None, str]:
        if forced is not None and forced != AUTO:
            return canonical(kind, forced), ""
        key = WISHES.get(kind, kind)
        if forced is None and self.settings.knows(key):
            name = str(self.settings[key])
            if name != AUTO:
                return canonical(kind, name), f" ({self.settings.origin(key)})"
        return None, ""

    def _named(self, kind: str, name: str, origin: str) -> Candidate:
        found = self.candidates(kind, name)
        for candidate in found:
            if candidate.state == FIT:
                return candidate
        if found:
            raise DriverUnfit(f"{kind} {name}{origin}: {found[0].state}: {found[0].reason}; auto takes the best that fits")
        for known in FIRST_PARTY:
            if (known.kind, known.name) == (kind, name):
                raise DriverUnfit(f"{kind} {name}{origin}: not installed; pip install {known.distribution}")
        names = {entry.name for entry in self.installed.entries(kind)} | set(ALIASES.get(kind, ()))
        names |= {"pure"} if kind == "compiler" else set()
        near = difflib.get_close_matches(name.lower(), names | {known.name for known in FIRST_PARTY if known.kind == kind}, 1)
        way_out = f"did you mean {near[0]}?" if near else f"there is {', '.join(sorted(names)) or 'none at all'}"
        raise DriverUnfit(f"{kind} {name or repr(name)}{origin}: no such driver; {way_out}")

    # -- dissectors and hooks ---------------------------------------------------------------------------------------------

    def dissectors(self, names: Iterable[str] | None = None) -> list[Any]:
        """An instance of each dissector (or of those named), in the order of distribution and name.

        One that cannot be made is left out and named in `problems`.
        """
        wanted = None if names is None else set(names)
        entries = [e for e in _first_of_each_name(self.installed.entries(DISSECT)) if wanted is None or e.name in wanted]
        return self._made(DISSECT, "dissector", entries, _dissector)

    def layers(self) -> list[Any]:
        """An instance of each stream layer, in the order of distribution and name; as with dissectors, one that cannot be made
        is left out and named."""
        return self._made(LAYERS, "layer", _first_of_each_name(self.installed.entries(LAYERS)), _layer)

    def _made(self, kind: str, called: str, entries: list[Entry], check: Callable[[str, Any], Any]) -> list[Any]:
        made: list[Any] = []

        def broken(entry: Entry, error: BaseException) -> None:
            self._problem(f"{called} {entry.name} of {entry.distribution} is left out: {error}")

        for entry, plugin in self.installed.load(kind, entries, broken):
            try:
                made.append(check(entry.name, plugin()))
            except PluginError as error:
                broken(entry, error)
            except (Exception, SystemExit) as error:
                broken(entry, PluginError(one_line(error)))
        return made

    @cached_property
    def hooks(self) -> HookCaller:
        """The hooks of all plugins, loaded when first asked for."""
        return HookCaller(self.installed, self._problem)

    def _problem(self, line: str) -> None:
        self.problems.append(line)
        if self._on_problem is not None:
            self._on_problem(line)

    # -- what there is ------------------------------------------------------------------------------------------------------

    def catalogue(self, kinds: Collection[str] = KINDS) -> list[PluginInfo]:
        """Every plugin of these kinds and its state, by kind.

        Drivers are probed. Dissectors and hooks, which may be heavy to import, are looked at without importing them: all
        that nothing is wrong with are in use, so they are `chosen`.
        """
        lines: list[PluginInfo] = []
        for kind in kinds:
            lines += self._driver_lines(kind) if kind in DRIVER_KINDS else self._plugin_lines(kind)
        there = {(line.kind, line.name) for line in lines}
        for known in FIRST_PARTY:
            if known.kind in kinds and (known.kind, known.name) not in there:
                why = f"{known.gives}: pip install {known.distribution}"
                lines.append(PluginInfo(known.kind, known.name, known.distribution, "", None, ABSENT, why))
        return sorted(lines, key=lambda line: KINDS.index(line.kind))

    def _driver_lines(self, kind: str) -> list[PluginInfo]:
        found, why = self._ordered(kind)
        name, origin = self._wish(kind, None)
        lines = []
        taken = kind == "compiler" and name in OFF
        for candidate in found:
            entry, state, reason = candidate.entry, candidate.state, candidate.reason
            if state == FIT and not taken and name in (None, entry.name):
                state, taken = CHOSEN, True
                reason = reason or (f"asked for{origin}" if name else why)
            lines.append(PluginInfo(kind, entry.name, entry.distribution, entry.version, candidate.priority, state, reason))
        known = {line.name for line in lines} | {first.name for first in FIRST_PARTY if first.kind == kind}
        if name is not None and not taken and name not in known:
            why = f"asked for{origin}, and no installed distribution brings it"
            lines.append(PluginInfo(kind, name, "", "", None, ABSENT, why))
        return lines

    def _plugin_lines(self, kind: str) -> list[PluginInfo]:
        lines, holders = [], {entry.name: entry for entry in reversed(self.installed.entries(kind))}
        for entry in self.installed.entries(kind):
            holder, wrong = holders[entry.name], what_is_wrong(entry.value)
            state, reason = (BROKEN, wrong) if wrong else (CHOSEN, "")
            if not wrong and holder is not entry:
                state = UNFIT
                reason = (
                    f"{holder.distribution} {holder.version} has one of the same name, which comes first; remove one of the two"
                )
            lines.append(PluginInfo(kind, entry.name, entry.distribution, entry.version, None, state, reason))
        return lines


def _dissector(name: str, made: Any) -> Any:
    """`made`, if it is a dissector of that name. PluginError where it is not."""
    from lippycat_core.interfaces.dissect import BulkDissector, Dissector  # here, for this loads numpy

    if not isinstance(made, BulkDissector | Dissector):
        raise PluginError("it is no dissector: neither name, claims and open() nor what a BulkDissector has")
    if made.name != name:
        raise PluginError(f"its entry point is called {name!r}, the dissector calls itself {str(made.name)[:40]!r}")
    return made


def _layer(name: str, made: Any) -> Any:
    """`made`, if it is a stream layer of that name. PluginError where it is not."""
    from lippycat_core.interfaces.layer import StreamLayer

    if not isinstance(made, StreamLayer):
        raise PluginError("it is no layer: it lacks one of name, over, messages, claim_stream() and open()")
    if made.name != name:
        raise PluginError(f"its entry point is called {name!r}, the layer calls itself {str(made.name)[:40]!r}")
    return made


def _first_of_each_name(entries: Iterable[Entry]) -> list[Entry]:
    firsts: dict[str, Entry] = {}
    for entry in entries:
        firsts.setdefault(entry.name, entry)
    return list(firsts.values())
