"""Where control sockets lie: a folder that only its owner may enter, one socket a process, named by its number."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

ANSWER_S = 0.5
"""How long a process may take to accept a connection before it counts as busy (not as gone)."""


RUNTIME = Path("/run/user")
"""Where systemd keeps run-time directories, one a user by number, for those whose environment does not say it (cron, sudo)."""


def folder(environ: Mapping[str, str] | None = None, runtime: Path = RUNTIME) -> Path:
    """The folder of this user's sockets: below the run-time directory that is this user's, else among the temporary files."""
    environ = os.environ if environ is None else environ
    for place in (environ.get("XDG_RUNTIME_DIR", ""), str(runtime / str(os.geteuid()))):
        if os.path.isabs(place):
            with contextlib.suppress(OSError):
                found = os.stat(place)
                if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():  # under `sudo -E` it is another's
                    return Path(place, "lippycat")
    return Path(tempfile.gettempdir(), f"lippycat-{os.geteuid()}")


def is_private(place: Path) -> bool:
    """Whether the folder is ours, no link, and nobody else's to enter."""
    found = os.lstat(place)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def private_folder(place: Path) -> Path:
    """Make the folder where it is not there. OSError where others could enter it, or it cannot be made."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(place, 0o700)
    if not is_private(place):
        raise OSError(f"{place} is not a private folder of yours: remove it, or give it mode 700")
    return place


def sockets(place: Path) -> dict[int, Path]:
    """The sockets of a folder by process; none where the folder is not there, or not private."""
    try:
        names = os.listdir(place) if is_private(place) else []
    except OSError:
        return {}
    return {int(match[1]): place / name for name in names if (match := re.fullmatch(r"([1-9][0-9]{0,9})\.sock", name))}


def connect(path: Path) -> socket.socket | None:
    """A connection to a socket; None where nobody listens, whose file is then removed. OSError where it cannot be told."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(ANSWER_S)
    try:
        client.connect(str(path))
    except ConnectionRefusedError:
        client.close()
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    except FileNotFoundError:
        client.close()
        return None
    except OSError:
        client.close()
        raise
    return client


def clean(place: Path) -> None:
    """Remove the sockets of processes that are no more."""
    for path in sockets(place).values():
        with contextlib.suppress(OSError):
            client = connect(path)
            if client is not None:
                client.close()
