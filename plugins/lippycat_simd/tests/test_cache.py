"""Where compiled kernels may lie, and what is kept there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from lippycat_core.errors import SettingError
from lippycat_core.kernels import load
from lippycat_simd.cache import KEEP, KernelCache, find_root


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every usual place lies under a folder of the test's."""
    for variable, folder in (("XDG_CACHE_HOME", "xdg"), ("HOME", "home"), ("XDG_RUNTIME_DIR", "run")):
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / folder))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path


def block(folder: Path) -> None:
    """Make a folder one in which nothing can be made; root may write anywhere, so a file stands in its place."""
    folder.rmdir()
    folder.write_text("")


def test_the_usual_places_are_tried_in_order(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_root() == places / "xdg" / "lippycat"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert find_root() == places / "home" / ".cache" / "lippycat"
    assert (places / "home" / ".cache" / "lippycat").stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("HOME", str(places / "home" / ".cache" / "lippycat" / "none" / "such"))
    (places / "home" / ".cache" / "lippycat" / "none").write_text("")
    assert find_root() == places / "run" / "lippycat"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    private = places / "tmp" / f"lippycat-{os.geteuid()}"
    assert find_root() == private
    private.rmdir()
    block(places / "tmp")
    assert find_root() is None


def test_a_home_that_is_not_there_is_not_made(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(places / "nobody"))
    assert find_root() == places / "run" / "lippycat"
    assert not (places / "nobody").exists()


def test_a_setting_goes_first_and_is_not_replaced_when_it_cannot_be_used(places: Path) -> None:
    assert find_root(places / "mine" / "deep") == places / "mine" / "deep"
    (places / "file").write_text("")
    with pytest.raises(SettingError, match=r"cache_dir: .*/file: is not a folder; name a folder"):
        find_root(places / "file")
    with pytest.raises(SettingError, match=r"cache_dir: .*: (Not a directory|File exists)"):
        find_root(places / "file" / "below")


def test_a_folder_that_others_may_write_to_is_not_used(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (places / "xdg" / "lippycat").mkdir()
    (places / "xdg" / "lippycat").chmod(0o777)
    assert find_root() == places / "home" / ".cache" / "lippycat"
    with pytest.raises(SettingError, match="others may write to it"):
        find_root(places / "xdg" / "lippycat")
    own = places / "own"
    own.mkdir(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(SettingError, match="belongs to another user"):
        find_root(own)


def test_a_link_that_somebody_laid_is_not_followed(places: Path) -> None:
    (places / "elsewhere").mkdir(0o700)
    (places / "xdg" / "lippycat").symlink_to(places / "elsewhere")
    assert find_root() == places / "home" / ".cache" / "lippycat"


def test_a_mark_is_for_one_digest_and_holds_a_failure_or_not(cache: KernelCache) -> None:
    assert not cache.has(load.be16)
    cache.write(load.be16, b"code")
    assert cache.has(load.be16)
    assert (cache.read(load.be16), cache.read(load.be32)) == (b"code", None)
    assert not cache.has(load.be32)
    cache.mark_failed(load.be32, "no luck")
    assert not cache.has(load.be32)
    assert (cache.failure(load.be16), cache.failure(load.be32)) == ("", "no luck")
    assert sorted(p.name for p in cache.folder(load.be16).iterdir()) == ["kernel"]


def test_the_newest_digests_of_each_kernel_are_kept(cache: KernelCache) -> None:
    for age in range(KEEP + 3):
        folder = cache.root / f"a.kernel-{age:032x}"
        folder.mkdir()
        (folder / "kernel").write_text("")
        os.utime(folder, (1000 - age, 1000 - age))
    cache.write(load.be16, b"")
    (cache.root / "lock").write_text("")
    cache.prune()
    assert sorted(p.name for p in cache.root.iterdir() if p.name.startswith("a.")) == [
        f"a.kernel-{age:032x}" for age in range(KEEP)
    ]
    assert cache.has(load.be16)


@pytest.mark.parametrize("damage", [b"", b"abc" * 100, None])
def test_damaged_machine_code_is_removed_and_not_used(cache: KernelCache, damage: bytes | None) -> None:
    cache.write(load.be16, b"code" * 100)
    (file,) = cache.folder(load.be16).iterdir()
    file.write_bytes(file.read_bytes()[:-1] if damage is None else damage)
    assert cache.read(load.be16) is None
    assert not cache.has(load.be16)
    cache.write(load.be16, b"code")
    assert cache.read(load.be16) == b"code"
