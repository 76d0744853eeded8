"""What `lc show config` prints: a table on a terminal, aligned columns in a pipe, objects for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lippycat_core.cli.tables import cell, print_table
from lippycat_core.cli.telling import say
from lippycat_core.host.configview import config_rows
from lippycat_core.host.settings import load_settings

COLUMNS = ("key", "value", "unit", "origin")


def show_config(flags: Mapping[str, object], *, as_json: bool, config: str | None) -> int:
    """Print all settings as a run with these options would have them. SettingError where one is wrong."""
    rows = list(config_rows(load_settings(flags, config=config, on_problem=say)))
    if as_json:
        objects = [{"key": row.key, "value": row.value, "unit": row.unit, "origin": row.origin} for row in rows]
        print(json.dumps(objects, ensure_ascii=False, indent=2))
    else:
        print_table(COLUMNS, [[cell(part) for part in (row.key, row.shown, row.shown_unit, row.origin)] for row in rows])
    return 0
