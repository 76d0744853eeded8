"""The kernels compile for every GPU that NVIDIA's compiler of today knows from Turing on. Nothing runs here."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lippycat_core.errors import DeviceFailed, SettingError
from lippycat_core.gpu.source import Language, kernel_names, source
from lippycat_cuda import compiling
from lippycat_cuda.compiling import compiled, with_nvrtc

nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings is not installed: kernels are not compiled for CUDA")

try:
    nvrtc.nvrtcVersion()
except RuntimeError:
    pytest.skip("nvidia-cuda-nvrtc is not installed: kernels are not compiled for CUDA", allow_module_level=True)

ELF = b"\x7fELF"


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (8, 6), (8, 9), (9, 0)], ids=lambda two: f"sm_{two[0]}{two[1]}")
def test_every_kernel_compiles(capability: tuple[int, int]) -> None:
    text = source(Language.CUDA)
    image = with_nvrtc(text, capability)
    assert image.startswith(ELF)
    assert len(kernel_names(text)) == 6
    for name in kernel_names(text):
        assert name.encode() + b"\0" in image


def test_a_gpu_newer_than_the_compiler_gets_what_its_driver_can_compile() -> None:
    image = with_nvrtc('extern "C" __global__ void nothing() {}', (99, 0))
    assert b".visible .entry nothing" in image


def test_a_gpu_that_is_too_old_is_named() -> None:
    with pytest.raises(DeviceFailed, match="no GPU older than"):
        with_nvrtc("", (1, 0))


def test_what_does_not_compile_is_quoted_in_one_line() -> None:
    with pytest.raises(DeviceFailed, match='identifier "what" is undefined') as caught:
        with_nvrtc("int f() { return what; }", (8, 0))
    assert "\n" not in str(caught.value)


def test_images_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'extern "C" __global__ void nothing() {}'
    image = compiled(text, (8, 0), tmp_path)
    (kept,) = (tmp_path / "cuda").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) & 0o077 == 0
    compiles = []
    monkeypatch.setattr(compiling, "_compile", lambda *what: compiles.append(what) or b"anew")
    assert compiled(text, (8, 0), tmp_path) == image
    assert compiled(text, (8, 6), tmp_path) == b"anew"
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")  # damaged
    assert compiled(text, (8, 0), str(tmp_path)) == b"anew"
    assert len(compiles) == 2


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cuda").mkdir()
    os.chmod(tmp_path / "cuda", 0o777)
    with pytest.raises(SettingError, match="cache_dir"):
        compiled("", (8, 0), tmp_path)
