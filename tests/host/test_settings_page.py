"""The page on settings lists what there is, with the defaults and ranges that hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lippycat_core.errors import SettingError
from lippycat_core.host import profiles
from lippycat_core.host.settings import load_settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def table() -> dict[str, tuple[str, str]]:
    """Default and allowed values by key."""
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.*?) ?\| (.*?) ?\|", PAGE.read_text(), re.MULTILINE)
    return {key: (default, allowed) for key, default, allowed in rows}


def test_the_page_lists_every_setting_and_its_default(tmp_path: Path) -> None:
    settings = load_settings(environ={}, home=tmp_path)
    listed = table()
    assert set(listed) == set(settings)
    for key, (written, _) in listed.items():
        default = {"CPUs": str(profiles.CPUS)}.get(written, written)
        if default:
            assert load_settings({key: default}, environ={}, home=tmp_path)[key] == settings[key], key
        else:
            assert not settings[key], key


@pytest.mark.parametrize("key", [key for key, (_, allowed) in table().items() if " to " in allowed])
def test_the_page_gives_the_range(key: str, tmp_path: Path) -> None:
    allowed = table()[key][1]
    for end in allowed.split(" to "):
        load_settings({key: end}, environ={}, home=tmp_path)
    with pytest.raises(SettingError, match=f"out of range: {allowed} "):
        load_settings({key: "99999999999"}, environ={}, home=tmp_path)


def test_the_example_of_a_plugin_section_works(tmp_path: Path) -> None:
    source = PAGE.read_text().split("```python\n")[1].split("```")[0]
    scope: dict[str, Any] = {"__name__": __name__}
    exec(source, scope)
    settings = load_settings({"acme.depth": 4}, environ={}, home=tmp_path, sections={"acme": scope["AcmeSettings"]})
    made: Any = settings.section("acme", scope["AcmeSettings"])
    assert (made.depth, made.patience) == (4, 2 * 10**9)
