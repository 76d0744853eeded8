"""`lc interfaces`, and its longer name: the same list, of the namespace at hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lippycat_core.testing.wire import FAR, NEAR, Wire

LC = Path(sys.executable).with_name("lc")


def test_interfaces_are_listed_with_what_matters(cable: Wire) -> None:
    cable.run("ip", "addr", "add", "192.0.2.1/24", "dev", FAR)
    cable.run("ip", "link", "set", NEAR, "down")
    found = {one["name"]: one for one in json.loads(cable.run(LC, "list", "interfaces", "--json"))}
    assert set(found) >= {"lo", NEAR, FAR, "any"}
    far = found[FAR]
    assert (far["state"], far["link"], far["mtu"], far["addresses"]) == ("no carrier", 1, 1500, ["192.0.2.1/24"])
    assert (far["capture"], far["reason"]) == (True, "")
    assert not far["hardware_timestamps"]
    assert (found[NEAR]["state"], found[NEAR]["reason"]) == ("down", "down: a capture waits until it is up")
    assert found["any"]["link"] == 276


def test_the_table_has_a_line_each(cable: Wire) -> None:
    head, *rows = cable.run(LC, "interfaces").splitlines()
    assert head.split() == ["name", "state", "link", "mtu", "addresses", "times", "capture", "reason"]
    assert [row.split()[0] for row in rows][-1] == "any"
    (row,) = [row for row in rows if row.startswith(FAR)]
    assert row.split()[1:4] == ["up", "ethernet", "1500"]
