"""SIP over WebSocket (RFC 7118): the upgrade, frames, masking, fragments, and permessage-deflate (RFC 6455, 7692).

A connection is claimed by its upgrade to subprotocol `sip`, or, where the capture began later, by a frame that plainly carries
SIP. What SIP says is no business of this module: each message of the subprotocol is given whole.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from typing import ClassVar, NamedTuple

from lippycat_core.interfaces.layer import Unreadable, Unwanted

HEAD_LIMIT = 16 * 1024
"""Bytes that the headers of an upgrade may take: browsers send their cookies."""

LARGEST = 1 << 20
"""A longer message is passed over; no SIP message is."""

FRAMES_A_MESSAGE = 4096

SESSION_BYTES = 3000
"""What a session is counted as beside what it holds."""

INFLATER_BYTES = 10 * 1024
"""What a decompressor is counted as, beside its window as far as that is in use."""

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, RSV1, RSV = 0x80, 0x40, 0x30
MASKED = 0x80

_TAIL = b"\0\0\xff\xff"  # left out by the sender of each compressed message (RFC 7692, section 7.2.1)
_SIP = re.compile(rb"(?:SIP/2\.0 [0-9]{3}|[A-Z]{3,12} (?:sips?|tel|urn):)", re.IGNORECASE)
_SIP_BYTES = 24
_REQUEST = re.compile(rb"GET [^ \r\n]+ HTTP/1\.1\r\n")
_RESPONSE = re.compile(rb"HTTP/1\.1 ([0-9]{3})[ \r]")
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*\bwebsocket\b", re.IGNORECASE)
_PROTOCOL = re.compile(rb"\r\nsec-websocket-protocol:(?:[^\r\n]*,)?[ \t]*sip[ \t]*[,\r]", re.IGNORECASE)
_ANY_PROTOCOL = re.compile(rb"\r\nsec-websocket-protocol:", re.IGNORECASE)
_EXTENSIONS = re.compile(rb"\r\nsec-websocket-extensions:[ \t]*([^\r\n]*)", re.IGNORECASE)
_END = b"\r\n\r\n"
_HTTP_BEGINS = b"GH"


class Frame(NamedTuple):
    """A frame's header: where its payload begins and how long it is."""

    first: int  # FIN, RSV bits and opcode
    mask: bytes  # empty where the payload is not masked
    begin: int
    length: int


class WebSocket:
    """The layer `websocket`."""

    name: ClassVar[str] = "websocket"
    over: ClassVar[Mapping[str, str]] = {"tcp": "ws", "tls": "wss"}
    messages: ClassVar[bool] = True
    head_limit: ClassVar[int] = HEAD_LIMIT

    def claim_stream(self, head: memoryview) -> bool | None:
        """Whether a direction begins with an upgrade to SIP, the answer to one, or a frame with SIP in it."""
        if not head:
            return None
        if head[0] in _HTTP_BEGINS:
            start = bytes(head[:5])
            http = start.startswith((b"GET ", b"HTTP/")) or b"GET ".startswith(start) or b"HTTP/".startswith(start)
            return _claims_upgrade(head) if http else False
        return head[0] & ~FIN in (TEXT, BINARY) and _carries_sip(bytes(head[: 14 + _SIP_BYTES]))

    def open(self) -> WebSocketSession:
        """A connection that is claimed."""
        return WebSocketSession()


def _claims_upgrade(head: memoryview) -> bool | None:
    data = bytes(head[:HEAD_LIMIT])
    line = data.find(b"\r\n")
    if line >= 0:
        answer = _RESPONSE.match(data)
        if not _REQUEST.match(data) and (answer is None or answer[1] != b"101"):
            return False
    end = data.find(_END)
    if end < 0:
        return None
    section = data[: end + 2]
    return _UPGRADE.search(section) is not None and _PROTOCOL.search(section) is not None


def _carries_sip(data: bytes) -> bool:
    """Whether bytes begin with the frame of an uncompressed message that begins like SIP."""
    if len(data) < 2 or data[0] & ~FIN not in (TEXT, BINARY):
        return False
    frame = header(data, 0)
    if frame is None or frame.length < _SIP_BYTES:
        return False
    return _SIP.match(unmasked(data[frame.begin :], frame.mask)) is not None


