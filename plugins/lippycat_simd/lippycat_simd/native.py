"""Machine code that was compiled before, loaded and called without numba: LLVM links it, ctypes enters it.

Importing numba costs 0.4 s and 110 MB in every process; this costs a tenth of the time and half of the memory. A compiled
kernel is an object file with one entry, `int32 ENTRY(int64 *cells)`: an array takes two cells (address, length), a number
one; results are written behind the arguments. The entry answers with numba's return code. `rebind` makes these files.
"""

from __future__ import annotations

import ctypes
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lippycat_core.errors import ContractError, PluginError

ENTRY = "lippycat_entry"
RETURNED, RETURNED_NONE = 0, -2
"""numba's codes for a kernel that came to its end (numba.core.callconv)."""

INT, FLOAT, BOOL = "int", "float", "bool"
_NUMBERS = {int: INT, float: FLOAT, bool: BOOL}


@dataclass(frozen=True, slots=True)
class Layout:
    """What a kernel takes and gives, by its annotations: for each argument a kind of number, or the dtypes of an array (one)
    or of a NamedTuple's columns; for its results kinds of numbers, `single` where it is not a tuple."""

    name: str
    arguments: tuple[str | tuple[np.dtype[Any], ...], ...]
    results: tuple[str, ...]
    single: bool

    @classmethod
    def of(cls, kernel: Callable[..., Any]) -> Layout:
        """Read the annotations. TypeError where one is missing, or is nothing that a kernel may take or give."""
        name = f"{kernel.__module__}.{kernel.__qualname__}"
        hints = typing.get_type_hints(kernel)
        if "return" not in hints:
            raise TypeError(f"kernel {name}: no annotation for return")
        given = hints["return"]
        if given is type(None):
            results: tuple[Any, ...] = ()
        else:
            results = typing.get_args(given) if typing.get_origin(given) is tuple else (given,)
        if any(result not in _NUMBERS for result in results):
            raise TypeError(f"no kernel gives {given!r}: kernel {name}")
        arguments = tuple(map(_argument, argument_annotations(kernel)))
        return cls(name, arguments, tuple(_NUMBERS[result] for result in results), given in _NUMBERS)


def argument_annotations(kernel: Callable[..., Any]) -> list[Any]:
    """The annotations of a kernel's arguments, in order. TypeError where one is missing."""
    hints = typing.get_type_hints(kernel)
    names = kernel.__code__.co_varnames[: kernel.__code__.co_argcount]
    missing = [name for name in names if name not in hints]
    if missing:
        raise TypeError(f"kernel {kernel.__module__}.{kernel.__qualname__}: no annotation for {', '.join(missing)}")
    return [hints[name] for name in names]


def _argument(annotation: Any) -> str | tuple[np.dtype[Any], ...]:
    if annotation in _NUMBERS:
        return _NUMBERS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        hints = typing.get_type_hints(annotation)
        return tuple(array_dtype(hints[field]) for field in annotation._fields)
    return (array_dtype(annotation),)


def array_dtype(annotation: Any) -> np.dtype[Any]:
    """The dtype of an array type of `columns`. TypeError for anything else."""
    if typing.get_origin(annotation) is not np.ndarray:
        raise TypeError(f"no kernel argument can be of type {annotation!r}")
    (scalar,) = typing.get_args(typing.get_args(annotation)[1])
    dtype: np.dtype[Any] = np.dtype(scalar)
    return dtype


