"""A kernel's digest: equal digests mean equal machine code. It is computed by value and imports no numba.

numba's own cache looks at the file that holds a kernel and misses edits elsewhere: in a constant, a NamedTuple's fields or
a helper of another file. The wrong code that it then runs is silent. So everything that flows into the machine code is
hashed here as it stands in this process: bytecode, the values of globals, argument types, helpers of helpers, and the
versions, processor and switches that the code is made for.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import os
import platform
import sys
import types
import typing
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

CPUINFO = Path("/proc/cpuinfo")
MAKERS = [Path(__file__).with_name(name) for name in ("rebind.py", "lean.py", "native.py")]
"""The modules that decide how machine code is made and entered; their text is part of every digest."""

_PLAIN = (int, float, complex, bool, str, bytes, type(None))


@cache
def environment() -> str:
    """What machine code depends on besides the kernels: versions, the processor and numba's switches."""
    versions = [_version(name) for name in ("numba", "llvmlite", "numpy")]
    switches = sorted(
        f"{key}={value}" for key, value in os.environ.items() if key.startswith("NUMBA_") and key != "NUMBA_CACHE_DIR"
    )
    return "\n".join(
        [
            sys.version,
            sys.implementation.cache_tag or "",
            *versions,
            _processor(),
            *switches,
            *(maker.read_text() for maker in MAKERS),
        ]
    )


def _version(library: str) -> str:
    """From metadata; where there is none, as some packagers leave it, from where the library lies and when it came there."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        spec = find_spec(library)
        origin = spec.origin if spec else None
        return f"{origin} {os.stat(origin).st_mtime_ns}" if origin else "none"


def _processor() -> str:
    try:
        with CPUINFO.open() as file:
            first = file.read(8192).partition("\n\n")[0]
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("model", "cpu family", "flags", "CPU ", "Features")
    return "\n".join([platform.machine(), *(line for line in first.splitlines() if line.startswith(wanted))])


def kernel_digest(kernel: Callable[..., Any]) -> str:
    """32 hexadecimal digits that change whenever the kernel's machine code could."""
    walk = _Walk()
    walk.put(environment())
    path = inspect.getfile(kernel)
    walk.put(path, _content(path))  # numba's index lies by path and is stamped with the content of this one file
    for name, hint in typing.get_type_hints(kernel).items():
        walk.put(name)
        walk.value(hint, ())
    walk.function(typing.cast(types.FunctionType, kernel))
    return walk.hexdigest()


@cache
def _content_at(path: str, mtime_ns: int, size: int) -> bytes:
    return hashlib.blake2b(Path(path).read_bytes()).digest()


def _content(path: str) -> bytes:
    try:
        stat = os.stat(path)
    except OSError:  # no source beside the bytecode: numba will not cache this kernel, and say so
        return b""
    return _content_at(path, stat.st_mtime_ns, stat.st_size)


class _Walk:
    """Hashes a function and all that it reaches, each part once. Only a kernel's own annotations count: numba finds out the
    argument types of helpers from the calls."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._seen: set[int] = set()

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def put(self, *parts: object) -> None:
        self._hash.update(repr(parts).encode())

    def function(self, function: types.FunctionType) -> None:
        self.put("function", function.__module__, function.__qualname__, function.__defaults__)
        if id(function) in self._seen:
            return
        self._seen.add(id(function))
        names: set[str] = set()
        for code in _codes(function.__code__):
            self.put(code.co_code, code.co_varnames, code.co_names, code.co_freevars, code.co_argcount, code.co_flags)
            self.put([_constant(value) for value in code.co_consts])
            names.update(code.co_names)
        for name in sorted(names & function.__globals__.keys()):
            self.put(name)
            self.value(function.__globals__[name], names)

    def value(self, value: Any, attributes: set[str] | tuple[()]) -> None:
        """Something that a function or an annotation names; of a module only what is named with it in `attributes`."""
        if isinstance(value, _PLAIN):
            self.put(type(value).__name__, value)
        elif isinstance(value, tuple):
            for item in value:
                self.value(item, attributes)
        elif isinstance(value, np.ndarray):
            self.put(value.dtype.str, value.shape, value.tobytes())
        elif isinstance(value, types.FunctionType):
            self.function(value)
        elif isinstance(value, types.ModuleType):
            for name in sorted(attributes):
                if hasattr(value, name):
                    self.put(value.__name__, name)
                    self.value(getattr(value, name), ())
        elif isinstance(value, type) and hasattr(value, "_fields"):
            self.put(value.__qualname__, sorted((field, repr(hint)) for field, hint in typing.get_type_hints(value).items()))
            self.put(value._fields)
        elif typing.get_args(value):
            self.put(repr(value))
        else:
            self.put(getattr(value, "__module__", ""), getattr(value, "__qualname__", type(value).__qualname__))


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for value in code.co_consts:
        if isinstance(value, types.CodeType):
            yield from _codes(value)


def _constant(value: object) -> object:
    if isinstance(value, types.CodeType):
        return value.co_name
    if isinstance(value, frozenset):  # its order differs from process to process
        return sorted(map(repr, value))
    return value
