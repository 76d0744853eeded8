"""The WebSocket layer alone: written frames, every cut, hostile bytes, and what it claims."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.builtin.websocket import HEAD_LIMIT, LARGEST, WebSocket, WebSocketSession, unmasked
from lippycat_core.interfaces.layer import StreamLayer, Unreadable, Unwanted
from lippycat_core.testing.streams import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, cut, frame, upgrade, upgraded

MASK = b"\x11\x22\x33\x44"
REGISTER = b"REGISTER sip:example.org SIP/2.0\r\nCall-ID: 1\r\n\r\n"
OK = b"SIP/2.0 200 OK\r\nCall-ID: 1\r\n\r\n"


def read(pieces: Sequence[tuple[int, bytes]], session: WebSocketSession | None = None) -> list[tuple[int, bytes]]:
    session = WebSocketSession() if session is None else session
    return [given for side, data in pieces for given in session.feed(side, data, 0)]


def opened(extensions: str = "") -> WebSocketSession:
    """A session behind its upgrade."""
    session = WebSocketSession()
    fields = [f"Sec-WebSocket-Extensions: {extensions}"] if extensions else []
    assert read([(0, upgrade()), (1, upgraded(*fields))], session) == []
    return session


class Deflater:
    """The sender of RFC 7692, section 7.2.1."""

    def __init__(self, bits: int = 15, takeover: bool = True) -> None:
        self._bits, self._takeover = bits, takeover
        self._stream = zlib.compressobj(wbits=-bits)

    def __call__(self, data: bytes) -> bytes:
        if not self._takeover:
            self._stream = zlib.compressobj(wbits=-self._bits)
        return (self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def test_it_is_a_layer() -> None:
    assert isinstance(WebSocket(), StreamLayer)


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (upgrade(), True),
        (upgrade(protocol="xmpp, SIP"), True),
        (upgrade("Cookie: " + "c" * 4000), True),
        (upgrade("Cookie: " + "c" * 4000)[:3000], None),
        (upgraded(), True),
        (upgrade(protocol="xmpp"), False),
        (upgrade(protocol="sipish"), False),
        (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nHos", False),
        (b"HTTP/1.1 200 OK\r\nHos", False),
        (b"GE", None),
        (b"POST / HTTP/1.1\r\n", False),
        (b"\x16\x03\x01\x02\x00", False),
        (REGISTER, False),
        (frame(REGISTER, mask=MASK), True),
        (frame(OK), True),
        (frame(OK, final=False), True),
        (frame(b"no message of any kind at all"), False),
        (frame(OK)[:8], False),
    ],
)
def test_claims(head: bytes, answer: bool | None) -> None:
    assert WebSocket().claim_stream(memoryview(head)) is answer


def test_a_plain_request_is_decided_when_its_headers_are_whole() -> None:
    request = b"GET / HTTP/1.1\r\nCookie: " + b"c" * 3000 + b"\r\n\r\n"
    assert WebSocket().claim_stream(memoryview(request[:2000])) is None
    assert WebSocket().claim_stream(memoryview(request)) is False
    assert WebSocket().head_limit == HEAD_LIMIT


def test_both_directions_masked_and_not_in_all_lengths() -> None:
    session = opened()
    for size in (1, 125, 126, 127, 65535, 65536, 100_000):
        data = random.Random(size).randbytes(size)
        assert read([(0, frame(data, BINARY, mask=MASK)), (1, frame(data))], session) == [(0, data), (1, data)]


def test_fragments_with_control_frames_between_them() -> None:
    parts = [
        frame(REGISTER[:10], TEXT, mask=MASK, final=False),
        frame(b"are you there", PING, mask=MASK),
        frame(REGISTER[10:20], CONTINUATION, mask=MASK, final=False),
        frame(b"", PONG, mask=MASK),
        frame(REGISTER[20:], CONTINUATION, mask=MASK),
        frame(b"\x03\xe8", CLOSE, mask=MASK),
    ]
    assert read([(0, b"".join(parts))], opened()) == [(0, REGISTER)]


@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("bits", [9, 15])
def test_compression_by_direction(takeover: bool, bits: int) -> None:
    parameter = "" if takeover else "; client_no_context_takeover; server_no_context_takeover"
    session = opened(f"permessage-deflate; server_max_window_bits={bits}; client_max_window_bits={bits}{parameter}")
    client, server = Deflater(bits, takeover), Deflater(bits, takeover)
    for number in range(20):
        message = REGISTER.replace(b"1\r\n", b"%d\r\n" % number) + random.Random(number).randbytes(700)
        assert read([(0, frame(client(message), mask=MASK, compressed=True))], session) == [(0, message)]
        halves = server(message)
        sent = frame(halves[:9], compressed=True, final=False) + frame(halves[9:], CONTINUATION)
        assert read([(1, sent), (1, frame(OK))], session) == [(1, message), (1, OK)]


def test_compression_is_read_though_the_answer_was_not_captured() -> None:
    session, client = WebSocketSession(), Deflater()
    sent = b"".join(frame(client(REGISTER), mask=MASK, compressed=True) for _ in range(3))
    assert read([(0, upgrade() + sent)], session) == [(0, REGISTER)] * 3


def test_a_block_that_says_it_is_the_last_ends_no_connection() -> None:
    stream = zlib.compressobj(wbits=-15)
    last = stream.compress(REGISTER) + stream.flush() + b"\0"
    session = opened("permessage-deflate")
    again = zlib.compressobj(wbits=-15, zdict=REGISTER)
    second = (again.compress(REGISTER) + again.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")
    given = read([(0, frame(last, mask=MASK, compressed=True)), (0, frame(second, mask=MASK, compressed=True))], session)
    assert given == [(0, REGISTER)] * 2


def test_a_capture_may_begin_later() -> None:
    assert read([(0, frame(REGISTER, mask=MASK)), (1, frame(OK) + frame(OK))]) == [(0, REGISTER), (1, OK), (1, OK)]


def test_a_server_may_leave_out_which_protocol_it_took() -> None:
    session = WebSocketSession()
    assert read([(0, upgrade()), (1, b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + frame(OK))], session) == [(1, OK)]


@pytest.mark.parametrize("answer", [b"HTTP/1.1 401 Unauthorized\r\n\r\n", upgraded(protocol="xmpp")])
def test_an_upgrade_that_is_refused_is_let_go(answer: bytes) -> None:
    session = WebSocketSession()
    read([(0, upgrade())], session)
    with pytest.raises(Unwanted):
        read([(1, answer)], session)


@pytest.mark.parametrize(
    "bad",
    [
        b"\xf1\x00",  # a reserved bit
        b"\x83\x00",  # a reserved opcode
        b"\x09\x00",  # a ping in fragments
        b"\x89\x7e\x00\xff",  # a long ping
        b"\x80\x01a",  # the continuation of nothing
        b"\x01\x01a\x01\x01a",  # a message inside another
    ],
)
def test_what_is_no_websocket_is_not_read_on(bad: bytes) -> None:
    with pytest.raises(Unreadable):
        read([(0, bad)], opened())


def test_messages_beyond_the_bound_are_passed_over_and_held_nowhere() -> None:
    session = opened()
    huge = b"\x82\x7f" + (1 << 40).to_bytes(8, "big")
    assert read([(1, huge + bytes(1000))], session) == []
    assert session.cost() < 6000
    for _ in range(100):
        assert read([(1, bytes(1 << 20))], session) == []
    assert session.cost() < 6000
    endless = opened()
    assert read([(1, frame(bytes(1000), TEXT, final=False))], endless) == []
    for _ in range(3000):
        read([(1, frame(bytes(1000), CONTINUATION, final=False))], endless)
        assert endless.cost() < LARGEST + 3000 * 64
    assert read([(1, frame(b"", CONTINUATION) + frame(OK))], endless) == [(1, OK)]


@pytest.mark.parametrize("takeover", [True, False])
def test_a_deflate_bomb_is_never_unpacked(takeover: bool) -> None:
    session = opened("permessage-deflate" + ("" if takeover else "; client_no_context_takeover"))
    bomb = frame(Deflater(15, takeover)(bytes(200 << 20)), mask=MASK, compressed=True)
    if takeover:
        with pytest.raises(Unreadable):
            read([(0, bomb)], session)
    else:
        assert read([(0, bomb + frame(REGISTER, mask=MASK))], session) == [(0, REGISTER)]


def test_a_gap_inside_a_frame_costs_that_message_alone() -> None:
    session = opened()
    sent = frame(bytes(1000))
    assert read([(1, sent[:300])], session) == []
    session.gap(1, 500)
    assert read([(1, sent[800:] + frame(OK))], session) == [(1, OK)]


def test_a_gap_over_frames_is_bridged_where_a_message_begins_a_run() -> None:
    session = opened()
    read([(1, frame(bytes(1000))[:300])], session)
    session.gap(1, 5000)
    assert read([(1, b"rest of something"), (1, frame(OK)), (1, frame(OK))], session) == [(1, OK), (1, OK)]


def test_a_gap_in_a_message_that_later_ones_refer_to_ends_it() -> None:
    with pytest.raises(Unreadable):
        opened("permessage-deflate").gap(0, 10)


def test_a_gap_in_the_upgrade_ends_it() -> None:
    session = WebSocketSession()
    read([(0, upgrade()[:50])], session)
    with pytest.raises(Unreadable):
        session.gap(0, 10)


def test_headers_without_end_are_let_go() -> None:
    with pytest.raises(Unwanted):
        read([(0, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * HEAD_LIMIT)])


def conversation() -> list[tuple[int, bytes]]:
    client, whole = Deflater(), Deflater()(OK)
    to_server = [
        frame(client(REGISTER), mask=MASK, compressed=True),
        frame(b"hi", PING, mask=MASK),
        frame(b"\r\n\r\n", mask=MASK),
    ]
    to_client = [frame(whole[:5], compressed=True, final=False), frame(b"hi", PONG), frame(whole[5:], CONTINUATION), frame(OK)]
    return [
        (0, upgrade()),
        (1, upgraded("Sec-WebSocket-Extensions: permessage-deflate") + b"".join(to_client)),
        (0, b"".join(to_server)),
    ]


EXPECTED = {0: [REGISTER, b"\r\n\r\n"], 1: [OK, OK]}


def by_side(given: Sequence[tuple[int, bytes]]) -> dict[int, list[bytes]]:
    return {side: [data for at, data in given if at == side] for side in (0, 1)}


@settings(max_examples=200, deadline=None)
@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=12))
def test_any_cut_gives_the_same(sizes: list[int]) -> None:
    pieces = [(side, part) for side, data in conversation() for part in cut(data, sizes)]
    assert by_side(read(pieces)) == EXPECTED


def test_one_byte_at_a_time_and_every_single_cut() -> None:
    whole = conversation()
    assert by_side(read([(side, bytes([byte])) for side, data in whole for byte in data])) == EXPECTED
    for index, (side, data) in enumerate(whole):
        for at in range(1, len(data)):
            pieces = [*whole[:index], (side, data[:at]), (side, data[at:]), *whole[index + 1 :]]
            assert by_side(read(pieces)) == EXPECTED


@settings(max_examples=300, deadline=None)
@given(
    pieces=st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=80), st.integers(0, 3)), max_size=12),
    open_first=st.booleans(),
)
def test_hostile_bytes_raise_nothing_else_and_stay_bounded(pieces: list[tuple[int, bytes, int]], open_first: bool) -> None:
    session = opened("permessage-deflate") if open_first else WebSocketSession()
    try:
        for side, data, missing in pieces:
            if not missing:
                session.gap(side, len(data))
            for _, given_bytes in session.feed(side, data, 0):
                assert len(given_bytes) <= LARGEST
            assert session.held(0) + session.held(1) <= session.cost()
    except (Unreadable, Unwanted):
        return


@given(data=st.binary(max_size=50), mask=st.binary(min_size=4, max_size=4))
def test_unmasking_is_what_rfc_6455_says(data: bytes, mask: bytes) -> None:
    assert unmasked(data, mask) == bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
