"""A Linux packet socket with its ring (packet(7), TPACKET_V3): opening, filter, counters and blocks. What is in a block is
`kernels.ring`'s business, which interfaces are wanted `afpacket`'s."""

from __future__ import annotations

import array
import contextlib
import mmap
import os
import select
import socket
import struct
import sys
from collections.abc import Sequence

from lippycat_core.builtin.hardwaretime import RAW_HARDWARE
from lippycat_core.errors import FilterError, InputError, PermissionRefused
from lippycat_core.filters import Instruction
from lippycat_core.kernels.ring import B_STATUS

# linux/if_packet.h, asm-generic/socket.h
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP, PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION = 1, 5, 6, 10
PACKET_TIMESTAMP, PACKET_FANOUT, PACKET_IGNORE_OUTGOING = 17, 18, 23
FANOUT_HASH, FANOUT_FLAG_UNIQUEID, FANOUT_FLAG_IGNORE_OUTGOING = 0, 0x2000, 0x4000
PACKET_MR_PROMISC = 1
TPACKET_V3 = 2
SO_ATTACH_FILTER = 26
ETH_P_ALL = 3
BLOCK_BYTES = 512 * 1024
"""Bytes of a ring block: room for the longest record that is captured, and a filled one is about a batch."""
FRAME_BYTES = 2048
TP_STATUS_KERNEL, TP_STATUS_USER = 0, 1

RET = 6
LOAD_WORD, JUMP_EQUAL, JUMP = 0x20, 0x15, 0x05
SKF_AD_IFINDEX = 0xFFFFF008


def no_permission() -> str:
    """What to do for who may not capture."""
    return (
        "no permission to capture packets (CAP_NET_RAW): run it with sudo, which gives root up at once, or grant it with "
        f"`sudo setcap cap_net_raw+ep {os.path.realpath(sys.executable)}`"
    )


