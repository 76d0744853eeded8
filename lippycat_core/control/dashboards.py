"""What Prometheus and Grafana are told of our metrics: rules for alerts and a dashboard, made from the registry.

`python -m lippycat_core.control.dashboards docs` writes both files; a test holds them to what is made here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from lippycat_core.control.alerts import CRITICAL, WARNING, rules, share
from lippycat_core.control.metrics import BY_NAME, METRICS, Metric

STALE_S = 60.0
RULES_FILE, DASHBOARD_FILE = "alert-rules.yml", "grafana-dashboard.json"

EXPRESSIONS = {
    "drop_rate": "sum without (reason) (rate(lippycat_packets_dropped_total[1m])) / rate(lippycat_packets_total[1m])",
    "undecodable_rate": "sum without (reason) (rate(lippycat_packets_undecodable_total[1m])) / rate(lippycat_packets_total[1m])",
    "tcp_memory": (
        "max without (part) ("
        'label_replace(lippycat_tcp_buffer_bytes / lippycat_tcp_buffer_limit_bytes, "part", "segments", "", "")'
        ' or label_replace(lippycat_stream_buffer_bytes / lippycat_stream_buffer_limit_bytes, "part", "messages", "", ""))'
    ),
    "stale_capture": "lippycat_last_packet_seconds",
    "match_backend_failed": "sum without (backend) (increase(lippycat_match_failures_total[5m]))",
}
"""The figures of `alerts.rules` in Prometheus' language. Those that are not here need more than a counter tells: the run
judges them itself, and `lippycat_alerts` says so."""


def alert_rules() -> str:
    """A rules file for Prometheus."""
    made = "# Made by `python -m lippycat_core.control.dashboards docs`: do not edit."
    lines = [made, "groups:", "  - name: lippycat", "    rules:"]
    for rule in rules(STALE_S):
        if rule.name not in EXPRESSIONS:
            continue
        for level in (WARNING, CRITICAL):
            if level == CRITICAL and rule.critical is None:
                continue
            value = "{{ $value | humanizePercentage }}" if rule.shown is share else "{{ $value }}"
            lines += _rule(rule.name, f"{EXPRESSIONS[rule.name]} > {rule.limit(level):g}", level, f"{rule.says} {value}")
    for level in (WARNING, CRITICAL):
        active = f'lippycat_alerts{{level="{level}"}} > 0'
        lines += _rule("alert_of_the_run", active, level, "`lc debug alerts` on the host says which")
    return "\n".join(lines) + "\n"


def _rule(name: str, expression: str, level: str, summary: str) -> Iterator[str]:
    camel = "".join(word.capitalize() for word in name.split("_"))
    yield f"      - alert: Lippycat{camel}"
    yield f"        expr: {json.dumps(expression)}"
    yield "        for: 30s"
    yield "        labels:"
    yield f"          severity: {level}"
    yield "        annotations:"
    yield f"          summary: {json.dumps(summary)}"


def dashboard() -> str:
    """A dashboard for Grafana: one panel a metric, limits drawn beside what they limit."""
    limits = {metric.name for metric in METRICS if _limited(metric)}
    shown = [metric for metric in METRICS if metric.name not in limits]
    panels = [_panel(number, metric) for number, metric in enumerate(shown)]
    board = {
        "__inputs": [{"name": "DS_PROMETHEUS", "label": "Prometheus", "type": "datasource", "pluginId": "prometheus"}],
        "uid": "lippycat",
        "title": "lippycat",
        "tags": ["lippycat"],
        "schemaVersion": 39,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "instance",
                    "type": "query",
                    "query": "label_values(lippycat_uptime_seconds, instance)",
                    "datasource": "${DS_PROMETHEUS}",
                    "multi": True,
                    "includeAll": True,
                }
            ]
        },
        "panels": panels,
    }
    return json.dumps(board, indent=1) + "\n"


def _limited(metric: Metric) -> str:
    """The name of what the metric is the limit of, or nothing."""
    of = metric.name.replace("_limit", "")
    return of if of != metric.name and of in BY_NAME else ""


def _panel(number: int, metric: Metric) -> dict[str, object]:
    queries = list(_queries(metric)) + [one for limit in METRICS if _limited(limit) == metric.name for one in _queries(limit)]
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": metric.name.removeprefix("lippycat_").removesuffix("_total").replace("_", " "),
        "description": metric.help,
        "datasource": "${DS_PROMETHEUS}",
        "gridPos": {"x": number % 3 * 8, "y": number // 3 * 7, "w": 8, "h": 7},
        "fieldConfig": {"defaults": {"unit": _unit(metric)}},
        "targets": [
            {"refId": chr(ord("A") + at), "expr": expression, "legendFormat": legend}
            for at, (expression, legend) in enumerate(queries)
        ],
    }


def _queries(metric: Metric) -> Iterator[tuple[str, str]]:
    of = '{instance=~"$instance"}'
    legend = f"{{{{{metric.label}}}}}" if metric.label else "{{instance}}"
    if metric.kind == "counter":
        yield f"rate({metric.name}{of}[1m])", legend
    elif metric.kind == "gauge":
        yield f"{metric.name}{of}", "limit" if _limited(metric) else legend
    else:
        for part in (0.5, 0.99):
            yield f"histogram_quantile({part}, rate({metric.name}_bucket{of}[1m]))", f"{part * 100:g} %"


def _unit(metric: Metric) -> str:
    name = {"bytes": "bytes", "seconds": "s"}.get(metric.unit, "short")
    return {"bytes": "Bps", "short": "cps"}[name] if metric.kind == "counter" else name


def write(folder: Path) -> None:
    """Write both files."""
    (folder / RULES_FILE).write_text(alert_rules())
    (folder / DASHBOARD_FILE).write_text(dashboard())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
