"""All settings as rows to be shown: what each is, in what unit, and where it came from. Prints nothing."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_letters
from typing import NamedTuple

from lippycat_core.host import units
from lippycat_core.host.settings import Settings

RAW_UNITS = {"duration": "ns", "size": "B"}


class ConfigRow(NamedTuple):
    """One setting. `value` is what programs read, in `unit`; `shown` and `shown_unit` are the same for people."""

    key: str
    value: object
    unit: str
    origin: str
    shown: str
    shown_unit: str


def config_rows(settings: Settings) -> Iterator[ConfigRow]:
    """A row for each setting, in the order of their sections."""
    for key in settings:
        value, unit = settings[key], settings.unit(key)
        shown, shown_unit = _shown(value, unit)
        raw = list(value) if isinstance(value, tuple) else value
        yield ConfigRow(key, raw, RAW_UNITS.get(unit, unit), settings.origin(key), shown, shown_unit)


def _shown(value: object, unit: str) -> tuple[str, str]:
    if isinstance(value, bool):
        return "yes" if value else "no", unit
    if isinstance(value, tuple):
        return ", ".join(map(str, value)), unit
    if isinstance(value, int) and unit in RAW_UNITS:
        text = units.show_duration(value) if unit == "duration" else units.show_size(value)
        number = text.rstrip(ascii_letters)
        return number, text.removeprefix(number)
    return str(value), unit
