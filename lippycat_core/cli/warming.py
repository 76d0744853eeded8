"""What `lc plugins --warm` does: every kernel of the core and the installed dissectors is compiled now."""

from __future__ import annotations

import time

from lippycat_core.cli.kernels import needed, opened
from lippycat_core.cli.telling import say
from lippycat_core.errors import DriverUnfit
from lippycat_core.host.discovery import Host
from lippycat_core.host.settings import load_settings
from lippycat_core.interfaces.dissect import BulkDissector
from lippycat_core.kernels.header import find_field
from lippycat_core.kernels.inject import gather
from lippycat_core.kernels.lanes import merge_lanes
from lippycat_core.kernels.merge import merge
from lippycat_core.kernels.pack import pack_pcap, pack_pcapng
from lippycat_core.kernels.ring import take
from lippycat_core.kernels.walk import walk_pcap, walk_pcapng
from lippycat_core.kernelset import Kernel
from lippycat_core.matching.search import KERNELS as SEARCH

PACKETS = (walk_pcap, walk_pcapng, merge, take, merge_lanes, pack_pcap, pack_pcapng, gather)
"""What reading and writing any capture takes."""

MATCHING = (*SEARCH, find_field)
"""What matching takes."""


def warm_up(config: str | None) -> int:
    """Compile and say how long it took. DriverUnfit where there is no compiler."""
    settings = load_settings(config=config, on_problem=say)
    host = Host(settings, say)
    provider = host.choose("compiler")
    if provider is None:
        raise DriverUnfit("no compiler to warm up: pip install lippycat-simd, and leave the setting compiler on auto")
    begin = time.perf_counter()
    bulk = [dissector for dissector in host.dissectors() if isinstance(dissector, BulkDissector)]
    kernels: list[Kernel] = list(dict.fromkeys([*needed(bulk, filtered=True), *PACKETS, *MATCHING]))
    compiler = opened(provider, host)
    try:
        compiler.load(kernels)
    finally:
        compiler.close()
    print(f"{len(kernels)} kernels compiled by {provider.name} in {time.perf_counter() - begin:.1f} s")
    return 0
