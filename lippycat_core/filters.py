"""The capture filter: a pcap-filter expression, compiled by libpcap (pcapy-ng) and run over batches by `kernels.bpf`.

It looks at packets as they were captured: inside no tunnel, and of a fragmented datagram a port is in the first fragment
alone. Of a live capture the kernel runs the program (`compile_live`), so that what nobody asked for is never copied.
What the user asks for behind dissection (SIP users, one call) is no business of this module.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from lippycat_core.batch import LARGEST_RECORD, Batch
from lippycat_core.columns import I64
from lippycat_core.errors import FilterError
from lippycat_core.kernels.bpf import MEMORY, filter_rows
from lippycat_core.kernels.link import (
    LINKTYPE_ETHERNET,
    LINKTYPE_LINUX_SLL2,
    LINKTYPE_LOOP,
    LINKTYPE_NULL,
    LINKTYPE_RAW,
    LINKTYPE_RAW_14,
)
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


Instruction = tuple[int, int, int, int]
"""One instruction of classic BPF: (code, jump if true, jump if false, k)."""

_DLT_LINUX_SLL = 113
_SLL_HEADER_BYTES, _SLL_PKTTYPE, _SLL_PROTOCOL = 16, 0, 14
_SKF_AD_PROTOCOL, _SKF_AD_PKTTYPE = 0xFFFFF000, 0xFFFFF004
_LD_CLASS, _LDX_CLASS, _RET_CLASS, _CLASS = 0, 1, 6, 7
_MODE, _ABSOLUTE, _INDIRECT, _MSH = 0xE0, 0x20, 0x40, 0xA0
_KERNEL_KNOWS = re.compile(r"\b(vlan|inbound|outbound)\b")
"""What a link's own header does not tell, or not any more when the kernel has taken the tag out of it."""


def compile_live(
    expression: str, link: int, snaplen: int, on_link: Callable[[str], Sequence[Instruction]] | None = None
) -> list[Instruction]:
    """The program that the kernel runs on packets of one link type; it keeps `snaplen` bytes of each that matches.

    What asks for VLAN tags or directions is compiled by `on_link`, on the interface itself, for the kernel has moved tags out
    of the packet. FilterError where pcapy-ng is missing, or the expression cannot be compiled for that link type; an
    expression that would silently match nothing is refused.
    """
    cooked = link == LINKTYPE_LINUX_SLL2
    if _KERNEL_KNOWS.search(expression):
        if cooked or on_link is None:
            reason = "VLAN tags and directions are not told of packets from all interfaces: name one Ethernet interface with -i"
            raise FilterError(_refusal(expression, link, reason))
        program = list(on_link(expression))
    else:
        flat, _ = compile_bpf(expression, _DLT_LINUX_SLL if cooked else link)
        numbers = flat.tolist()
        program = [(code, jt, jf, k) for code, jt, jf, k in zip(*(numbers[at::4] for at in range(4)), strict=True)]
    if cooked:
        program = [_without_header(expression, one) for one in program]
    return [(code, jt, jf, snaplen if code == _RET_CLASS and k else k) for code, jt, jf, k in program]


def _without_header(expression: str, instruction: Instruction) -> Instruction:
    """An instruction for packets behind a cooked header, run where that header is not there yet: its fields are the kernel's."""
    code, jt, jf, k = instruction
    mode = code & _MODE
    if code & _CLASS == _LDX_CLASS and mode == _MSH and k >= _SLL_HEADER_BYTES:
        return code, jt, jf, k - _SLL_HEADER_BYTES
    if code & _CLASS != _LD_CLASS or mode not in (_ABSOLUTE, _INDIRECT):
        return instruction
    if k >= _SLL_HEADER_BYTES:
        return code, jt, jf, k - _SLL_HEADER_BYTES
    if mode == _ABSOLUTE and k in (_SLL_PKTTYPE, _SLL_PROTOCOL):
        return code, jt, jf, _SKF_AD_PKTTYPE if k == _SLL_PKTTYPE else _SKF_AD_PROTOCOL
    raise FilterError(_refusal(expression, LINKTYPE_LINUX_SLL2, "it asks for link-layer addresses: name one interface with -i"))


def compile_on_interface(name: str, expression: str) -> list[Instruction]:
    """The program that libpcap gives the kernel for an interface, read back from there. FilterError where libpcap does not
    understand the expression; PermissionError where it may not capture."""
    import ctypes

    import pcapy

    try:
        handle = pcapy.create(name)
        handle.activate()
    except pcapy.PcapError as error:
        raise FilterError(f"filter {expression!r} cannot be compiled on {name}: {error}") from error
    try:
        handle.setfilter(expression)
        room = (ctypes.c_uint64 * _MOST_INSTRUCTIONS)()
        count = ctypes.c_uint32(_MOST_INSTRUCTIONS)  # of instructions here, not of bytes
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.getsockopt(handle.getfd(), _SOL_SOCKET, _SO_GET_FILTER, room, ctypes.byref(count)) != 0 or not count.value:
            raise FilterError(_refusal(expression, LINKTYPE_ETHERNET, f"the kernel does not run it on {name}"))
    except pcapy.PcapError as error:
        raise FilterError(_refusal(expression, LINKTYPE_ETHERNET, str(error))) from error
    finally:
        handle.close()
    instructions = struct.iter_unpack("=HBBI", bytes(room)[: 8 * count.value])
    return [(code, jt, jf, k) for code, jt, jf, k in instructions]


_MOST_INSTRUCTIONS = 4096
_SOL_SOCKET, _SO_GET_FILTER = 1, 26


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
