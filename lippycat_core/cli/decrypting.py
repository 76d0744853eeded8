"""What `lc decrypt` does when it runs."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import BinaryIO

from lippycat_core.builtin.jsonlines import cannot_write
from lippycat_core.builtin.outputs import STDOUT
from lippycat_core.builtin.rawinput import STDIN
from lippycat_core.cli.telling import say
from lippycat_core.errors import InputError, UsageError
from lippycat_core.host.settings import load_settings
from lippycat_core.writing.encryption import ENDING, Damaged, Key, chunks, new_key, read_secret


def make_key(path: str, file: str | None) -> int:
    """`lc decrypt --new-key PATH`."""
    if file is not None:
        raise UsageError("--new-key: makes a key and decrypts nothing: leave FILE out")
    new_key(path)
    return 0


def decrypt_file(file: str | None, output: str | None, key_file: str | None, config: str | None, *, force: bool) -> int:
    """`lc decrypt FILE`; 1 where the file was changed or its end is missing, and what came before that was written."""
    if not file:
        raise UsageError("nothing to decrypt: name a file, or make a key with --new-key")
    if output is None and file == STDIN:
        output = STDOUT
    if output is None:
        if not file.endswith(ENDING) or file == ENDING:
            raise UsageError(f"{file}: does not end in {ENDING}: name the output with -o")
        output = file[: -len(ENDING)]
    path = key_file or load_settings({}, config=config, on_problem=say)["write.encrypt_key_file"]
    if not path:
        raise UsageError("no key: name the file that has it with --key-file")
    key = Key(read_secret(path))
    if file == STDIN:
        return _decrypt(sys.stdin.buffer, "standard input", output, key, force=force)
    try:
        with open(file, "rb") as source:
            return _decrypt(source, file, output, key, force=force)
    except IsADirectoryError:
        raise UsageError(f"{file}: is a folder: name a file in it") from None
    except FileNotFoundError:
        raise UsageError(f"{file}: no such file") from None


def _decrypt(source: BinaryIO, name: str, output: str, key: Key, *, force: bool) -> int:
    parts = chunks(source, key)
    try:
        first = next(parts)  # that it can be decrypted is known before anything is made
    except InputError as error:
        raise type(error)(f"{name}: {error}") from None
    if output == STDOUT and sys.stdout.isatty():
        raise UsageError("standard output: is a terminal: name a file with -o, or a pipe")
    target = sys.stdout.buffer if output == STDOUT else _made(output, name, force=force)
    try:
        target.write(first)
        for part in parts:
            target.write(part)
    except Damaged as error:
        say(f"{name}: {error}; what came before it is in {'the output' if output == STDOUT else output}")
        return 1
    except BrokenPipeError:
        raise
    except OSError as error:
        raise cannot_write(error) from None
    finally:
        with suppress(OSError):
            target.flush()
        if output != STDOUT:
            target.close()
    return 0


def _made(path: str, source: str, *, force: bool) -> BinaryIO:
    """The output, open; another file of its name is replaced only with `force`, and never the input."""
    with suppress(OSError):
        if os.path.samefile(path, source):
            raise UsageError(f"{path}: is being read: name another output")
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if force else os.O_EXCL)
    try:
        fd = os.open(path, flags, 0o600)
    except FileExistsError:
        raise UsageError(f"{path}: is there already: name another output with -o, or overwrite it with --force") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path}: {reason}: name another output with -o") from None
    os.fchmod(fd, 0o600)
    return open(fd, "wb")