class PacketSocket:
    """A ring of at least `ring_bytes` on a socket that is bound to nothing yet; `cooked` leaves link headers out. A block is
    handed over when it is full or `retire_ms` old. PermissionRefused where capturing is not allowed, InputError where the
    ring cannot be had."""

    def __init__(self, *, cooked: bool, ring_bytes: int, retire_ms: int) -> None:
        kind = socket.SOCK_DGRAM if cooked else socket.SOCK_RAW
        try:
            self._socket = socket.socket(socket.AF_PACKET, kind | socket.SOCK_CLOEXEC, 0)
        except PermissionError:
            raise PermissionRefused(no_permission()) from None
        except OSError as error:
            raise InputError(f"no packet socket: {error.strerror}; live capture needs a kernel with AF_PACKET") from None
        self.blocks = max(2, -(-ring_bytes // BLOCK_BYTES))
        try:
            self._socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
            size = self.blocks * BLOCK_BYTES
            request = struct.pack("=7I", BLOCK_BYTES, self.blocks, FRAME_BYTES, size // FRAME_BYTES, retire_ms, 0, 0)
            self._socket.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
            self.ring = mmap.mmap(self._socket.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError as error:
            self._socket.close()
            raise InputError(
                f"a ring of {self.blocks * BLOCK_BYTES} bytes cannot be had: {error.strerror}; ask for a smaller one "
                "(--pcap-buffer-size)"
            ) from None
        self._poll = select.poll()
        self._poll.register(self._socket.fileno(), select.POLLIN | select.POLLERR)
        self.dropped = 0  # counted by the kernel: packets that passed the filter and found no room in the ring

    def attach(self, program: Sequence[Instruction]) -> None:
        """Let the kernel run a filter program from now on. FilterError where it does not take that one."""
        code = array.array("B", b"".join(struct.pack("=HBBI", *one) for one in program))
        address, _ = code.buffer_info()
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program), address))
        except OSError as error:
            why = f"the kernel does not take a filter of {len(program)} instructions: {error.strerror}"
            raise FilterError(f"{why}; write a shorter one, or name fewer interfaces") from None

    def bind(self, index: int, name: str) -> None:
        """Capture from one interface, or with index 0 from all. InputError where it is not there any more."""
        import ctypes  # Python's own address takes a name, and none for all interfaces

        address = struct.pack("=H2sI12x", socket.AF_PACKET, struct.pack("!H", ETH_P_ALL), index)
        if ctypes.CDLL(None, use_errno=True).bind(self._socket.fileno(), address, len(address)) != 0:
            raise InputError(f"{name}: cannot be captured: {os.strerror(ctypes.get_errno())}")

    def detach(self) -> None:
        """Capture nothing more; what is in the ring stays."""
        self.attach([(RET, 0, 0, 0)])

    def join(self, index: int) -> None:
        """Take what is addressed to others too (promiscuous mode) as long as the socket is open."""
        with contextlib.suppress(OSError):  # some devices cannot, and capture all the same
            request = struct.pack("=iHH8s", index, PACKET_MR_PROMISC, 0, b"")
            self._socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)

    def ignore_outgoing(self) -> None:
        """Do not even count what the host sends (Linux 4.20); for loopback, where all of it comes again."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)

    def take_hardware_times(self) -> None:
        """Let packets have the time of the network card's clock, where it stamped them. InputError where the kernel does not."""
        try:
            self._socket.setsockopt(SOL_PACKET, PACKET_TIMESTAMP, RAW_HARDWARE)
        except OSError as error:
            raise InputError(f"the kernel gives no hardware timestamps: {error.strerror}; leave --timestamps out") from None

    def fan_out(self, group: int | None = None, *, outgoing: bool = True) -> int:
        """Share the packets with the other sockets of a group: each conversation goes to one of them. Without a `group` a new one
        is made; its number is the answer. Fragments are left as they are, and told apart by their addresses alone. Once in a
        group a socket cannot be bound again. InputError where the kernel does not."""
        flags = FANOUT_FLAG_UNIQUEID if group is None else 0
        flags |= 0 if outgoing else FANOUT_FLAG_IGNORE_OUTGOING
        try:
            self._socket.setsockopt(SOL_PACKET, PACKET_FANOUT, struct.pack("=I", (group or 0) | (FANOUT_HASH | flags) << 16))
            return int(struct.unpack("=I", self._socket.getsockopt(SOL_PACKET, PACKET_FANOUT, 4))[0]) & 0xFFFF
        except OSError as error:
            reason = f"the kernel does not share packets between sockets: {error.strerror}"
            raise InputError(f"{reason}; capture with one thread (--capture-threads 1)") from None

    def count(self) -> None:
        """Bring `dropped` up to date; the kernel starts again at 0 with each reading."""
        _received, dropped, _ = struct.unpack("=3I", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12))
        self.dropped += dropped

    def ready(self, block: int) -> bool:
        """Whether the kernel has handed the block over."""
        return bool(struct.unpack_from("=I", self.ring, block * BLOCK_BYTES + B_STATUS)[0] & TP_STATUS_USER)

    def release(self, block: int) -> None:
        """Give the block back to the kernel."""
        struct.pack_into("=I", self.ring, block * BLOCK_BYTES + B_STATUS, TP_STATUS_KERNEL)

    def wait(self, timeout_ms: int) -> None:
        """Until a block is handed over, something happens to an interface, or the time is up."""
        for _, events in self._poll.poll(timeout_ms):
            if events & select.POLLERR:
                self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # "network is down", said once

    def close(self) -> None:
        """Release the ring and the socket; may be called twice. Views of the ring must be gone."""
        self._socket.close()
        with contextlib.suppress(BufferError):
            self.ring.close()


def accept(snaplen: int) -> list[Instruction]:
    """The program that keeps `snaplen` bytes of every packet."""
    return [(RET, 0, 0, snaplen)]


def but_for(index: int, program: Sequence[Instruction]) -> list[Instruction]:
    """A program that keeps nothing of one interface, and runs `program` on the packets of all others."""
    return [(LOAD_WORD, 0, 0, SKF_AD_IFINDEX), (JUMP_EQUAL, 0, 1, index), (RET, 0, 0, 0), *program]


def by_interface(programs: Sequence[tuple[int, Sequence[Instruction]]]) -> list[Instruction]:
    """One program that runs each interface's own on its packets, and keeps none of other interfaces; (index, program)."""
    table: list[Instruction] = [(LOAD_WORD, 0, 0, SKF_AD_IFINDEX)]
    bodies: list[Instruction] = []
    places: dict[tuple[Instruction, ...], int] = {}
    ends = 1 + 2 * len(programs)  # place of the refusal that follows the table
    for number, (index, program) in enumerate(programs):
        key = tuple(program)
        if key not in places:
            places[key] = ends + 1 + len(bodies)
            bodies += program
        here = 2 + 2 * number  # place of this interface's jump
        table += [(JUMP_EQUAL, 0, 1, index), (JUMP, 0, 0, places[key] - here - 1)]
    return [*table, (RET, 0, 0, 0), *bodies]
