"""The match driver's provider: what the host finds under `lippycat.match`. It imports nothing but the core's interface; pyopencl
is imported to look for devices where it and an OpenCL driver are installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lippycat_core.interfaces.provider import Fitness

if TYPE_CHECKING:
    from lippycat_core.gpu.backend import GpuBackend

NAME = "opencl"
PRIORITY_DEVICE = 70
PRIORITY_CPU = 30  # behind compiled kernels, which need no OpenCL


class OpenClProvider:
    """Fits where OpenCL has a device."""

    name = NAME

    def probe(self) -> Fitness:
        """Look for devices."""
        if find_spec("pyopencl") is None:
            return Fitness(None, "pyopencl is not installed: pip install pyopencl")
        from lippycat_opencl.drivers import driver_files

        if not driver_files():
            return Fitness(
                None,
                "no OpenCL driver is installed: install the one of your GPU, or on x86-64 pip install 'lippycat-opencl[pocl]' "
                "for the processor",
            )
        from lippycat_opencl.choice import devices

        try:
            found = devices()
        except ImportError as error:
            return Fitness(None, f"pyopencl cannot be imported: {error}; install it anew")
        if not found:
            return Fitness(None, "no OpenCL driver has a device here: clinfo shows what each of them finds")
        return Fitness(PRIORITY_CPU if found[0].is_cpu else PRIORITY_DEVICE)

    def open(self, **options: Any) -> GpuBackend:
        """The backend. Options: `device` (a number of `choice.devices()`, or a part of a device's or platform's name),
        `batch_size` (rows at once), `max_memory` (bytes, 0 for what is free), `cache_dir` (folder for compiled kernels).
        SettingError for a device that is not there, DeviceFailed for one that cannot be used."""
        from lippycat_core.gpu.backend import GpuBackend
        from lippycat_opencl.choice import choose
        from lippycat_opencl.device import OpenClDevice

        device = OpenClDevice(choose(options.get("device")), options.get("cache_dir"))
        return GpuBackend(
            NAME,
            device,
            batch_rows=options.get("batch_size") or 0,
            max_memory=options.get("max_memory") or 0,
        )
