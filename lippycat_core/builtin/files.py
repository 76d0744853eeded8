"""Capture files by name: which ones are meant, and the driver that opens them. Cheap to import: no numpy here."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lippycat_core.errors import InputError, UsageError
from lippycat_core.interfaces.provider import Fitness

if TYPE_CHECKING:
    from lippycat_core.interfaces.capture import CaptureSource
    from lippycat_core.kernelset import KernelSet

STDIN = "-"


def expand(paths: Sequence[str]) -> list[str]:
    """The files that `paths` mean, each once, in the order named.

    A path that exists stands for itself, a directory for the captures in it (not below it) by name, a pattern (*, ?, [])
    for what it matches by name, `-` for standard input. Raises InputError for a directory without captures and a pattern
    without match; other files are judged when they are opened.
    """
    found: list[str] = []
    for path in paths:
        if not path:
            raise UsageError("an empty file name: name a capture file, or - for standard input")
        if path != STDIN and glob.has_magic(path) and not os.path.lexists(path):
            matches = sorted(glob.glob(path, recursive=True))
            if not matches:
                raise InputError(f"{path}: no file matches: check the pattern, and what directory it starts from")
        else:
            matches = [path]
        for match in matches:
            found += _captures_in(match) if match != STDIN and os.path.isdir(match) else [match]
    if not found:
        raise UsageError("no capture file is named: name files, directories or patterns, or - for standard input")
    return list(dict.fromkeys(found))


def _captures_in(directory: str) -> list[str]:
    from lippycat_core.builtin.filesource import is_capture
    from lippycat_core.builtin.rawinput import cannot_read

    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        raise cannot_read(directory, error) from None
    paths = [os.path.join(directory, name) for name in names]
    captures = [path for path in paths if os.path.isfile(path) and is_capture(path)]
    if not captures:
        raise InputError(f"{directory}: holds no capture files: name a directory with pcap or pcapng files in it")
    return captures


def open_source(paths: Sequence[str], kernels: KernelSet) -> CaptureSource:
    """A source of the captures that `paths` mean (see `expand`); several are merged by time. Raises InputError."""
    from lippycat_core.builtin.filesource import FileSource

    files = expand(paths)
    if len(files) == 1:
        return FileSource(files[0], kernels)
    from lippycat_core.builtin.merge import MergedSource

    return MergedSource(files, kernels)


class FileProvider:
    """Capture files: pcap and pcapng, plain, gzip or zstd, and standard input."""

    name = "file"

    def probe(self) -> Fitness:
        """Files can always be read; a live driver is preferred only where an interface is asked for."""
        return Fitness(priority=10)

    def open(self, *, paths: Sequence[str], kernels: KernelSet) -> CaptureSource:
        """See `open_source`."""
        return open_source(paths, kernels)
