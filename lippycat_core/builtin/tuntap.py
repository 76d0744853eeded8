"""A Linux TAP or TUN device (tuntap.rst of the kernel's documentation): made, set up so that nothing but what is written to it
appears there, in a network namespace where one is named. What is written is `vif`'s business. No NumPy here."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import struct
import sys
from collections.abc import Iterator

from lippycat_core.builtin.links import HEADER, NLMSG_ERROR, Link, links
from lippycat_core.errors import InputError, OutputError, PermissionRefused, SettingError

CLONE_DEVICE = "/dev/net/tun"
NAMESPACES = "/run/netns"
OWN_NAMESPACE = "/proc/thread-self/ns/net"
MOST_MTU = {"tap": 65521, "tun": 65535}

# linux/if_tun.h, if.h, if_link.h, sched.h
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_TAP, IFF_NO_PI = 0x1, 0x2, 0x1000
IFF_UP, IFF_NOARP = 0x1, 0x80
RTM_SETLINK = 19
NLM_F_REQUEST, NLM_F_ACK = 0x1, 0x4
IFLA_MTU, IFLA_AF_SPEC = 4, 26
IFLA_INET_CONF, IPV4_DEVCONF_RP_FILTER = 1, 8
IFLA_INET6_ADDR_GEN_MODE, NO_ADDRESSES = 8, 1
CLONE_NEWNET = 0x40000000

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
RESERVED = ("all", "any", "default", "lo")
"""Names that mean something else: to the kernel's settings, or to `-i`."""


def no_permission(namespace: str) -> str:
    """What to do for who may not make an interface."""
    also = ", and CAP_SYS_ADMIN to enter a network namespace" if namespace else ""
    return (
        f"no permission to make a virtual interface (CAP_NET_ADMIN{also}): run it with sudo, which gives root up at once, or "
        f"grant it with `sudo setcap cap_net_raw,cap_net_admin{',cap_sys_admin' if also else ''}+ep "
        f"{os.path.realpath(sys.executable)}`"
    )


def check_name(name: str, what: str) -> None:
    """SettingError where an interface cannot have that name; `what` is the setting's."""
    if NAME.fullmatch(name) is None or name in RESERVED:
        raise SettingError(
            f"{what}: no interface can be called {name!r}: write 1 to 15 letters, digits, '.', '_' and '-', as in lc0, "
            f"and none of {', '.join(RESERVED)}"
        )


