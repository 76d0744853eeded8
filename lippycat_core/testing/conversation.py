"""Written conversations: packets as plain data, and batches filled with them as decode would have done.

For tests of what comes after decode; nothing here builds link or IP headers (a row's frame is its payload).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lippycat_core.addresses import words
from lippycat_core.batch import Batch
from lippycat_core.columns import ACK, DECODED, TCP, UDP
from lippycat_core.kernelset import KernelSet

MILLISECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    """One packet. `wire` is the payload's length on the wire where the capture cut it; `ts_ns` None is 1 ms after the last."""

    src: str  # 10.0.0.1:5060 or [2001:db8::1]:5060
    dst: str
    payload: bytes = b""
    proto: int = UDP
    seq: int = 0
    ack: int = 0
    flags: int = 0
    ts_ns: int | None = None
    wire: int | None = None
    status: int = DECODED


def udp(src: str, dst: str, payload: bytes = b"", ts_ns: int | None = None) -> Sent:
    """A datagram."""
    return Sent(src, dst, payload, ts_ns=ts_ns)


def tcp(
    src: str,
    dst: str,
    seq: int,
    payload: bytes = b"",
    flags: int = ACK,
    ack: int = 0,
    ts_ns: int | None = None,
    wire: int | None = None,
) -> Sent:
    """A segment; `seq` and `ack` are taken modulo 2**32."""
    return Sent(src, dst, payload, TCP, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, flags, ts_ns, wire)


def _end(text: str) -> tuple[tuple[int, int, int, int], int]:
    host, _, port = text.rpartition(":")
    return words(host.strip("[]")), int(port)


def _columns(columns: tuple[Any, ...], values: tuple[int, ...]) -> Iterator[tuple[Any, int]]:
    return zip(columns, values, strict=True)


def fill(batch: Batch, packets: Sequence[Sent], first_record: int = 1, ts_ns: int = 0) -> int:
    """Fill an empty batch with packets and return the time of the last; the first is 1 ms behind `ts_ns`."""
    batch.clear(first_record)
    off = 0
    for row, sent in enumerate(packets):
        ts_ns = ts_ns + MILLISECOND if sent.ts_ns is None else sent.ts_ns
        size = len(sent.payload)
        batch.mem[off : off + size] = sent.payload
        (src, sport), (dst, dport) = _end(sent.src), _end(sent.dst)
        wire = size if sent.wire is None else sent.wire
        for column, value in _columns(batch.frame, (ts_ns, off, size, wire, 1)):
            column[row] = value
        for column, value in _columns(batch.net, (*src, *dst, sent.proto)):
            column[row] = value
        transport = (sport, dport, off, size, wire, sent.seq, sent.ack, sent.flags)
        for column, value in _columns(batch.transport, transport):
            column[row] = value
        for column, value in _columns(batch.route, (sent.status, -1, 0, 0)):
            column[row] = value
        off += size
    batch.rows = len(packets)
    return ts_ns


def batches(kernels: KernelSet, packets: Sequence[Sent], capacity: int = 4096) -> Iterator[Batch]:
    """One batch after the other, at most `capacity` packets each; a batch is used again for the next."""
    batch = Batch(kernels, capacity=capacity)
    ts_ns = 0
    for begin in range(0, len(packets), capacity):
        ts_ns = fill(batch, packets[begin : begin + capacity], begin + 1, ts_ns)
        yield batch
