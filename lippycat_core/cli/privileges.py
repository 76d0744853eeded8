"""Giving up root once the capture is open: packets come from strangers, and nothing that reads them needs its powers."""

from __future__ import annotations

import os
import pwd
import struct
import sys
from collections.abc import Mapping, Sequence

from lippycat_core.errors import LippycatError, UsageError

PR_SET_NO_NEW_PRIVS = 38
LINUX_CAPABILITY_VERSION_3 = 0x20080522
NOBODY = "nobody"


MUST_READ = (__file__, os.__file__, sys.executable)
"""Of what is imported later; where one of these cannot be read, the others cannot either."""


def give_up_root(
    user: str,
    environ: Mapping[str, str] = os.environ,
    must_read: Sequence[str] = MUST_READ,
    must_write: Sequence[str] = (),
    handed_over: Sequence[str] = (),
) -> str:
    """Become `user` where this is root (none named: who called sudo, else nobody), and never gain a privilege again. Who is
    not root gives up the capabilities that it has. Gives the reason why root is kept, where it is: no user was named, and the
    one it would be cannot read this installation.

    Folders that were made for the run, `handed_over`, become theirs too.

    UsageError where there is no such user, one is named and this is not root, who is named cannot read this installation, or
    who goes on cannot make files in one of the folders `must_write`.
    """
    kept = ""
    entry = _entry(user, environ)
    if os.geteuid() != 0:
        if user and entry.pw_uid != os.geteuid():
            raise UsageError(f"--user {user}: only root can become another user: leave it out")
        _no_capabilities()
    elif entry.pw_uid != 0:
        kept = _become(entry, must_read, handed_over)
    if kept and user:
        raise UsageError(f"--user {user}: {kept}: install it where all can read it, or name another user (root stays root)")
    _no_new_privileges()
    for folder in must_write:
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            name = pwd.getpwuid(os.geteuid()).pw_name if _has_entry(os.geteuid()) else str(os.geteuid())
            raise UsageError(
                f"{folder}: {name}, as whom this run goes on, cannot make files there: choose a folder of theirs, "
                "another user with --user NAME, or stay root with --user root"
            )
    return kept


def _has_entry(uid: int) -> bool:
    try:
        return pwd.getpwuid(uid).pw_uid == uid
    except KeyError:
        return False


def _entry(user: str, environ: Mapping[str, str]) -> pwd.struct_passwd:
    """Whom to become."""
    caller = environ.get("SUDO_UID", "")
    if not user and os.geteuid() == 0 and caller.isdecimal() and caller != "0":
        try:
            return pwd.getpwuid(int(caller))
        except KeyError:
            pass  # sudo's caller has no entry here (a container): nobody has
    name = user or NOBODY
    try:
        return pwd.getpwuid(os.geteuid()) if not user and os.geteuid() != 0 else pwd.getpwnam(name)
    except KeyError:
        raise UsageError(f"--user {name}: there is no such user: name one, or root to stay root") from None


def _become(entry: pwd.struct_passwd, must_read: Sequence[str], handed_over: Sequence[str]) -> str:
    """Become that user for good, or say why that would not do."""
    try:
        groups = os.getgroups()
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.seteuid(entry.pw_uid)
        closed = next((path for path in must_read if not os.access(path, os.R_OK, effective_ids=True)), None)
        os.seteuid(0)
        if closed is not None:
            os.setresgid(0, 0, 0)
            os.setgroups(groups)
            return f"{entry.pw_name} cannot read {os.path.realpath(closed)}"
        for folder in handed_over:
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    except OSError as error:
        raise LippycatError(f"cannot become {entry.pw_name}: {error.strerror}; --user root stays root") from None
    os.environ["HOME"] = entry.pw_dir
    return ""


def _no_capabilities() -> None:
    """Give up CAP_NET_RAW too, where the program's file or a service manager gave it (capset(2))."""
    import ctypes

    header, none = struct.pack("=Ii", LINUX_CAPABILITY_VERSION_3, 0), bytes(24)
    if ctypes.CDLL(None, use_errno=True).capset(header, none) != 0:
        raise LippycatError(f"capabilities cannot be given up: {os.strerror(ctypes.get_errno())}")


def _no_new_privileges() -> None:
    """Nothing that this process starts gains privileges by being started (prctl(2))."""
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise LippycatError(f"no_new_privs cannot be set: {os.strerror(ctypes.get_errno())}")
