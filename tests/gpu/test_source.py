"""The kernels' text keeps to the words that all its languages have, and to the numbers that the host has."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lippycat_core.gpu.source import Language, header, kernel_names, source
from lippycat_core.kernels import match_ends, match_grams, needles
from lippycat_core.kernels.needles import Needles

TEXT = source(Language.OPENCL)
BODY = TEXT.removeprefix(header(Language.OPENCL))
CODE = re.sub(r"/\*.*?\*/", "", BODY, flags=re.S)


def constants() -> dict[str, int]:
    found = re.findall(r"^#define LC_(\w+) (0x[0-9A-F]+|\d+)L?\s*$", CODE, re.MULTILINE)
    return {name: int(value, 0) for name, value in found}


def test_the_body_is_the_same_in_every_language() -> None:
    for language in Language:
        assert source(language) == header(language) + BODY


def test_headers_say_the_same_words() -> None:
    said = {language: set(re.findall(r"\b(?:lc|LC)_\w+", header(language))) for language in Language}
    assert said[Language.CUDA] == said[Language.OPENCL] - {"lc_word"}


def test_kernels() -> None:
    assert kernel_names(TEXT) == (
        "lc_extract",
        "lc_match_programs",
        "lc_match_each",
        "lc_match_ends",
        "lc_match_grams",
        "lc_match_automaton",
    )


def test_constants_are_those_of_the_host() -> None:
    found = constants()
    wanted = {name: getattr(needles, name) for name in ("BEGIN", "END", "ONCE", "AT_ZERO")}
    wanted |= {"WHOLE": match_ends.WHOLE}
    wanted |= {f"ENDS_{name}": getattr(match_ends, name) for name in ("SPREAD", "FIRST_BIT", "SECOND_BIT", "BUCKET")}
    grams = ("LOW_FACTOR", "HIGH_FACTOR", "FIRST_BIT", "SECOND_BIT", "BUCKET")
    wanted |= {f"GRAMS_{name}": getattr(match_grams, name) for name in grams}
    wanted |= {name.upper(): place for place, name in enumerate(Needles._fields[1:])}
    wanted |= {"RECORD": len(Needles._fields) - 1}
    assert {name: found.get(name) for name in wanted} == wanted


def test_the_sum_of_ends_is_squeezed_as_on_the_host() -> None:
    assert match_ends.squeeze(1 << 40) == (((1 << 40) ^ ((1 << 40) >> 25)) & 0x7FFFFFFF)
    assert "(total ^ (total >> 25)) & 0x7FFFFFFFL" in CODE


def foreign() -> Iterator[tuple[str, str]]:
    yield "types of one language", r"\b(?:uchar|uint|ulong|ushort|size_t|unsigned|long|short|char|float|double|bool|auto)\b"
    yield "address spaces and attributes", r"\b(?:__\w+|global|local|constant|restrict)\b"
    yield "barriers, local memory and sizes of groups", r"\b(?:barrier|syncthreads|shared|get_\w+|blockIdx|threadIdx)\b"
    yield "C++", r"\b(?:template|class|namespace|nullptr|static_cast)\b|::"
    yield "atomics but by their word", r"\batomic\w+"
    yield "line comments", r"//"


@pytest.mark.parametrize(("what", "pattern"), list(foreign()))
def test_words_of_one_language_stay_in_its_header(what: str, pattern: str) -> None:
    assert not re.findall(pattern, CODE), what
