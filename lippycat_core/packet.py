"""One row of a batch as an object: for plugin authors and for lists of packets, never for the fast path."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from lippycat_core.addresses import endpoint, host
from lippycat_core.batch import Batch
from lippycat_core.columns import DECODED, FRAGMENT, OTHER, TCP, UDP
from lippycat_core.errors import InputError

_TRANSPORTS = {TCP: "tcp", UDP: "udp"}


class Packet:
    """A view of row `row`, good as long as the batch is not filled again. What the packet does not have is None."""

    def __init__(self, batch: Batch, row: int) -> None:
        self._batch = batch
        self.row = row

    @property
    def record(self) -> int:
        """1-based number in the input."""
        return self._batch.first_record + self.row

    @property
    def ts_ns(self) -> int:
        """Capture time, nanoseconds since the epoch."""
        return int(self._batch.frame.ts_ns[self.row])

    @property
    def caplen(self) -> int:
        """Bytes captured."""
        return int(self._batch.frame.caplen[self.row])

    @property
    def wirelen(self) -> int:
        """Bytes on the wire."""
        return int(self._batch.frame.wirelen[self.row])

    @property
    def link(self) -> int:
        """Link type (LINKTYPE_ number)."""
        return int(self._batch.frame.link[self.row])

    @property
    def status(self) -> int:
        """One of the status codes in `columns`."""
        return int(self._batch.route.status[self.row])

    @property
    def proto(self) -> int | None:
        """IP protocol number of the innermost IP header."""
        number = int(self._batch.net.proto[self.row])
        return number if number >= 0 and self.status in (DECODED, OTHER, FRAGMENT) else None

    @property
    def transport(self) -> str | None:
        """`udp` or `tcp`."""
        return _TRANSPORTS.get(self.proto or 0) if self.status == DECODED else None

    @property
    def src(self) -> str | None:
        """Innermost source: with port where there is one, else the address (RFC 5952)."""
        net = self._batch.net
        return self._end((net.src0, net.src1, net.src2, net.src3), self._batch.transport.sport)

    @property
    def dst(self) -> str | None:
        """Innermost destination, in the same form."""
        net = self._batch.net
        return self._end((net.dst0, net.dst1, net.dst2, net.dst3), self._batch.transport.dport)

    def _end(self, columns: tuple[Any, Any, Any, Any], ports: Any) -> str | None:
        if self.proto is None:
            return None
        w0, w1, w2, w3 = (int(column[self.row]) for column in columns)
        if self.transport is None:
            return host(w0, w1, w2, w3)
        return endpoint((w0, w1, w2, w3, int(ports[self.row])))

    @cached_property
    def payload(self) -> bytes:
        """Captured bytes of the UDP datagram or TCP segment; empty for other packets."""
        if self.status != DECODED:
            return b""
        off = int(self._batch.transport.pay_off[self.row])
        return bytes(self._batch.mem[off : off + int(self._batch.transport.pay_len[self.row])])

    @cached_property
    def frame(self) -> bytes:
        """The captured bytes from the link header on."""
        off = int(self._batch.frame.off[self.row])
        return bytes(self._batch.mem[off : off + self.caplen])

    def scapy(self) -> Any:
        """The frame as a scapy packet, with its time; a link type that scapy does not know gives `Raw`.

        InputError where scapy is not installed.
        """
        try:
            from scapy.config import conf
            from scapy.layers import inet, inet6, l2  # noqa: F401  (scapy knows only the link types whose layers were imported)
            from scapy.packet import Raw
        except ImportError as error:
            raise InputError(f"no scapy packet: {error}; install lippycat-core[scapy]") from error
        packet = conf.l2types.num2layer.get(self.link, Raw)(self.frame)
        packet.time = self.ts_ns / 1e9
        packet.wirelen = self.wirelen
        return packet
