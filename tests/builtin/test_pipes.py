"""Writing into a named pipe: as it is, at once, and until its reader goes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lippycat_core.batch import Batch
from lippycat_core.builtin.pcapwriter import PcapWriter
from lippycat_core.builtin.pipes import open_output, reader_gone
from lippycat_core.kernelset import Interpreted


def quiet(writer: PcapWriter) -> None:
    """A batch without packets, as a quiet link gives them."""
    batch = Batch(Interpreted())
    batch.clear(1)
    writer.packets(batch)


def test_the_header_comes_at_once_and_a_reader_that_goes_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "pipe.pcapng"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = PcapWriter(str(path))
    quiet(writer)
    assert os.read(reader, 4) == b"\x0a\x0d\x0d\x0a"  # pcapng: a section begins
    quiet(writer)
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        quiet(writer)
    writer.close()
    assert path.is_fifo()


def test_it_waits_for_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(path.read_bytes()))
    thread.start()
    PcapWriter(str(path)).close()
    thread.join()
    assert len(got[0]) == 24


def test_a_pipe_is_not_made_or_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader, real = os.open(path, os.O_RDONLY | os.O_NONBLOCK), os.open

    def watched(name: str, flags: int, mode: int) -> int:
        seen.append(flags & (os.O_CREAT | os.O_TRUNC))
        return real(name, flags, mode)

    monkeypatch.setattr("lippycat_core.builtin.pipes.os.open", watched)
    for name in (path, tmp_path / "file"):
        os.close(open_output(str(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC))
    os.close(reader)
    assert seen == [0, os.O_CREAT | os.O_TRUNC]


def test_files_have_no_reader_that_could_go(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file:
        assert not reader_gone(file.fileno())
