"""Drivers: a provider is cheap to import and to probe, heavy only in `open`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Fitness:
    """A probe's answer: a `priority` (higher is better), or None and the `reason` as a sentence a user can act on."""

    priority: int | None
    reason: str = ""

    @property
    def fits(self) -> bool:
        """Whether the driver can be opened here."""
        return self.priority is not None


@runtime_checkable
class Provider(Protocol):
    """One driver of a namespace. Its entry point names the class or an instance; `name` equals the entry point's name."""

    name: str

    def probe(self) -> Fitness:
        """Say in a few milliseconds, importing nothing heavy, whether and how well the driver fits here."""
        ...

    def open(self, **options: Any) -> Any:
        """Make the driver's object (see the namespace's own interface)."""
        ...