def header(data: bytes | bytearray, at: int) -> Frame | None:
    """The frame header at `at` (RFC 6455, section 5.2); None while it is not whole."""
    if len(data) < at + 2:
        return None
    first, second = data[at], data[at + 1]
    length, begin = second & 0x7F, at + 2
    if length > 125:
        size = 2 if length == 126 else 8
        if len(data) < begin + size:
            return None
        length = int.from_bytes(data[begin : begin + size], "big")
        begin += size
    mask = b""
    if second & MASKED:
        if len(data) < begin + 4:
            return None
        mask = bytes(data[begin : begin + 4])
        begin += 4
    return Frame(first, mask, begin, length)


def unmasked(data: bytes, mask: bytes) -> bytes:
    """The payload behind the mask (RFC 6455, section 5.3), as one exclusive or over all of it."""
    if not mask or not data:
        return data
    key = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "little") ^ int.from_bytes(key, "little")).to_bytes(len(data), "little")


class Inflater:
    """One direction's decompression; `takeover` keeps what it saw from message to message (RFC 7692, section 7.1.1). The
    widest window reads what was made with any other."""

    def __init__(self, takeover: bool = True) -> None:
        self.takeover = takeover
        self.cost = 0
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)

    def message(self, data: bytes) -> bytes | None:
        """A message's bytes; None for one that is longer than LARGEST. Raises Unreadable where nothing can follow."""
        stream = self._stream if self.takeover else zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            out = stream.decompress(data + _TAIL, LARGEST + 1)
        except zlib.error as error:
            if self.takeover:
                raise Unreadable("compressed data makes no sense") from error
            return None
        if len(out) > LARGEST:
            if self.takeover:
                raise Unreadable("a compressed message is too long")
            return None
        if self.takeover:
            self.cost = min(max(self.cost, INFLATER_BYTES) + len(out), INFLATER_BYTES + (1 << zlib.MAX_WBITS))
        if stream.eof and self.takeover:  # a block that says it is the last (RFC 7692, section 7.2.3.4); the window stays
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS, zdict=out[-(1 << zlib.MAX_WBITS) :])
        return out


