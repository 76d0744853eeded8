"""Which OpenCL device is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lippycat_core.gpu.choice import pick

SIMULATORS = ("Oclgrind",)
"""Platforms that check kernels and are thousands of times slower: taken only where they are asked for."""


@dataclass(frozen=True)
class Found:
    """A device as it is listed: `handle` is pyopencl's."""

    name: str
    platform: str
    is_cpu: bool
    units: int
    handle: Any

    @property
    def words(self) -> str:
        """The device as a user knows it."""
        return f"{self.name} ({self.platform})"


def devices() -> list[Found]:
    """All devices that can compile, best first: GPUs, accelerators, then processors; of each kind that with the most units.
    Drivers that raise are passed over."""
    import pyopencl as cl

    found: list[Found] = []
    try:
        platforms = cl.get_platforms()
    except cl.Error:
        return found
    for platform in platforms:
        try:
            for handle in platform.get_devices():
                if handle.available and handle.compiler_available:
                    cpu = bool(handle.type & cl.device_type.CPU)
                    found.append(Found(handle.name.strip(), platform.name.strip(), cpu, handle.max_compute_units, handle))
        except cl.Error:
            continue
    gpu = cl.device_type.GPU
    found.sort(key=lambda one: (one.platform in SIMULATORS, one.is_cpu, not one.handle.type & gpu, -one.units))
    return found


def choose(wanted: int | str | None) -> Found:
    """The device of that number or with that part of a name, else the first (`lippycat_core.gpu.choice.pick`)."""
    found = devices()
    return found[pick("OpenCL", [one.words for one in found], wanted)]
