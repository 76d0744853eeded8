"""Where Wireshark looks for extcap programs of one's own, and the launcher that is put there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from lippycat_core.errors import OutputError, UsageError

NAME = "lippycat-extcap"
MARK = "# Made by `lc extcap install`."
NEW_FOLDER, OLD_FOLDER = ".local/lib/wireshark/extcap", ".config/wireshark/extcap"
NEW_SINCE = (4, 1)
"""Wireshark's version that moved the personal folder."""


def launcher(python: str) -> str:
    """A script that becomes our program under that interpreter, so that a signal for it reaches us."""
    return f'#!/bin/sh\n{MARK}\nexec {shlex.quote(python)} -m lippycat_core.cli.extcap_program "$@"\n'


def personal_folder(home: Path, version: tuple[int, int] | None) -> Path:
    """The folder in which that version of Wireshark looks; for no version the newer."""
    return home / (OLD_FOLDER if version is not None and version < NEW_SINCE else NEW_FOLDER)


def wireshark_version() -> tuple[int, int] | None:
    """Of the Wireshark that is installed; None where none is found."""
    for program in ("wireshark", "tshark"):
        if (path := shutil.which(program)) is None:
            continue
        try:
            said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            continue
        if (found := re.search(r"\b(\d+)\.(\d+)\.\d", said)) is not None:
            return int(found[1]), int(found[2])
    return None


def place(folder: str | None) -> int:
    """Write the launcher and say where it is. OutputError where something else is there, or nothing can be written."""
    path = _target(folder)
    text = launcher(sys.executable)
    try:
        if _is_foreign(path):
            raise OutputError(f"{path}: is there, and not made by lippycat: move it away, or choose another folder with --dir")
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_text(text)
        new.chmod(0o755)
        new.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}): choose another folder with --dir") from None
    print(f"{path} is in place: Wireshark lists it from its next start, or with Capture, Refresh Interfaces")
    return 0


def take_away(folder: str | None) -> int:
    """Remove the launcher, where it is ours."""
    path = _target(folder)
    if not os.path.lexists(path):
        print(f"{path}: is not there; nothing to remove")
        return 0
    if _is_foreign(path):
        raise OutputError(f"{path}: is not made by lippycat: it stays")
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(f"{path}: cannot be removed ({error.strerror})") from None
    print(f"{path} is removed")
    return 0


def _target(folder: str | None) -> Path:
    if folder == "":
        raise UsageError("--dir: an empty name: name a folder, or leave the option out")
    try:
        home = Path.home()
        base = Path(folder).expanduser() if folder is not None else personal_folder(home, wireshark_version())
    except RuntimeError:
        raise UsageError("this user has no home folder: name a folder with --dir") from None
    return base / NAME


def _is_foreign(path: Path) -> bool:
    """Whether something is there that we did not write."""
    if not os.path.lexists(path):
        return False
    try:
        return path.is_symlink() or MARK not in path.read_text(errors="replace")[:200]
    except OSError:
        return True