class _Side:
    """One direction."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.started = False  # whether the first bytes were looked at
        self.http = False  # inside a header section
        self.lost = False  # behind lost bytes: a frame is looked for where a run begins
        self.skip = 0  # bytes of a frame that are passed over
        self.parts: list[bytes] = []  # payloads of a fragmented message
        self.part_bytes = 0
        self.opcode = 0  # of the message at hand, 0 between two
        self.compressed = False
        self.spoilt = False  # bytes of the message at hand are missing
        self.inflater: Inflater | None = None

    def held(self) -> int:
        """Bytes that may still be given."""
        return len(self.buffer) + self.part_bytes

    def cost(self) -> int:
        """Bytes of memory."""
        return self.held() + 64 * len(self.parts) + (self.inflater.cost if self.inflater is not None else 0)

    def forget(self) -> None:
        """The message at hand is over."""
        self.parts, self.part_bytes = [], 0
        self.opcode, self.compressed, self.spoilt = 0, False, False


class WebSocketSession:
    """Both directions of a connection; which is the client's shows in what it sends."""

    def __init__(self) -> None:
        self._sides = (_Side(), _Side())

    def feed(self, side: int, data: bytes, ts_ns: int) -> Iterator[tuple[int, bytes]]:
        """See LayerSession: each piece is one message."""
        at = self._sides[side]
        if at.skip:
            passed = min(at.skip, len(data))
            at.skip -= passed
            data = data[passed:]
        if at.lost and not at.buffer:
            if not _carries_sip(data):
                return
            at.lost = False
        at.buffer += data
        if not at.started:
            start = bytes(at.buffer[:5])
            if len(start) < 5 and start != b"GET " and (b"GET ".startswith(start) or b"HTTP/".startswith(start)):
                return  # not enough to tell
            at.started = True
            at.http = start.startswith((b"GET ", b"HTTP/"))
        if at.http and not self._handshake(side, at):
            return
        for message in self._frames(at):
            yield side, message

    def gap(self, side: int, missing: int) -> None:
        """Go on where the frame at hand says that the next one begins, else look for one that carries SIP."""
        at = self._sides[side]
        if at.http or not at.started:
            raise Unreadable("bytes of the upgrade are lost")
        frame = header(at.buffer, 0) if at.buffer else None
        left = at.skip or (frame.begin + frame.length - len(at.buffer) if frame is not None else 0)
        at.buffer.clear()
        if at.inflater is not None and at.inflater.takeover:
            raise Unreadable("bytes are lost that later messages refer to")
        if left >= missing:
            at.skip = left - missing
            final = frame is None or bool(frame.first & FIN)
            control = frame is not None and frame.first & 0x08
            if frame is not None and not control:
                at.forget()
                if not final:
                    at.opcode, at.spoilt = TEXT, True
        else:
            at.skip, at.lost = 0, True
            at.forget()

    def held(self, side: int) -> int:
        """See LayerSession."""
        return self._sides[side].held()

    def cost(self) -> int:
        """See LayerSession."""
        return SESSION_BYTES + self._sides[0].cost() + self._sides[1].cost()

    # -- the upgrade ----------------------------------------------------------------------------------------------------

    def _handshake(self, side: int, at: _Side) -> bool:
        """Whether the header section of this direction is behind us."""
        end = at.buffer.find(_END)
        if end < 0:
            if len(at.buffer) > HEAD_LIMIT:
                raise Unwanted
            return False
        section = bytes(at.buffer[: end + 2])
        del at.buffer[: end + len(_END)]
        at.http = False
        answer = _RESPONSE.match(section)
        if answer is None:
            if _UPGRADE.search(section) is None:
                raise Unwanted
            return True
        if answer[1] != b"101" or (_ANY_PROTOCOL.search(section) is not None and _PROTOCOL.search(section) is None):
            raise Unwanted
        self._agree(side, _EXTENSIONS.findall(section))
        return True

    def _agree(self, server: int, extensions: list[bytes]) -> None:
        """What the answer of the `server` side says of compression (RFC 7692, section 7.1)."""
        for extension in b",".join(extensions).lower().split(b","):
            name, *parameters = (part.strip() for part in extension.split(b";"))
            if name != b"permessage-deflate":
                continue
            said = {part.partition(b"=")[0].strip() for part in parameters}
            for side, who in ((server, b"server"), (1 - server, b"client")):
                self._sides[side].inflater = Inflater(who + b"_no_context_takeover" not in said)

    # -- frames ---------------------------------------------------------------------------------------------------------

    def _frames(self, at: _Side) -> Iterator[bytes]:
        """Take the whole frames of a buffer; what is left in it is the begin of one."""
        begin = 0
        buffer = at.buffer
        try:
            while (frame := header(buffer, begin)) is not None:
                opcode = frame.first & 0x0F
                if frame.first & RSV or opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
                    raise Unreadable("no WebSocket frame")
                end = frame.begin + frame.length
                control = opcode >= CLOSE
                if control and (frame.length > 125 or not frame.first & FIN or frame.first & RSV1):
                    raise Unreadable("no WebSocket frame")
                if not control:
                    self._begins(at, frame, opcode)
                    if frame.length + at.part_bytes > LARGEST or len(at.parts) >= FRAMES_A_MESSAGE:
                        at.parts, at.part_bytes, at.spoilt = [], 0, True
                        if at.compressed and (at.inflater is None or at.inflater.takeover):
                            raise Unreadable("a compressed message is too long")
                    if at.spoilt:
                        at.skip = max(end - len(buffer), 0)
                        begin = min(end, len(buffer))
                        if frame.first & FIN:
                            at.forget()
                        continue
                if end > len(buffer):
                    at.opcode = at.opcode if control or opcode == CONTINUATION else 0  # the frame is looked at again
                    return
                begin = end
                if control:
                    continue
                payload = unmasked(bytes(buffer[frame.begin : end]), frame.mask)
                if not frame.first & FIN:
                    at.parts.append(payload)
                    at.part_bytes += len(payload)
                    continue
                message = self._whole(at, b"".join((*at.parts, payload)) if at.parts else payload)
                at.forget()
                if message:
                    yield message
        finally:
            del buffer[:begin]

    def _begins(self, at: _Side, frame: Frame, opcode: int) -> None:
        """Check a data frame against the message at hand."""
        if opcode == CONTINUATION:
            if not at.opcode or frame.first & RSV1:
                raise Unreadable("a fragment of no message")
            return
        if at.opcode:
            raise Unreadable("a message inside another")
        at.opcode = opcode
        at.compressed = bool(frame.first & RSV1)

    def _whole(self, at: _Side, data: bytes) -> bytes | None:
        if not at.compressed:
            return data
        if at.inflater is None:
            at.inflater = Inflater()  # the answer was not captured: what is usual
        return at.inflater.message(data)
