"""Kernels: plain scalar loops over columns, in the subset of Python that numba compiles. They import numpy's types
through `columns` and each other, nothing else, and are wrapped in nothing.

Rules, each learnt from a wrong answer: read bytes only through `load` (an int of a uint8 shifted left is uint64 when
compiled, and uint64 with int64 is float64); keep every product below 2**63; check an offset before every read (compiled
reads out of bounds are silent); use `len(x)` and `x[i]` only (interpreted arrays are memoryviews); helpers take the slab
and offsets and return scalars or small tuples, only the kernel's own loop writes columns. Every argument of a kernel is
annotated with a type of `columns`, `int`, `float` or a NamedTuple of such: the compiler driver reads its signature there.
"""
