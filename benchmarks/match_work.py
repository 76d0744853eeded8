"""What match backends are measured with: the inputs of the table in matching.py, made from a fixed seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

CONTAINS, EXACT, SUFFIX, FIELD = "contains", "exact", "suffix", "field"

ROWS = 4096


@dataclass(frozen=True)
class Work:
    """One row of the table: texts to look through in batches of `rows`, and what to look for."""

    kind: str
    wanted: list[bytes]  # literals; for FIELD the names
    texts: list[bytes]
    rows: int = ROWS

    @property
    def batches(self) -> list[list[bytes]]:
        return [self.texts[at : at + self.rows] for at in range(0, len(self.texts), self.rows)]


@dataclass(frozen=True)
class Row:
    """A row before its input is made. `aim` is in `unit` and of lippycat-simd where it names nobody else."""

    title: str
    aim: str
    make: Callable[[bool], Work]  # called with whether it should be small
    unit: str = "ns"
    one_core: bool = True
    large: bool = False  # build time and memory are shown


def call_id_text(number: int) -> bytes:
    return b"INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: test%04d\r\n" % (number % 10_000)  # 55 bytes


def call_id_message(number: int) -> bytes:
    return b"INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: test%04d@x.y\r\n" % (number % 10_000)  # 59 bytes


def sip_message(dice: random.Random, user: bytes) -> bytes:
    """A request of some 305 bytes."""
    return (
        b"%b sip:%b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.%d.%d:5060;branch=z9hG4bK%08x\r\n"
        b"From: <sip:%b@example.com>;tag=%08x\r\nTo: <sip:+49%010d@example.com>\r\n"
        b"Call-ID: %016x@10.0.0.1\r\nCSeq: %d INVITE\r\nMax-Forwards: 70\r\nContact: <sip:10.0.0.1>\r\nContent-Length: 0\r\n\r\n"
    ) % (
        dice.choice((b"INVITE", b"BYE", b"ACK", b"OPTIONS")),
        user,
        dice.randrange(256),
        dice.randrange(256),
        dice.getrandbits(32),
        user,
        dice.getrandbits(32),
        dice.randrange(10**10),
        dice.getrandbits(64),
        dice.randrange(100),
    )


def name(dice: random.Random) -> bytes:
    """A user name of 7 to 15 bytes."""
    length = dice.randint(7, 15)
    return bytes(dice.choices(b"abcdefghijklmnopqrstuvwxyz", k=length - 3)) + b"%03d" % dice.randrange(1000)


def sip_messages(count: int, dice: random.Random, users: list[bytes]) -> list[bytes]:
    """Messages of which one in fifty is of one of the users."""
    return [sip_message(dice, dice.choice(users) if dice.randrange(50) == 0 else name(dice)) for _ in range(count)]


def mixed(patterns: int) -> Work:
    """Media of 172 bytes, and signalling between: three messages in a hundred packets."""
    dice = random.Random(2)
    users = [name(dice) for _ in range(patterns)]
    texts = [
        sip_message(dice, dice.choice(users) if dice.randrange(10) == 0 else name(dice))
        if dice.randrange(100) < 3
        else b"\x80\x00" + dice.randbytes(170)
        for _ in range(ROWS)
    ]
    return Work(CONTAINS, [b"Call-ID:"] if patterns == 1 else users, texts)


def numbers(count: int, kind: str) -> Work:
    """Numbers of 18 bytes, one in eight of which is looked for."""
    dice = random.Random(3)

    def digits(length: int) -> bytes:
        return b"%0*d" % (length, dice.randrange(10**length))

    def number() -> bytes:
        return b"+49" + digits(15)

    wanted = [number() if kind == EXACT else digits(dice.randint(7, 12)) for _ in range(count)]
    texts = []
    for i in range(ROWS):
        text, found = number(), dice.choice(wanted)
        if i % 8 == 0:
            at = dice.randint(3, 18 - len(found)) if kind == CONTAINS else 18 - len(found)
            text = text[:at] + found + text[at + len(found) :]
        texts.append(text)
    return Work(kind, wanted, texts)


def sip_text(small: bool) -> Work:
    """64 MB of messages, 100,000 names."""
    dice = random.Random(4)
    users = [name(dice) for _ in range(100_000)]
    return Work(CONTAINS, users, sip_messages(16_384 if small else 210_000, dice, users))


def hundred_users() -> Work:
    dice = random.Random(5)
    users = [name(dice) for _ in range(100)]
    return Work(CONTAINS, users, sip_messages(ROWS, dice, users))


def _field(rows: int) -> Work:
    return Work(FIELD, [b"Call-ID", b"i"], [call_id_message(i) for i in range(rows)], rows)


def _contains(rows: int) -> Work:
    return Work(CONTAINS, [b"Call-ID:"], [call_id_text(i) for i in range(rows)], rows)


TABLE = {
    "contains-64": Row("64 x 55 B, one contains pattern", "<= 120, kernel <= 30", lambda _: _contains(64)),
    "contains-4096": Row("4,096 x 55 B, one contains pattern", "<= 30", lambda _: _contains(ROWS)),
    "field-64": Row("64 x 59 B, Call-ID", "<= 120, kernel <= 35", lambda _: _field(64)),
    "field-4096": Row("4,096 x 59 B, Call-ID", "<= 35", lambda _: _field(ROWS)),
    "mix-1": Row("real mix (176 B), 1 pattern", "<= 40", lambda _: mixed(1)),
    "mix-100": Row("real mix (176 B), 100 patterns", "<= 250", lambda _: mixed(100)),
    "numbers-100": Row("numbers of 18 B, 100 anywhere", "<= 60", lambda _: numbers(100, CONTAINS)),
    "numbers-10k": Row("numbers of 18 B, 10,000 anywhere", "<= 120", lambda _: numbers(10_000, CONTAINS), large=True),
    "numbers-100k": Row(
        "numbers of 18 B, 100,000 anywhere", "<= 250, built in 1 s, 60 MB", lambda _: numbers(100_000, CONTAINS), large=True
    ),
    "exact": Row("numbers of 18 B, 100,000 whole", "<= 40", lambda _: numbers(100_000, EXACT), large=True),
    "suffix": Row("numbers of 18 B, 100,000 suffixes", "<= 40", lambda _: numbers(100_000, SUFFIX), large=True),
    "text": Row("64 MB of SIP, 100,000 names anywhere", ">= 400", sip_text, unit="MB/s", large=True),
    "devices": Row("4,096 SIP messages, 100 names, all cores", "opencl <= 1.5 x simd", lambda _: hundred_users(), one_core=False),
}
