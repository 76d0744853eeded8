"""Where drivers keep compiled kernels, if a user names a folder for it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lippycat_core.errors import SettingError


def own_folder(root: str | os.PathLike[str], name: str) -> Path:
    """The folder `name` in `root`, made where it is missing. SettingError where others may write to it: what lies there is
    loaded as code."""
    folder = Path(root).expanduser() / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise SettingError(f"cache_dir: {folder}: {error.strerror or error}; name a folder that only you can write to") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise SettingError(f"cache_dir: {folder}: others may write to it; name a folder that only you can write to")
    return folder
