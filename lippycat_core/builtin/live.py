"""The drivers that capture from interfaces. Cheap to import and to probe: no NumPy here."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lippycat_core.interfaces.provider import Fitness

if TYPE_CHECKING:
    from lippycat_core.interfaces.capture import CaptureSource, LiveOptions
    from lippycat_core.kernelset import KernelSet


class AfPacketProvider:
    """Live capture on Linux: a packet socket and its ring (TPACKET_V3)."""

    name = "afpacket"

    def probe(self) -> Fitness:
        """Linux is all it needs; whether this user may capture is told when it is opened."""
        if sys.platform != "linux":
            return Fitness(None, "captures on Linux only; the driver pcap does elsewhere: pip install 'lippycat-core[bpf]'")
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


class PcapProvider:
    """Live capture through libpcap: other systems, and a second opinion on Linux."""

    name = "pcap"

    def probe(self) -> Fitness:
        """pcapy-ng brings libpcap along."""
        if importlib.util.find_spec("pcapy") is None:
            return Fitness(None, "needs pcapy-ng: pip install 'lippycat-core[bpf]'")
        return Fitness(priority=3)

    def open(
        self,
        *,
        interfaces: Sequence[str],
        kernels: KernelSet,
        options: LiveOptions | None = None,
        stop: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] = lambda line: None,
    ) -> CaptureSource:
        """A source of these interfaces; see `pcapsource.PcapSource`."""
        from lippycat_core.builtin.pcapsource import PcapSource

        return PcapSource(interfaces, options, stop=stop, tell=tell)