class Code:
    """One kernel's object file, linked into this process. It must outlive its callers; each caller keeps it."""

    def __init__(self, layout: Layout, object_file: bytes) -> None:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine()
        # An engine a kernel: helpers that several kernels have been given copies of never meet.
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(object_file))
        self._engine.finalize_object()
        self._address = self._engine.get_function_address(ENTRY)
        self.name = layout.name
        self._layout = layout
        if not self._address:
            raise PluginError(f"the cached machine code of kernel {layout.name} has no entry; remove the cache folder")

    def caller(self) -> Callable[..., Any]:
        """A function that takes the kernel's arguments by position. It has cells of its own: one thread at a time calls it.

        It remembers the arrays of the last call, so that what stays the same costs a comparison. ContractError for an array
        of another type, PluginError where the kernel raises (it is compiled to do so only for a division by zero, and for
        an index out of bounds under NUMBA_BOUNDSCHECK).
        """
        layout = self._layout
        arrays, numbers, size = _places(layout)
        cells = np.zeros(max(size + len(layout.results), 1), np.int64)
        ints, floats = memoryview(cells.data), memoryview(cells.view(np.float64).data)
        cells_at = ctypes.c_void_p(cells.ctypes.data)
        enter = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(self._address)
        held: list[Any] = [None] * len(layout.arguments)
        integral = [(index, cell) for index, cell, kind in numbers if kind != FLOAT]
        real = [(index, cell) for index, cell, kind in numbers if kind == FLOAT]
        count, stop = len(layout.arguments), size + len(layout.results)
        plain = all(kind == INT for kind in layout.results)
        code = self

        def call(*arguments: Any) -> Any:
            if len(arguments) != count:
                raise TypeError(f"kernel {layout.name} takes {count} arguments by position, not {len(arguments)}")
            for index, cell, dtypes in arrays:
                if arguments[index] is not held[index]:
                    _point(layout.name, ints, cell, dtypes, arguments[index])
                    held[index] = arguments[index]
            for index, cell in integral:
                ints[cell] = arguments[index]
            for index, cell in real:
                floats[cell] = arguments[index]
            status = enter(cells_at)
            if status not in (RETURNED, RETURNED_NONE):
                raise PluginError(f"kernel {code.name} raised; run it interpreted (--compiler pure) to see where")
            if plain:
                return ints[size] if layout.single else tuple(ints[size:stop]) if stop > size else None
            results = [floats[size + n] if kind == FLOAT else ints[size + n] for n, kind in enumerate(layout.results)]
            results = [bool(value) if kind == BOOL else value for value, kind in zip(results, layout.results, strict=True)]
            return results[0] if layout.single else tuple(results)

        return call


_Arrays = list[tuple[int, int, tuple[np.dtype[Any], ...]]]
_Numbers = list[tuple[int, int, str]]


def _places(layout: Layout) -> tuple[_Arrays, _Numbers, int]:
    """Which argument goes into which cells: (index, first cell, dtypes) of arrays, (index, cell, kind) of numbers, and how
    many cells that makes."""
    arrays: _Arrays = []
    numbers: _Numbers = []
    cell = 0
    for index, kind in enumerate(layout.arguments):
        if isinstance(kind, str):
            numbers.append((index, cell, kind))
            cell += 1
        else:
            arrays.append((index, cell, kind))
            cell += 2 * len(kind)
    return arrays, numbers, cell


def _point(name: str, ints: memoryview, cell: int, dtypes: tuple[np.dtype[Any], ...], value: Any) -> None:
    """Write addresses and lengths of an array, or of a NamedTuple's columns, into the cells."""
    columns = value if isinstance(value, tuple) else (value,)
    for dtype, column in zip(dtypes, columns, strict=True):
        if not isinstance(column, np.ndarray) or column.dtype != dtype or column.ndim != 1 or not column.flags.c_contiguous:
            raise ContractError(f"kernel {name} takes contiguous one-dimensional arrays of {dtype}, not {_form(column)}")
        ints[cell] = _address(column)
        ints[cell + 1] = len(column)
        cell += 2


def _address(array: Any) -> int:
    """Where its bytes lie. NumPy's own word for that makes a dictionary first, which takes five times as long."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (TypeError, ValueError):  # not writable, or empty
        return int(array.__array_interface__["data"][0])


def _form(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"shape {value.shape} strides {value.strides} of {value.dtype}"
    return type(value).__name__
