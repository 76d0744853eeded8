"""Drivers of one kind: load and probe each, rank those that fit, say what is wrong with the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from lippycat_core.host.installed import Entry, Installed, one_line
from lippycat_core.interfaces.provider import Fitness, Provider

CHOSEN, FIT, UNFIT, BROKEN, ABSENT = "chosen", "fit", "unfit", "broken", "absent"


@dataclass(frozen=True)
class Candidate:
    """One driver and how it did; `provider` is None where it is broken."""

    entry: Entry
    state: str
    priority: int | None = None
    reason: str = ""
    provider: Provider | None = None


def candidates(installed: Installed, kind: str, name: str | None = None) -> list[Candidate]:
    """The drivers of a kind (or of that name), best first: by priority, ties by distribution name, then by name.

    Of several fitting drivers of one name the first stands for it; the others become unfit. Nothing that a plugin raises
    comes through.
    """
    entries = [entry for entry in installed.entries(kind) if name in (None, entry.name)]
    found: list[Candidate] = []

    def broken(entry: Entry, error: BaseException) -> None:
        found.append(Candidate(entry, BROKEN, reason=str(error)))

    found += [_examine(entry, plugin) for entry, plugin in installed.load(kind, entries, broken)]
    found.sort(key=_rank)
    return list(_one_a_name(found))


def _rank(candidate: Candidate) -> tuple[int, int, tuple[str, str]]:
    states = (FIT, UNFIT, BROKEN)
    return (states.index(candidate.state), -(candidate.priority or 0), candidate.entry.order)


def _one_a_name(ranked: Iterable[Candidate]) -> Iterable[Candidate]:
    holders: dict[str, Entry] = {}
    for candidate in ranked:
        entry = candidate.entry
        if candidate.state == FIT and holders.setdefault(entry.name, entry) is not entry:
            holder = holders[entry.name]
            why = (
                f"{holder.distribution} {holder.version} has a driver of the same name, which comes first; remove one of the two"
            )
            yield replace(candidate, state=UNFIT, reason=why)
        else:
            yield candidate


def _examine(entry: Entry, plugin: Any) -> Candidate:
    try:
        provider: Any = plugin() if isinstance(plugin, type) else plugin
        problem = _contract(entry, provider)
        if problem:
            return Candidate(entry, BROKEN, reason=problem)
        fitness = provider.probe()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Candidate(entry, BROKEN, reason=f"its probe raised {one_line(error)}")
    if not isinstance(fitness, Fitness) or isinstance(fitness.priority, bool) or not isinstance(fitness.priority, int | None):
        return Candidate(entry, BROKEN, reason=f"its probe gave {str(fitness)[:60]!r}, which is no Fitness")
    if fitness.priority is None:
        return Candidate(entry, UNFIT, None, fitness.reason or "its probe gave no reason", provider)
    return Candidate(entry, FIT, fitness.priority, fitness.reason, provider)


def _contract(entry: Entry, provider: Any) -> str:
    if not isinstance(provider, Provider):
        return f"{entry.value} is no provider: it lacks name, probe() or open()"
    if provider.name != entry.name:
        return f"its entry point is called {entry.name!r}, the provider calls itself {str(provider.name)[:40]!r}"
    return ""
