"""Durations, sizes and truth values as people write them: `300s`, `100ms`, `25MB`, `2GiB`, `yes`.

Each reader raises ValueError, which says what is wrong.
"""

from __future__ import annotations

import math
import re

NANOSECONDS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}
BYTES = (
    {"B": 1}
    | {prefix + "B": 1000**power for power, prefix in enumerate("kMGT", 1)}
    | {prefix + "iB": 1024**power for power, prefix in enumerate("KMGT", 1)}
    | {"KB": 1000}
)
TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}

_NUMBER_AND_UNIT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", re.ASCII)


def _scaled(value: object, units: dict[str, int], bare: str, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"not a {what}")
    match = _NUMBER_AND_UNIT.fullmatch(str(value))
    if match is None or (match[2] or bare) not in units:
        raise ValueError(f"not a {what}: write a number and one of {', '.join(units)}")
    whole, _, part = match[1].partition(".")
    scale = units[match[2] or bare]
    return int(whole) * scale + (int(part) * scale // 10 ** len(part) if part else 0)


def duration_ns(value: object) -> int:
    """Nanoseconds of a duration; a bare number is in seconds."""
    return _scaled(value, NANOSECONDS, "s", "duration")


def size_bytes(value: object) -> int:
    """Bytes of a size (kB is 1000, KiB 1024); a bare number is in bytes."""
    return _scaled(value, BYTES, "B", "size")


def truth(value: object) -> bool:
    """True or False of true/false, yes/no, on/off, 1/0 in any case."""
    text = str(value).strip().lower()
    if text not in TRUTH:
        raise ValueError(f"neither true nor false: write one of {', '.join(TRUTH)}")
    return TRUTH[text]


def whole_number(value: object) -> int:
    """A whole number, given as one or as decimal digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", value, re.ASCII):
        return int(value)
    raise ValueError("not a whole number")


def number(value: object) -> float:
    """A finite number, given as one or as decimal digits."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("not a number")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        raise ValueError("not a number") from None
    if not math.isfinite(found):
        raise ValueError("not a finite number")
    return found


def text(value: object) -> str:
    """A text; a number stands for its digits, as in `match: 5`."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("not a text: put it in quotes")
    return str(value)


def words(value: object) -> tuple[str, ...]:
    """A list of words, given as a list or with commas between."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError("not a list of words: write them with commas between, numbers in quotes")
    for item in items:
        if not isinstance(item, str):  # YAML reads 030 as 24, and +4930 as 4930
            raise ValueError(f"not a list of words: {str(item)[:40]} was read as a number or the like: put each in quotes")
    return tuple(text for text in (str(item).strip() for item in items) if text)


def show_duration(ns: int) -> str:
    """A duration in the largest unit that gives a whole number."""
    return _show(ns, ("d", "h", "m", "s", "ms", "us"), NANOSECONDS, "ns")


def show_size(nbytes: int) -> str:
    """A size in the largest binary unit that gives a whole number."""
    return _show(nbytes, ("TiB", "GiB", "MiB", "KiB"), BYTES, "B")


def _show(number: int, order: tuple[str, ...], units: dict[str, int], smallest: str) -> str:
    for unit in order:
        if number and number % units[unit] == 0:
            return f"{number // units[unit]}{unit}"
    return f"{number}{smallest}"
