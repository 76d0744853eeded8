"""From settings to what watches a run: the monitor, its control socket and, where it is asked for, the metrics over HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lippycat_core.builtin.vif import VirtualInterface
from lippycat_core.cli.arguments import TRUE
from lippycat_core.cli.matching import Matching
from lippycat_core.control.monitor import Monitor, Watch
from lippycat_core.control.places import folder
from lippycat_core.control.reading import Limits
from lippycat_core.hookspecs import RunInfo
from lippycat_core.host.configview import config_rows
from lippycat_core.host.discovery import Host
from lippycat_core.pipeline import Pace, Pipeline
from lippycat_core.writing.figures import Figures


@contextmanager
def watched(
    pipeline: Pipeline,
    pace: Pace,
    info: RunInfo,
    host: Host,
    tell: Callable[[str], None],
    matching: Matching | None,
    vif: VirtualInterface | None = None,
    written: Callable[[], Figures] = Figures,
) -> Iterator[Monitor]:
    """Watch `pipeline`, which runs at `pace`, for as long as the context lasts. UsageError where metrics cannot be served."""
    settings = host.settings
    watch = Watch(
        command=info.command,
        inputs=info.inputs,
        limits=Limits(settings["limits.flows"], settings["limits.fragment_bytes"]),
        endless=pipeline.parts.source.progress().bytes_total is None,
        stale_s=settings["control.stale_after"] / 1e9,
        place=folder() if settings["control.socket"] else None,
        config=lambda: [row._asdict() for row in config_rows(settings)],
        match=None if matching is None else matching.backend,
        injected=dict if vif is None else vif.results,
        written=written,
    )
    monitor = Monitor(watch, tell, host.hooks.alert)
    pace.on_batch = monitor.batch
    monitor.begin(pipeline)
    stop = unprofiled = _nothing
    try:
        if profiles_wanted():
            unprofiled = _profiled(tell)
        if settings["metrics.listen"]:
            from lippycat_core.control.prometheus import serve_metrics

            stop = serve_metrics(settings["metrics.listen"], monitor.snapshot)
        yield monitor
    finally:
        stop()
        unprofiled()
        monitor.end()


def profiles_wanted() -> bool:
    """Whether profiles are to be served over HTTP."""
    return os.environ.get("LIPPYCAT_PPROF_ENABLED", "").strip().lower() in TRUE


def _profiled(tell: Callable[[str], None]) -> Callable[[], None]:
    """Serve profiles where that can be; a run does not end because its port is taken."""
    from lippycat_core.control.pprof import HOST, PORT, serve_profiles

    try:
        return serve_profiles().stop
    except OSError as error:
        tell(f"no profiles at {HOST}:{PORT}: {error.strerror or error}; the run goes on without")
        return _nothing


def _nothing() -> None:
    """No metrics are served."""
