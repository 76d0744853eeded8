"""What `lc debug` prints for people, by topic: lines made of an answer (docs/control.md), never more than it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lippycat_core.builtin.text import tallies
from lippycat_core.cli.tables import aligned
from lippycat_core.control.metrics import BY_NAME

Answer = Mapping[str, Any]

HIGH_PCT, MODERATE_PCT = 80.0, 70.0
MUCH_LOST_PCT, MUCH_UNDECODABLE_PCT = 5.0, 10.0


def size(nbytes: float) -> str:
    """Bytes as people read them."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if nbytes < 1024 or unit == "GiB":
            break
        nbytes /= 1024
    return f"{nbytes:,.0f} bytes" if unit == "bytes" else f"{nbytes:,.1f} {unit}"


def fill(part: float, whole: float) -> str:
    """How full something is, and a word where that is much."""
    pct = 100 * part / whole if whole else 0.0
    return f"({pct:.0f} %){_word(pct)}"


def _word(pct: float) -> str:
    return "  HIGH" if pct > HIGH_PCT else "  MODERATE" if pct > MODERATE_PCT else ""


def lost(pct: float, much: float) -> str:
    """A share of packets, and a word where that is much."""
    return f"{pct:.1f} %" + ("  HIGH" if pct > much else "")


def _health_rows(a: Answer) -> Iterator[tuple[str, str]]:
    yield "up", f"{a['uptime_s']:,.0f} s, last packets {a['last_packet_s']:,.0f} s ago"
    yield "packets", f"{a['packets']:,}"
    yield "dropped", lost(a["drop_pct"], MUCH_LOST_PCT)
    yield "undecodable", lost(a["undecodable_pct"], MUCH_UNDECODABLE_PCT)
    yield "queue", f"{a['queue']} of {a['queue_limit']} batches {fill(a['queue'], a['queue_limit'])}"
    yield "TCP buffers", f"{a['tcp_buffer_pct']:.1f} % of their memory{_word(a['tcp_buffer_pct'])}"
    yield "memory", size(a["resident_bytes"])
    yield "alerts", tallies({k: v for k, v in a["alerts_active"].items() if v}) or "none"


def _lines(rows: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> list[str]:
    return aligned([list(row) for row in rows])


def health(a: Answer) -> list[str]:
    """Whether it is well."""
    return _lines(_health_rows(a))


def summary(a: Answer) -> list[str]:
    """All in short."""
    account = a["accounting"]
    rows = [
        *_health_rows(a),
        ("delivered", f"{account['delivered']:,}, filtered {account['filtered']:,}"),
        ("drops", tallies(account["dropped"]) or "none"),
        ("not decoded", tallies(account["undecodable"]) or "none"),
        ("traffic", size(a["bytes"])),
        ("tables", tallies({k: v for k, v in a["entries"].items() if v}) or "empty"),
        ("evicted", tallies(a["evicted"]) or "none"),
        ("batches", f"{a['batches']:,}, {a['batch_ms']:.1f} ms each"),
        ("matched", tallies(a["match_batches"]) or "nothing"),
    ]
    return _lines(rows)


def metrics(a: Answer) -> list[str]:
    """One line a number."""
    rows: list[tuple[str, str]] = []
    for name, value in a["metrics"].items():
        if not isinstance(value, Mapping):
            rows.append((name, f"{value}"))
        elif "buckets" in value:
            rows += [(f"{name}_count", f"{value['count']}"), (f"{name}_sum", f"{value['sum']}")]
            rows += [(f'{name}_bucket{{le="{end}"}}', f"{count}") for end, count in value["buckets"].items()]
        else:
            told = BY_NAME[name].label if name in BY_NAME else "label"
            rows += [(f'{name}{{{told}="{label}"}}', f"{count}") for label, count in value.items()]
    return _lines(rows)


def streams(a: Answer) -> list[str]:
    """What is followed."""
    rows = [("TABLE", "NOW", "EVICTED")]
    evicted = dict(a["evicted"])
    rows += [(table, f"{now:,}", f"{evicted.pop(table, 0):,}") for table, now in a["entries"].items()]
    rows += [(table, "-", f"{count:,}") for table, count in evicted.items()]
    repeated = tallies({what: count for what, count in a["repeated"].items() if count}) or "nothing"
    return [*aligned(rows), f"came more than once: {repeated}", f"room for {a['flows_limit']:,} flows"]


def buffers(a: Answer) -> list[str]:
    """What is held back, and lost."""
    rows = [
        (what, f"{size(a[held])} of {size(a[limit])}", fill(a[held], a[limit]))
        for what, held, limit in (
            ("TCP segments", "tcp_bytes", "tcp_limit_bytes"),
            ("TCP messages", "stream_bytes", "stream_limit_bytes"),
            ("IP fragments", "fragment_bytes", "fragment_limit_bytes"),
        )
    ]
    rows.append(("stream buffers", tallies(a["stream_buffers"]), f"{a['unfinished']:,} messages unfinished"))
    rows.append(("TCP batch", f"{a['tcp_batch']:,} messages", ""))
    rows.append(("queue", f"{a['queue']} of {a['queue_limit']} batches", fill(a["queue"], a["queue_limit"])))
    if a["queue_limit_bytes"]:
        held, limit = a["queue_bytes"], a["queue_limit_bytes"]
        rows.append(("queue memory", f"{size(held)} of {size(limit)}", fill(held, limit)))
    if a["batch_limit_packets"]:
        rows.append(("next batch", f"{a['batch_limit_packets']:,} packets", ""))
    rows.append(("dropped", tallies(a["dropped"]) or "none", lost(a["drop_pct"], MUCH_LOST_PCT)))
    return aligned(rows)


def alerts(a: Answer) -> list[str]:
    """What is wrong, and what was."""
    if not a["alerts"]:
        return ["no alerts"]
    rows = [["LEVEL", "NAME", "STATUS", "SINCE", "MESSAGE"]]
    for one in a["alerts"]:
        status = "ACTIVE" if one["cleared"] is None else f"CLEARED {_clock(one['cleared'])}"
        rows.append([one["level"].upper(), one["name"], status, _clock(one["since"]), one["message"]])
    return aligned(rows)


def _clock(epoch_s: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(epoch_s))


def config(a: Answer) -> list[str]:
    """Every setting."""
    rows = ([row["key"], row["shown"] or "-", row["shown_unit"] or "-", row["origin"]] for row in a["config"])
    return aligned([["KEY", "VALUE", "UNIT", "ORIGIN"], *rows])


def stacks(a: Answer) -> list[str]:
    """Each thread's stack, innermost first."""
    lines = []
    for thread in a["threads"]:
        lines += [f"thread {thread['name']}:", *(f"  {line}" for line in reversed(thread["stack"]))]
    return lines


def heap(a: Answer) -> list[str]:
    """What fills the memory."""
    rows = [[a["by"].upper(), "COUNT", "BYTES"]]
    rows += [[row["what"], f"{row['count']:,}", "-" if row["bytes"] is None else f"{row['bytes']:,}"] for row in a["rows"]]
    return [f"memory {size(a['resident_bytes'])}", *aligned(rows)]


VIEWS: Mapping[str, Callable[[Answer], list[str]]] = {
    "health": health,
    "summary": summary,
    "metrics": metrics,
    "streams": streams,
    "buffers": buffers,
    "alerts": alerts,
    "config": config,
    "stacks": stacks,
    "heap": heap,
}
