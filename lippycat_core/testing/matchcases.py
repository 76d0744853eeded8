"""What match backends are tried with: spans laid out in slabs, pattern sets large and small, SIP messages whole and spoilt.

Nothing here knows a backend. The suites that use it are in `matcher.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from lippycat_core.interfaces.match import Anchor, Pattern, Spans

Rows = list[bytes | None]
"""A text a row, None where there is no span."""

Triple = tuple[int, int, int]
"""A hit: row, pattern, offset."""


# Spans


def spans_over(data: bytes, ranges: Sequence[tuple[int, int]], behind: bytes = b"") -> Spans:
    """Spans (offset, length) of a slab of `data`. In memory the slab is followed by `behind`, which nobody may look at."""
    slab = np.frombuffer(data + behind, np.uint8).copy()[: len(data)]
    off = np.array([off for off, _ in ranges], np.int32)
    return Spans(slab, off, np.array([length for _, length in ranges], np.int32))


def spans(values: Rows) -> Spans:
    """Spans back to back, so that a match over a border would be seen: between two of them, and behind the last, where the
    slab ends and its first bytes lie again in memory."""
    ranges = []
    data = bytearray()
    for value in values:
        ranges.append((-1, -1) if value is None else (len(data), len(value)))
        data += value or b""
    return spans_over(bytes(data), ranges, bytes(data[:512]))


# Pattern sets of few, drawn


def escaped(text: bytes) -> bytes:
    """A wildcard pattern that means `text` byte by byte."""
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?\\" else bytes([byte]) for byte in text)


_short = st.text("abAB*?\\", min_size=1, max_size=6).map(str.encode) | st.binary(min_size=1, max_size=6)
_few = st.sampled_from([b"a", b"ab", b"aba", b"b*", b"*", b"a?b", b"\\*", b"A", b"\xff", b"\0", b"**", b"*a*", b"\\\\", b"?"])

drawn_patterns = st.lists(
    st.builds(Pattern, _short | _few, st.sampled_from(list(Anchor)), st.booleans()) | st.just(Pattern(b"")), max_size=6
)
drawn_rows = st.lists(st.none() | st.binary(max_size=24) | st.text("abAB*?\\", max_size=24).map(str.encode) | _few, max_size=12)


class Drawn(NamedTuple):
    """Patterns and the spans to look for them in."""

    patterns: list[Pattern]
    spans: Spans


@st.composite
def related(draw: st.DrawFn) -> Drawn:
    """Patterns cut out of one text, so that they overlap, begin and end each other and come twice; spans are windows of
    that text in any order, over each other."""
    alphabet = draw(st.sampled_from([b"ab", b"aA\xe9\xc9", bytes(range(256)), b"0123456789"]))
    data = bytes(draw(st.lists(st.sampled_from(alphabet), min_size=1, max_size=48)))
    places = st.integers(0, len(data))

    def pattern(a: int, b: int, anchor: Anchor, wildcards: bool, holes: list[int]) -> Pattern:
        text = data[min(a, b) : max(a, b)] or data[:1]
        if not wildcards:
            return Pattern(text, anchor)
        pieces = [escaped(text[i : i + 1]) for i in range(len(text))]
        for hole in holes:
            pieces[hole % len(pieces)] = (b"*", b"?", b"*?", b"\\*")[hole % 4]
        return Pattern(b"".join(pieces), anchor, True)

    holes = st.lists(st.integers(0, 1000), max_size=3)
    patterns = draw(
        st.lists(st.builds(pattern, places, places, st.sampled_from(list(Anchor)), st.booleans(), holes), min_size=1, max_size=8)
    )
    patterns += draw(st.lists(st.sampled_from(patterns), max_size=2))
    window = st.builds(lambda a, b: (min(a, b), abs(a - b)), places, places) | st.just((-1, -1))
    return Drawn(patterns, spans_over(data, draw(st.lists(window, max_size=10)), data))


# Patterns of every length


LENGTHS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300)
"""Around the widths of words, vectors and bytes that count."""


def near(text: bytes) -> Rows:
    """`text`, and what differs from it by a byte: at its ends, in length, in place."""
    other = bytes(byte ^ 1 for byte in text)
    inside = len(text) // 2
    return [
        text,
        text[:-1],
        text[1:],
        text + b"\0",
        b"\0" + text,
        text[:-1] + other[-1:],
        other[:1] + text[1:],
        text[:inside] + other[inside : inside + 1] + text[inside + 1 :],
        *(text[: len(text) // 3] + text + text[: len(text) // 3], text + text, b"\xff" * 37 + text + b"\xff" * 5),
        text.swapcase(),
        text[: len(text) // 2],
        b"",
        None,
    ]


Maker = Callable[[int, int, Anchor], "Planted"]
"""Makes a set: patterns, rows, anchor."""


# Sets of very many


class Planted(NamedTuple):
    """A large set of literals of one anchor, and rows of which most hold one of them, whole or almost."""

    patterns: list[Pattern]
    rows: Rows

    def hits(self) -> list[Triple]:
        """What is to be found: every piece of every row is looked up."""
        numbers: dict[bytes, list[int]] = {}
        for number, pattern in enumerate(self.patterns):
            numbers.setdefault(pattern.text, []).append(number)
        lengths = sorted({len(text) for text in numbers})
        return [
            (row, number, at)
            for row, text in enumerate(self.rows)
            if text is not None
            for number, at in sorted(self._in(text, numbers, lengths))
        ]

    def _in(self, text: bytes, numbers: dict[bytes, list[int]], lengths: list[int]) -> Iterator[tuple[int, int]]:
        anchor = self.patterns[0].anchor
        for length in lengths:
            last = len(text) - length
            places = {
                Anchor.EXACT: range(1 if last == 0 else 0),
                Anchor.PREFIX: range(1 if last >= 0 else 0),
                Anchor.SUFFIX: range(max(last, 0), last + 1),
                Anchor.CONTAINS: range(last + 1),
            }[anchor]
            for at in places:
                for number in numbers.get(text[at : at + length], ()):
                    yield number, at


def phone_numbers(count: int, rows: int, anchor: Anchor, seed: int = 1) -> Planted:
    """Telephone numbers of 7 to 12 digits; rows of up to 18 digits."""
    dice = random.Random(seed)

    def digits(length: int) -> bytes:
        return b"%0*d" % (length, dice.randrange(10**length))

    patterns = [Pattern(digits(dice.randint(7, 12)), anchor) for _ in range(count)]
    return Planted(patterns, [_planted(dice, patterns, digits, 18) for _ in range(rows)])


def user_names(count: int, rows: int, anchor: Anchor, seed: int = 1) -> Planted:
    """Names of 3 to some 20 bytes, of which many begin or end alike; rows of up to 40 bytes."""
    dice = random.Random(seed)
    given = (b"al", b"alice", b"bob", b"carol", b"dave", b"j.smith", b"\xc3\xa4nne")
    behind = (b"", b".jones", b"-desk", b"@example.com", b"_", b".smith")

    def name(_: int) -> bytes:
        return b"%b%d%b" % (dice.choice(given), dice.randrange(count), dice.choice(behind))

    patterns = [Pattern(name(0), anchor) for _ in range(count)]
    return Planted(patterns, [_planted(dice, patterns, name, 40) for _ in range(rows)])


def _planted(dice: random.Random, patterns: list[Pattern], other: Callable[[int], bytes], width: int) -> bytes | None:
    text = dice.choice(patterns).text
    room = max(width - len(text), 0)
    kind = dice.randrange(8)
    if kind == 0:
        return None
    if kind == 1:
        return other(width)
    if kind == 2:
        return text
    if kind == 3:
        return text[:-1] + bytes([text[-1] ^ 1])
    front = other(room)[:room] if room else b""
    if kind == 4:
        return front + text
    if kind == 5:
        return text + front
    at = dice.randint(0, len(front))
    return front[:at] + text + front[at:]


# SIP


MESSAGES = (
    b"INVITE sip:+4930123456@example.com;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK74bf9\r\n"
    b'Max-Forwards: 70\r\nFrom: "Alice" <sip:alice@example.com>;tag=9fxced76sl\r\nTo: Bob <sip:bob@example.com>\r\n'
    b"Call-ID: 3848276298220188511@atlanta.example.com\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@192.0.2.1>\r\n"
    b"Content-Type: application/sdp\r\nContent-Length: 129\r\n\r\nv=0\r\no=alice 53655765 2353687637 IN IP4 192.0.2.1\r\n"
    b"s=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 49172 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n",
    b"SIP/2.0 180 Ringing\r\nv: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\nf: sip:alice@example.com;tag=1\r\n"
    b"t: sip:bob@example.com;tag=2\r\ni: a84b4c76e66710\r\nCSeq: 1 INVITE\r\nl: 0\r\n\r\n",
    b"REGISTER sip:registrar.example.com SIP/2.0\nFROM : <sip:+49 30 1@example.com>\nTo\t:\t<sip:bob@example.com>\n"
    b"call-id\t : \r\n 1j9FpLxk3uxtm8tn@example.com \r\n\t(folded)\t\r\nX-Call-ID: no\nSubject: Call-ID: no\nCSeq: 7 REGISTER\n\n"
    b"Call-ID: in the body\n\n",
    b"\r\n\r\nOPTIONS sip:carol@chicago.example.com SIP/2.0\r\r\nTo: <sip:carol@example.com>\r\r\nI:\r\r\n"
    b"i: second\r\r\n\r\r\ni: body",
    b"MESSAGE sip:user2@example.com SIP/2.0\r\nCall-ID:asd88asd77a@1.2.3.4\r\nFrom: <sip:user1@example.com>;tag=49583",
    b"Call-ID: at the begin",
)
"""Requests and responses with short and long forms, odd line ends, folded lines, cut ones, and padding in front."""


def mutated(message: bytes, dice: random.Random) -> bytes:
    """The message with one to four things changed: bytes, cases, line ends, order, length."""
    data = bytearray(message)
    for _ in range(dice.randint(1, 4)):
        at = dice.randint(0, len(data))
        kind = dice.randrange(9)
        if kind == 0 and at < len(data):
            data[at] = dice.randrange(256)
        elif kind == 1:
            data[at:at] = dice.choice((b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0", b"\r\n ", b"\r\n\r\n", b"i: x\r\n"))
        elif kind == 2:
            del data[at : at + dice.randint(1, 20)]
        elif kind == 3:
            data[at : at + 40] = data[at : at + 40].swapcase()
        elif kind == 4:
            data = data.replace(b"\r\n", dice.choice((b"\n", b"\r\r\n", b"\r\n ", b"\r")), dice.randint(1, 3))
        elif kind == 5:
            lines = data.split(b"\n")
            dice.shuffle(lines)
            data = bytearray(b"\n".join(lines))
        elif kind == 6:
            del data[at:]
        elif kind == 7:
            del data[:at]
        else:
            data[at:at] = data[at : at + dice.randint(1, 60)]
    return bytes(data)


def mutations(count: int, seed: int = 1) -> Rows:
    """That many messages, each changed in another way; some rows have none."""
    dice = random.Random(seed)
    return [None if dice.randrange(16) == 0 else mutated(MESSAGES[i % len(MESSAGES)], dice) for i in range(count)]


def every_cut(message: bytes) -> Rows:
    """The message truncated at every byte."""
    return [message[:end] for end in range(len(message) + 1)]
