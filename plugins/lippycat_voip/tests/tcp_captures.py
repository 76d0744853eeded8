"""Captures of SIP over TCP written segment by segment, of many streams at once."""

from __future__ import annotations

from lippycat_core.testing.packets import SYN, Record, ethernet, tcp, udp

CALLEE = ("10.0.0.2", 5060)
START_NS = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


class Capture:
    """Segments of many streams, written down in order; `wait` lets packet time pass, with packets that are nobody's."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._now_ns = START_NS
        self._next: dict[int, int] = {}

    def _add(self, packet: bytes) -> None:
        self._now_ns += 1_000_000
        self.records.append(Record(self._now_ns, ethernet(packet)))

    def send(self, stream: int, data: bytes, missing: int = 0) -> None:
        """The next bytes of a stream; `missing` bytes in front of them are not captured."""
        end = (f"10.1.{stream >> 8}.{stream & 255}", 5060)
        if stream not in self._next:
            self._next[stream] = 1
            self._add(tcp(*end, *CALLEE, 0, flags=SYN))
        at = self._next[stream] + missing
        self._add(tcp(*end, *CALLEE, at, data))
        self._next[stream] = at + len(data)

    def again(self, stream: int, seq: int, data: bytes) -> None:
        """Bytes at a sequence number, whatever came before."""
        self._add(tcp(f"10.1.{stream >> 8}.{stream & 255}", 5060, *CALLEE, seq, data))

    def wait(self, seconds: int) -> None:
        for _ in range(600):
            self._now_ns += seconds * SECOND // 600
            self._add(udp("10.9.9.9", 9, "10.9.9.8", 9, b"nothing"))


def text(number: int, body: int = 0) -> bytes:
    """A MESSAGE whose Call-ID is the number's; its body ends with a line."""
    lines = [
        "MESSAGE sip:b@example.com SIP/2.0",
        f"Via: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK{number}",
        "From: <sip:a@example.com>;tag=1",
        "To: <sip:b@example.com>",
        f"Call-ID: {number}@example.com",
        f"CSeq: {number} MESSAGE",
        f"Content-Length: {body + 2}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + "x" * body + "\r\n").encode()


def halves(streams: int, body: int = 100) -> Capture:
    """Messages of which all first halves come before all second halves."""
    capture = Capture()
    messages = [text(n, body) for n in range(streams)]
    for n, data in enumerate(messages):
        capture.send(n, data[: len(data) // 2])
    for n, data in enumerate(messages):
        capture.send(n, data[len(data) // 2 :])
    return capture
