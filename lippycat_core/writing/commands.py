"""Commands of the user that run behind the capture: after a finished file, after a finished call. No shell is involved, ever.

A command line is split once, when it is read; what a value holds can therefore become neither another argument nor another
command. Values are in the arguments (`%name%`), in the environment, and as a JSON object on standard input.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from lippycat_core.errors import UsageError
from lippycat_core.printable import cut, printable

MOST_WAITING = 1024
"""Commands that wait for their turn."""

MOST_OUTPUT = 4096
"""Bytes that are kept of what a command prints: the last ones."""

SHOWN = 200
MOST_TOLD = 10
"""Failures that are told one by one; further ones are counted."""

MOST_VALUE = 4096

SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh", "fish", "csh", "tcsh"))

_PLACE = re.compile(r"%([a-z_]+)%")


class Command:
    """A command line with places for values, as in `mv %pcap% /archive/`. UsageError, which names the `option`, for one that
    cannot be split, has places that there are not, or a program that is not there."""

    def __init__(self, line: str, names: Collection[str], option: str) -> None:
        try:
            self.arguments = tuple(shlex.split(line))
        except ValueError as error:
            raise UsageError(f"{option} {line!r}: {str(error).lower()}: close the quotes") from None
        if not self.arguments:
            raise UsageError(f"{option}: an empty command: name a program, or leave the option out")
        unknown = next((name for part in self.arguments for name in _PLACE.findall(part) if name not in names), None)
        if unknown is not None:
            known = ", ".join(f"%{name}%" for name in names)
            raise UsageError(f"{option} {line!r}: no value %{unknown}%: there are {known}")
        if _PLACE.search(self.arguments[0]):
            raise UsageError(f"{option} {line!r}: what a packet says would choose the program: name one")
        program = os.path.basename(self.arguments[0])
        if program in SHELLS and any(_PLACE.search(part) for part in self.arguments) and "-c" in self.arguments:
            raise UsageError(
                f"{option} {line!r}: {program} would run what a packet says: write $LIPPYCAT_... there, which is only text to it"
            )
        if shutil.which(self.arguments[0]) is None:
            raise UsageError(f"{option} {line!r}: there is no program {self.arguments[0]}: write its path, or install it")

    def filled(self, values: Mapping[str, str]) -> list[str]:
        """The arguments with values in their places."""
        return [_PLACE.sub(lambda found: values[found[1]], part) for part in self.arguments]


class _Job(NamedTuple):
    command: Command
    values: Mapping[str, str]
    record: Mapping[str, object]


class Commands:
    """Runs commands, up to `concurrency` at once, each for `timeout_s` at most; then its process group is killed. Failures go to
    `tell`, one line each, and are counted. With `patient` a full queue makes whoever adds to it wait, else the command is not
    run, which is told and counted."""

    def __init__(self, concurrency: int, timeout_s: float, tell: Callable[[str], None], *, patient: bool = True) -> None:
        self._concurrency = concurrency
        self._timeout_s = timeout_s
        self._tell = tell
        self._patient = patient
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._ended = False
        self.runs = 0
        self.failures = 0

    def run(self, command: Command, values: Mapping[str, str], record: Mapping[str, object]) -> None:
        """Let a command run soon."""
        plain = {name: printable(value)[:MOST_VALUE] for name, value in values.items()}
        with self._changed:
            while len(self._jobs) >= MOST_WAITING:
                if not self._patient:
                    self._failed(command, "is not run, for too many wait")
                    return
                self._changed.wait()
            self._jobs.append(_Job(command, plain, record))
            if not self._idle and len(self._threads) < self._concurrency:
                thread = threading.Thread(target=self._work, name=f"lc-command-{len(self._threads) + 1}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                while not self._jobs:
                    if self._ended:
                        return
                    self._changed.wait()
                self._idle -= 1
                job = self._jobs.popleft()
                self._changed.notify_all()
            said = self._run_one(job)
            with self._changed:
                self.runs += 1
                if said:
                    self._failed(job.command, said)

    def _failed(self, command: Command, said: str) -> None:
        self.failures += 1
        if self.failures <= MOST_TOLD:
            self._tell(f"command {command.arguments[0]} {said}")
            if self.failures == MOST_TOLD:
                self._tell("further commands that fail are only counted")

    def _run_one(self, job: _Job) -> str:
        """Run it, and say what went wrong, if anything did."""
        environment = {**os.environ, **{f"LIPPYCAT_{name.upper()}": value for name, value in job.values.items()}}
        end = time.monotonic() + self._timeout_s
        with tempfile.TemporaryFile() as stdin:
            stdin.write(json.dumps(job.record, default=str).encode("utf-8", "replace") + b"\n")
            stdin.seek(0)
            try:
                process = subprocess.Popen(
                    job.command.filled(job.values),
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    close_fds=True,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                return f"cannot be run ({error.strerror if isinstance(error, OSError) else error})"
        output, ended = _watched(process, end)
        if not ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        words = cut(printable(" ".join(output.decode("utf-8", "replace").split())), SHOWN)
        if not ended:
            return f"took longer than {self._timeout_s:g} s and was ended{': ' if words else ''}{words}"
        if code:
            how = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
            return f"{how}{': ' if words else ''}{words}"
        return ""

    def close(self) -> None:
        """Wait for what runs and what waits, each within its time; then the threads end."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()


def _watched(process: subprocess.Popen[bytes], end: float) -> tuple[bytes, bool]:
    """The last bytes that a process prints until it ends, and whether it did before `end`."""
    kept = b""
    pipe = process.stdout
    assert pipe is not None
    with pipe, selectors.DefaultSelector() as selector:
        os.set_blocking(pipe.fileno(), False)
        selector.register(pipe, selectors.EVENT_READ)
        open_still = True
        while True:
            ended = process.poll() is not None
            if open_still and selector.select(0 if ended else min(0.05, max(end - time.monotonic(), 0))):
                part = os.read(pipe.fileno(), 65536)
                kept = (kept + part)[-MOST_OUTPUT:]
                if part:
                    if time.monotonic() < end:
                        continue
                else:
                    open_still = False
                    selector.unregister(pipe)
            elif not open_still and not ended:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(end - time.monotonic(), 0))
                    ended = True
            if ended:
                return kept, True
            if time.monotonic() >= end:
                return kept, False
