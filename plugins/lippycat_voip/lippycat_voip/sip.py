"""SIP in Python: names of methods, and the values of header fields that records show.

Runs once a call at output time. What each message needs is read by `kernels.sip`.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from lippycat_voip.columns import METHODS

__all__ = ["METHODS", "Address", "address", "q850_cause", "text", "unfold"]

_FOLD = re.compile(rb"\r*\n[ \t]+")
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_TAG = re.compile(rb";\s*tag\s*=\s*([^\s;,>]+)", re.IGNORECASE)
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_Q850_CAUSE = re.compile(rb"(?:^|,)\s*q\.850\s*;[^,]*?\bcause\s*=\s*(\d{1,9})", re.IGNORECASE)
# What nearly every From and To is: a name, a SIP URI with a plain user part, a tag. A quarter of the time of `_any_address`.
_COMMON = re.compile(
    rb'(?:"([^"\\\r\n]*)"|([^\s"<](?:[^"<\r\n]*[^\s"<])?)?)[ ]*<(sips?:([^@:;%<>\s]+)@[^@<>\s]*)>(?:;tag=([^\s;,>]+))?'
)


class Address(NamedTuple):
    """A From, To, Contact or P-Asserted-Identity value: None for what it does not have."""

    uri: str
    user: str | None
    display: str | None
    tag: str | None


def text(value: bytes) -> str:
    """Bytes of a message as text: UTF-8 (RFC 3261, 25.1), U+FFFD for what is not."""
    return value.decode("utf-8", "replace")


def unfold(value: bytes) -> bytes:
    """A header value on one line: each fold is one space (RFC 3261, 7.3.1)."""
    return _FOLD.sub(b" ", value)


def address(value: bytes) -> Address:
    """Take a name-addr or addr-spec with its header parameters apart (RFC 3261, 20.10). Never raises: a value that is
    neither gives what can be found in it."""
    common = _COMMON.fullmatch(value)
    if common is None:
        return _any_address(value)
    quoted, plain, uri, user, tag = common.groups()
    display = quoted or plain
    return Address(text(uri), text(user), text(display) if display else None, text(tag) if tag else None)


def _any_address(value: bytes) -> Address:
    value = unfold(value).strip()
    display: bytes | None = None
    rest = value
    if value.startswith(b'"'):
        end = _closing_quote(value)
        if end < 0:  # as if there were none: the URI is what matters
            return address(value[1:])
        display, rest = _ESCAPE.sub(rb"\1", value[1:end]), value[end + 1 :]
    begin = rest.find(b"<")
    if begin >= 0:
        if display is None:
            display = rest[:begin].strip() or None
        uri, _, parameters = rest[begin + 1 :].partition(b">")
    else:
        uri, semicolon, parameters = rest.partition(b";")
        parameters = semicolon + parameters
    uri = uri.strip()
    tag = _TAG.search(parameters)
    return Address(
        text(uri),
        uri_user(uri),
        text(display) if display else None,
        text(tag.group(1)) if tag else None,
    )


def uri_user(uri: bytes) -> str | None:
    """The user part of a sip or sips URI, escapes resolved (RFC 3261, 19.1.1); the number of a tel URI (RFC 3966)."""
    scheme, colon, rest = uri.partition(b":")
    scheme = scheme.lower()
    if not colon:
        return None
    if scheme == b"tel":
        return text(unquote_to_bytes(rest.partition(b";")[0])) or None
    if scheme not in (b"sip", b"sips"):
        return None
    userinfo, at, _ = rest.rpartition(b"@")
    if not at:
        return None
    return text(unquote_to_bytes(userinfo.partition(b":")[0])) or None


def q850_cause(value: bytes) -> int | None:
    """The cause of the Q.850 entry of a Reason value (RFC 3326), None where there is none."""
    cause = _Q850_CAUSE.search(_QUOTED.sub(b"", unfold(value)))
    return int(cause.group(1)) if cause else None


def _closing_quote(value: bytes) -> int:
    """Index of the quote that closes the string at 0, -1 where nothing does."""
    i = 1
    while i < len(value):
        if value[i] == 0x5C:
            i += 1
        elif value[i] == 0x22:
            return i
        i += 1
    return -1
