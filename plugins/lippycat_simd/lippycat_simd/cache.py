"""Where compiled kernels lie: one folder a kernel, named by its digest, under a root that only this user can write.

What lies here is machine code that will be run, so a root that somebody else owns or may write to is never used. No numba.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lippycat_core.errors import SettingError
from lippycat_simd.digest import kernel_digest

CODE = "kernel"
"""An object file behind its SHA-256."""

CHECKSUM_BYTES = hashlib.sha256().digest_size
FAILED = "failed"
KEEP = 3
"""Digests kept of one kernel: an edit, its undo and another installation use the same root without driving each other out."""

Kernel = Callable[..., Any]


def find_root(setting: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder for compiled kernels: `setting`, else the first of XDG's cache folder, ~/.cache, XDG's run-time folder and
    a private temporary folder that can be had. None where none can. SettingError where `setting` itself cannot be used."""
    if setting:
        root = Path(setting).expanduser()
        why = _unusable(root)
        if why:
            raise SettingError(f"cache_dir: {root}: {why}; name a folder that only you can write to")
        return root
    for root in _candidates():
        if not _unusable(root):
            return root
    return None


def _candidates() -> Iterator[Path]:
    if cache_home := os.environ.get("XDG_CACHE_HOME"):
        yield Path(cache_home, "lippycat")
    with contextlib.suppress(RuntimeError):  # no home
        home = Path.home()
        if home.is_dir():  # never made: a service may have one that is not there on purpose
            yield home / ".cache" / "lippycat"
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime, "lippycat")
    yield Path(tempfile.gettempdir(), f"lippycat-{os.geteuid()}")


def _unusable(root: Path) -> str:
    """Why `root` cannot hold our machine code, or nothing; makes it where it is missing."""
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            root.mkdir(mode=0o700)
        found = root.lstat()
    except OSError as error:
        return error.strerror or str(error)
    if not stat.S_ISDIR(found.st_mode):
        return "is not a folder"
    if found.st_uid != os.geteuid():
        return "belongs to another user"
    if found.st_mode & 0o022:
        return "others may write to it"
    try:
        with tempfile.TemporaryFile(dir=root):
            return ""
    except OSError as error:
        return error.strerror or str(error)


class KernelCache:
    """The kernels' folders under one root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders: dict[Kernel, Path] = {}

    def folder(self, kernel: Kernel) -> Path:
        """The folder of a kernel as it was when first asked for: a loaded function does not change with its file."""
        if kernel not in self._folders:
            self._folders[kernel] = self.root / f"{kernel.__module__}.{kernel.__qualname__}-{kernel_digest(kernel)}"
        return self._folders[kernel]

    def has(self, kernel: Kernel) -> bool:
        """Whether its machine code is there."""
        return (self.folder(kernel) / CODE).exists()

    def read(self, kernel: Kernel) -> bytes | None:
        """Its machine code (an object file), or None; one that a fault of the disk has damaged is removed, for LLVM would
        take the process down with it."""
        file = self.folder(kernel) / CODE
        try:
            content = file.read_bytes()
        except OSError:
            return None
        checksum, code = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
        if hashlib.sha256(code).digest() == checksum:
            return code
        with contextlib.suppress(OSError):
            file.unlink()
        return None

    def write(self, kernel: Kernel, code: bytes) -> None:
        """Keep its machine code."""
        self._put(kernel, CODE, hashlib.sha256(code).digest() + code)

    def failure(self, kernel: Kernel) -> str:
        """Why the kernel could not be compiled when that was tried, or nothing."""
        try:
            return (self.folder(kernel) / FAILED).read_text(errors="replace")
        except OSError:
            return ""

    def mark_failed(self, kernel: Kernel, why: str) -> None:
        """Say that the kernel cannot be compiled, so that nobody tries again."""
        self._put(kernel, FAILED, why.encode())

    def _put(self, kernel: Kernel, name: str, content: bytes) -> None:
        """Write a file that is seen whole or not at all."""
        folder = self.folder(kernel)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=folder, delete=False) as file:
            file.write(content)
        os.replace(file.name, folder / name)

    @contextlib.contextmanager
    def claim(self, kernel: Kernel, *, wait: bool) -> Iterator[bool]:
        """Whether this process may compile the kernel; False while another does, unless it is to `wait` for that.

        A claim ends with its process. Where the file system knows no locks everybody compiles, which does no harm.
        """
        folder = self.folder(kernel)
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            except OSError:
                pass
            yield True

    def prune(self) -> None:
        """Remove all but the newest digests of each kernel."""
        by_kernel: dict[str, list[tuple[float, Path]]] = {}
        for folder in self.root.iterdir():
            kernel, dash, _digest = folder.name.rpartition("-")
            if dash and folder.is_dir():
                by_kernel.setdefault(kernel, []).append((folder.stat().st_mtime, folder))
        for folders in by_kernel.values():
            for _mtime, folder in sorted(folders, reverse=True)[KEEP:]:
                shutil.rmtree(folder, ignore_errors=True)
