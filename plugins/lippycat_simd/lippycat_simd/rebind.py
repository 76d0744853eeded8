"""From a plain kernel to machine code: read its signature from the annotations, jit its helpers, compile it eagerly.

numba resolves helpers through a function's globals, and ours are plain functions there. So each kernel and helper is
copied with globals in which every plain function of a kernel module is its jitted twin. The modules themselves stay as
they are: what is imported is always what a debugger sees. `int` becomes a cast to int64: numba's own leaves an element
of a narrow array as narrow as it was, so that -int(x) of a byte 255 is 1.

Flags are numba's defaults but for `nogil` and `_nrt`: kernels allocate nothing, so arrays handed to a helper need not be
counted (two atomic operations a call, more than most helpers cost; a kernel that allocates does not compile). No fastmath
(results must not depend on who runs a kernel), Python's error model (a division by zero raises in both forms), bounds
checks by NUMBA_BOUNDSCHECK alone.
"""

from __future__ import annotations

import contextlib
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import types as nb

Function = types.FunctionType
_OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False, "no_cfunc_wrapper": True}
_HELPER_OPTIONS = _OPTIONS | {"no_cpython_wrapper": True}  # only kernels are called from Python
_config: Any = numba.config  # filled at run time: no checker knows its names
_namedtuple: Callable[..., nb.Type] = nb.NamedTuple


def numba_type(annotation: Any) -> nb.Type:
    """The numba type of one argument: an array of `columns`, int, float, bool, or a NamedTuple of such.

    TypeError for anything else.
    """
    scalars: dict[Any, nb.Type] = {int: nb.int64, float: nb.float64, bool: nb.boolean}
    if annotation in scalars:
        return scalars[annotation]
    if isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        hints = typing.get_type_hints(annotation)
        return _namedtuple([numba_type(hints[field]) for field in annotation._fields], annotation)
    if typing.get_origin(annotation) is not np.ndarray:
        raise TypeError(f"no kernel argument can be of type {annotation!r}")
    (dtype,) = typing.get_args(typing.get_args(annotation)[1])
    return nb.Array(numba.from_dtype(np.dtype(dtype)), 1, "C")


def signature(kernel: Callable[..., Any]) -> tuple[nb.Type, ...]:
    """Argument types of a kernel, from its annotations. TypeError where one is missing or unknown."""
    hints = typing.get_type_hints(kernel)
    names = kernel.__code__.co_varnames[: kernel.__code__.co_argcount]
    missing = [name for name in names if name not in hints]
    if missing:
        raise TypeError(f"kernel {kernel.__module__}.{kernel.__qualname__}: no annotation for {', '.join(missing)}")
    return tuple(numba_type(hints[name]) for name in names)


@contextlib.contextmanager
def _cached_in(folder: Path) -> Iterator[None]:
    """Let numba's cache lie in `folder`: it looks the setting up when a dispatcher is made, whenever it was imported."""
    before = _config.CACHE_DIR
    _config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        _config.CACHE_DIR = before


class Rebinder:
    """Jitted twins of plain functions, made once each and shared by the kernels that call them."""

    def __init__(self) -> None:
        self._helpers: dict[Function, Any] = {}

    def _twin(self, function: Function) -> Function:
        scope = {"int": nb.int64, **function.__globals__}
        for name in function.__code__.co_names:
            value = scope.get(name)
            if isinstance(value, Function):
                scope[name] = self.helper(value)
        twin = Function(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)
        twin.__qualname__ = function.__qualname__
        twin.__module__ = function.__module__
        return twin

    def helper(self, function: Function) -> Any:
        """The jitted twin of a helper; its machine code becomes part of each kernel that calls it."""
        if function not in self._helpers:
            self._helpers[function] = numba.njit(**_HELPER_OPTIONS)(self._twin(function))
        return self._helpers[function]

    def kernel(self, function: Function, folder: Path | None) -> Callable[..., Any]:
        """The kernel's machine code for its annotated types, from numba's cache in `folder` where it is there, else
        compiled and left there (or nowhere, if None). numba's errors pass through."""
        types = signature(function)
        twin = self._twin(function)
        if folder is None:
            dispatcher: Any = numba.njit(**_OPTIONS)(twin)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            with _cached_in(folder):
                dispatcher = numba.njit(cache=True, **_OPTIONS)(twin)
        dispatcher.compile(types)
        (compiled,) = dispatcher.overloads.values()
        entry: Callable[..., Any] = compiled.entry_point
        return entry
