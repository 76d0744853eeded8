"""What is known of a file that is finished, and how the outputs of files are put together: encryption behind packing, both behind
a writer thread."""

from __future__ import annotations

from typing import NamedTuple

from lippycat_core.builtin.outputs import STDOUT, Output, PlainOutput, Tally
from lippycat_core.builtin.pipes import is_pipe
from lippycat_core.timetext import rfc3339
from lippycat_core.writing.crew import Crew, CrewOutput
from lippycat_core.writing.encryption import EncryptedOutput, Key
from lippycat_core.writing.packing import PackedOutput


class FileFacts(NamedTuple):
    """A finished file: where it is, how many packets are in it, its bytes on disk, and the times of its first and last packet."""

    path: str
    packets: int
    nbytes: int
    first_ns: int
    last_ns: int

    def as_json(self) -> dict[str, object]:
        """What a command gets on its standard input."""
        return {
            "path": self.path,
            "packets": self.packets,
            "bytes": self.nbytes,
            "first": rfc3339(self.first_ns),
            "last": rfc3339(self.last_ns),
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
        }


class Opener:
    """Opens files of one kind: packed at a level, encrypted with a key, written by a crew, each by one of its threads in turn."""

    def __init__(self, crew: Crew, level: int = 1, key: Key | None = None, tally: Tally | None = None) -> None:
        self._crew = crew
        self._level = level
        self._key = key
        self._tally = tally
        self._count = 0

    def open(self, path: str, *, pcapng: bool, packing: str = "", exclusive: bool = False, mode: int = 0o666) -> Output:
        """The output of a file, or of standard output for `-`. OSError where it cannot be opened, UsageError where something
        that it takes is not installed."""
        plain = not packing and self._key is None
        read_meanwhile = path == STDOUT or is_pipe(path)
        output: Output = PlainOutput(path, pcapng=pcapng if plain else None, exclusive=exclusive, mode=mode, tally=self._tally)
        if self._key is not None:
            output = EncryptedOutput(output, self._key)
        if packing:
            output = PackedOutput(output, packing, self._level)
        self._count += 1
        return output if read_meanwhile else CrewOutput(output, self._crew, self._count)
