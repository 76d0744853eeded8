"""From options and settings to what is kept on disk: the capture file or files, and what becomes of the exit code."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from threading import Lock
from types import TracebackType

from lippycat_core.builtin.outputs import STDOUT, Tally, cannot_write
from lippycat_core.builtin.pcapwriter import PcapWriter, refuse_inputs
from lippycat_core.builtin.pipes import is_pipe
from lippycat_core.cli.compose import Setup
from lippycat_core.cli.options import Write
from lippycat_core.errors import OutputError, UsageError
from lippycat_core.interfaces.sink import Sink
from lippycat_core.writing.commands import Command, Commands
from lippycat_core.writing.counted import Counted
from lippycat_core.writing.crew import Crew
from lippycat_core.writing.encryption import ENDING, Key, read_secret
from lippycat_core.writing.figures import Figures
from lippycat_core.writing.files import FileFacts, Opener
from lippycat_core.writing.forgiving import Forgiving
from lippycat_core.writing.groups import GroupFiles
from lippycat_core.writing.manyfiles import ManyFiles, make_folders
from lippycat_core.writing.packing import Form, form_of, packer
from lippycat_core.writing.rotation import RotatingWriter, Rotation

ROTATES = ("size", "time", "count", "keep", "total")


def _is_no_file(path: str) -> bool:
    """Whether something is there that is no regular file: a device, a pipe, a folder."""
    return os.path.exists(path) and not os.path.isfile(path)


class Keeping:
    """What one run keeps on disk, as a context around it: `writer()` is where `-w` goes. Where that is not all that the run is
    for (`alone`), it goes on when the disk is full: that is told once, and `exit_code` makes it 1. `commands` are options of the
    command's own that run programs, and whether they do.

    UsageError where options do not go together, OutputError where a file cannot be opened.
    """

    def __init__(
        self, setup: Setup, write: Write, *, alone: bool, groups: bool = False, commands: Mapping[str, bool] | None = None
    ) -> None:
        self._setup = setup
        self._path = write.file
        self._alone = alone
        self._failed = False
        self._tally = Tally()
        self._writer: PcapWriter | Counted | RotatingWriter | None = None
        setup.written = self.figures
        self._unwritten = 0
        self._lock = Lock()
        self._many: ManyFiles | None = None
        self._groups: GroupFiles | None = None
        settings = setup.settings
        self._level: int = settings["tcp.compression_level"]
        self.rotation = Rotation(
            settings["write.rotate_size"],
            settings["write.rotate_time"],
            settings["write.rotate_count"],
            settings["write.rotate_keep"],
            settings["write.rotate_total"],
        )
        given = next((name for name in ROTATES if getattr(write, f"rotate_{name}") is not None), None)
        if given is not None and write.file is None:
            raise UsageError(f"--rotate-{given}: says when a capture file ends: name one with -w")
        if given is not None and write.file and write.file != STDOUT and _is_no_file(write.file):
            raise UsageError(f"{write.file}: is no regular file, and --rotate-{given} makes files beside it: name another")
        if given is not None and write.file == STDOUT:
            raise UsageError(f"-w - and --rotate-{given}: standard output is one stream: write to a file, or leave that out")
        line: str = settings["write.pcap_command"]
        self._command = Command(line, ("pcap",), "--pcap-command") if line else None
        if write.pcap_command and (write.file in (None, STDOUT) and not groups):
            raise UsageError("--pcap-command: runs for finished files, and there are none: name one with -w")
        others = commands or {}
        for name in ("command_concurrency", "command_timeout"):
            if getattr(write, name) is not None and not (line or any(others.values())):
                either = " or ".join(("--pcap-command", *others))
                raise UsageError(f"--{name.replace('_', '-')}: is for commands: add {either}")
        self.commands = Commands(
            settings["write.command_concurrency"],
            settings["write.command_timeout"] / 1e9,
            setup.tell,
            patient=not setup.live,
        )
        secret: str = settings["write.encrypt_key_file"]
        self._key = Key(read_secret(secret)) if secret and (write.file is not None or groups) else None
        if write.encrypt_key_file and self._key is None:
            raise UsageError("--encrypt-key-file: encrypts what is written: name a file with -w")
        self._ending = ENDING if self._key is not None else ""
        self.crew = Crew(settings["tcp.io_threads"])

    def __enter__(self) -> Keeping:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.crew.close()
        finally:
            if self._many is not None:
                self._many.close()
            self.commands.close()
        if self.commands.failures > 1:
            self._setup.tell(f"{self.commands.failures} of {self.commands.runs} commands failed")
        if self._unwritten > 1:
            self._setup.tell(f"{self._unwritten} files could not be written to their end")
        if self._groups is not None and self._groups.left_out:
            self._setup.tell(
                f"{self._groups.left_out} packets are in no file of their call, for their link type is another than its first: "
                "name a pattern that ends in .pcapng"
            )

    def sinks(self) -> list[Sink]:
        """The sink of `-w`, where there is one."""
        writer = self.writer()
        return [] if writer is None else [writer]

    def writer(self) -> PcapWriter | Counted | RotatingWriter | Forgiving | None:
        """Where the packets go that `-w` writes; None without it."""
        path = self._path
        if path is None:
            return None
        if not path:
            raise UsageError("an empty file name: name the file to write, or - for standard output")
        form = form_of(path)
        if form.packing:
            packer(form.packing, self._level)  # what is not installed is said before anything is made
        opener = Opener(self.crew, self._level, self._key, self._tally)
        if self.rotation and path != STDOUT and not _is_no_file(path):
            rotating = RotatingWriter(
                path,
                self.rotation,
                lambda name, pcapng: opener.open(name, pcapng=pcapng, packing=form.packing, exclusive=True),
                self.finished,
                self._ending,
            )
            self._setup.must_write.append(os.path.dirname(path) or ".")
            self._writer = rotating
            return rotating if self._alone else Forgiving(rotating, self._fail)
        if path != STDOUT:
            path += self._ending
        refuse_inputs(path, self._setup.files)
        try:
            output = opener.open(path, pcapng=form.pcapng, packing=form.packing)
        except (OSError, ValueError) as error:
            raise cannot_write(path, error) from None
        plain = PcapWriter(path, output=output, pcapng=form.pcapng)
        if path == STDOUT or is_pipe(path):
            self._setup.on_open.append(lambda link: self._begin(plain, link))
        counted = self._command is not None and path != STDOUT
        writer = Counted(path, plain, self.finished) if counted else plain
        self._writer = writer
        return writer if self._alone or path == STDOUT else Forgiving(writer, self._fail)

    def _begin(self, writer: PcapWriter, link: int | None) -> None:
        """A live capture is open: who reads from a pipe gets the header without waiting for a packet."""
        try:
            writer.begin(link)
        except OutputError as error:
            if self._alone or self._path == STDOUT:
                raise
            self._fail(error)

    def figures(self) -> Figures:
        """What was written so far."""
        tally, commands = self._tally, self.commands
        packets = self._writer.written if self._writer is not None else 0
        if self._groups is not None:
            packets += self._groups.packets
        return Figures(packets, tally.nbytes, tally.files, tally.failures, commands.runs, commands.failures)

    @property
    def ending(self) -> str:
        """What comes behind the names of files: they are encrypted."""
        return self._ending

    def finished(self, facts: FileFacts) -> None:
        """A file is complete; may be called in a writer's thread."""
        if self._command is not None:
            self.commands.run(self._command, {"pcap": facts.path}, facts.as_json())

    def group_files(self, folder: str, form: Form) -> GroupFiles:
        """Files of groups below `folder`, which is made where it is not there. UsageError where that cannot be."""
        settings = self._setup.settings
        if form.packing:
            packer(form.packing, self._level)
        try:
            if not os.path.exists(folder):
                make_folders(folder)
                self._setup.made.append(folder)
            elif not os.path.isdir(folder):
                raise NotADirectoryError(errno.ENOTDIR, "is no folder")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise UsageError(f"{folder}: {reason}: name a folder for files of calls that can be made") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(f"{folder}: no file can be made there: choose another folder, or make it yours")
        self._setup.must_write.append(folder)
        self._many = ManyFiles(
            self.crew.lanes,
            settings["write.open_files"],
            self._not_written,
            pcapng=form.pcapng,
            packing=form.packing,
            level=self._level,
            key=self._key,
            tally=self._tally,
        )
        self._groups = GroupFiles(self._many, self.crew, nbytes=settings["write.buffer_bytes"], pcapng=form.pcapng)
        return self._groups

    def _not_written(self, path: str, error: OSError) -> None:
        """A file of a group failed: the first is told, the others are counted."""
        with self._lock:
            self._unwritten += 1
            if self._unwritten > 1:
                return
        self._setup.tell(f"{cannot_write(path, error)}; the run goes on, and further files that fail are counted")

    def _fail(self, error: OutputError) -> None:
        self._failed = True
        self._setup.tell(f"{error}; the run goes on without it")

    def exit_code(self, code: int) -> int:
        """The exit code of a run that ended with `code`, when something could not be written."""
        left_out = self._groups is not None and self._groups.left_out > 0
        return code or int(self._failed or left_out or self._unwritten > 0)
