"""Text that came off the wire, made fit for a terminal: control characters shown, wide characters counted.

Whatever prints a header, a name or a path of a capture to people goes through here; JSON output does not need it.
"""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"

# C0, DEL, C1, and the characters that reorder or hide text (Unicode TR 36, section 3.5; UAX 9)
_HIDDEN = [
    *range(0x20),
    *range(0x7F, 0xA0),
    0x061C,
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
]
_ESCAPES: dict[int, str] = {
    **{code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _HIDDEN},
    **{code: f"\\u{code:04x}" for code in range(0xD800, 0xE000)},
    0x09: "\\t",
    0x0A: "\\n",
    0x0D: "\\r",
}


def printable(text: str) -> str:
    """`text` on one line, with nothing in it that a terminal would act on: such characters as `\\x1b`, `\\u202e`."""
    return text if text.isascii() and text.isprintable() else text.translate(_ESCAPES)


def cells(character: str) -> int:
    """Terminal cells of one character: 0, 1 or 2."""
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def width(text: str) -> int:
    """Terminal cells that printable text takes (East Asian wide characters take two, combining marks none)."""
    return len(text) if text.isascii() else sum(map(cells, text))


def fit(text: str, room: int) -> str:
    """Printable text in exactly `room` cells: padded with spaces on the right, or cut with an ellipsis."""
    text = cut(text, room)
    return text + " " * (room - width(text))


def cut(text: str, room: int) -> str:
    """Printable text in at most `room` cells; what is left out is shown by an ellipsis."""
    if room <= 0:
        return ""
    if len(text) <= room and text.isascii():
        return text
    taken = 0
    for index, character in enumerate(text):
        taken += cells(character)
        if taken > room:
            return _head(text[:index], room - 1) + ELLIPSIS
    return text


def _head(text: str, room: int) -> str:
    """As much of the beginning as `room` cells hold, from a text that is at most two cells too long."""
    while width(text) > room:
        text = text[:-1]
    return text
