"""From the setting `tls.keylog` to the file that is read; who names one that nobody can use is told before the run begins."""

from __future__ import annotations

from lippycat_core.builtin.keylogfile import KeyLogFile
from lippycat_core.errors import UsageError
from lippycat_core.host.layers import FALLBACKS
from lippycat_core.host.settings import Settings


def key_log(settings: Settings, *, readers: bool, growing: bool) -> KeyLogFile | None:
    """The key log of a run, None where none is set. `readers`: whether there is a layer that reads with secrets; `growing`:
    whether packets and secrets still come.

    UsageError where the user names one and no layer takes it, InputError where it cannot be read. A variable that is not ours
    may name a file that is not there yet, and means nothing without such a layer.
    """
    path, origin = settings["tls.keylog"], settings.origin("tls.keylog")
    theirs = _theirs(origin)
    if not path or (theirs and not readers):
        return None
    if not readers:
        raise UsageError(f"tls.keylog ({origin}): TLS is read by lippycat-tls, which is not installed: pip install lippycat-tls")
    return KeyLogFile(path, f"tls.keylog ({origin})", later=theirs or growing, growing=growing)


def no_keys(settings: Settings, log: KeyLogFile) -> str:
    """What to tell of a log that has no keys, though the user named it and no more will come; else nothing."""
    origin = settings.origin("tls.keylog")
    if not log.empty or _theirs(origin):
        return ""
    return f"tls.keylog ({origin}): {settings['tls.keylog']}: no keys in it, so TLS is read only with secrets of the capture"


def _theirs(origin: str) -> bool:
    """Whether a variable that is not ours named the log."""
    return origin.removeprefix("environment ") in FALLBACKS
