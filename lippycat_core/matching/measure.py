"""How long a match backend takes here, and whether it is right: generated SIP messages, three kinds of work, many sizes.

A figure is the time from `submit` to the hits in hand, so what goes to a device and back is in it. Nothing is printed or
kept here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from lippycat_core.columns import I32, U8
from lippycat_core.interfaces.match import Anchor, Extractor, Fields, Hits, MatchBackend, Matcher, Pattern, PatternSet, Spans
from lippycat_core.matching.curves import SIZES, Curve

KINDS = 1024
"""Messages that differ; larger batches repeat them."""

MOST_ROUNDS = 200
LEAST_ROUNDS = 2

Answer = Hits | Fields

_METHODS = (b"INVITE", b"OPTIONS", b"BYE", b"REGISTER")
_AGENT = b"User-Agent: made up to be measured\r\nMax-Forwards: 70\r\nAllow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY\r\n"


def messages(count: int = KINDS) -> list[bytes]:
    """SIP requests of some 500 bytes, the same in every run."""
    draw = random.Random(3261)
    return [_message(draw, number) for number in range(count)]


def _message(draw: random.Random, number: int) -> bytes:
    method, caller, callee = draw.choice(_METHODS), _number(draw), _number(draw)
    host = b"10.%d.%d.%d" % (draw.randrange(256), draw.randrange(256), draw.randrange(1, 255))
    via = b"Via: SIP/2.0/UDP %b:5060;branch=z9hG4bK%016x;rport\r\n" % (host, draw.getrandbits(64))
    call_id = b"%b: %024x@%b\r\n" % (draw.choice((b"Call-ID", b"call-id", b"i")), draw.getrandbits(96), host)
    return (
        b"%b sip:%b@example.org SIP/2.0\r\n" % (method, callee)
        + via
        + b'From: "Caller %d" <sip:%b@example.org>;tag=%08x\r\n' % (number, caller, draw.getrandbits(32))
        + b"To: <sip:%b@example.org>\r\n" % callee
        + call_id
        + b"CSeq: %d %b\r\nContact: <sip:%b@%b:5060>\r\n" % (number + 1, method, caller, host)
        + _AGENT
        + b"Content-Length: 0\r\n\r\n"
    )


def _number(draw: random.Random) -> bytes:
    return b"+4930%07d" % draw.randrange(10**7)


def _wanted(count: int) -> PatternSet:
    """Numbers of which every other one is called: with 100 of them one message in twenty has a hit or two."""
    draw = random.Random(count)
    called = [message.partition(b"sip:")[2].partition(b"@")[0] for message in messages(count)]
    numbers = [_number(draw) if number % 2 else called[number] for number in range(count)]
    return PatternSet([Pattern(number, Anchor.CONTAINS) for number in numbers])


class Work(NamedTuple):
    """A kind of work: its `name`, its `title` for people, and who does it on a backend."""

    name: str
    title: str
    begin: Callable[[MatchBackend], Matcher | Extractor]


WORKS = (
    Work("contains-1", "1 pattern, anywhere in the message", lambda backend: backend.compile(_wanted(1))),
    Work("contains-100", "100 patterns, anywhere in the message", lambda backend: backend.compile(_wanted(100))),
    Work("call-id", "the Call-ID header field", lambda backend: backend.extractor((b"call-id", b"i"))),
)


class Sample:
    """Batches of the generated messages and the right answers, which a `reference` backend gives."""

    def __init__(self, reference: MatchBackend, most: int = SIZES[-1]) -> None:
        made = messages(min(KINDS, most))
        once = np.frombuffer(b"".join(made), np.uint8)
        lengths = np.array([len(message) for message in made], np.int32)
        begins = (np.cumsum(lengths) - lengths).astype(np.int32)
        times = -(-most // len(made))
        self._slab: U8 = np.tile(once, times)
        self._length: I32 = np.tile(lengths, times)
        self._off: I32 = (np.arange(times, dtype=np.int32)[:, None] * len(once) + begins).astype(np.int32).ravel()
        self._times = times
        self._made = len(made)
        self._right = {work.name: self._answer(work, reference) for work in WORKS}

    def spans(self, rows: int) -> Spans:
        """The first `rows` messages and no byte more."""
        end = int(self._off[rows - 1] + self._length[rows - 1])
        return Spans(self._slab[:end], self._off[:rows], self._length[:rows])

    def _answer(self, work: Work, reference: MatchBackend) -> Answer:
        tool = work.begin(reference)
        tool.submit(self.spans(self._made))
        once = tool.collect()
        tool.close()
        if isinstance(once, Fields):
            return Fields(np.tile(once.offset, self._times), np.tile(once.length, self._times))
        shift = np.repeat(np.arange(self._times, dtype=np.int32) * self._made, len(once.row))
        row = np.tile(once.row, self._times) + shift
        return Hits(row, np.tile(once.pattern, self._times), np.tile(once.offset, self._times))

    def right(self, work: Work, rows: int, answer: Answer) -> bool:
        """Whether that is the answer for the first `rows` messages."""
        whole = self._right[work.name]
        end = rows if isinstance(whole, Fields) else int(np.searchsorted(whole.row, rows))
        return len(whole) == len(answer) and all(np.array_equal(a[:end], b) for a, b in zip(whole, answer, strict=True))


class Figures(NamedTuple):
    """What came of a backend: `ns` by work, sizes that would take too long left out; `wrong`, in words, where its hits are not
    those of the reference, and then what was measured means nothing."""

    ns: dict[str, Curve]
    wrong: str


def measure(
    backend: MatchBackend,
    sample: Sample,
    seconds: float,
    sizes: Sequence[int] = SIZES,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> Figures:
    """Time every kind of work within about `seconds`, what the first rounds compile not counted. What the backend raises comes
    through."""
    curves: dict[str, Curve] = {}
    for work in WORKS:
        tool = work.begin(backend)
        try:
            curve, wrong = _curve(tool, work, sample, int(seconds * 1e9) // len(WORKS), sizes, clock_ns)
        finally:
            tool.close()
        if wrong:
            return Figures({}, wrong)
        curves[work.name] = curve
    return Figures(curves, "")


def _curve(
    tool: Matcher | Extractor, work: Work, sample: Sample, left_ns: int, sizes: Sequence[int], clock_ns: Callable[[], int]
) -> tuple[dict[int, float], str]:
    curve: dict[int, float] = {}
    _round(tool, sample.spans(sizes[0]), clock_ns)  # what is compiled at the first call
    for number, rows in enumerate(sizes):
        if curve and curve[sizes[number - 1]] * rows * (1 + LEAST_ROUNDS) > left_ns:
            break
        spans = sample.spans(rows)
        share = left_ns // (len(sizes) - number)
        spent, answer = _round(tool, spans, clock_ns)  # not a figure: it makes room for a batch of that size
        if not sample.right(work, rows, answer):
            return {}, f"{work.title}, {rows:,} at once"
        took: list[int] = []
        while len(took) < LEAST_ROUNDS or (len(took) < MOST_ROUNDS and spent < share):
            took.append(_round(tool, spans, clock_ns)[0])
            spent += took[-1]
        curve[rows] = max(min(took), 1) / rows
        left_ns -= spent
    return curve, ""


def _round(tool: Matcher | Extractor, spans: Spans, clock_ns: Callable[[], int]) -> tuple[int, Answer]:
    begin = clock_ns()
    tool.submit(spans)
    answer = tool.collect()
    return clock_ns() - begin, answer
