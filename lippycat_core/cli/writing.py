"""From options and settings to what is kept on disk: the capture file or files, and what becomes of the exit code."""

from __future__ import annotations

import os
from types import TracebackType

from lippycat_core.builtin.outputs import STDOUT, cannot_write
from lippycat_core.builtin.pcapwriter import PcapWriter, refuse_inputs
from lippycat_core.cli.compose import Setup
from lippycat_core.cli.options import Write
from lippycat_core.errors import OutputError, UsageError
from lippycat_core.interfaces.sink import Sink
from lippycat_core.writing.crew import Crew
from lippycat_core.writing.files import Opener
from lippycat_core.writing.forgiving import Forgiving
from lippycat_core.writing.packing import form_of, packer
from lippycat_core.writing.rotation import RotatingWriter, Rotation

ROTATES = ("size", "time", "count", "keep", "total")


class Keeping:
    """What one run keeps on disk, as a context around it: `writer()` is where `-w` goes. Where that is not all that the run is
    for (`alone`), it goes on when the disk is full: that is told once, and `exit_code` makes it 1.

    UsageError where options do not go together, OutputError where a file cannot be opened.
    """

    def __init__(self, setup: Setup, write: Write, *, alone: bool) -> None:
        self._setup = setup
        self._path = write.file
        self._alone = alone
        self._failed = False
        settings = setup.settings
        self._level: int = settings["tcp.compression_level"]
        self.rotation = Rotation(
            settings["write.rotate_size"],
            settings["write.rotate_time"],
            settings["write.rotate_count"],
            settings["write.rotate_keep"],
            settings["write.rotate_total"],
        )
        if write.file is None:
            given = next((name for name in ROTATES if getattr(write, f"rotate_{name}") is not None), None)
            if given is not None:
                raise UsageError(f"--rotate-{given}: says when a capture file ends: name one with -w")
        self.crew = Crew(settings["tcp.io_threads"])

    def __enter__(self) -> Keeping:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.crew.close()

    def sinks(self) -> list[Sink]:
        """The sink of `-w`, where there is one."""
        writer = self.writer()
        return [] if writer is None else [writer]

    def writer(self) -> PcapWriter | RotatingWriter | Forgiving | None:
        """Where the packets go that `-w` writes; None without it."""
        path = self._path
        if path is None:
            return None
        if not path:
            raise UsageError("an empty file name: name the file to write, or - for standard output")
        form = form_of(path)
        if form.packing:
            packer(form.packing, self._level)  # what is not installed is said before anything is made
        opener = Opener(self.crew, self._level)
        if self.rotation and path != STDOUT:
            rotating = RotatingWriter(
                path,
                self.rotation,
                lambda name, pcapng: opener.open(name, pcapng=pcapng, packing=form.packing, exclusive=True),
            )
            self._setup.must_write.append(os.path.dirname(path) or ".")
            return rotating if self._alone else Forgiving(rotating, self._fail)
        if self.rotation:
            raise UsageError("-w -: standard output is one stream: rotate a file, or leave the --rotate options out")
        refuse_inputs(path, self._setup.files)
        try:
            output = opener.open(path, pcapng=form.pcapng, packing=form.packing)
        except (OSError, ValueError) as error:
            raise cannot_write(path, error) from None
        writer = PcapWriter(path, output=output, pcapng=form.pcapng)
        return writer if self._alone or path == STDOUT else Forgiving(writer, self._fail)

    def _fail(self, error: OutputError) -> None:
        self._failed = True
        self._setup.tell(f"{error}; the run goes on without it")

    def exit_code(self, code: int) -> int:
        """The exit code of a run that ended with `code`, when something could not be written."""
        return code or int(self._failed)
