"""Stands for pycuda, which cannot be built without the CUDA toolkit: the part of its interface that `driver_pycuda.py` uses."""
