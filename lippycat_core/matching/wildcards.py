"""The meaning of a pattern's text: its wildcards, and which letters fold. No matching happens here."""

from __future__ import annotations

from dataclasses import dataclass

ANY, ONE, ESCAPE = b"*", b"?", b"\\"

_UPPER = bytes(range(ord("A"), ord("Z") + 1))
_FOLD = bytes.maketrans(_UPPER, _UPPER.lower())


def fold(text: bytes) -> bytes:
    """`text` with ASCII letters in lower case and every other byte as it is."""
    return text.translate(_FOLD)


@dataclass(frozen=True, slots=True)
class Literal:
    """A run of bytes that stand for themselves."""

    text: bytes


Part = Literal | bytes
"""A piece of a wildcard pattern: a literal, `ANY` or `ONE`."""


def parts(text: bytes) -> list[Part]:
    """Take a wildcard pattern apart. A backslash makes the next byte literal; one at the end stands for itself."""
    found: list[Part] = []
    literal = bytearray()
    i = 0
    while i < len(text):
        byte = text[i : i + 1]
        if byte in (ANY, ONE):
            if literal:
                found.append(Literal(bytes(literal)))
                literal.clear()
            if not (byte == ANY and found and found[-1] == ANY):  # ** is *
                found.append(byte)
        else:
            if byte == ESCAPE and i + 1 < len(text):
                i += 1
            literal.append(text[i])
        i += 1
    if literal:
        found.append(Literal(bytes(literal)))
    return found
