"""The layer `tls`: which connections it takes, and the secrets of all of them. Nothing heavy is imported before it opens one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from lippycat_core.interfaces.layer import TLS_KEY_LOG
from lippycat_tls.secrets import Secrets

if TYPE_CHECKING:
    from lippycat_tls.session import TlsSession

_RANDOM = 11  # behind the record's header, the message's, and the version
_ENOUGH = _RANDOM + 32


class Tls:
    """Takes connections that begin with a ClientHello whose secrets are known, or may still come."""

    name: ClassVar[str] = "tls"
    over: ClassVar[Mapping[str, str]] = {"tcp": "tls"}
    messages: ClassVar[bool] = False

    def __init__(self) -> None:
        self._secrets = Secrets()
        self._more = False

    def learn(self, kind: int, data: bytes) -> None:
        """Take lines of a key log."""
        if kind == TLS_KEY_LOG:
            self._secrets.add(data)

    def expect(self, more: bool) -> None:
        """Whether secrets may come behind the packets that need them."""
        self._more = more

    def claim_stream(self, head: memoryview) -> bool | None:
        """Whether a direction begins with a ClientHello that can be followed."""
        start = bytes(head[:_ENOUGH])
        if (not self._more and not len(self._secrets)) or start[:1] not in (b"", b"\x16") or start[1:2] not in (b"", b"\x03"):
            return False
        if start[5:6] not in (b"", b"\x01"):
            return False
        if len(start) < _ENOUGH:
            return None
        return self._more or start[_RANDOM:] in self._secrets

    def open(self) -> TlsSession:
        """A connection that is claimed."""
        from lippycat_tls.session import TlsSession

        return TlsSession(self._secrets)
