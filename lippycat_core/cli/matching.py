"""From settings to a match backend that lasts a run: opened when something is matched, replaced when it fails, and told about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

from lippycat_core.builtin.match import PureProvider
from lippycat_core.cli.telling import say
from lippycat_core.errors import ContractError
from lippycat_core.hookspecs import Alert
from lippycat_core.host.discovery import Host, LineUp
from lippycat_core.interfaces.match import MatchBackend
from lippycat_core.interfaces.provider import Provider
from lippycat_core.matching.fallback import Driver, Failure, FallbackBackend

ALERT = "match_backend_failed"


class Matching:
    """The match backend of a run, `backend`, and what is told of it: that `auto` took it (not where `quiet`), that it failed,
    and at the end who did what. `what` is what it looks for, in the plural; `input_bytes` the size of the input, if known.

    DriverUnfit where a driver was named and does not fit.
    """

    def __init__(
        self,
        host: Host,
        what: str,
        *,
        input_bytes: int | None = None,
        quiet: bool = False,
        tell: Callable[[str], None] = say,
    ) -> None:
        self._host = host
        self._what = what
        self._tell = tell
        line_up = host.line_up("match")
        self.backend = FallbackBackend(
            drivers_of(line_up, host, input_bytes),
            strict=line_up.asked,
            opened=partial(self._opened, line_up.why) if not (quiet or line_up.asked) else _untold,
            failed=self._failed,
        )

    def _opened(self, why: str, backend: MatchBackend) -> None:
        self._tell(f"{self._what} are matched by {backend.name} on {backend.device}" + (f": {why}" if why else ""))

    def _failed(self, failure: Failure) -> None:
        again = "" if not failure.again else f"; {_batches(failure.again)} done again"
        line = f"match {failure.driver}: {failure.step} failed: {failure.reason}; {failure.successor} goes on{again}"
        self._tell(line)
        self._host.hooks.alert(Alert(ALERT, "warning", line))

    def close(self) -> None:
        """The run is over: give the device back, and where one failed say who did how much."""
        self.backend.close()
        if self.backend.failures and self.backend.batches:
            done = ", then ".join(f"{_batches(count)} by {name}" for name, count in self.backend.batches.items())
            failures = len(self.backend.failures)
            self._tell(f"{self._what} were matched in {done}; {failures} failure{'s' if failures > 1 else ''} on the way")


def _batches(count: int) -> str:
    return f"{count:,} batch" + ("" if count == 1 else "es")


def _untold(backend: MatchBackend) -> None:
    """Who named the driver knows it."""


def drivers_of(line_up: LineUp, host: Host, input_bytes: int | None) -> Iterator[Driver]:
    """The drivers of a line-up, to be opened as the settings say; the core's own comes last, whatever is installed."""
    names = set()
    for candidate in line_up.drivers:
        if candidate.provider is not None:
            names.add(candidate.entry.name)
            yield Driver(candidate.entry.name, partial(opened, candidate.provider, host, input_bytes))
    own = PureProvider()
    if own.name not in names:
        yield Driver(own.name, partial(opened, own, host, input_bytes))


def opened(
    provider: Provider, host: Host, input_bytes: int | None, batch_size: int | None = None, *, wait: bool = False
) -> MatchBackend:
    """The backend of a provider under the host's settings. What `open` raises comes through."""
    settings = host.settings
    backend: Any = provider.open(
        batch_size=batch_size or settings["gpu.batch_size"],
        max_memory=settings["gpu.max_memory"],
        device=settings["gpu.device"],
        cache_dir=settings["cache_dir"],
        input_bytes=input_bytes,
        wait=wait,
    )
    lacks = [name for name in ("name", "device", "memory", "compile", "extractor", "close") if not hasattr(backend, name)]
    if lacks:
        raise ContractError(f"what {provider.name} opens is no match backend: it lacks {', '.join(lacks)}")
    return cast(MatchBackend, backend)
