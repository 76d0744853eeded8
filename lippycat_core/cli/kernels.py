"""Which kernels a run needs, and whether they are worth compiling."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from lippycat_core.errors import LippycatError, PluginError
from lippycat_core.filters import CaptureFilter
from lippycat_core.flows import FlowTable
from lippycat_core.fragments import FragmentTable
from lippycat_core.host.discovery import Host
from lippycat_core.host.installed import one_line
from lippycat_core.interfaces.compiler import Compiler
from lippycat_core.interfaces.provider import Provider
from lippycat_core.kernels.account import keep, tally
from lippycat_core.kernels.decode import decode
from lippycat_core.kernelset import Kernel, KernelSet, UsesKernels
from lippycat_core.reassembly import TcpReassembly

WORTH_LOADING = 256 * 1024
"""Inputs up to this size run interpreted from end to end: loading compiled kernels takes as long as that (0.05 s)."""

WORTH_COMPILING = 2 * 1024 * 1024
"""Inputs up to this size never start a compiler: interpreted they are done while it still imports."""

EXPANSION = 5
"""How much larger a compressed capture is taken to be than its file."""


class PatientCompiler:
    """A compiler that does nothing until the input has proved to be large; then it is the one it was given.

    An input of known size is judged at once, a pipe while it is read: `note` is told how far the run is.
    """

    def __init__(self, compiler: Compiler, known_bytes: int | None) -> None:
        self._compiler = compiler
        self._seen_bytes = known_bytes or 0
        self._started = False
        self.name = compiler.name

    def note(self, bytes_done: int) -> None:
        """The run has read so many bytes."""
        self._seen_bytes = max(self._seen_bytes, bytes_done)

    def ready(self, kernels: Sequence[Kernel]) -> bool:
        """Whether the input is worth it and its kernels lie compiled; where it is large and they do not, begin to."""
        if self._seen_bytes < WORTH_LOADING:
            return False
        if self._compiler.ready(kernels):
            return True
        if not self._started and self._seen_bytes >= WORTH_COMPILING:
            self._started = True
            self._compiler.start(kernels)
        return False

    def load(self, kernels: Sequence[Kernel]) -> KernelSet:
        """The kernels as machine code."""
        try:
            return self._compiler.load(kernels)
        except (LippycatError, OSError):
            raise
        except Exception as error:
            raise PluginError(f"compiler {self.name}: {one_line(error)}") from error

    def start(self, kernels: Sequence[Kernel]) -> None:
        """Begin to fill the cache whatever the size."""
        self._started = True
        self._compiler.start(kernels)

    def problem(self) -> str:
        """Why the kernels did not get compiled, where they should have been."""
        return self._compiler.problem()

    def close(self) -> None:
        """End the compiler."""
        self._compiler.close()


def compiler_for(host: Host, files: Sequence[str], *, live: bool = False) -> PatientCompiler | None:
    """The compiler that the settings choose, which waits until the input is worth it; None where there is none, or where
    nothing of that size can come. A compiler asked for by name is not spared by a small input, and a `live` capture is worth
    it from the beginning."""
    size = WORTH_COMPILING if live else input_bytes(files)
    forced = host.settings.origin("compiler") != "default" and host.settings["compiler"] not in ("auto", "pure", "off")
    if not forced and size is not None and size < WORTH_LOADING:
        return None
    provider = host.choose("compiler")
    if provider is None:
        return None
    return PatientCompiler(opened(provider, host), WORTH_COMPILING if forced else size)


def compiled_already(host: Host, wanted: Sequence[Kernel]) -> KernelSet | None:
    """The kernels as machine code where they lie in the cache, all of them; None where there is something to compile, or
    nobody who compiles."""
    provider = host.choose("compiler")
    if provider is None:
        return None
    compiler = opened(provider, host)
    try:
        return compiler.load(wanted) if compiler.ready(wanted) else None
    except (LippycatError, OSError):
        return None  # the compiler of the run says what is wrong
    finally:
        compiler.close()


def opened(provider: Provider, host: Host) -> Compiler:
    """The compiler of `provider`. PluginError, in one line, where it cannot be opened."""
    try:
        compiler: Compiler = provider.open(cache_dir=host.settings["cache_dir"])
    except LippycatError:
        raise
    except Exception as error:
        why = f"compiler {provider.name} cannot be opened: {one_line(error)}"
        raise PluginError(f"{why}; `--compiler pure`, or another of `lc plugins compiler`, goes without it") from error
    return compiler


def input_bytes(files: Sequence[str]) -> int | None:
    """About how many bytes of packets `files` hold; None where one is no regular file, so that nobody can know."""
    total = 0
    for file in files:
        if not os.path.isfile(file):
            return None
        size = os.path.getsize(file)
        total += size * EXPANSION if file.endswith((".gz", ".zst")) else size
    return total


def needed(parts: Iterable[object], *, filtered: bool) -> list[Kernel]:
    """Every kernel that a run with these parts (source, dissectors, sinks) may ask for, each once; `filtered` where a capture
    filter is set."""
    kernels: list[Kernel] = [decode, keep, tally]
    for stage in (FlowTable, FragmentTable, TcpReassembly):
        kernels += stage.kernels
    if filtered:
        kernels += CaptureFilter.kernels
    for part in parts:
        if isinstance(part, UsesKernels):
            kernels += part.kernels
    return list(dict.fromkeys(kernels))
