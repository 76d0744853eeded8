"""The match driver's provider: what the host finds under `lippycat.match`. It asks OpenCL itself what
there is, and does not import pyopencl."""

from __future__ import annotations

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
        """Look for drivers and their devices."""
        from lippycat_opencl.presence import why_not

        reason, beyond_processors = why_not()
        if reason:
            return Fitness(None, reason)
        return Fitness(PRIORITY_DEVICE if beyond_processors else PRIORITY_CPU)

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
