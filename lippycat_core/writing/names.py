"""Names of files made of what came off the wire: patterns of fields, and texts that cannot leave a folder, hide or run on."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Collection, Mapping

from lippycat_core.builtin.blocks import text_bytes
from lippycat_core.errors import UsageError

MOST_NAME = 200
"""Bytes of one part of a name; file systems allow 255, and a suffix wants room too."""

MOST_FIELD = 80

_FIELD = re.compile(r"\{([^{}]*)\}")
_UNSAFE = re.compile(r"[^A-Za-z0-9.+@=,~-]+")


def safe(text: str, most: int = MOST_FIELD) -> str:
    """`text` as part of a file's name: ASCII letters, digits and `.+@=,~-`, anything else one `_`; no dot at its begin, and where
    it is too long, cut with a digest of the whole behind it. Never empty."""
    plain = _UNSAFE.sub("_", text)
    if plain.startswith((".", "-", "~")):
        plain = "_" + plain[1:]
    if len(plain) > most:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        plain = f"{plain[: most - 13]}_{digest}"
    return plain or "_"


class Pattern:
    """A file's name with fields, as in `{date}/{call_id}.pcapng`: a path below some folder. UsageError, which names the pattern's
    `option`, for unknown fields, a path that leaves the folder, and a name that is none."""

    def __init__(self, text: str, fields: Collection[str], option: str) -> None:
        self._text = text
        used = _FIELD.findall(text)
        unknown = next((name for name in used if name not in fields), None)
        if unknown is not None:
            raise UsageError(
                f"{option} {text!r}: no field {{{unknown}}}: there are {', '.join(f'{{{name}}}' for name in fields)}"
            )
        bare = _FIELD.sub("x", text)
        if "{" in bare or "}" in bare:
            raise UsageError(f"{option} {text!r}: a brace without its other: fields are written {{call_id}}")
        parts = bare.split("/")
        if bare.startswith("/") or ".." in parts or not all(parts):
            raise UsageError(f"{option} {text!r}: leaves its folder: write a name, with / only between folders below it")
        if not split_ending(parts[-1])[0].strip("."):
            raise UsageError(f"{option} {text!r}: no name, only dots or an ending: write one as in {{call_id}}.pcapng")
        if not bare.isprintable():
            raise UsageError(f"{option} {text!r}: a control character in a file name: leave it out")

    @property
    def text(self) -> str:
        """The pattern as it was written."""
        return self._text

    def fill(self, values: Mapping[str, str]) -> str:
        """The path with values, each made safe; a part too long is cut in front of its ending."""
        parts = [_FIELD.sub(lambda found: safe(values[found[1]]), part) for part in self._text.split("/")]
        return "/".join(_bounded(part) for part in parts)


_ENDING = re.compile(r"(\.pcap|\.pcapng)?(\.zst|\.gz)?(\.lcenc)?$")


def split_ending(name: str) -> tuple[str, str]:
    """A file's name without and with the endings that say its form."""
    found = _ENDING.search(name)
    at = found.start() if found is not None else len(name)
    return name[:at], name[at:]


def _bounded(part: str) -> str:
    if len(part.encode()) <= MOST_NAME:
        return part
    stem, ending = split_ending(part)
    return text_bytes(stem, MOST_NAME - len(ending)).decode() + ending


def time_fields(ts_ns: int) -> dict[str, str]:
    """`{date}`, `{time}` and `{timestamp}` of a capture time (UTC)."""
    when = time.gmtime(max(ts_ns, 0) // 1_000_000_000)
    return {
        "date": time.strftime("%Y%m%d", when),
        "time": time.strftime("%H%M%S", when),
        "timestamp": time.strftime("%Y%m%dT%H%M%SZ", when),
    }
