"""Whether a network card stamps packets with a time of its own, and switching that on (linux/net_tstamp.h). No NumPy here."""

from __future__ import annotations

import array
import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable

from lippycat_core.errors import InputError

SIOCETHTOOL, SIOCSHWTSTAMP, SIOCGHWTSTAMP = 0x8946, 0x89B0, 0x89B1
ETHTOOL_GET_TS_INFO = 0x41
RX_HARDWARE, RAW_HARDWARE = 1 << 2, 1 << 6
"""SOF_TIMESTAMPING_ bits: the card stamps what it receives, and tells the stamp as its clock has it."""
FILTER_NONE, FILTER_ALL = 0, 1
TX_OFF = 0

TS_INFO = struct.Struct("=IIiI12xI12x")
"""struct ethtool_ts_info: command, abilities, number of the clock, kinds for what is sent, kinds for what is received."""
CONFIG = struct.Struct("=3i")
"""struct hwtstamp_config: flags, what is stamped when sent, what when received."""

Ask = Callable[[int, str, bytes], bytes]
"""An ioctl about an interface whose argument is a pointer to bytes: gives the bytes as they are then. OSError."""


def ask(request: int, name: str, data: bytes) -> bytes:
    """Ask the kernel."""
    import fcntl

    held = array.array("B", data)
    address, _ = held.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        fcntl.ioctl(channel, request, struct.pack("@16sP16x", name.encode()[:15], address))
    return held.tobytes()


def stamps(name: str, ask: Ask = ask) -> bool:
    """Whether the card of an interface can stamp every packet that it receives. False where nobody can tell."""
    try:
        answer = ask(SIOCETHTOOL, name, TS_INFO.pack(ETHTOOL_GET_TS_INFO, 0, 0, 0, 0))
    except (ImportError, OSError):
        return False
    _, abilities, _, _, received = TS_INFO.unpack(answer)
    return bool(abilities & RX_HARDWARE and abilities & RAW_HARDWARE and received & 1 << FILTER_ALL)


def switch_on(name: str, ask: Ask = ask) -> None:
    """Let the card stamp every packet that it receives; it stays so. InputError, which says what to do, where it cannot or may
    not."""
    if not stamps(name, ask):
        raise InputError(
            f"{name}: has no hardware timestamps of all packets; leave --timestamps out for the kernel's, `lc interfaces` lists "
            "what each interface has"
        )
    flags, sent = 0, TX_OFF
    with contextlib.suppress(OSError):  # a driver that cannot say, but can be told
        flags, sent, received = CONFIG.unpack(ask(SIOCGHWTSTAMP, name, CONFIG.pack(0, TX_OFF, FILTER_NONE)))
        if received == FILTER_ALL:
            return
    try:
        ask(SIOCSHWTSTAMP, name, CONFIG.pack(flags, sent, FILTER_ALL))
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            raise InputError(
                f"{name}: hardware timestamps are off, and switching them on takes CAP_NET_ADMIN: run it with sudo, or "
                f"switch them on before with `sudo hwstamp_ctl -i {name} -r 1`"
            ) from None
        raise InputError(f"{name}: hardware timestamps cannot be switched on: {os.strerror(error.errno or 0)}") from None
