"""The registry over HTTP, for Prometheus: the only place that knows prometheus-client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from lippycat_core.control.metrics import BUCKETS_S, METRICS, Metric, Snapshot
from lippycat_core.errors import SettingError, UsageError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

PATH = "/metrics"


def serve_metrics(where: str, snapshot: Callable[[], Snapshot]) -> Callable[[], None]:
    """Serve snapshots at `where` (HOST:PORT) until the function that comes back is called. SettingError where that is no
    address, UsageError where prometheus-client is not installed or the address cannot be had."""
    host, port = address(where)
    try:
        from prometheus_client import CollectorRegistry, start_http_server
    except ImportError as error:
        raise UsageError("--metrics-listen: prometheus-client is not installed; pip install 'lippycat-core[metrics]'") from error
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Families(snapshot))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"--metrics-listen: {where}: {reason}; name another address or port") from error
    served = server.get_app()
    if served is not None:
        server.set_app(partial(_at_their_path, served))

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=2.0)

    return stop


def _at_their_path(served: WSGIApplication, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """What is asked of a WSGI application that answers the same at every path."""
    if environ["PATH_INFO"] == PATH:
        return served(environ, start_response)
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [f"metrics are at {PATH}\n".encode()]


def address(where: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:9464` or `[::1]:9464`. SettingError where it is neither."""
    host, colon, port = where.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise SettingError(f"metrics.listen: {where[:80]!r} is no address: write one as in 127.0.0.1:9464")
    return host, int(port)


class Families:
    """What prometheus-client calls a collector."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Any]:
        """Every metric of the registry, of one moment."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        snapshot = self._snapshot()
        for metric in METRICS:
            if metric.kind == "histogram":
                told = snapshot.batch_seconds
                upto = [(end, float(sum(told.counts[: i + 1]))) for i, end in enumerate((*map(str, BUCKETS_S), "+Inf"))]
                yield HistogramMetricFamily(metric.name, metric.help, buckets=upto, sum_value=told.total)
                continue
            family = (CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily)(
                metric.name, metric.help, labels=[metric.label] if metric.label else []
            )
            for labels, value in _values(metric, snapshot):
                family.add_metric(labels, value)
            yield family


def _values(metric: Metric, snapshot: Snapshot) -> Iterator[tuple[list[str], float]]:
    numbers = snapshot.numbers[metric.name]
    if isinstance(numbers, Mapping):
        yield from (([label], float(value)) for label, value in numbers.items())
    else:
        yield [], float(numbers)
