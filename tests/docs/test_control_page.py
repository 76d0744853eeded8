"""The page on running captures lists the metrics, alerts and topics that there are."""

from __future__ import annotations

import re
from pathlib import Path

from lippycat_core.cli.debug_views import VIEWS
from lippycat_core.control.alerts import rules
from lippycat_core.control.metrics import METRICS
from lippycat_core.control.protocol import TOPICS
from lippycat_core.control.server import LONGEST_REQUEST, MOST_CLIENTS

PAGE = (Path(__file__).parents[2] / "docs" / "control.md").read_text()


def test_every_metric_stands_in_the_table() -> None:
    listed = re.findall(r"^\| `(lippycat_\w+)` \| (\w+) \| (\w+) \| (?:`(\w+)`: ([\w, ]+?))? ?\| (.*) \|$", PAGE, re.MULTILINE)
    assert listed == [
        (metric.name, metric.kind, metric.unit, metric.label, ", ".join(metric.values), metric.help) for metric in METRICS
    ]


def test_every_alert_stands_in_the_table_and_on_the_page_on_hooks() -> None:
    listed = re.findall(r"^\| `(\w+)` \| ([\d. %s]+?) \| ([\d. %s]*?) ?\| ", PAGE, re.MULTILINE)
    assert listed == [
        (rule.name, rule.shown(rule.warning), rule.shown(rule.critical) if rule.critical else "") for rule in rules(60.0)
    ]
    hooks = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text()
    assert all(f"| `{rule.name}` | warning" in hooks for rule in rules(60.0))


def test_every_topic_is_a_command() -> None:
    assert tuple(re.findall(r"^\| `lc debug (\w+)` \|", PAGE, re.MULTILINE)) == TOPICS == tuple(VIEWS)
    assert f"at most {LONGEST_REQUEST} bytes" in PAGE
    assert f"At most {MOST_CLIENTS} clients" in PAGE
