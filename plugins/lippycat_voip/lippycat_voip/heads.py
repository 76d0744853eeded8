"""What is copied out of a message's bytes for the records: headers that show who called whom, with what, and why it ended.

`row` is the message's row of the message table (columns.py, M_*), `mem` the memory that its spans lie in.
"""

from __future__ import annotations

from lippycat_voip.calls import HEAD_SEPARATOR, Dialog
from lippycat_voip.columns import (
    M_DIVERSION,
    M_FROM,
    M_PAI,
    M_REASON_HEADER,
    M_REFER_TO,
    M_REPLACES,
    M_SERVER,
    M_TO,
    M_URI,
    M_USER_AGENT,
    Row,
)
from lippycat_voip.sip import q850_cause, text

_HEAD_SPANS = (M_FROM, M_TO, M_URI, M_USER_AGENT, M_PAI, M_DIVERSION, M_REPLACES, M_REFER_TO)
"""In the order of `calls.HEAD_FIELDS`."""

ADDED_ON_THE_WAY = (M_PAI, M_DIVERSION, M_REPLACES)
"""What a later INVITE of the same call may have that the first did not."""


def span(mem: memoryview, row: Row, at: int) -> bytes:
    """The bytes of a span field, empty where it is not there."""
    length = row[at + 1]
    if length <= 0:
        return b""
    off = row[at]
    return mem[off : off + length].tobytes()


def span_text(mem: memoryview, row: Row, at: int) -> str:
    """The same as text."""
    return text(span(mem, row, at))


def read_head(dialog: Dialog, mem: memoryview, row: Row, rank: int) -> None:
    """Take the headers of the message that stands for the dialog."""
    dialog.head_rank = rank
    spans = _HEAD_SPANS if rank > 1 else _HEAD_SPANS[:2]
    dialog.head = HEAD_SEPARATOR.join([mem[row[at] : row[at] + row[at + 1]] if row[at + 1] > 0 else b"" for at in spans])


def complete_head(dialog: Dialog, mem: memoryview, row: Row, fields: tuple[int, ...]) -> None:
    """Take what the first INVITE lacked: proxies assert identities, a redirected caller tells of the diversion."""
    values = dialog.head.split(HEAD_SEPARATOR)
    values += [b""] * (len(_HEAD_SPANS) - len(values))
    for at in fields:
        place = _HEAD_SPANS.index(at)
        values[place] = values[place] or span(mem, row, at)
    dialog.head = HEAD_SEPARATOR.join(values)


def read_server(dialog: Dialog, mem: memoryview, row: Row) -> None:
    """Who answers: by the final answer, else by the first that says so."""
    at = M_SERVER if row[M_SERVER + 1] > 0 else M_USER_AGENT
    if row[at + 1] > 0:
        dialog.server = span(mem, row, at)


def read_reason(dialog: Dialog, mem: memoryview, row: Row) -> None:
    """Keep the first Reason header with a Q.850 cause (RFC 3326)."""
    value = span(mem, row, M_REASON_HEADER)
    if dialog.reason_header is None and q850_cause(value) is not None:
        dialog.reason_header = value
