"""JSON lines: one object a line, as docs/output.md defines. What a field means is its producer's; nothing is added here."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from lippycat_core.batch import Batch
from lippycat_core.builtin.packetlist import PacketLine
from lippycat_core.errors import OutputError
from lippycat_core.events import Event

DEEPEST = 8
"""How far a plugin's value may be nested where it is not JSON as it stands."""

_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False, allow_nan=False).encode


def _encode(record: Mapping[str, object]) -> str:
    """A record as one JSON object, whatever a plugin put into it."""
    try:
        return _json(record)
    except (TypeError, ValueError, RecursionError):
        return _json(_plain(record, DEEPEST))


def _plain(value: object, depth: int) -> object:
    """The nearest JSON value: text of bytes and of strangers, null for what is no number, nothing below `depth`."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if depth and isinstance(value, Mapping):
        return {str(key): _plain(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth - 1) for item in value]
    return type(value).__name__


class JsonLines:
    """A sink that writes each event's record to a binary stream, in one write a batch."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def packets(self, batch: Batch) -> None:
        """Packets are no events: nothing is written."""

    def emit(self, events: Sequence[Event]) -> None:
        """Write the events. OutputError where the stream cannot take them; BrokenPipeError where its reader has gone."""
        write_lines(self._stream, [_encode(event.as_record()) for event in events])

    def close(self) -> None:
        """Flush; the stream belongs to who opened it."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise cannot_write(error) from error


class JsonForm:
    """A packet list's lines as JSON objects, events and the summary among them."""

    def packet(self, line: PacketLine) -> str:
        """The `packet` record."""
        return _encode(line.as_record())

    def event(self, event: Event) -> str:
        """The event's record."""
        return _encode(event.as_record())


def write_lines(stream: BinaryIO, lines: Sequence[str]) -> None:
    """Write lines as UTF-8 in one go; a lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
    text = "\n".join(lines) + "\n"
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
    write_whole(stream, data)


def write_whole(stream: BinaryIO, data: bytes) -> None:
    """Write and flush all of `data`. OutputError where the stream takes no more, BrokenPipeError where its reader has gone."""
    left = memoryview(data)
    try:
        while left:  # an unbuffered stream (PYTHONUNBUFFERED) may take a part, when a signal comes
            left = left[_taken(stream, left) :]
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise cannot_write(error) from error


def _taken(stream: BinaryIO, data: memoryview) -> int:
    """How many bytes the stream took."""
    taken: int | None = stream.write(data)
    if taken is None:
        raise BlockingIOError(errno.EAGAIN, "the output does not wait for its reader")
    return taken


def cannot_write(error: OSError) -> OutputError:
    """The error of an output that takes no more (a full disk, say)."""
    return OutputError(f"cannot write the results: {error.strerror or error}; free some space or write elsewhere")
