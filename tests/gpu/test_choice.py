"""Which device a user means."""

from __future__ import annotations

import pytest

from lippycat_core.errors import DeviceFailed, SettingError
from lippycat_core.gpu.choice import pick

NAMES = ("NVIDIA A10 (CUDA)", "AMD Radeon (Mesa)", "cpu-10 (PoCL)")


@pytest.mark.parametrize(
    ("wanted", "number"), [(None, 0), ("", 0), (" ", 0), (0, 0), (2, 2), ("1", 1), ("radeon", 1), ("PoCL", 2), ("(cuda)", 0)]
)
def test_by_number_or_by_name(wanted: int | str | None, number: int) -> None:
    assert pick("Words", NAMES, wanted) == number


@pytest.mark.parametrize("wanted", [3, "10", "Intel"])
def test_what_is_not_there_is_named_with_what_is(wanted: int | str) -> None:
    with pytest.raises(SettingError) as caught:
        pick("Words", NAMES, wanted)
    assert str(caught.value) == (
        f"device {wanted}: Words has no such device; there are 0: NVIDIA A10 (CUDA), 1: AMD Radeon (Mesa), 2: cpu-10 (PoCL)"
    )


def test_no_device_at_all() -> None:
    with pytest.raises(DeviceFailed):
        pick("Words", (), None)
