"""What the probe says, which device is taken, and what options do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lippycat_core.errors import DeviceFailed, SettingError
from lippycat_core.interfaces.match import Anchor, Pattern, PatternSet, Spans
from lippycat_opencl import presence
from lippycat_opencl.provider import OpenClProvider

FITNESS = OpenClProvider().probe()
somewhere = pytest.mark.skipif(not FITNESS.fits, reason=f"opencl does not fit here: {FITNESS.reason}")


def test_without_pyopencl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "find_spec", lambda name: None)
    fitness = OpenClProvider().probe()
    assert (fitness.priority, fitness.reason) == (None, "pyopencl is not installed: pip install pyopencl")


def installed(monkeypatch: pytest.MonkeyPatch, kinds: list[int] | None, drivers: list[str]) -> None:
    """pyopencl is, with these drivers; the loader finds devices of these kinds, or is none."""
    monkeypatch.setattr(presence, "find_spec", lambda name: object())
    monkeypatch.setattr(presence, "driver_files", lambda: drivers)
    monkeypatch.setattr(presence, "_loader", lambda: None if kinds is None else object())
    monkeypatch.setattr(presence, "_kinds", lambda library: iter(kinds or []))


@pytest.mark.parametrize(
    ("kinds", "drivers", "said"),
    [
        ([], [], "no OpenCL driver is installed: install that of your GPU"),
        (None, ["words.icd"], "pyopencl cannot be loaded"),
        ([], ["words.icd"], "no OpenCL driver has a device here"),
    ],
)
def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, kinds: list[int] | None, drivers: list[str], said: str) -> None:
    installed(monkeypatch, kinds, drivers)
    fitness = OpenClProvider().probe()
    assert fitness.priority is None
    assert said in fitness.reason


@pytest.mark.parametrize(("kinds", "priority"), [([2], 30), ([4], 70), ([2, 8], 70), ([3, 2], 30), ([15], 30)])
def test_a_gpu_comes_before_compiled_kernels_and_a_processor_behind(
    monkeypatch: pytest.MonkeyPatch, kinds: list[int], priority: int
) -> None:
    installed(monkeypatch, kinds, ["words.icd"])
    assert OpenClProvider().probe().priority == priority


def test_the_environment_may_name_drivers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(presence, "SYSTEM", tmp_path / "none")
    monkeypatch.setattr(presence, "find_spec", lambda name: None)
    assert presence.driver_files() == []
    (tmp_path / "one.icd").write_text("libone.so")
    monkeypatch.setenv("OCL_ICD_VENDORS", str(tmp_path))
    monkeypatch.setenv("OCL_ICD_FILENAMES", "libtwo.so:libthree.so")
    assert presence.driver_files() == ["libtwo.so", "libthree.so", str(tmp_path / "one.icd")]


def test_the_probe_imports_nothing_heavy() -> None:
    program = """
import sys
from lippycat_opencl.provider import OpenClProvider
OpenClProvider().probe()
print(sorted({"numpy", "pyopencl"} & set(sys.modules)))
"""
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


@somewhere
def test_probe_and_list_agree() -> None:
    from lippycat_opencl.choice import devices

    assert FITNESS.priority == (30 if all(one.is_cpu for one in devices()) else 70)


@somewhere
def test_options(tmp_path: Path) -> None:
    from lippycat_opencl.choice import devices

    first = devices()[0]
    for wanted in (None, "", 0, "0", first.name.upper()[:8]):
        backend = OpenClProvider().open(device=wanted, max_memory=5_000_000, batch_size=100, cache_dir=tmp_path, other=1)
        assert (backend.name, backend.device, backend.memory) == ("opencl", first.words, 5_000_000)
        backend.close()
    assert (tmp_path / "opencl").is_dir()  # empty where the driver keeps compiled kernels itself, as PoCL does
    with pytest.raises(SettingError, match="OpenCL has no such device; there are 0: "):
        OpenClProvider().open(device="no such words")


@somewhere
def test_what_a_driver_says_is_a_device_that_failed() -> None:
    from lippycat_opencl.choice import choose
    from lippycat_opencl.device import OpenClDevice

    device = OpenClDevice(choose(None))
    with pytest.raises(DeviceFailed, match=r"\): create_buffer failed: INVALID_BUFFER_SIZE"):
        device.buffer(1 << 60)
    device.close()


@somewhere
def test_a_slab_that_cannot_be_written_to_is_looked_at_where_it_lies() -> None:
    backend = OpenClProvider().open()
    matcher = backend.compile(PatternSet([Pattern(b"a", Anchor.CONTAINS)]))
    slab = np.frombuffer(b"banana", np.uint8)
    assert not slab.flags.writeable
    matcher.submit(Spans(slab, np.zeros(1, np.int32), np.array([6], np.int32)))
    assert matcher.collect().offset.tolist() == [1, 3, 5]
    backend.close()
