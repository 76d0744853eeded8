"""Whether a capture filter lets media through, told from its text (pcap-filter(7)): SIP has a port, and media have others.

Nothing is compiled: the question is what the user means, whatever link the packets come from.
"""

from __future__ import annotations

import re

NARROW = 100
"""A range of fewer ports is one for signalling; media take a range of thousands."""

_TOKENS = re.compile(r"\s*(\(|\)|&&|\|\||!(?!=)|[^\s()!&|]+|[&|!=]+)")
_AND, _OR, _NOT = ("and", "&&"), ("or", "||"), ("not", "!")
_SIGNALLING = re.compile(r"\b(port|portrange|tcp|sctp)\b|\[")


def signalling_alone(expression: str) -> bool:
    """Whether an expression names ports, or protocols, that media never have, so that calls will be without their streams. False
    where that cannot be told."""
    text = expression.lower()
    if not _SIGNALLING.search(text):
        return False
    tokens = _TOKENS.findall(text)
    reader = _Reader(tokens)
    try:
        media = reader.expression()
    except IndexError:
        return False  # libpcap will say what is wrong with it
    return not media and not reader.left


class _Reader:
    """Reads tokens into one answer: whether a media packet could pass. `and` and `or` bind alike, from left to right."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens[::-1]

    @property
    def left(self) -> bool:
        """Whether something was not understood."""
        return bool(self._tokens)

    def _next(self) -> str:
        return self._tokens[-1] if self._tokens else ""

    def expression(self) -> bool:
        passes = self._term()
        while self._next() in (*_AND, *_OR):
            both = self._tokens.pop() in _AND
            other = self._term()
            passes = passes and other if both else passes or other
        return passes

    def _term(self) -> bool:
        if self._next() in _NOT:
            self._tokens.pop()
            self._term()
            return True  # all but something: media may be among it
        if self._next() == "(":
            self._tokens.pop()
            passes = self.expression()
            if self._tokens.pop() != ")":
                raise IndexError
            return passes
        words = [self._tokens.pop()]
        while self._next() not in ("", "(", ")", *_AND, *_OR, *_NOT):
            words.append(self._tokens.pop())
        return _media(words)


def _media(words: list[str]) -> bool:
    """Whether media could match one primitive."""
    text = " ".join(words)
    if words[-1].isdigit() and len(words) == 1:
        return False  # `port 5060 or 5061`
    if span := re.search(r"\bportrange (\d+)-(\d+)", text):
        return int(span[2]) - int(span[1]) >= NARROW
    if re.search(r"\bport\b", text):
        return False
    if re.match(r"(tcp|udp|sctp)\s*\[|ip\s*\[\s*6\s*:\s*2\s*\]", text):
        return False  # a port by its place, and fragments but the first
    return not re.search(r"\b(tcp|sctp|icmp6?|arp|rarp)\b", text)