class TunTap:
    """The device `name`, up until it is closed; `kind` is tap or tun. Packets are written to `fd`, one a write, which never
    waits. `index` is its number where it lies in the process's own network namespace, else 0.

    InputError where there is no such namespace, or the name is an interface's that cannot be written to; PermissionRefused
    where this user may not make one; OutputError where this system cannot.
    """

    def __init__(self, name: str, kind: str, namespace: str = "") -> None:
        self.name = name
        self._kind = kind
        with _inside(namespace):
            self.fd = self._open(namespace)
            try:
                index = self._set_up(namespace)
            except BaseException:
                self.close()
                raise
        self.index = index if same_namespace(namespace) else 0

    def _open(self, namespace: str) -> int:
        import fcntl  # not on every system

        try:
            fd = os.open(CLONE_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError:
            raise PermissionRefused(no_permission(namespace)) from None
        except OSError as error:
            why = f"{CLONE_DEVICE}: {error.strerror}"
            way_out = "load the module (modprobe tun), or give a container that device"
            raise OutputError(f"no virtual interface can be made ({why}): it needs Linux with TUN/TAP: {way_out}") from None
        flags = (IFF_TAP if self._kind == "tap" else IFF_TUN) | IFF_NO_PI
        try:
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", self.name.encode(), flags))
        except OSError as error:
            os.close(fd)
            if error.errno == errno.EPERM:
                raise PermissionRefused(no_permission(namespace)) from None
            if error.errno == errno.EBUSY:
                raise InputError(f"{self.name}: another program has this interface open: choose another --vif-name") from None
            if error.errno == errno.EINVAL:
                raise InputError(
                    f"{self.name}: is an interface already, and no {self._kind.upper()} device: choose another --vif-name"
                ) from None
            raise OutputError(f"{self.name}: cannot be made ({error.strerror}): choose another --vif-name") from None
        return fd

    def _set_up(self, namespace: str) -> int:
        """Silent and up; its index."""
        index = socket.if_nametoindex(self.name)
        # Sources that are not to be reached through this interface, all of them, are refused: the host does not take the
        # packets for its own, whatever their addresses (RFC 3704).
        strict = _attribute(IFLA_INET_CONF, _attribute(IPV4_DEVCONF_RP_FILTER, struct.pack("=I", 1)))
        silent = _attribute(IFLA_INET6_ADDR_GEN_MODE, bytes([NO_ADDRESSES]))
        try:
            _set_link(index, 0, 0, _attribute(IFLA_AF_SPEC, _attribute(socket.AF_INET, strict)))
            with contextlib.suppress(OSError):  # a system without IPv6
                _set_link(index, 0, 0, _attribute(IFLA_AF_SPEC, _attribute(socket.AF_INET6, silent)))
                with open(f"/proc/sys/net/ipv6/conf/{self.name}/disable_ipv6", "w") as switch:
                    switch.write("1")
            _set_link(index, 0, 0, _attribute(IFLA_MTU, struct.pack("=I", MOST_MTU[self._kind])))
            _set_link(index, IFF_UP | IFF_NOARP, IFF_UP | IFF_NOARP, b"")
        except OSError as error:
            if error.errno != errno.EPERM:
                raise OutputError(f"{self.name}: cannot be set up ({error.strerror}): choose another --vif-type") from None
            if not self._is_up():  # one that was made beforehand for this user may be, and then stays as it was made
                raise PermissionRefused(no_permission(namespace)) from None
        return index

    def _is_up(self) -> bool:
        found: list[Link] = [link for link in links() if link.name == self.name]
        return bool(found) and found[0].up

    def close(self) -> None:
        """Take the interface away; one that was made beforehand stays. May be called twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def namespace_path(namespace: str) -> str:
    """Where a network namespace is, by its name or by a path such as /proc/PID/ns/net. InputError where there is none."""
    path = namespace if "/" in namespace else os.path.join(NAMESPACES, namespace)
    if namespace in (".", "..") or not os.path.exists(path):
        try:
            there = sorted(os.listdir(NAMESPACES))
        except OSError:
            there = []
        known = f"there are {', '.join(there)}" if there else "there is none"
        raise InputError(f"no network namespace {namespace!r}: {known}; `ip netns add NAME` makes one")
    return path


def same_namespace(namespace: str) -> bool:
    """Whether that is where this process captures; none named is. InputError where there is no such namespace."""
    return not namespace or os.path.samefile(namespace_path(namespace), OWN_NAMESPACE)


@contextlib.contextmanager
def _inside(namespace: str) -> Iterator[None]:
    """This thread in that network namespace; what it opens there stays there."""
    if same_namespace(namespace):
        yield
        return
    path = namespace_path(namespace)
    own = os.open(OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(path, namespace)
        try:
            yield
        finally:
            _set_namespace(own)
    finally:
        os.close(own)


def _enter(path: str, namespace: str) -> None:
    try:
        there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _set_namespace(there)
        finally:
            os.close(there)
    except PermissionError:
        raise PermissionRefused(no_permission(namespace)) from None
    except OSError as error:
        raise InputError(f"network namespace {namespace!r}: cannot be entered ({error.strerror}): name another") from None


def _set_namespace(fd: int) -> None:
    import ctypes  # os.setns is Python 3.12's

    if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _set_link(index: int, flags: int, change: int, attributes: bytes) -> None:
    """Ask the kernel for a change of an interface (RTM_SETLINK). OSError where it refuses."""
    body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, change) + attributes
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as channel:
        channel.bind((0, 0))
        channel.send(HEADER.pack(HEADER.size + len(body), RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body)
        answer = channel.recv(1 << 16)
    _length, kind, _flags, _sequence, _pid = HEADER.unpack_from(answer)
    code = -struct.unpack_from("=i", answer, HEADER.size)[0] if kind == NLMSG_ERROR else 0
    if code:
        raise OSError(code, os.strerror(code))
