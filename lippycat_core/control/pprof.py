"""The process's memory and stacks in pprof's format, over HTTP on this machine alone: `go tool pprof` and its kin read them.

A profile is one message of profile.proto (github.com/google/pprof), which is written here by hand: varints and bytes.
"""

from __future__ import annotations

import contextlib
import gc
import gzip
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

HOST, PORT = "127.0.0.1", 6060
DEFAULT_S, LONGEST_S = 30.0, 300.0
EVERY_S = 0.01
DEEPEST = 128

INDEX = b"heap: /debug/pprof/heap\nstacks, sampled 100 times a second: /debug/pprof/profile?seconds=30\n"


class Frame(NamedTuple):
    """One line of a stack."""

    function: str
    file: str
    line: int


Stack = tuple[Frame, ...]
"""Innermost first."""


def encode(kinds: Sequence[tuple[str, str]], samples: Iterable[tuple[Stack, Sequence[int]]], nanoseconds: int = 0) -> bytes:
    """A gzipped profile. `kinds` are name and unit of each of a sample's values."""
    strings: dict[str, int] = {"": 0}
    functions: dict[tuple[str, str], int] = {}
    locations: dict[Frame, int] = {}

    def text(word: str) -> int:
        return strings.setdefault(word, len(strings))

    out = bytearray()
    for name, unit in kinds:
        out += _message(1, _number(1, text(name)) + _number(2, text(unit)))
    for stack, values in samples:
        ids = b"".join(_varint(locations.setdefault(frame, len(locations) + 1)) for frame in stack)
        out += _message(2, _message(1, ids) + _message(2, b"".join(map(_varint, values))))
    for frame, number in locations.items():
        function = functions.setdefault((frame.function, frame.file), len(functions) + 1)
        out += _message(4, _number(1, number) + _message(4, _number(1, function) + _number(2, frame.line)))
    for (name, file), number in functions.items():
        out += _message(5, _number(1, number) + _number(2, text(name)) + _number(3, text(name)) + _number(4, text(file)))
    for word in strings:
        out += _message(6, word.encode("utf-8", "replace"))
    out += _number(9, time.time_ns())
    if nanoseconds:
        out += _number(10, nanoseconds)
    return gzip.compress(bytes(out), mtime=0)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def heap() -> bytes:
    """What is in memory: by place of allocation where PYTHONTRACEMALLOC is set, else objects and their own size by type."""
    kinds = (("inuse_objects", "count"), ("inuse_space", "bytes"))
    if tracemalloc.is_tracing():
        statistics = tracemalloc.take_snapshot().statistics("traceback")
        places = ((tuple(map(_traced, reversed(one.traceback))), (one.count, one.size)) for one in statistics)
        return encode(kinds, places)
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for thing in gc.get_objects():
        name = type(thing).__qualname__
        counts[name] += 1
        with contextlib.suppress(Exception):  # a type that cannot tell its size
            sizes[name] += sys.getsizeof(thing)
    return encode(kinds, (((Frame(name, "", 0),), (count, sizes[name])) for name, count in counts.items()))


def _traced(frame: tracemalloc.Frame) -> Frame:
    return Frame(frame.filename, frame.filename, frame.lineno)


def profile(seconds: float, over: Callable[[], bool] = lambda: False) -> bytes:
    """Where all threads but the asking one are, sampled for so long."""
    own, begun = threading.get_ident(), time.monotonic()
    seen: Counter[Stack] = Counter()
    while time.monotonic() - begun < seconds and not over():
        for ident, frame in sys._current_frames().items():
            if ident != own:
                stack: list[Frame] = []
                at: FrameType | None = frame
                while at is not None and len(stack) < DEEPEST:
                    stack.append(Frame(at.f_code.co_qualname, at.f_code.co_filename, at.f_lineno))
                    at = at.f_back
                seen[tuple(stack)] += 1
        time.sleep(EVERY_S)
    every_ns = int(EVERY_S * 1e9)
    values = ((stack, (count, count * every_ns)) for stack, count in seen.items())
    return encode((("samples", "count"), ("wall", "nanoseconds")), values, int((time.monotonic() - begun) * 1e9))


class Serving(NamedTuple):
    """Where profiles are served, and how that ends."""

    port: int
    stop: Callable[[], None]


def serve_profiles(port: int = PORT) -> Serving:
    """Serve on this machine until `stop` is called; port 0 is any that is free. OSError where the port cannot be had."""
    over = threading.Event()
    sampling = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0

        def do_GET(self) -> None:
            """Answer one request."""
            url = urlsplit(self.path)
            if url.path.rstrip("/") == "/debug/pprof":
                self._give(200, INDEX, "text/plain")
            elif url.path == "/debug/pprof/heap":
                self._give(200, heap(), "application/octet-stream")
            elif url.path == "/debug/pprof/profile":
                self._profile(parse_qs(url.query))
            else:
                self._give(404, INDEX, "text/plain")

        def _profile(self, query: Mapping[str, Sequence[str]]) -> None:
            try:
                seconds = float(query["seconds"][0]) if "seconds" in query else DEFAULT_S
            except ValueError:
                seconds = 0.0
            if not 0.0 < seconds <= LONGEST_S:
                self._give(400, b"seconds: a number up to 300\n", "text/plain")
            elif not sampling.acquire(blocking=False):
                self._give(503, b"another profile is being taken; ask again when it is done\n", "text/plain")
            else:
                try:
                    self._give(200, profile(seconds, over.is_set), "application/octet-stream")
                finally:
                    sampling.release()

        def _give(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: standard error is the run's."""

    server = ThreadingHTTPServer((HOST, port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="lc-pprof", daemon=True)
    thread.start()

    def stop() -> None:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=2.0)

    return Serving(server.server_port, stop)
