"""From settings to what watches a run: the monitor, its control socket and, where it is asked for, the metrics over HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from lippycat_core.cli.arguments import TRUE
from lippycat_core.cli.matching import Matching
from lippycat_core.control.monitor import Monitor, Watch
from lippycat_core.control.places import folder
from lippycat_core.control.reading import Limits
from lippycat_core.hookspecs import RunInfo
from lippycat_core.host.discovery import Host
from lippycat_core.host.settings import Settings
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
        config=lambda: config_rows(settings),
        match=None if matching is None else matching.backend,
        written=written,
    )
    monitor = Monitor(watch, tell, host.hooks.alert)
    pace.on_batch = monitor.batch
    monitor.begin(pipeline)
    stop = unprofiled = _nothing
    try:
        if os.environ.get("LIPPYCAT_PPROF_ENABLED", "").strip().lower() in TRUE:
            unprofiled = _profiled(tell)
        if settings["metrics.listen"]:
            from lippycat_core.control.prometheus import serve_metrics

            stop = serve_metrics(settings["metrics.listen"], monitor.snapshot)
        yield monitor
    finally:
        stop()
        unprofiled()
        monitor.end()


def _profiled(tell: Callable[[str], None]) -> Callable[[], None]:
    """Serve profiles where that can be; a run does not end because its port is taken."""
    from lippycat_core.control.pprof import HOST, PORT, serve_profiles

    try:
        return serve_profiles().stop
    except OSError as error:
        tell(f"no profiles at {HOST}:{PORT}: {error.strerror or error}; the run goes on without")
        return _nothing


def config_rows(settings: Settings) -> Sequence[Mapping[str, object]]:
    """Every setting with its value, how it is written, and where it came from."""
    return [
        {
            "key": key,
            "value": list(settings[key]) if isinstance(settings[key], tuple) else settings[key],
            "shown": settings.shown(key),
            "unit": {"duration": "ns", "size": "bytes"}.get(settings.unit(key)),
            "origin": settings.origin(key),
        }
        for key in settings
    ]


def _nothing() -> None:
    """No metrics are served."""
