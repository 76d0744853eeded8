"""What filters look at, found again in plain Python with regular expressions: the reference for the kernels.

`users_of` is how users were found before there were kernels for it; the rest says the same piece by piece, also of what no
well-meaning sender writes.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from lippycat_voip.patterns import Dialling
from lippycat_voip.sip import address, uri_user

SPACE = b" \t\r\n"
UNRESERVED = frozenset(b"-_.!~*'()0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

_NAME_ADDR = re.compile(rb"<[^<>]*>")
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_URI = re.compile(rb"([A-Za-z0-9+.-]+):(.*)", re.DOTALL)
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")
_CONTEXT = re.compile(rb";phone-context=([^;]*)", re.IGNORECASE)


def users_of(value: bytes) -> list[bytes]:
    """The user parts in a header value or a bare URI: of each `<…>` in a list, else of the one address. The number of a
    `tel:` URI is one too; it also counts without its visual separators (RFC 3966, 5.1.1)."""
    uris = [found[1:-1].strip() for found in _NAME_ADDR.findall(value)] or [value.partition(b";")[0].strip()]
    users = []
    for uri in uris:
        user = uri_user(uri)
        if user is None:
            user = address(value).user if len(uris) == 1 else None
        if user is None:
            continue
        users.append(user.encode())
        if uri[:4].lower() == b"tel:":
            users.append(user.encode().translate(None, b"-.()"))
    return users


def value_addresses(value: bytes, most: int = 8) -> list[bytes]:
    """The addresses of one value."""
    found: list[bytes] = []
    i, quotes = 0, True
    while i < len(value) and len(found) < most:
        if value[i] == 0x22 and quotes:
            quoted = _QUOTED.match(value, i)
            quotes = quoted is not None
            i = quoted.end() if quoted else i + 1
            continue
        pair = _NAME_ADDR.match(value, i)
        if pair:
            found.append(pair[0][1:-1].strip(SPACE))
            quotes = True
        i = pair.end() if pair else i + 1
    return [uri for uri in found or [_bare(value)] if uri]


def _bare(value: bytes) -> bytes:
    rest = value.lstrip(SPACE)
    if rest.startswith(b'"'):
        quoted = _QUOTED.match(rest)
        rest = rest[quoted.end() if quoted else 1 :]
    _, bracket, behind = rest.partition(b"<")
    return (behind if bracket else rest.partition(b";")[0]).strip(SPACE)


def split(uri: bytes) -> tuple[bytes, bytes] | None:
    """The scheme in lower case and the rest, None for what is no URI."""
    found = _URI.fullmatch(uri)
    return (found[1].lower(), found[2]) if found else None


def _user_part(uri: bytes) -> bytes:
    """As sent."""
    scheme, rest = split(uri) or (b"", b"")
    if scheme == b"tel":
        return rest.partition(b";")[0]
    return rest.rpartition(b"@")[0].partition(b":")[0] if scheme in (b"sip", b"sips") else b""


def uri_users(uri: bytes) -> list[bytes]:
    """Users of one URI."""
    user = unquote_to_bytes(_user_part(uri))
    plain = user.translate(None, b"-.()") if uri[:4].lower() == b"tel:" else user
    return [text for text in dict.fromkeys((user, plain)) if text]


def _digits(text: bytes) -> tuple[bool, bytes]:
    text = unquote_to_bytes(text).translate(None, b"-.() ")
    plus, text = text.startswith(b"+"), text.removeprefix(b"+")
    good = re.fullmatch(rb"[0-9*#]{1,64}", text) and re.search(rb"[0-9]", text)
    return plus, text if good else b""


def uri_numbers(uri: bytes, dialling: Dialling) -> list[bytes]:
    """The forms of the number of one URI."""
    user = _user_part(uri)
    plus, digits = _digits(user.partition(b";")[0])
    if not digits or plus:
        return [digits] if digits else []
    parameters = (
        uri.partition(b";")[1] + uri.partition(b";")[2] if uri[:4].lower() == b"tel:" else user[len(user.partition(b";")[0]) :]
    )
    context = _CONTEXT.search(parameters)
    if context:
        worldwide, prefix = _digits(context[1])
        if worldwide and prefix:
            return [digits, prefix + digits]
    for international in sorted(dialling.international, key=len, reverse=True):
        if digits.startswith(international.encode()) and len(digits) > len(international):
            return [digits, digits[len(international) :]]
    national = dialling.national.encode()
    if dialling.country and digits.startswith(national) and len(digits) > len(national):
        return [digits, dialling.country.encode() + digits[len(national) :]]
    return [digits]


def _normal(text: bytes) -> bytes:
    def once(found: re.Match[bytes]) -> bytes:
        value = int(found[0][1:], 16)
        return bytes([value]) if value in UNRESERVED else found[0].upper()

    return _ESCAPE.sub(once, text)


def uri_text(uri: bytes) -> bytes | None:
    """A URI in the form in which it is compared."""
    found = split(uri)
    if found is None:
        return None
    scheme, rest = found
    if scheme == b"tel":
        return b"tel:" + _normal(rest.partition(b";")[0]).translate(None, b"-.()").lower()
    user, at, host = rest.rpartition(b"@")
    host = re.split(rb"[;?]", host)[0]
    return scheme + b":" + _normal(user) + at + (_normal(host).lower() if at or scheme in (b"sip", b"sips") else _normal(host))
