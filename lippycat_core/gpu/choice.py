"""Which of several devices a user means."""

from __future__ import annotations

from collections.abc import Sequence

from lippycat_core.errors import DeviceFailed, SettingError


def pick(driver: str, names: Sequence[str], wanted: int | str | None) -> int:
    """The number of the device that is `wanted`: its number, or a part of its name in any case; nothing means the first.
    SettingError where there is no such one, DeviceFailed where there is none at all."""
    if not names:
        raise DeviceFailed(f"{driver} has no device here")
    text = "" if wanted is None else str(wanted).strip()
    if not text:
        return 0
    if text.isdecimal():
        if int(text) < len(names):
            return int(text)
    else:
        for number, name in enumerate(names):
            if text.lower() in name.lower():
                return number
    listed = ", ".join(f"{number}: {name}" for number, name in enumerate(names))
    raise SettingError(f"device {text}: {driver} has no such device; there are {listed}")
