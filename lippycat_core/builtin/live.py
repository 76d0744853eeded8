"""The driver that captures from Linux interfaces. Cheap to import and to probe: no NumPy here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lippycat_core.interfaces.provider import Fitness

if TYPE_CHECKING:
    from lippycat_core.builtin.afpacket import LiveOptions
    from lippycat_core.interfaces.capture import CaptureSource
    from lippycat_core.kernelset import KernelSet


class AfPacketProvider:
    """Live capture on Linux: a packet socket and its ring (TPACKET_V3)."""

    name = "afpacket"

    def probe(self) -> Fitness:
        """Linux is all it needs; whether this user may capture is told when it is opened."""
        if sys.platform != "linux":
            return Fitness(None, "captures on Linux only; elsewhere tcpdump can: tcpdump -w - | lc sniff -r -")
        return Fitness(priority=5)

    def open(
        self,
        *,
        interfaces: Sequence[str],
        kernels: KernelSet,
        options: LiveOptions | None = None,
        stop: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] = lambda line: None,
    ) -> CaptureSource:
        """A source of these interfaces; see `afpacket.AfPacketSource`."""
        from lippycat_core.builtin.afpacket import AfPacketSource

        return AfPacketSource(interfaces, kernels, options, stop=stop, tell=tell)
