"""`lc`: the one place where an error becomes a line on standard error and an exit code.

Exit codes are those of docs/output.md. A traceback is shown only where LIPPYCAT_TRACEBACK=1 asks for it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated, Any, TextIO

import typer

from lippycat_core.cli.commands import SETTINGS, command_of
from lippycat_core.cli.stubs import command_tree
from lippycat_core.errors import LippycatError
from lippycat_core.printable import printable

# click's own errors; typer brings click under a name of its own, so they are found through the one that it exports
ClickError: type[Exception] = typer.BadParameter.__mro__[2]


READING = ("-r", "--read-file", "-f", "--filter")
"""Options that people who know tcpdump give to `lc` itself."""


def main() -> None:
    """Run `lc` with the process's arguments and exit."""
    sys.stdout, sys.stderr = _open(sys.stdout), _open(sys.stderr)
    sys.exit(run(sys.argv[1:]))


def _open(stream: TextIO | None) -> TextIO:
    """The stream, so that it takes whatever text there is; the null device where it was closed (`>&-`), so that no file
    of ours gets its descriptor."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return open(os.devnull, "w") if stream is None else stream


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code; nothing but SystemExit leaves this function."""
    try:
        code = _invoke(list(args))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _discard_stdout()
        return 0
    except KeyboardInterrupt:
        return 130
    except typer.Abort:
        return 1
    except LippycatError as error:
        return _say(str(error), error.exit_code)
    except ClickError as error:
        return _say(_usage_message(error), 2)
    except OSError as error:
        _discard_stdout()
        if error.filename:
            return _say(f"{error.filename}: {error.strerror or error}", 1)
        return _say(f"cannot write the results: {error.strerror or error}; free some space or write elsewhere", 1)
    except Exception as error:  # a bug, ours or a plugin's, told in one line
        return _say(f"internal error: {type(error).__name__}: {error}; LIPPYCAT_TRACEBACK=1 shows where", 1)


def _invoke(args: list[str]) -> int:
    command = command_of(lc, command_tree())
    try:
        with command.make_context("lc", args, **SETTINGS) as ctx:
            value = command.invoke(ctx)
    except typer.Exit as done:
        return done.exit_code
    return value if isinstance(value, int) else 0


def lc(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Say which version this is.")] = False,
) -> None:
    """Network sniffer and analyser: what packets say, above all SIP and RTP."""
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"lc {version_of('lippycat-core')}")
    else:
        typer.echo(ctx.get_help())


def _usage_message(error: Any) -> str:
    """click's message in one line of ours: what is wrong, the nearest spelling, where help is."""
    message = error.format_message().rstrip(".")
    option = getattr(error, "option_name", None)
    if option is not None and message.startswith("No such option"):
        near = sorted(getattr(error, "possibilities", None) or ())
        message = f"no such option {option}" + (f"; did you mean {near[0]}?" if near else "")
        if option in READING and error.ctx.parent is None:
            return f"{message}; `lc sniff -h` lists the options to read captures with"
    else:
        message = message[:1].lower() + message[1:]
    ctx = getattr(error, "ctx", None)
    return f"{message}; `{ctx.command_path} -h` lists the options" if ctx is not None else message


def _say(message: str, code: int) -> int:
    if os.environ.get("LIPPYCAT_TRACEBACK") == "1":
        traceback.print_exc()
    with contextlib.suppress(OSError):  # nobody can be told where standard error takes nothing
        print(f"lc: {printable(' '.join(message.split()))}", file=sys.stderr)
    return code


def _discard_stdout() -> None:
    """Whoever read standard output has gone: let nothing that is still buffered raise again at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
