"""What is shipped for Prometheus and Grafana names metrics that there are, and is what the registry makes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from lippycat_core.control.alerts import rules
from lippycat_core.control.dashboards import DASHBOARD_FILE, EXPRESSIONS, RULES_FILE, STALE_S, alert_rules, dashboard, write
from lippycat_core.control.metrics import BY_NAME, METRICS

DOCS = Path(__file__).resolve().parents[2] / "docs"
SERIES = set(BY_NAME) | {"lippycat_batch_seconds_bucket"}


def series(text: str) -> set[str]:
    return set(re.findall(r"lippycat_[a-z_]+", text))


def test_the_files_are_what_the_registry_makes(tmp_path: Path) -> None:
    write(tmp_path)
    for name in (RULES_FILE, DASHBOARD_FILE):
        again = "python -m lippycat_core.control.dashboards docs"
        assert (DOCS / name).read_text() == (tmp_path / name).read_text(), f"docs/{name} is out of date: {again}"


def test_every_metric_has_a_panel_and_no_other() -> None:
    panels = json.loads(dashboard())["panels"]
    named = series(" ".join(target["expr"] for panel in panels for target in panel["targets"]))
    assert named == {metric.name if metric.kind != "histogram" else f"{metric.name}_bucket" for metric in METRICS}
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [tuple(panel["gridPos"].values()) for panel in panels]
    assert len(set(places)) == len(places)


def test_the_rules_have_the_limits_of_the_run() -> None:
    told = yaml.safe_load(alert_rules())["groups"][0]["rules"]
    assert series(" ".join(rule["expr"] for rule in told)) <= SERIES
    limits = {}
    for rule in told:
        expression, _, limit = rule["expr"].rpartition(" > ")
        limits[expression, rule["labels"]["severity"]] = float(limit)
    known = {rule.name: rule for rule in rules(STALE_S)}
    assert set(EXPRESSIONS) < set(known)
    for name, expression in EXPRESSIONS.items():
        assert limits[expression, "warning"] == known[name].warning
        assert limits.get((expression, "critical")) == known[name].critical
    assert all(rule["alert"].startswith("Lippycat") for rule in told)
