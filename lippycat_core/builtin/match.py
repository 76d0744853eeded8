"""The match driver that is always there. It loads nothing heavy; the matching itself lies in `patterns.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lippycat_core.interfaces.provider import Fitness

if TYPE_CHECKING:
    from lippycat_core.builtin.patterns import PureMatch

PRIORITY = 10


class PureProvider:
    """Fits everywhere."""

    name = "pure"

    def probe(self) -> Fitness:
        """Always fit, behind any other."""
        return Fitness(PRIORITY)

    def open(self, **options: Any) -> PureMatch:
        """The backend; it has no options."""
        from lippycat_core.builtin.patterns import PureMatch

        return PureMatch()
