"""Header fields of messages with the standard library (RFC 3261, 7.3): the reference that other backends are held to.

Every expression here goes over a text once, whatever it holds.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

import numpy as np

from lippycat_core.errors import ContractError
from lippycat_core.interfaces.match import IN_FLIGHT, Fields, Spans
from lippycat_core.matching.limits import check_names

PADDING = b"\r\n"
"""What is passed over in front of everything (RFC 3261, 7.5)."""

SPACE = b" \t\r\n"
"""What is not part of a value at its ends: white space, and the line ends of folded lines."""

_EMPTY_LINE = re.compile(rb"^\r*\n", re.MULTILINE)  # some senders write CR CR LF
_FIELD_END = re.compile(rb"\n(?![ \t])")


class PureExtractor:
    """Finds one header field (see `interfaces.match.Extractor`)."""

    def __init__(self, names: Sequence[bytes]) -> None:
        check_names(names)
        any_name = b"|".join(re.escape(name) for name in names)
        self._named = re.compile(rb"^(?:%b)[ \t]*:" % any_name, re.MULTILINE | re.IGNORECASE)
        self._open: deque[Fields] = deque()

    def submit(self, spans: Spans) -> None:
        """Look at once; `collect` hands the fields out. ContractError where `IN_FLIGHT` submissions are open already."""
        if len(self._open) == IN_FLIGHT:
            raise ContractError(f"{IN_FLIGHT} submissions are open: collect the fields of one first")
        fields = Fields(np.full(len(spans.off), -1, np.int32), np.full(len(spans.off), -1, np.int32))
        slab = spans.slab.data
        for row, (off, length) in enumerate(zip(spans.off.tolist(), spans.length.tolist(), strict=True)):
            if length >= 0:
                fields.offset[row], fields.length[row] = self._value(bytes(slab[off : off + length]))
        self._open.append(fields)

    def collect(self) -> Fields:
        """The fields of the oldest open submission. ContractError where there is none."""
        if not self._open:
            raise ContractError("no submission is open: submit spans first")
        return self._open.popleft()

    def close(self) -> None:
        """There is nothing to give back."""

    def _value(self, message: bytes) -> tuple[int, int]:
        text = message.lstrip(PADDING)
        empty = _EMPTY_LINE.search(text)
        end = empty.start() if empty else len(text)
        named = self._named.search(text, 0, end)
        if named is None:
            return -1, -1
        last = _FIELD_END.search(text, named.end(), end)
        value = text[named.end() : last.start() if last else end]
        shorn = value.lstrip(SPACE)
        begin = len(message) - len(text) + named.end() + len(value) - len(shorn)
        return begin, len(shorn.rstrip(SPACE))
