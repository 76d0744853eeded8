"""The kernels' source, put together for one language. Nothing is compiled here."""

from __future__ import annotations

import re
from enum import Enum
from importlib.resources import files

PARTS = (
    "text.lck",
    "extract.lck",
    "match.lck",
    "match_each.lck",
    "match_ends.lck",
    "match_grams.lck",
    "match_automaton.lck",
)
"""Files with helpers and kernels, each behind what it uses."""


class Language(Enum):
    """What a device's compiler understands; the value names the header that says the kernels' words in it."""

    OPENCL = "opencl.h"
    CUDA = "cuda.h"


def header(language: Language) -> str:
    """What the kernels' words mean in a language."""
    return (files(__package__) / language.value).read_text("utf-8")


def source(language: Language) -> str:
    """Header and kernels as one text: nothing has to be included, and a compiler's message names its lines."""
    folder = files(__package__)
    return "\n".join([header(language), *((folder / name).read_text("utf-8") for name in PARTS)])


def kernel_names(text: str) -> tuple[str, ...]:
    """The kernels that `source` holds, in their order."""
    return tuple(re.findall(r"^LC_KERNEL (\w+)\(", text, re.MULTILINE))
