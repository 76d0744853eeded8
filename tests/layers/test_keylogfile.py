"""The key log file: whole lines as they are written, and one line of error for what is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lippycat_core.builtin.keylogfile import KeyLogFile
from lippycat_core.cli.keylog import key_log
from lippycat_core.errors import InputError, UsageError
from lippycat_core.host.settings import load_settings
from lippycat_core.interfaces.layer import TLS_KEY_LOG

LINE = b"CLIENT_RANDOM " + b"5a" * 32 + b" " + b"0c" * 48 + b"\n"


def test_lines_come_whole_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"# comment\n")
    log = KeyLogFile(str(path), "here")
    assert log.read() == [(TLS_KEY_LOG, b"# comment\n")]
    assert log.read() == []
    with path.open("ab") as file:
        file.write(LINE[:50])
        file.flush()
        assert log.read() == []
        file.write(LINE[50:] + LINE[:10])
        file.flush()
        assert log.read() == [(TLS_KEY_LOG, LINE)]
        assert log.read(last=True) == [(TLS_KEY_LOG, LINE[:10] + b"\n")]
        assert log.read(last=True) == []
    log.close()
    log.close()


def test_a_file_that_begins_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(LINE * 3)
    log = KeyLogFile(str(path), "here")
    assert log.read() == [(TLS_KEY_LOG, LINE * 3)]
    path.write_bytes(LINE)
    assert log.read() == [(TLS_KEY_LOG, LINE)]


def test_a_file_may_come_later(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    log = KeyLogFile(str(path), "here", later=True)
    assert log.read() == []
    path.write_bytes(LINE)
    assert log.read() == [(TLS_KEY_LOG, LINE)]


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "text", "binary", "name"])
def test_what_is_no_key_log_is_said_in_one_line(tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / kind)
    if kind == "folder":
        os.mkdir(path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "text":
        Path(path).write_text("these are no keys\nat all\n")
    elif kind == "binary":
        Path(path).write_bytes(bytes(range(256)) + b"\n#" + bytes(range(11, 256)))
    elif kind == "name":
        path += "\0"
    with pytest.raises(InputError, match=r"^here: ") as told:
        KeyLogFile(path, "here")
    assert "\n" not in str(told.value)


def test_an_empty_file_is_a_log_to_come(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    for text, empty in ((b"", True), (b"# a comment\n\n", True), (LINE, False), (b"# a comment\n" + LINE, False)):
        path.write_bytes(text)
        log = KeyLogFile(str(path), "here")
        assert log.empty is empty

        assert b"".join(data for _, data in log.read(last=True)).strip() == text.strip()


def piped(data: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    return reading


def test_a_pipe_is_read_to_its_end_where_no_more_can_come() -> None:
    descriptor = piped(LINE + LINE.rstrip(b"\n"))
    try:
        log = KeyLogFile(f"/dev/fd/{descriptor}", "here")
        assert not log.empty
        assert log.read(last=True) == [(TLS_KEY_LOG, LINE * 2)]
        assert log.read(last=True) == []
        log.close()
    finally:
        os.close(descriptor)


def test_a_pipe_is_refused_where_more_may_come() -> None:
    descriptor = piped(LINE)
    try:
        with pytest.raises(InputError, match=r"^here: /dev/fd/\d+: a pipe, and more keys may come: name the file"):
            KeyLogFile(f"/dev/fd/{descriptor}", "here", later=True, growing=True)
    finally:
        os.close(descriptor)


def test_who_names_a_log_without_the_plugin_is_told_what_to_install(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(LINE)
    by_option = load_settings({"tls.keylog": str(path)}, environ={}, home=tmp_path)
    with pytest.raises(UsageError, match=r"tls\.keylog \(option --tls-keylog\): .*: pip install lippycat-tls$"):
        key_log(by_option, readers=False, growing=False)
    theirs = load_settings({}, environ={"SSLKEYLOGFILE": str(path)}, home=tmp_path)
    assert theirs.origin("tls.keylog") == "environment SSLKEYLOGFILE"
    assert key_log(theirs, readers=False, growing=False) is None
    log = key_log(theirs, readers=True, growing=False)
    assert log is not None
    assert log.read() == [(TLS_KEY_LOG, LINE)]
    assert key_log(load_settings({}, environ={}, home=tmp_path), readers=True, growing=True) is None


def test_a_variable_of_others_may_name_a_file_that_is_not_there(tmp_path: Path) -> None:
    theirs = load_settings({}, environ={"SSLKEYLOGFILE": str(tmp_path / "nowhere")}, home=tmp_path)
    log = key_log(theirs, readers=True, growing=False)
    assert log is not None
    assert log.read() == []


def test_ours_goes_before_theirs(tmp_path: Path) -> None:
    environ = {"SSLKEYLOGFILE": "/theirs", "LIPPYCAT_TLS__KEYLOG": "/ours"}
    assert load_settings({}, environ=environ, home=tmp_path)["tls.keylog"] == "/ours"
    (tmp_path / ".lippycat.yaml").write_text("tls:\n  keylog: /file\n")
    assert load_settings({}, environ={"SSLKEYLOGFILE": "/theirs"}, home=tmp_path)["tls.keylog"] == "/file"
