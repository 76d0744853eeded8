"""Matching on whatever OpenCL drives: GPUs, accelerators, and processors through PoCL or a vendor's runtime."""
