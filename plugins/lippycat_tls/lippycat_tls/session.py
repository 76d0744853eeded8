"""One TLS connection: records in, application data out. Which keys are in force follows from the handshake as it went by.

What cannot be opened for want of a secret waits, up to a bound, and is opened when the secret comes (`resume`), in the order in
which it came: an answer is never given in front of what it answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from lippycat_core.interfaces.layer import Unreadable
from lippycat_tls import handshake as h
from lippycat_tls.keys import keys12, keys13, next_secret
from lippycat_tls.protection import Opener, Unfit
from lippycat_tls.secrets import CLIENT_HANDSHAKE, CLIENT_TRAFFIC, MASTER, SERVER_HANDSHAKE, SERVER_TRAFFIC, Secrets
from lippycat_tls.suites import SUITES, Suite

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA, HEARTBEAT = 20, 21, 22, 23, 24
HEADER = 5
LARGEST_RECORD = (1 << 14) + 2048  # RFC 5246, section 6.2.3; 1.3 allows less

MOST_WAITING = 64 * 1024
"""Bytes of one direction that wait for a secret."""

MOST_TURNS = 2048
"""Times that the directions take turns in what waits for a secret."""

EARLY_RECORDS = 1024
"""Records in front of the first that opens: what a client sent early (0-RTT) is passed over."""

AHEAD = 64
"""Records that may have been lost in front of one that is found again."""

MISSES = 32
"""Places at which it is tried to find on behind lost bytes."""

SESSION_BYTES = 5000
"""What keys and state are counted as."""

PLAIN, HANDSHAKING, SECURED = 0, 1, 2


class _Waits(Exception):
    """A record cannot be opened yet: a secret, or the other side's hello, is not there."""


