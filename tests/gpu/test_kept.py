"""Folders for compiled kernels."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lippycat_core.errors import SettingError
from lippycat_core.gpu.kept import own_folder


def test_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = own_folder(str(tmp_path / "new"), "words")
    assert folder == tmp_path / "new" / "words"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert own_folder(tmp_path / "new", "words") == folder


def test_what_others_may_write_to_is_refused(tmp_path: Path) -> None:
    own_folder(tmp_path, "words").chmod(0o777)
    with pytest.raises(SettingError, match="others may write to it"):
        own_folder(tmp_path, "words")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(SettingError):
        own_folder(tmp_path, "link")


def test_what_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match=r"cache_dir: .*file/words: Not a directory"):
        own_folder(tmp_path / "file", "words")
