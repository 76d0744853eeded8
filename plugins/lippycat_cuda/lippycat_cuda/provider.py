"""The match driver's provider: what the host finds under `lippycat.match`. It asks the CUDA driver itself what there is, and
imports no package of CUDA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lippycat_core.interfaces.provider import Fitness

if TYPE_CHECKING:
    from lippycat_core.gpu.backend import GpuBackend

NAME = "cuda"
PRIORITY = 90


class CudaProvider:
    """Fits where a GPU, its driver and a way to both are."""

    name = NAME

    def probe(self) -> Fitness:
        """Look for a driver, a GPU, and the packages that drive it."""
        from lippycat_cuda.presence import why_not

        reason = why_not()
        return Fitness(None, reason) if reason else Fitness(PRIORITY)

    def open(self, **options: Any) -> GpuBackend:
        """The backend. Options: `device` (its number, or a part of its name), `batch_size` (rows at once), `max_memory` (bytes,
        0 for what is free), `cache_dir` (folder for compiled kernels). SettingError for a device that is not there,
        DeviceFailed for one that cannot be used."""
        from lippycat_core.gpu.backend import GpuBackend
        from lippycat_cuda.device import CudaDevice, open_driver

        device = CudaDevice(open_driver(options.get("device")), options.get("cache_dir"))
        return GpuBackend(
            NAME,
            device,
            batch_rows=options.get("batch_size") or 0,
            max_memory=options.get("max_memory") or 0,
        )
