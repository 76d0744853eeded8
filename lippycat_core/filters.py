"""The capture filter: a pcap-filter expression, compiled by libpcap (pcapy-ng) and run over batches by `kernels.bpf`.

It looks at packets as they were captured: inside no tunnel, and of a fragmented datagram a port is in the first fragment
alone. What the user asks for behind dissection (SIP users, one call) is no business of this module.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lippycat_core.batch import LARGEST_RECORD, Batch
from lippycat_core.columns import I64
from lippycat_core.errors import FilterError
from lippycat_core.kernels.bpf import MEMORY, filter_rows
from lippycat_core.kernels.link import LINKTYPE_ETHERNET, LINKTYPE_LOOP, LINKTYPE_NULL, LINKTYPE_RAW, LINKTYPE_RAW_14
from lippycat_core.kernelset import Kernel, KernelSet

_DLT_RAW = 12
_SEEN_AS: dict[int, tuple[int, int]] = {
    # LINKTYPE_: (DLT_ to compile for, bytes to skip). BSD loopback holds IP behind an address family whose byte order and
    # value for IPv6 are the capturing host's; libpcap would compile for this host's.
    LINKTYPE_NULL: (_DLT_RAW, 4),
    LINKTYPE_LOOP: (_DLT_RAW, 4),
    LINKTYPE_RAW: (_DLT_RAW, 0),
    LINKTYPE_RAW_14: (_DLT_RAW, 0),
}
_ANCILLARY = 0xFFFFF000  # loads from here on ask the Linux kernel for what is not in the packet (SKF_AD_OFF)
_NETMASK_UNKNOWN = 0xFFFFFFFF


def compile_bpf(expression: str, link: int) -> tuple[I64, int]:
    """The program for packets of one link type as `kernels.bpf` takes it, and how many bytes it skips.

    FilterError where pcapy-ng is missing, or libpcap cannot compile the expression for that link type.
    """
    try:
        import pcapy
    except ImportError as error:
        raise FilterError("capture filters need pcapy-ng: pip install 'lippycat-core[bpf]'") from error
    dlt, skip = _SEEN_AS.get(link, (link, 0))
    try:
        instructions = pcapy.compile(dlt, LARGEST_RECORD, expression, 1, _NETMASK_UNKNOWN).get_bpf()
    except pcapy.PcapError as error:
        raise FilterError(_refusal(expression, link, str(error))) from error
    if any(code & 0xE7 == 0x20 and k >= _ANCILLARY for code, _, _, k in instructions):
        raise FilterError(_refusal(expression, link, "it asks for what only a live capture knows"))
    return np.array(list(instructions), np.int64).reshape(-1), skip


def _refusal(expression: str, link: int, reason: str) -> str:
    where = "" if link == LINKTYPE_ETHERNET else f" for packets of link type {link}"
    return f"filter {expression!r} cannot be used{where}: {reason}; the syntax is pcap-filter(7), as in 'udp port 5060'"


class CaptureFilter:
    """Marks the records that an expression does not match. FilterError, at once, for one that libpcap does not understand."""

    kernels: ClassVar[tuple[Kernel, ...]] = (filter_rows,)

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self._programs: dict[int, tuple[I64, int]] = {LINKTYPE_ETHERNET: compile_bpf(expression, LINKTYPE_ETHERNET)}
        self._memory: I64 = np.zeros(MEMORY, np.int64)

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels; called before the first `apply`, and again when a compiler has finished."""
        self._kernels = kernels
        self._filter_rows = kernels[filter_rows]
        self._memory_view = kernels.view(self._memory)
        self._views = {link: (kernels.view(program), skip) for link, (program, skip) in self._programs.items()}

    def apply(self, batch: Batch) -> None:
        """Set FILTERED on the FRESH rows that do not match. FilterError where a link type appears for which the expression
        has no meaning ('vlan' on raw IP, say)."""
        links = batch.frame.link[: batch.rows]
        if not len(links):
            return
        first = int(links[0])
        seen = [first] if (links == first).all() else [int(link) for link in np.unique(links)]
        views = batch.views
        for link in seen:
            program, skip = self._program(link)
            self._filter_rows(views.slab, views.frame, views.route, program, self._memory_view, link, skip, 0, batch.rows)

    def _program(self, link: int) -> tuple[I64, int]:
        if link not in self._views:
            program, skip = self._programs[link] = compile_bpf(self.expression, link)
            self._views[link] = (self._kernels.view(program), skip)
        return self._views[link]
