"""numba's way from bytecode to LLVM, cut down to what kernels need: fewer passes, and optimisation once a kernel.

numba makes every jitted function ready to be called from Python: linked with all that it calls, optimised and turned into
machine code, each helper on its own and again inside of every caller. Nobody calls a helper but the kernel that it ends up
in, so functions are only linked here; who makes the kernel's entry optimises the whole once (`KernelLibrary`).
"""

from __future__ import annotations

from typing import Any

from numba import types as nb
from numba._dynfunc import make_function
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import (
    AnnotateTypes,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.untyped_passes import FixupArgs, GenericRewrites, IRProcessing, ReconstructSSA, TranslateByteCode


class _Context:
    """numba's typing context for inference, except that an operator on the same types is looked up once: numba goes through
    all its definitions, NumPy's too, at each `a + b`."""

    def __init__(self, context: Any, known: dict[Any, Any]) -> None:
        self._context = context
        self._known = known

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def resolve_function_type(self, function: Any, args: Any, kws: Any) -> Any:
        """The signature of a call, or None."""
        if kws or type(function) is not nb.Function:
            return self._context.resolve_function_type(function, args, kws)
        key = function, tuple(args)  # holds `function`, which keeps its implementations by these types
        if (signature := self._known.get(key)) is None:
            signature = self._context.resolve_function_type(function, args, kws)
            self._known[key] = signature
        return signature


@register_pass(mutates_CFG=True, analysis_only=False)
class InferTypes(NopythonTypeInference):
    """Type inference that remembers."""

    _name = "lippycat_infer_types"

    def run_pass(self, state: Any) -> bool:
        """Find the types of all variables of `state`."""
        context = state.typingctx
        state.typingctx = _Context(context, state.pipeline.known)
        try:
            super().run_pass(state)
        finally:
            state.typingctx = context
        return True


class KernelLibrary(JITCodeLibrary):
    """Optimised function by function, then once as a whole. numba's cheap round between prepares the removal of reference
    counts, and kernels have none. (Without the first round `rtp.advance` takes a fifth longer.)"""

    def _optimize_final_module(self) -> None:
        passes = self._codegen._module_pass_manager()
        if isinstance(passes, tuple):
            passes[0].run(self._final_module, passes[1])
        else:  # what older numbas give
            passes.run(self._final_module)


class FunctionLibrary(KernelLibrary):
    """A function with all that it calls, to be linked into others: never optimised as a whole, never machine code."""

    def finalize(self) -> None:
        """Link what the function calls."""
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class LowerFunction(NativeLowering):
    """Lowers into a `FunctionLibrary` and makes the function known to its callers."""

    _name = "lippycat_lower_function"

    def run_pass(self, state: Any) -> bool:
        """Lower the function of `state`."""
        library = FunctionLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library = library
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state.cr
        library.finalize()
        function = lowered.fndesc
        entry = make_function(function.lookup_module(), function.qualname, "", 0, lowered.env, (library,))
        state.targetctx.insert_user_function(entry, function, [library])  # `entry` is its name there, and never called
        state.cr = lowered._replace(cfunc=entry)
        return True


PASSES = (
    TranslateByteCode,
    FixupArgs,
    IRProcessing,
    GenericRewrites,
    ReconstructSSA,
    InferTypes,
    PreLowerStripPhis,
    IRLegalization,
    AnnotateTypes,
    LowerFunction,
    NoPythonBackend,
)
"""numba's default passes without those for closures, `with`, arguments of None, array expressions, and inlining at the
level of Python: plain scalar loops have none of these."""


class FunctionCompiler(CompilerBase):
    """The `pipeline_class` of kernels and their helpers; `sharing` makes one whose functions share what was looked up."""

    known: dict[Any, Any]

    @classmethod
    def sharing(cls) -> type[FunctionCompiler]:
        """A class of its own for one set of functions: numba makes an instance a function."""
        return type(cls.__name__, (cls,), {"known": {}})

    def define_pipelines(self) -> list[Any]:
        """One pipeline, of `PASSES`."""
        passes = PassManager("lippycat")
        for one in PASSES:
            passes.add_pass(one, one._name)
        passes.finalize()
        return [passes]
