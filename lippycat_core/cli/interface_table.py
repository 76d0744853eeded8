"""What `lc interfaces` prints: a table, or objects for programs."""

from __future__ import annotations

import json
import socket

from lippycat_core.builtin.hardwaretime import stamps
from lippycat_core.builtin.links import ANY, SLL2, Link, links
from lippycat_core.builtin.packetsocket import no_permission
from lippycat_core.cli.tables import cell, print_table

COLUMNS = ("name", "state", "link", "mtu", "addresses", "times", "capture", "reason")
LINK_NAMES = {1: "ethernet", 101: "raw IP", 276: "cooked"}


def list_interfaces(*, as_json: bool) -> int:
    """Print all interfaces and `any`, and whether this user may capture from them."""
    refused = _refused()
    found = [_described(link, refused) for link in links(addresses=True)]
    found.append(_row(ANY, None, "up", SLL2, None, [], refused))
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return 0
    rows = []
    for one in found:
        link = LINK_NAMES.get(one["link"], one["link"]) if isinstance(one["link"], int) else one["link"]
        addresses = one["addresses"]
        text = " ".join(addresses) if isinstance(addresses, list) else ""
        times = "hardware" if one["hardware_timestamps"] else "kernel"
        values = (one["name"], one["state"], link, one["mtu"], text, times, "yes" if one["capture"] else "no", one["reason"])
        rows.append([cell(value) for value in values])
    print_table(COLUMNS, rows, right=("mtu",), styles={"capture": {"no": "yellow"}})
    return 0


def _described(link: Link, refused: str) -> dict[str, object]:
    note = refused or ("" if link.up else "down: a capture waits until it is up")
    return {**_row(link.name, link.index, link.state, link.link_type, link.mtu, link.addresses, refused), "reason": note}


def _row(
    name: str, index: int | None, state: str, link: int, mtu: int | None, addresses: list[str], refused: str
) -> dict[str, object]:
    return {
        "name": name,
        "index": index,
        "state": state,
        "link": link,
        "mtu": mtu,
        "addresses": addresses,
        "hardware_timestamps": index is not None and stamps(name),
        "capture": not refused,
        "reason": refused,
    }


def _refused() -> str:
    """Why this user may not capture, "" where that is allowed."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        return no_permission()
    except OSError as error:
        return f"no packet socket: {error.strerror}"
    return ""
