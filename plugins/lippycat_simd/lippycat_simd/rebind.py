"""From a plain kernel to an object file: read its signature from the annotations, jit its helpers, compile it eagerly.

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

import types
import typing
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import types as nb
from numba.core.compiler_lock import global_compiler_lock
from numba.np import arrayobj

from lippycat_simd.lean import FunctionCompiler, KernelLibrary
from lippycat_simd.native import ENTRY, FLOAT, Layout, argument_annotations, array_dtype

Function = types.FunctionType
_OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False, "no_cfunc_wrapper": True, "no_cpython_wrapper": True}
_CELL = ir.IntType(64)
_populate: Callable[..., Any] = arrayobj.populate_array
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
    return nb.Array(numba.from_dtype(array_dtype(annotation)), 1, "C")


def signature(kernel: Callable[..., Any]) -> tuple[nb.Type, ...]:
    """Argument types of a kernel, from its annotations. TypeError where one is missing or unknown."""
    return tuple(map(numba_type, argument_annotations(kernel)))


class Rebinder:
    """Jitted twins of plain functions, made once each and shared by the kernels that call them."""

    def __init__(self) -> None:
        self._helpers: dict[Function, Any] = {}
        self._options = _OPTIONS | {"pipeline_class": FunctionCompiler.sharing()}

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
            self._helpers[function] = numba.njit(**self._options)(self._twin(function))
        return self._helpers[function]

    def kernel(self, function: Function) -> bytes:
        """The kernel's object file for its annotated types: what `native.Code` loads. numba's errors pass through; TypeError
        where the annotations are not what numba found."""
        dispatcher: Any = numba.njit(**self._options)(self._twin(function))
        dispatcher.compile(signature(function))
        (compiled,) = dispatcher.overloads.values()
        return _object_file(compiled, Layout.of(function))


def _object_file(compiled: Any, layout: Layout) -> bytes:
    """Link a compiled function with an entry that unpacks its arguments from cells (see `native`)."""
    context, function = compiled.target_context, compiled.fndesc
    with global_compiler_lock:
        library = KernelLibrary(context.codegen(), ENTRY)
        library.enable_object_caching()
        module = library.create_ir_module(ENTRY)
        callee_type = context.call_conv.get_function_type(function.restype, function.argtypes)
        callee = ir.Function(module, callee_type, function.llvm_func_name)
        entry = ir.Function(module, ir.FunctionType(ir.IntType(32), [_CELL.as_pointer()]), ENTRY)
        builder = ir.IRBuilder(entry.append_basic_block("entry"))
        cells = _Cells(context, builder, entry.args[0])
        arguments = [cells.take(wanted) for wanted in function.argtypes]
        status, result = context.call_conv.call_function(builder, callee, function.restype, function.argtypes, arguments)
        cells.give(function.restype, result, layout)
        builder.ret(status.code)
        library.add_ir_module(module)
        library.add_linking_library(compiled.library)
        library.finalize()
        library.get_pointer_to_function(ENTRY)  # makes the object file
        return bytes(library._get_compiled_object())


class _Cells:
    """Code that reads arguments from cells, one after the other, and writes results behind them."""

    def __init__(self, context: Any, builder: Any, cells: Any) -> None:
        self._context = context
        self._builder = builder
        self._cells = cells
        self._next = 0

    def _cell(self) -> Any:
        self._next += 1
        return self._builder.gep(self._cells, [ir.Constant(_CELL, self._next - 1)])

    def take(self, wanted: Any) -> Any:
        """The value of the next argument."""
        context, builder = self._context, self._builder
        if isinstance(wanted, nb.BaseTuple):
            return context.make_tuple(builder, wanted, [self.take(column) for column in _parts(wanted)])
        cell = builder.load(self._cell())
        if isinstance(wanted, nb.Array):
            array = context.make_array(wanted)(context, builder)
            size = ir.Constant(_CELL, wanted.dtype.bitwidth // 8)
            data = builder.inttoptr(cell, context.get_data_type(wanted.dtype).as_pointer())
            shape, strides = [builder.load(self._cell())], [size]
            _populate(array, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
            return array._getvalue()
        if wanted == nb.float64:
            return builder.bitcast(cell, ir.DoubleType())
        if wanted == nb.boolean:
            return builder.icmp_unsigned("!=", cell, ir.Constant(_CELL, 0))
        return cell

    def give(self, restype: Any, result: Any, layout: Layout) -> None:
        """Write the results; TypeError where there are not as many as the annotation says."""
        builder = self._builder
        values = [(restype, result)] if layout.results else []
        if isinstance(restype, nb.BaseTuple):
            values = [(part, builder.extract_value(result, n)) for n, part in enumerate(_parts(restype))]
        if len(values) != len(layout.results) or (restype == nb.none) != (not layout.results):
            raise TypeError(f"kernel {layout.name} gives {restype}, its annotation says {layout.results or None}")
        for (given, value), kind in zip(values, layout.results, strict=True):
            real = kind == FLOAT
            value = self._context.cast(builder, value, given, nb.float64 if real else nb.int64)
            builder.store(builder.bitcast(value, _CELL) if real else value, self._cell())


def _parts(of: Any) -> list[Any]:
    """The types of a tuple's elements."""
    return list(of)
