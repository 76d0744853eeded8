"""Matching on devices: kernels in a language that CUDA C and OpenCL C share, and a match backend over anything that runs
them. No driver's package is imported here; a plugin implements `device.Device` and hands it to `backend.GpuBackend`."""
