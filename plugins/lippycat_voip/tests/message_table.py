"""SIP messages through the kernels, shown with the names of the table's fields instead of offsets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lippycat_core.kernelset import KernelSet
from lippycat_voip.columns import (
    F_MALFORMED,
    F_SDP,
    F_TRUNCATED,
    M_CONTENT_LENGTH,
    M_CSEQ,
    M_CSEQ_METHOD,
    M_FLAGS,
    M_LEN,
    M_METHOD,
    M_OFF,
    M_STATUS,
    M_WIDTH,
    METHODS,
    SP_WIDTH,
)
from lippycat_voip.kernels.sip import parse

UDP, TCP = 17, 6


@dataclass
class Message:
    """One row of the table and the bytes that it points into."""

    data: bytes
    row: list[int]

    def span(self, field: int) -> bytes | None:
        """The bytes of a span field; None where the header is not there."""
        off, length = self.row[field], self.row[field + 1]
        return None if length < 0 else self.data[off : off + length]

    @property
    def method(self) -> str:
        return METHODS[self.row[M_METHOD]]

    @property
    def status(self) -> int:
        return self.row[M_STATUS]

    @property
    def cseq(self) -> tuple[int, str]:
        return self.row[M_CSEQ], METHODS[self.row[M_CSEQ_METHOD]]

    @property
    def content_length(self) -> int:
        return self.row[M_CONTENT_LENGTH]

    @property
    def whole(self) -> bytes:
        return self.data[self.row[M_OFF] : self.row[M_OFF] + self.row[M_LEN]]

    @property
    def malformed(self) -> bool:
        return bool(self.row[M_FLAGS] & F_MALFORMED)

    @property
    def truncated(self) -> bool:
        return bool(self.row[M_FLAGS] & F_TRUNCATED)

    @property
    def has_sdp(self) -> bool:
        return bool(self.row[M_FLAGS] & F_SDP)


def read(kernels: KernelSet, *datagrams: bytes, transport: int = UDP, wire_len: int | None = None) -> list[Message]:
    """The rows for `datagrams`, which lie one behind the other in a slab with other bytes around them."""
    spans, off = [], 3
    for number, datagram in enumerate(datagrams):
        spans += [number, transport, off, len(datagram), len(datagram) if wire_len is None else wire_len, 1]
        off += len(datagram)
    data = b"\r\nX" + b"".join(datagrams) + b": INVITE\r\n\r\n"
    assert len(spans) == SP_WIDTH * len(datagrams)
    slab = np.frombuffer(data, np.uint8).copy()
    table = np.full((len(datagrams) + 1) * M_WIDTH, -77, np.int32)
    view = kernels.view
    kernels[parse](view(slab), view(np.array(spans, np.int32)), len(datagrams), view(table))
    assert set(table[-M_WIDTH:].tolist()) == {-77}
    return [Message(data, table[i * M_WIDTH : (i + 1) * M_WIDTH].tolist()) for i in range(len(datagrams))]
