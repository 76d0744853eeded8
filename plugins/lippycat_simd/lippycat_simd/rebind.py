"""From a plain kernel to machine code: read its signature from the annotations, jit its helpers, compile it eagerly.

numba resolves helpers through a function's globals, and ours are plain functions there. So each kernel and helper is
copied with globals in which every plain function of a kernel module is its jitted twin. The modules themselves stay as
they are: what is imported is always what a debugger sees.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types as nb

Function = types.FunctionType


def numba_type(annotation: Any) -> nb.Type:
    """The numba type of one argument: an array of `columns`, int, float, bool, or a NamedTuple of such."""
    scalars: dict[Any, nb.Type] = {int: nb.int64, float: nb.float64, bool: nb.boolean}
    if annotation in scalars:
        return scalars[annotation]
    if isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        hints = typing.get_type_hints(annotation)
        return nb.NamedTuple([numba_type(hints[field]) for field in annotation._fields], annotation)
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


class Rebinder:
    """Jitted twins of plain functions, made once each and shared by the kernels that call them."""

    def __init__(self) -> None:
        self._helpers: dict[Function, Any] = {}

    def _twin(self, function: Function) -> Function:
        scope = dict(function.__globals__)
        for name in _names(function.__code__):
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
            self._helpers[function] = numba.njit(nogil=True)(self._twin(function))
        return self._helpers[function]

    def kernel(self, function: Function) -> Any:
        """The kernel compiled for its annotated types, from numba's cache where it is there."""
        dispatcher = numba.njit(nogil=True, cache=True)(self._twin(function))
        dispatcher.compile(signature(function))
        return dispatcher


def _names(code: types.CodeType) -> set[str]:
    return set(code.co_names)
