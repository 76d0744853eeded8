"""Sets of words to recognise, as data: built once from a table, looked up by length and then letter by letter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lippycat_core.columns import U8


class Words(NamedTuple):
    """Words in order of length, and a number for each; all numbers fit a byte, for kernels index bytes cheaply."""

    text: bytes  # one word after the other
    values: bytes  # by index of the word
    first: bytes  # by length: index of the first word that is so long; one entry more at the end
    offset: bytes  # by length: where in the text that word begins


def words(table: Mapping[str, int]) -> Words:
    """Put a table into the form that `word_value` takes. At most 255 words, and 255 bytes in front of the last length."""
    ordered = sorted(table, key=len)
    lengths = range(len(ordered[-1]) + 1)
    first = [sum(len(word) < n for word in ordered) for n in lengths]
    offset = [sum(len(word) for word in ordered if len(word) < n) for n in lengths]
    return Words(
        "".join(ordered).encode(),
        bytes(table[word] for word in ordered),
        bytes([*first, len(ordered)]),
        bytes(offset),
    )


def word_value(slab: U8, begin: int, end: int, known: Words, fold: bool) -> int:
    """The number of the word in [begin, end), -1 where it is not known. With `fold` the known words are in lower case and
    match in any case."""
    n = end - begin
    if n < 0 or n >= len(known.offset):
        return -1
    at = int(known.offset[n])
    for k in range(int(known.first[n]), int(known.first[n + 1])):
        i = 0
        while i < n:
            c = slab[begin + i]
            w = known.text[at + i]
            if c != w and not (fold and w >= 97 and w <= 122 and c + 32 == w):
                break
            i += 1
        if i == n:
            return int(known.values[k])
        at += n
    return -1
