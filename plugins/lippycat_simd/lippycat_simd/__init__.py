"""Makes kernels fast: compiles their source with numba, in a child process that never stands in the way."""