class _Side:
    """One direction."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.begin = 0  # bytes of the direction in front of the buffer
        self.messages = h.Messages()
        self.epoch = PLAIN
        self.opener: Opener | None = None
        self.secret = b""  # TLS 1.3: what the keys in force come from
        self.number = 0  # of the next record
        self.skip = 0  # bytes of a record that is lost
        self.lost = False  # behind lost bytes: where a record begins is not known
        self.misses = 0
        self.passed = 0  # records that no key opened


class TlsSession:
    """Both directions of a connection."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._sides = (_Side(), _Side())
        self._client = -1  # which side is the client's, once its hello was seen
        self._client_hello = h.ClientHello(b"", False)
        self._server_hello: h.ServerHello | None = None
        self._suite: Suite | None = None
        self._came: deque[tuple[int, int]] = deque()  # what is held: side, and up to which byte of its direction, as it came
        self._retried = False  # a HelloRetryRequest was seen: this is TLS 1.3, whatever else is not known yet

    def feed(self, side: int, data: bytes, ts_ns: int) -> Iterator[tuple[int, bytes]]:
        """See LayerSession."""
        at = self._sides[side]
        if at.skip:
            passed = min(at.skip, len(data))
            at.skip -= passed
            data = data[passed:]
        at.buffer += data
        self._note(side)
        yield from self._advance(side)
        if self._sides[1 - side].buffer:  # perhaps it waited for what this side said
            yield from self._advance(1 - side)
        while self._came and self._came[0][1] <= self._sides[self._came[0][0]].begin:
            self._came.popleft()

    def _note(self, side: int) -> None:
        """Bytes of a direction came: as one with those in front of them, where the other direction said nothing between."""
        end = self._sides[side].begin + len(self._sides[side].buffer)
        if self._came and self._came[-1][0] == side:
            self._came[-1] = (side, end)
        else:
            self._came.append((side, end))
        if len(self._came) > MOST_TURNS:
            raise Unreadable("no secret came")

    def resume(self) -> Iterator[tuple[int, bytes]]:
        """See NeedsSecrets. What came is gone through as if it came now."""
        came, self._came = self._came, deque()
        until, stuck = [0, 0], [False, False]
        for which, end in came:
            until[which] = end
            for side in (which, 1 - which):
                at = self._sides[side]
                if at.begin >= until[side] or stuck[side]:
                    continue
                before = at.begin
                yield from self._advance(side, until[side])
                stuck[side] = self._waits(at, until[side])
                if at.begin > before:
                    stuck[1 - side] = False
        self._came = deque((side, end) for side, end in came if end > self._sides[side].begin)

    @staticmethod
    def _waits(at: _Side, until: int) -> bool:
        """Whether a record is whole by byte `until` of a direction, and was not opened."""
        return until - at.begin >= HEADER and HEADER + int.from_bytes(at.buffer[3:5], "big") <= until - at.begin

    def gap(self, side: int, missing: int) -> None:
        """A record whose length is known is passed over, and counted as one; else the next one is looked for."""
        at = self._sides[side]
        if at.epoch == PLAIN:
            raise Unreadable("bytes of the handshake are lost")
        left = at.skip
        if len(at.buffer) >= HEADER:
            left = HEADER + int.from_bytes(at.buffer[3:5], "big") - len(at.buffer)
            if left <= 0:
                raise Unreadable("bytes are lost behind some that wait for their secret")
            at.number += 1
        at.begin += len(at.buffer)
        at.buffer.clear()
        at.messages = h.Messages()
        at.skip = max(left - missing, 0)
        at.lost = at.lost or left < missing

    def held(self, side: int) -> int:
        """See LayerSession."""
        return len(self._sides[side].buffer)

    def cost(self) -> int:
        """See LayerSession."""
        return SESSION_BYTES + 100 * len(self._came) + sum(len(at.buffer) + len(at.messages) for at in self._sides)

    # -- records --------------------------------------------------------------------------------------------------------

    def _advance(self, side: int, until: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Open what records of a direction are whole (by byte `until` of it), as far as the secrets go."""
        at = self._sides[side]
        buffer, begin = at.buffer, 0
        there = len(buffer) if until is None else until - at.begin
        try:
            while there - begin >= HEADER:
                header = bytes(buffer[begin : begin + HEADER])
                size = int.from_bytes(header[3:], "big")
                if not CHANGE_CIPHER_SPEC <= header[0] <= HEARTBEAT or header[1] != 3 or size > LARGEST_RECORD:
                    self._no_record(at)
                    begin = len(buffer)
                    return
                end = begin + HEADER + size
                if end > there:
                    return
                body = bytes(buffer[begin + HEADER : end])
                try:
                    data = self._find_on(side, at, header, body) if at.lost else self._record(side, at, header, body)
                except _Waits:
                    if len(buffer) - begin > MOST_WAITING:
                        raise Unreadable("no secret came") from None
                    return
                begin = end
                if data:
                    yield side, data
        finally:
            at.begin += begin
            del buffer[:begin]

    def _record(self, side: int, at: _Side, header: bytes, body: bytes) -> bytes:
        """The application data of a record, if that is what it has."""
        kind = header[0]
        if (self._is_13() or self._retried) and (kind == CHANGE_CIPHER_SPEC or (kind == ALERT and at.epoch == PLAIN)):
            return b""  # for middleboxes alone (RFC 8446, appendix D.4)
        if at.epoch == PLAIN:
            if kind == HANDSHAKE:
                self._handshake(side, at, body)
                return b""
            if kind == CHANGE_CIPHER_SPEC:
                self._change_12(side, at)
                return b""
            if kind != DATA:
                return b""
            if not self._is_13():
                if self._server_hello is None:
                    raise _Waits  # what a client sends early
                raise Unreadable("application data in front of the keys")
            at.epoch = HANDSHAKING
        if self._is_13():
            return self._record_13(side, at, header, body)
        if at.opener is None:
            raise Unreadable("no keys in force")
        try:
            plain = at.opener.open(header, body, at.number)
        except Unfit:
            raise Unreadable("a record does not open with its key") from None
        at.number += 1
        if kind == HANDSHAKE:
            self._handshake(side, at, plain)
        elif kind == CHANGE_CIPHER_SPEC:
            self._change_12(side, at)
        return plain if kind == DATA else b""

    def _record_13(self, side: int, at: _Side, header: bytes, body: bytes) -> bytes:
        if header[0] != DATA:
            return b""
        if at.opener is None:
            self._change_13(side, at)
            assert at.opener is not None
        try:
            plain = at.opener.open(header, body, at.number)
        except Unfit:
            if at.epoch == SECURED:
                raise Unreadable("a record does not open with its key") from None
            return self._early(side, at, header, body)
        return self._inner(side, at, plain)

    def _inner(self, side: int, at: _Side, plain: bytes) -> bytes:
        """What is in a record of TLS 1.3, behind its type and its padding (RFC 8446, section 5.4)."""
        at.number += 1
        plain = plain.rstrip(b"\0")
        if not plain:
            return b""
        if plain[-1] == HANDSHAKE:
            self._handshake(side, at, plain[:-1])
            return b""
        return plain[:-1] if plain[-1] == DATA else b""

    def _early(self, side: int, at: _Side, header: bytes, body: bytes) -> bytes:
        """No key of the handshake opens a record: it was sent early, or the handshake's end was not seen."""
        secret = self._secrets.get(self._client_hello.random, CLIENT_TRAFFIC if side == self._client else SERVER_TRAFFIC)
        if secret is not None:
            opener = self._keys_13(secret)
            try:
                plain = opener.open(header, body, 0)
            except Unfit:
                pass
            else:
                at.epoch, at.opener, at.secret, at.number = SECURED, opener, secret, 0
                return self._inner(side, at, plain)
        at.passed += 1
        if at.passed > EARLY_RECORDS:
            raise Unreadable("records do not open with their key")
        return b""

    def _no_record(self, at: _Side) -> None:
        """Bytes that no record begins with."""
        if not at.lost:
            raise Unreadable("no TLS record")
        self._miss(at)

    def _miss(self, at: _Side) -> None:
        at.misses += 1
        if at.misses > MISSES:
            raise Unreadable("the records behind lost bytes were not found")

    def _find_on(self, side: int, at: _Side, header: bytes, body: bytes) -> bytes:
        """Behind lost bytes: a record that opens says by which number where we are."""
        if at.opener is None:
            raise Unreadable("bytes are lost where keys change")
        for number in range(at.number, at.number + AHEAD):
            try:
                plain = at.opener.open(header, body, number)
            except Unfit:
                continue
            at.number, at.lost, at.misses = number, False, 0
            if self._is_13():
                return self._inner(side, at, plain)
            at.number += 1
            return plain if header[0] == DATA else b""
        data = self._early(side, at, header, body) if at.epoch == HANDSHAKING else b""
        if at.epoch == SECURED and data:
            at.lost = False
        else:
            self._miss(at)
        return data

    # -- keys -----------------------------------------------------------------------------------------------------------

    def _is_13(self) -> bool:
        return self._server_hello is not None and self._server_hello.draft > 0

    def _handshake(self, side: int, at: _Side, data: bytes) -> None:
        for kind, body in at.messages.feed(data):
            if kind == h.CLIENT_HELLO:
                if not self._is_13():
                    self._client, self._client_hello = side, h.client_hello(body)
            elif kind == h.SERVER_HELLO:
                self._hello(h.server_hello(body))
            elif kind == h.FINISHED and at.epoch == HANDSHAKING:
                at.epoch, at.opener = SECURED, None
            elif kind == h.KEY_UPDATE and at.epoch == SECURED and self._is_13() and self._suite is not None:
                hello = self._server_hello
                assert hello is not None
                at.secret = next_secret(self._suite, at.secret, hello.draft)
                at.opener, at.number = self._keys_13(at.secret), 0

    def _hello(self, hello: h.ServerHello) -> None:
        if hello.random == h.RETRY:
            self._retried = True
        if self._retried and not hello.draft:
            raise Unreadable("a retry of what is not TLS 1.3")
        if hello.random == h.RETRY or self._is_13():
            return
        if self._suite is not None and hello.draft:
            raise Unreadable("another version in mid-connection")
        if hello.version not in (0x0303, 0x0304):
            raise Unreadable("neither TLS 1.2 nor 1.3")
        if hello.suite not in SUITES:
            raise Unreadable(f"cipher suite {hello.suite:#06x} is not read")
        self._server_hello, self._suite = hello, SUITES[hello.suite]

    def _change_12(self, side: int, at: _Side) -> None:
        """A ChangeCipherSpec: the keys of the hellos before it are in force from here on."""
        hello, suite = self._server_hello, self._suite
        if hello is None or suite is None or self._client < 0:
            raise _Waits
        master = self._secrets.get(self._client_hello.random, MASTER)
        if master is None:
            if at.epoch == PLAIN:
                raise _Waits
            raise Unreadable("no secret for a renegotiation")
        both = keys12(suite, master, self._client_hello.random, hello.random, mac_last=hello.mac_last)
        at.opener = both[0 if side == self._client else 1]
        at.epoch, at.number = SECURED, 0

    def _change_13(self, side: int, at: _Side) -> None:
        """Take the keys of the epoch that a direction is in."""
        if self._client < 0:
            raise _Waits
        handshake, traffic = (CLIENT_HANDSHAKE, CLIENT_TRAFFIC) if side == self._client else (SERVER_HANDSHAKE, SERVER_TRAFFIC)
        random = self._client_hello.random
        secret = self._secrets.get(random, handshake if at.epoch == HANDSHAKING else traffic)
        if secret is None and at.epoch == HANDSHAKING:
            secret = self._secrets.get(random, traffic)  # then what is opened first is the first behind the handshake
        if secret is None:
            raise _Waits
        at.opener, at.secret, at.number = self._keys_13(secret), secret, 0

    def _keys_13(self, secret: bytes) -> Opener:
        assert self._suite is not None
        assert self._server_hello is not None
        return keys13(self._suite, secret, self._server_hello.draft)
