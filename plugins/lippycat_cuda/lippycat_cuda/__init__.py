"""Matching on NVIDIA GPUs: through pycuda where it is installed, else through NVIDIA's own wheels."""
