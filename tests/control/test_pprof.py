"""Profiles are read back with a small reader of protocol buffers, and asked for over HTTP."""

from __future__ import annotations

import gzip
import threading
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from lippycat_core.control.pprof import Frame, encode, heap, profile, serve_profiles


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            value, at = data[at : at + value], at + value
        yield key >> 3, value


def numbers(packed: bytes) -> list[int]:
    found, at = [], 0
    while at < len(packed):
        value, at = varint(packed, at)
        found.append(value)
    return found


def read(zipped: bytes) -> tuple[list[Any], list[Any]]:
    """The kinds of values, and each sample's stack and values."""
    top = list(fields(gzip.decompress(zipped)))
    strings = [value.decode() for field, value in top if field == 6]
    assert strings[0] == ""
    kinds = [tuple(strings[dict(fields(value))[n]] for n in (1, 2)) for field, value in top if field == 1]
    functions = {
        one[1]: (strings[one[2]], strings[one[4]]) for one in (dict(fields(value)) for field, value in top if field == 5)
    }
    locations = {}
    for one in (dict(fields(value)) for field, value in top if field == 4):
        line = dict(fields(one[4]))
        locations[one[1]] = Frame(*functions[line[1]], line[2])
    samples = []
    for one in (dict(fields(value)) for field, value in top if field == 2):
        samples.append((tuple(locations[number] for number in numbers(one[1])), numbers(one[2])))
    return kinds, samples


def test_what_is_written_is_read_back() -> None:
    inner, outer = Frame("inner", "a.py", 300), Frame("outer", "b.py", 7)
    samples = [((inner, outer), [1, 1 << 40]), ((outer,), [0, 127]), ((Frame("inner", "a.py", 301),), [128, 2])]
    assert read(encode([("x", "count"), ("y", "bytes")], samples)) == ([("x", "count"), ("y", "bytes")], samples)


def test_the_heap_has_the_types_that_there_are() -> None:
    kinds, samples = read(heap())
    assert kinds == [("inuse_objects", "count"), ("inuse_space", "bytes")]
    by_type = {stack[0].function: values for stack, values in samples}
    assert by_type["dict"][0] > 100
    assert by_type["dict"][1] > 10_000


def test_the_heap_has_the_places_of_allocation_where_they_are_traced() -> None:
    tracemalloc.start(5)
    try:
        kept = [bytes(1000 + n) for n in range(100)]
        _, samples = read(heap())
    finally:
        tracemalloc.stop()
    most = max(samples, key=lambda sample: sample[1][1] if sample[0][0].file == __file__ else 0)
    assert most[1][1] >= sum(map(len, kept))
    assert most[0][0].line > 0


def test_a_profile_shows_where_threads_are() -> None:
    over = threading.Event()

    def somewhere_to_be_found() -> None:
        over.wait()

    thread = threading.Thread(target=somewhere_to_be_found)
    thread.start()
    kinds, samples = read(profile(0.2))
    over.set()
    thread.join()
    assert kinds == [("samples", "count"), ("wall", "nanoseconds")]
    found = [(stack, values) for stack, values in samples if any("somewhere_to_be_found" in frame.function for frame in stack)]
    assert found
    (stack, (count, wall_ns)) = found[0]
    assert stack[0].function.endswith("wait"), "innermost first"
    assert 0 < count < 30
    assert wall_ns == count * 10_000_000


def test_profiles_are_served_until_the_end() -> None:
    serving = serve_profiles(0)
    base = f"http://127.0.0.1:{serving.port}/debug/pprof"
    with urlopen(f"{base}/heap") as page:
        assert len(read(page.read())[1]) > 10
    with urlopen(f"{base}/profile?seconds=0.05") as page:
        assert read(page.read())[1]
    with urlopen(f"{base}/") as page:
        assert b"/debug/pprof/heap" in page.read()
    for path, code in (("/profile?seconds=many", 400), ("/profile?seconds=301", 400), ("/profile?seconds=nan", 400), ("/x", 404)):
        with pytest.raises(HTTPError) as refused:
            urlopen(base + path)
        assert refused.value.code == code

    def take_long() -> None:
        while True:
            try:
                urlopen(f"{base}/profile?seconds=60").close()
                return
            except HTTPError:
                time.sleep(0.01)  # one of the short ones is being taken

    waiting = threading.Thread(target=take_long)
    waiting.start()
    refusals = []
    while not refusals:
        time.sleep(0.02)
        try:
            urlopen(f"{base}/profile?seconds=0.01").close()
        except HTTPError as error:
            refusals.append(error.code)
    assert refusals == [503], "one at a time"
    serving.stop()
    waiting.join(timeout=10.0)
    assert not waiting.is_alive(), "a profile that is being taken ends with the run"
    with pytest.raises(OSError, match="refused"):
        urlopen(f"{base}/heap")
