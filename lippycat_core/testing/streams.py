"""TCP conversations as packets, and WebSocket bytes by hand (RFC 6455): what tests of layers are written with."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from lippycat_core.testing.packets import FIN, SYN, Record, ethernet, tcp

End = tuple[str, int]

CLIENT: End = ("192.0.2.1", 40000)
SERVER: End = ("198.51.100.1", 5061)
ACK = 16

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def tcp_conversation(
    pieces: Iterable[tuple[int, bytes]],
    *,
    segment: int = 1400,
    ends: tuple[End, End] = (CLIENT, SERVER),
    ts_ns: int = 0,
    close: bool = False,
) -> list[Record]:
    """A connection from its SYN on in which side 0 (the client) and side 1 send `pieces`, cut into segments; a millisecond
    between two."""
    seq = [1000, 5000]

    def sent(side: int, data: bytes, flags: int) -> bytes:
        return ethernet(tcp(*ends[side], *ends[1 - side], seq[side], data, ack=seq[1 - side], flags=flags))

    packets = [ethernet(tcp(*ends[0], *ends[1], seq[0] - 1, flags=SYN))]
    packets.append(ethernet(tcp(*ends[1], *ends[0], seq[1] - 1, ack=seq[0], flags=SYN | ACK)))
    for side, data in pieces:
        for begin in range(0, len(data), segment):
            part = data[begin : begin + segment]
            packets.append(sent(side, part, ACK))
            seq[side] += len(part)
    if close:
        for side in (0, 1):
            packets.append(sent(side, b"", ACK | FIN))
            seq[side] += 1
    return [Record(ts_ns + number * 1_000_000, packet) for number, packet in enumerate(packets)]


def frame(payload: bytes, opcode: int = TEXT, *, mask: bytes = b"", final: bool = True, compressed: bool = False) -> bytes:
    """A WebSocket frame; the mask is four bytes or none."""
    first = opcode | (0x80 if final else 0) | (0x40 if compressed else 0)
    flag = 0x80 if mask else 0
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, flag | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, flag | 126, size)
    else:
        head = struct.pack("!BBQ", first, flag | 127, size)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if mask else head + payload


def upgrade(*fields: str, protocol: str = "sip") -> bytes:
    """A client's upgrade, with further header fields."""
    lines = ["GET /ws HTTP/1.1", "Host: example.org", "Connection: Upgrade", "Upgrade: websocket", *fields]
    return "\r\n".join([*lines, f"Sec-WebSocket-Protocol: {protocol}", "", ""]).encode()


def upgraded(*fields: str, protocol: str = "sip") -> bytes:
    """The server's answer to it."""
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", *fields]
    return "\r\n".join([*lines, f"Sec-WebSocket-Protocol: {protocol}", "", ""]).encode()


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """`data` in pieces of these sizes, taken round and round."""
    pieces, at, turn = [], 0, 0
    while at < len(data):
        size = max(1, sizes[turn % len(sizes)])
        pieces.append(data[at : at + size])
        at += size
        turn += 1
    return pieces
