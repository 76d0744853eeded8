"""The session by itself: keys that change, padding, early data, lost bytes, secrets that come late, and hostile bytes."""

from __future__ import annotations

import random
import ssl
import struct
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import Said, Wire, contexts, talk

from lippycat_core.interfaces.layer import TLS_KEY_LOG, NeedsSecrets, StreamLayer, Unreadable, Unwanted
from lippycat_core.testing.streams import cut
from lippycat_tls.handshake import RELEASED
from lippycat_tls.keys import expand_label, next_secret
from lippycat_tls.layer import Tls
from lippycat_tls.secrets import Secrets
from lippycat_tls.session import EARLY_RECORDS, MOST_TURNS, MOST_WAITING, TlsSession
from lippycat_tls.suites import SUITES

REQUEST, ANSWER = b"OPTIONS sip:example.org SIP/2.0\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n"
CONVERSATION: list[Said] = [(n % 2, (ANSWER if n % 2 else REQUEST) * (n + 1)) for n in range(12)]
RANDOM_C, RANDOM_S = bytes(range(32)), bytes(range(100, 132))
SUITE = 0x1301


@pytest.fixture(scope="module", params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def wire(request: pytest.FixtureRequest) -> Wire:
    return talk(contexts(request.param), CONVERSATION)


def layer(log: bytes) -> Tls:
    made = Tls()
    made.learn(TLS_KEY_LOG, log)
    return made


def spoken(conversation: Sequence[Said]) -> dict[int, bytes]:
    return {side: b"".join(data for at, data in conversation if at == side) for side in (0, 1)}


def feed(session: TlsSession, pieces: Sequence[Said]) -> list[Said]:
    return [out for side, data in pieces for out in session.feed(side, data, 0)]


# -- written conversations of TLS 1.3 -----------------------------------------------------------------------------------


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def record(kind: int, body: bytes) -> bytes:
    return bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body


def hello(kind: int) -> bytes:
    """A ClientHello that offers early data, or the ServerHello that takes TLS 1.3."""
    if kind == 1:
        extensions = struct.pack("!HH", 42, 0)
        body = b"\3\3" + RANDOM_C + b"\0" + struct.pack("!HHB", 2, SUITE, 1) + b"\0"
    else:
        extensions = struct.pack("!HHH", 43, 2, 0x0304)
        body = b"\3\3" + RANDOM_S + b"\0" + struct.pack("!HB", SUITE, 0)
    return record(22, message(kind, body + struct.pack("!H", len(extensions)) + extensions))


class Sender:
    """Protects records under a traffic secret (RFC 8446, section 5.2)."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.number = 0

    def __call__(self, data: bytes, kind: int = 23, padding: int = 0) -> bytes:
        plain = data + bytes([kind]) + bytes(padding)
        key = expand_label(self.secret, b"key", 16, "sha256", RELEASED)
        iv = int.from_bytes(expand_label(self.secret, b"iv", 12, "sha256", RELEASED), "big")
        header = bytes([23, 3, 3]) + (len(plain) + 16).to_bytes(2, "big")
        sealed = AESGCM(key).encrypt((iv ^ self.number).to_bytes(12, "big"), plain, header)
        self.number += 1
        return header + sealed

    def update(self) -> bytes:
        """A KeyUpdate; what follows is under the next secret."""
        sent = self(message(24, b"\0"), 22)
        self.secret, self.number = next_secret(SUITES[SUITE], self.secret, RELEASED), 0
        return sent


NAMES = (
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
)
SECRET = {name: bytes([number + 1]) * 32 for number, name in enumerate(NAMES)}


def log(*names: str) -> bytes:
    return b"".join(f"{name} {RANDOM_C.hex()} {SECRET[name].hex()}\n".encode() for name in names or NAMES)


class Written:
    """Both ends of a written connection, behind its handshake."""

    def __init__(self, early: bytes = b"") -> None:
        self.client, self.server = Sender(SECRET[NAMES[2]]), Sender(SECRET[NAMES[3]])
        hands = Sender(SECRET[NAMES[0]]), Sender(SECRET[NAMES[1]])
        ticket, finished = message(4, bytes(700)), message(20, bytes(32))
        certificate = message(11, bytes(30_000))
        flight = message(8, bytes(6)) + certificate + finished
        to_client = b"".join(hands[1](part, 22, 5) for part in cut(flight, (16_000,)))
        self.pieces: list[Said] = [
            (0, hello(1) + early),
            (1, hello(2) + record(20, b"\1") + to_client),
            (0, record(20, b"\1") + hands[0](finished, 22)),
            (1, self.server(ticket, 22)),
        ]


def test_padding_tickets_and_key_updates() -> None:
    written = Written()
    client, server = written.client, written.server
    pieces = [
        *written.pieces,
        (0, client(REQUEST, padding=1000) + client(b"", padding=50) + client.update() + client(REQUEST)),
        (1, server(ANSWER) + server.update() + server.update() + server(ANSWER)),
        (0, client.update() + client(b"last") + client(b"\1\0", 21)),
    ]
    for sizes in ((1 << 20,), (1,), (5, 700)):
        session = layer(log()).open()
        parts = [(side, part) for side, data in pieces for part in cut(data, sizes)]
        assert spoken(feed(session, parts)) == {0: REQUEST * 2 + b"last", 1: ANSWER * 2}


def test_what_a_client_sends_early_is_passed_over() -> None:
    early = Sender(b"e" * 32)
    written = Written(record(20, b"\1") + early(b"early") + early(b"still early") + early(message(5, b""), 22))
    session = layer(log()).open()
    assert feed(session, [*written.pieces, (0, written.client(REQUEST))]) == [(0, REQUEST)]


def test_early_data_without_end_is_not_read_on() -> None:
    early = Sender(b"e" * 32)
    written = Written()
    session = layer(log()).open()
    feed(session, written.pieces[:2])
    with pytest.raises(Unreadable):
        feed(session, [(0, early(b"x")) for _ in range(EARLY_RECORDS + 1)])


def test_traffic_secrets_alone_are_enough() -> None:
    written = Written()
    session = layer(log(*NAMES[2:])).open()
    pieces = [*written.pieces, (0, written.client(REQUEST)), (1, written.server(ANSWER))]
    assert feed(session, pieces) == [(0, REQUEST), (1, ANSWER)]


def test_a_record_lost_whole_or_in_part_costs_what_was_in_it() -> None:
    written = Written()
    session = layer(log()).open()
    feed(session, written.pieces)
    one, two, three, four = (written.client(b"%d" % n * 100) for n in range(4))
    assert feed(session, [(0, one)]) == [(0, b"0" * 100)]
    assert feed(session, [(0, two[:50])]) == []
    session.gap(0, 30)
    assert feed(session, [(0, two[80:] + three)]) == [(0, b"2" * 100)]
    session.gap(0, len(four))
    later = [written.client(b"later %d" % n) for n in range(40)]
    assert feed(session, [(0, later[20]), (0, later[21])]) == [(0, b"later 20"), (0, b"later 21")]
    session.gap(0, 1000)
    with pytest.raises(Unreadable):
        feed(session, [(0, bytes(100))] * 100)


def test_a_gap_in_the_handshake_ends_it() -> None:
    session = layer(log()).open()
    feed(session, [(0, hello(1))])
    with pytest.raises(Unreadable):
        session.gap(1, 5)


# -- secrets ------------------------------------------------------------------------------------------------------------


def test_what_waits_for_a_secret_is_given_when_it_comes(wire: Wire) -> None:
    made = Tls()
    session = made.open()
    assert feed(session, wire.sent) == []
    assert session.held(0) > 0
    lines = wire.log.splitlines(keepends=True)
    given: list[Said] = []
    for line in lines:  # one at a time
        made.learn(TLS_KEY_LOG, line)
        given += session.resume()
    assert spoken(given) == spoken(CONVERSATION)
    assert session.held(0) == session.held(1) == 0


@pytest.mark.parametrize("size", [1, 20, 100_000])
def test_what_waited_is_given_in_the_order_in_which_it_came(wire: Wire, size: int) -> None:
    made = Tls()
    session = made.open()
    feed(session, [(side, data[at : at + size]) for side, data in wire.sent for at in range(0, len(data), size)])
    made.learn(TLS_KEY_LOG, wire.log)
    assert list(session.resume()) == CONVERSATION
    assert session.held(0) == session.held(1) == 0
    assert list(session.resume()) == []


def test_turns_without_end_that_wait_are_bounded(wire: Wire) -> None:
    session = Tls().open()
    feed(session, wire.sent[:2])
    with pytest.raises(Unreadable):
        feed(session, [(n % 2, b"\x17\x03\x03\x40\x00"[n // 2 : n // 2 + 1] or b"x") for n in range(2 * MOST_TURNS)])


def test_waiting_is_bounded(wire: Wire) -> None:
    session = Tls().open()
    feed(session, wire.sent)
    try:
        for _ in range(2 * MOST_WAITING // 1000):
            feed(session, [(0, record(23, bytes(995)))])
            assert session.cost() < 2 * MOST_WAITING + 10_000
    except Unreadable:
        return
    pytest.fail("it waits without bound")


def test_the_wrong_secret_is_noticed(wire: Wire) -> None:
    swapped = b"\n".join(line[:-4] + b"0000" for line in wire.log.splitlines())
    session = layer(swapped).open()
    try:
        given = feed(session, wire.sent)
    except Unreadable:
        return
    assert given == []


def test_a_key_log_has_comments_other_labels_and_bounds() -> None:
    secrets = Secrets(most=3)
    line = b"CLIENT_RANDOM %064x %096x\n"
    assert secrets.add(b"# comment\n\nRSA 00 11\nEXPORTER_SECRET %064x %064x\r\n" % (1, 1)) == 0
    assert secrets.add(line[:-1] % (7, 8)) == 1
    assert secrets.get((7).to_bytes(32, "big"), "CLIENT_RANDOM") == (8).to_bytes(48, "big")
    assert secrets.add(b"".join(line % (n, n) for n in range(10, 20))) == 10
    assert len(secrets) == 3
    assert (7).to_bytes(32, "big") not in secrets
    assert (19).to_bytes(32, "big") in secrets


def test_only_what_can_be_opened_is_claimed(wire: Wire) -> None:
    first = wire.sent[0][1]
    made = Tls()
    assert isinstance(made, StreamLayer)
    assert isinstance(made, NeedsSecrets)
    assert made.claim_stream(memoryview(first)) is False
    made.learn(1, wire.log)  # secrets of another type
    assert made.claim_stream(memoryview(first)) is False
    made.expect(True)
    assert made.claim_stream(memoryview(first)) is True
    made.expect(False)
    made.learn(TLS_KEY_LOG, wire.log)
    assert [made.claim_stream(memoryview(first[:size])) for size in (0, 1, 6, 42, 43)] == [None, None, None, None, True]
    assert made.claim_stream(memoryview(first[:11] + bytes(32))) is False
    assert made.claim_stream(memoryview(wire.sent[1][1])) is False
    assert made.claim_stream(memoryview(b"INVITE sip:a@example.org SIP/2.0\r\n" * 3)) is False


# -- cuts and hostile bytes ---------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 500), min_size=1, max_size=8))
def test_any_cut_gives_the_same(wire: Wire, sizes: list[int]) -> None:
    session = layer(wire.log).open()
    pieces = [(side, part) for side, data in wire.sent for part in cut(data, sizes)]
    assert spoken(feed(session, pieces)) == spoken(CONVERSATION)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), flips=st.integers(0, 4), gaps=st.booleans())
def test_damaged_conversations_raise_nothing_else(wire: Wire, seed: int, flips: int, gaps: bool) -> None:
    draw = random.Random(seed)
    session = layer(wire.log).open()
    try:
        for side, data in wire.sent:
            damaged = bytearray(data)
            for _ in range(flips):
                damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
            begin = draw.randrange(len(damaged)) if gaps and draw.random() < 0.3 else 0
            if begin:
                session.gap(side, begin)
            feed(session, [(side, bytes(damaged[begin:]))])
            assert session.held(side) <= session.cost()
    except (Unreadable, Unwanted):
        return


@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=60), st.sampled_from([20, 21, 22, 23])), max_size=8))
def test_random_records_raise_nothing_else(pieces: list[tuple[int, bytes, int]]) -> None:
    session = layer(log()).open()
    written = Written().pieces
    try:
        feed(session, written[: len(pieces) % 4])
        for side, data, kind in pieces:
            feed(session, [(side, record(kind, data))])
    except (Unreadable, Unwanted):
        return


@settings(max_examples=200, deadline=None)
@given(cuts=st.integers(0, 120), kind=st.sampled_from([1, 2]), noise=st.binary(max_size=40))
def test_hellos_of_any_content_are_taken(cuts: int, kind: int, noise: bytes) -> None:
    session = layer(log()).open()
    body = (hello(kind)[9:] if noise else hello(kind)[9:][:cuts]) + noise
    try:
        feed(session, [(0, record(22, message(kind, body[:cuts] + noise)))])
        feed(session, [(1, hello(2)), (0, record(23, bytes(40))), (1, record(23, bytes(40)))])
    except (Unreadable, Unwanted):
        return


def test_handshakes_without_end_hold_nothing() -> None:
    session = layer(log()).open()
    feed(session, [(0, hello(1))])
    endless = b"\x0b" + ((1 << 24) - 1).to_bytes(3, "big")
    for _ in range(300):
        feed(session, [(1, record(22, endless + bytes(16_000)))])
        assert session.cost() < 40_000
    for _ in range(2000):  # 2**24 bytes are over some time; then hellos that are too long to be any
        feed(session, [(1, record(22, b"\1" + (1 << 16).to_bytes(3, "big") + bytes(8000)))])
        assert session.cost() < 100_000
