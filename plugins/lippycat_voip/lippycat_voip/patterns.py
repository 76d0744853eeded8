"""What the user typed becomes patterns: users, Call-IDs, telephone numbers and URIs, with `*` for any characters.

A backslash makes the next character an ordinary one; `?` always is one. Numbers and URIs are put into the form that
`kernels.identities` gives those of messages, so that a match driver compares bytes. Nothing here reads messages.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import NamedTuple

from lippycat_core.errors import FilterError, InputError
from lippycat_core.interfaces.match import Anchor, Pattern
from lippycat_voip.kernels.uris import SCHEME, SEPARATORS, UNRESERVED

ANY = -1
"""Among the bytes of a pattern: any number of any bytes."""

BACKSLASH, STAR, QUESTION = 0x5C, 0x2A, 0x3F
_AT, _COLON, _PERCENT, _SEMICOLON = b"@:%;"
_SPECIAL = frozenset((BACKSLASH, STAR, QUESTION))
_HEX = frozenset(string.hexdigits.encode())
_DIALLED = frozenset(b"0123456789*#")
_SEPARATED = dict.fromkeys(b"-.() ")


class Dialling(NamedTuple):
    """How numbers are dialled where the capture was made: digits all."""

    international: tuple[str, ...] = ("00",)
    country: str = ""  # none: a national number means nothing elsewhere
    national: str = "0"


def read_list(option: str, given: Iterable[str], path: str | None, what: str) -> list[str]:
    """The words of an option's values (comma lists) and of a file with one or more `what` a line, where `#` begins a
    comment; each once, in their order.

    Raises InputError for a file that cannot be read or has none, FilterError for an empty word in a comma list.
    """
    words: dict[str, None] = {}
    for value in given:
        for word in value.split(","):
            if not word.strip():
                raise FilterError(f"{option}: {value!r} has an empty word, which would mean nobody or everybody: leave it out")
            words[word.strip()] = None
    if path is not None:
        found = _file_words(path, what)
        if not found:
            raise InputError(f"{path} has no {what} in it: write one a line")
        words |= found
    return list(words)


def _file_words(path: str, what: str) -> dict[str, None]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except OSError as error:
        raise InputError(f"cannot read the list of {what} {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no list of {what}: it is not UTF-8 text (byte {error.start})") from error
    lines = text.split("\n")
    if "#" in text or "," in text:
        lines = [word for line in lines for word in line.partition("#")[0].split(",")]
    found = dict.fromkeys(map(str.strip, lines))
    found.pop("", None)
    return found


def text_pattern(text: str) -> Pattern:
    """A user or a Call-ID, byte by byte."""
    raw = _bytes(text)
    return _pattern(_pieces(raw)) if b"*" in raw or b"\\" in raw else Pattern(raw)


def number_patterns(number: str, dialling: Dialling) -> list[Pattern]:
    """The patterns of a telephone number for the texts that `kernels.identities` makes of one.

    With `+` it is an E.164 number, whole. Without, what ends in its digits counts, and where it is dialled like an
    international or national number, that E.164 number too. One with `*` is compared whole. FilterError for what is none.
    """
    digits = number.translate(_SEPARATED)
    plus = digits[:1] == "+"
    digits = digits[plus:]
    if digits.isascii() and digits.isdigit():  # nearly every line of a long list
        raw = digits.encode()
        return [Pattern(raw)] if plus else [Pattern(raw, Anchor.SUFFIX), *_worldwide(list(raw), dialling)]
    pieces = _pieces(_bytes(digits))
    if not pieces or not all(piece == ANY or piece in _DIALLED for piece in pieces):
        raise FilterError(f"{number!r} is no telephone number: write digits with + - . ( ) and *, as in +49-30-* or 7042")
    if plus:
        return [_pattern(pieces)]
    return [_pattern(pieces, Anchor.EXACT if ANY in pieces else Anchor.SUFFIX), *_worldwide(pieces, dialling)]


def _worldwide(pieces: list[int], dialling: Dialling) -> list[Pattern]:
    """The E.164 number of one that begins with a prefix, as nothing or one pattern."""
    for prefix in dialling.international:
        if len(pieces) > len(prefix) and pieces[: len(prefix)] == list(prefix.encode()):
            rest = pieces[len(prefix) :]
            return [_pattern(rest)] if any(piece != ANY for piece in rest) else []  # 00* is not every number
    national = list(dialling.national.encode())
    if dialling.country and len(pieces) > len(national) and pieces[: len(national)] == national and pieces[0] != ANY:
        return [_pattern([*dialling.country.encode(), *pieces[len(national) :]])]
    return []


def uri_pattern(uri: str) -> Pattern:
    """A whole URI without parameters: scheme and host in any case, the user as typed (RFC 3261, 19.1.4).

    Without an `@` what stands behind the last `*` is taken for the host's. FilterError for one without a scheme or with
    parameters, which would never be found.
    """
    pieces = _normal(_pieces(_bytes(uri)))
    head = list(takewhile(lambda piece: piece not in (ANY, _COLON), pieces))
    stop = pieces[len(head) : len(head) + 1]
    if not stop or not all(SCHEME[piece] for piece in head) or (not head and stop != [ANY]):
        raise FilterError(
            f"{uri!r} is no URI: begin with a scheme or *, as in sip:alice@example.org, tel:+4930* or *@example.org"
        )
    scheme = bytes(head).lower() if stop == [_COLON] else b""
    rest = pieces[len(head) :]
    at = max((place for place, piece in enumerate(rest) if piece == _AT), default=-1)
    stars = [place for place, piece in enumerate(rest) if piece == ANY]
    host = at if at >= 0 else stars[-1] if stars else 0 if scheme in (b"sip", b"sips") else len(rest)
    if scheme == b"tel":
        rest, host = [piece for piece in rest if piece == ANY or not SEPARATORS[piece]], 0
    if any(piece in (_SEMICOLON, QUESTION) for piece in rest[host:]):
        raise FilterError(f"{uri!r} has parameters, which are not compared: leave out what begins with ; or ?")
    return _pattern([*bytes(head).lower(), *rest[:host], *map(_lower, rest[host:])])


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _pieces(raw: bytes) -> list[int]:
    """The bytes that a pattern stands for, ANY for each `*`; a backslash at the end stands for itself."""
    pieces: list[int] = []
    i = 0
    while i < len(raw):
        if raw[i] == BACKSLASH and i + 1 < len(raw):
            i += 1
            pieces.append(raw[i])
        else:
            pieces.append(ANY if raw[i] == STAR else raw[i])
        i += 1
    return pieces


def _pattern(pieces: Sequence[int], anchor: Anchor = Anchor.EXACT) -> Pattern:
    if ANY not in pieces:
        return Pattern(bytes(pieces), anchor)
    text = bytearray()
    for piece in pieces:
        if piece in _SPECIAL:
            text.append(BACKSLASH)
        text.append(STAR if piece == ANY else piece)
    return Pattern(bytes(text), anchor, wildcards=True)


def _normal(pieces: list[int]) -> list[int]:
    """Escapes only where they are needed, in capital letters, as `kernels.uris.copy_normal` writes them."""
    found: list[int] = []
    i = 0
    while i < len(pieces):
        if pieces[i] == _PERCENT and len(pieces) > i + 2 and _HEX.issuperset(pieces[i + 1 : i + 3]):
            value = int(bytes(pieces[i + 1 : i + 3]), 16)
            found += [value] if UNRESERVED[value] else [_PERCENT, *bytes(pieces[i + 1 : i + 3]).upper()]
            i += 3
        else:
            found.append(pieces[i])
            i += 1
    return found


def _lower(piece: int) -> int:
    return piece + 32 if 65 <= piece <= 90 else piece
