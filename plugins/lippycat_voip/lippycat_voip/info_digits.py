"""Digits that a call sends in INFO bodies (the older way; RFC 4733 digits are the streams' business)."""

from __future__ import annotations

import re

from lippycat_voip.calls import Call
from lippycat_voip.columns import M_BODY, M_CONTENT_TYPE, Row

MAX_DIGITS = 1024
MAX_BODY = 1024

_SIGNAL = re.compile(rb"^[ \t]*Signal[ \t]*=[ \t]*([0-9]{1,2}|[*#A-D])[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)
_PLAIN = re.compile(rb"\s*([0-9*#A-Da-d]{1,32})\s*\Z")
_EVENTS = "0123456789*#ABCD"  # RFC 4733, 3.2


def read_digits(call: Call, from_tag: bytes, cseq: int, mem: memoryview, row: Row) -> None:
    """Add what an INFO request says: `Signal=5` lines of application/dtmf-relay, or the digits alone of application/dtmf.

    The same request on another hop adds nothing.
    """
    if (from_tag, cseq) == call.last_info or len(call.digits) >= MAX_DIGITS or row[M_BODY + 1] <= 0:
        return
    call.last_info = (from_tag, cseq)
    at, length = row[M_CONTENT_TYPE], max(0, row[M_CONTENT_TYPE + 1])
    kind = mem[at : at + length].tobytes().partition(b";")[0].strip().lower()
    at = row[M_BODY]
    body = mem[at : at + min(row[M_BODY + 1], MAX_BODY)].tobytes()
    if kind not in (b"application/dtmf-relay", b"application/dtmf"):
        return
    signals = _SIGNAL.findall(body)
    if signals:
        call.digits += "".join(map(_key, signals))
    elif kind == b"application/dtmf":
        plain = _PLAIN.match(body)
        if plain is not None:
            digits = plain.group(1)
            call.digits += _key(digits) if len(digits) == 2 and digits < b"16" else digits.decode().upper()


def _key(signal: bytes) -> str:
    """A signal as its key: `5`, `*`, or an event number (10 is *, 11 is #); what is no key is nothing."""
    if signal.isdigit():
        number = int(signal)
        return _EVENTS[number] if number < len(_EVENTS) else ""
    return signal.decode().upper()
