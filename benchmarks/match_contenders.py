"""Who is measured: every match backend that fits here, through its public interface, and the rivals that can be imported.

Rivals get `bytes` objects, a packet each, made before the clock starts; ours get spans of a slab, and hand out hits. Everyone
counts what was found.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any, NamedTuple

import numpy as np
from match_work import CONTAINS, EXACT, FIELD, SUFFIX, Work

from lippycat_core.interfaces.match import IN_FLIGHT, Anchor, MatchBackend, Pattern, PatternSet, Spans

Run = Callable[[int], int]
"""Looks through so many batches; gives how much was found."""


class Built(NamedTuple):
    """A contender that knows what to look for. Optional: what the bare kernel takes, and what the tables hold."""

    run: Run
    bare: Callable[[], object] | None = None
    table_bytes: int | None = None


class Contender(NamedTuple):
    name: str
    build: Callable[[Work], Built] | None
    note: str
    """What it runs on; where `build` is None, why it cannot be measured."""
    same: bool = True
    """Whether it finds all that we find, so that counts must agree."""


# Ours


def spans_of(texts: list[bytes]) -> Spans:
    lengths = np.array([len(text) for text in texts], np.int32)
    off = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int32)
    return Spans(np.frombuffer(b"".join(texts), np.uint8).copy(), off, lengths)


def ours(backend: MatchBackend, work: Work) -> Built:
    """A matcher or extractor has, if it can tell, `bare(spans)`, its kernel without what the interface costs, and
    `nbytes`."""
    what: Any
    if work.kind == FIELD:
        what = backend.extractor(work.wanted)
    else:
        what = backend.compile(PatternSet([Pattern(text, Anchor(work.kind)) for text in work.wanted]))
    batches: list[Spans] = []

    def count(answer: Any) -> int:
        return int((answer.length >= 0).sum()) if work.kind == FIELD else len(answer.row)

    def run(so_many: int) -> int:
        if not batches:
            batches.extend(spans_of(texts) for texts in work.batches)
        found = 0
        for i in range(so_many):
            if i >= IN_FLIGHT:
                found += count(what.collect())
            what.submit(batches[i])
        for _ in range(min(so_many, IN_FLIGHT)):
            found += count(what.collect())
        return found

    bare = getattr(what, "bare", None)
    return Built(run, (lambda: bare(batches[0])) if bare else None, getattr(what, "nbytes", None))


def backends(names: list[str]) -> Iterator[Contender]:
    """Those installed, or those named. What does not fit is said, not measured."""
    for entry in sorted(entry_points(group="lippycat.match"), key=lambda entry: entry.name):
        if names and entry.name not in names:
            continue
        try:
            loaded = entry.load()
            provider = loaded() if isinstance(loaded, type) else loaded
            fitness = provider.probe()
            if not fitness.fits:
                yield Contender(entry.name, None, fitness.reason)
                continue
            backend = provider.open()
        except Exception as error:  # whatever a plugin raises is for its line of the table
            yield Contender(entry.name, None, f"broken: {error!r}")
            continue
        yield Contender(entry.name, lambda work, backend=backend: ours(backend, work), backend.device)


# Rivals


def over(work: Work, one: Callable[[bytes], int]) -> Built:
    """Each text by itself."""
    batches = work.batches
    return Built(lambda so_many: sum(one(text) for batch in batches[:so_many] for text in batch))


def find_loop(work: Work) -> Built:
    words = work.wanted

    def one(text: bytes) -> int:
        found = 0
        for word in words:
            at = text.find(word)
            while at >= 0:
                found += 1
                at = text.find(word, at + 1)
        return found

    def field(text: bytes) -> int:
        end = text.find(b"\r\n\r\n")
        at = text.find(b"\r\nCall-ID:", 0, end if end >= 0 else len(text))
        if at < 0:
            return 0
        stop = text.find(b"\r\n", at + 2)
        return len(text[at + 10 : stop if stop >= 0 else len(text)].strip()) > 0

    return over(work, field if work.kind == FIELD else one)


def expressions(work: Work) -> Built:
    if work.kind == FIELD:
        search = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.MULTILINE | re.IGNORECASE).search
        return over(work, lambda text: search(text) is not None)
    every = re.compile(b"|".join(re.escape(word) for word in work.wanted)).findall
    return over(work, lambda text: len(every(text)))


def rust_automaton(work: Work) -> Built:
    rust = importlib.import_module("ahocorasick_rs")
    find = rust.BytesAhoCorasick(work.wanted).find_matches_as_indexes
    if work.kind == SUFFIX:
        return over(work, lambda text: sum(end == len(text) for _, _, end in find(text, overlapping=True)))
    return over(work, lambda text: len(find(text, overlapping=True)))


def c_automaton(work: Work) -> Built:
    automaton = importlib.import_module("ahocorasick").Automaton()
    for i, word in enumerate(work.wanted):
        automaton.add_word(word.decode("latin-1"), i)
    automaton.make_automaton()
    batches = [[text.decode("latin-1") for text in batch] for batch in work.batches]
    find = automaton.iter
    if work.kind == SUFFIX:
        last = len(work.texts[0]) - 1
        return Built(lambda n: sum(end == last for batch in batches[:n] for text in batch for end, _ in find(text)))
    return Built(lambda n: sum(1 for batch in batches[:n] for text in batch for _ in find(text)))


def hyperscan(work: Work) -> Built:
    library = importlib.import_module("hyperscan")
    database = library.Database(mode=library.HS_MODE_BLOCK)
    # Anchored expressions take minutes to compile where there are 100,000: literals, and a look at where they end.
    database.compile(expressions=work.wanted, ids=list(range(len(work.wanted))), literal=True, flags=0)
    scratch = library.Scratch(database)
    hits = [0]

    def hit(*_: object) -> None:
        hits[0] += 1

    last = len(work.texts[0])

    def hit_at_end(_: int, begin: int, end: int, *__: object) -> None:
        hits[0] += end == last

    batches, scan = work.batches, database.scan
    event = hit if work.kind == CONTAINS else hit_at_end

    def run(so_many: int) -> int:
        hits[0] = 0
        for batch in batches[:so_many]:
            for text in batch:
                scan(text, match_event_handler=event, scratch=scratch)
        return hits[0]

    return Built(run)


def dictionary(work: Work) -> Built:
    known = set(work.wanted)
    if work.kind == EXACT:
        return over(work, known.__contains__)
    lengths = sorted({len(word) for word in known})
    return over(work, lambda text: sum(text[-length:] in known for length in lengths))


class Rival(NamedTuple):
    build: Callable[[Work], Built]
    kinds: tuple[str, ...]
    module: str | None = None
    most: int = 1_000_000
    """Patterns up to which it is worth waiting for."""


RIVALS = {
    "bytes.find": Rival(find_loop, (CONTAINS, FIELD), most=100),
    "re": Rival(expressions, (CONTAINS, FIELD), most=100),
    "dict": Rival(dictionary, (EXACT, SUFFIX)),
    "ahocorasick-rs": Rival(rust_automaton, (CONTAINS, SUFFIX), "ahocorasick_rs"),
    "pyahocorasick": Rival(c_automaton, (CONTAINS, SUFFIX), "ahocorasick"),
    "hyperscan": Rival(hyperscan, (CONTAINS, SUFFIX, EXACT), "hyperscan"),
}


def rivals(kind: str, patterns: int) -> Iterator[Contender]:
    """Those that can do such work."""
    for name, rival in RIVALS.items():
        if kind not in rival.kinds:
            continue
        # What re finds does not overlap; the fields and sets of the others are simpler than ours, but count alike here.
        same = name != "re" or patterns == 1 or kind == FIELD
        if patterns > rival.most:
            yield Contender(name, None, f"not tried with {patterns:,} patterns")
        elif rival.module is None:
            yield Contender(name, rival.build, "1 core", same)
        else:
            try:
                importlib.import_module(rival.module)
            except ImportError as error:
                yield Contender(name, None, f"not installed ({error})")
            else:
                yield Contender(name, rival.build, "1 core", same)
