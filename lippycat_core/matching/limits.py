"""What no match backend takes, said in the same words by all of them."""

from __future__ import annotations

from collections.abc import Sequence

from lippycat_core.errors import ContractError, FilterError
from lippycat_core.interfaces.match import MOST_PATTERNS, Anchor, PatternSet

MOST_NAMES = 8
LONGEST_NAME = 64

_NOT_IN_NAMES = b": \t\r\n"


def check_patterns(patterns: PatternSet) -> None:
    """FilterError for too many patterns, and for one that would hit everywhere without saying so: an empty PREFIX, SUFFIX or
    CONTAINS."""
    if len(patterns.patterns) > MOST_PATTERNS:
        raise FilterError(f"{len(patterns.patterns):,} patterns in one set: at most {MOST_PATTERNS:,} can be looked for at once")
    for number, pattern in enumerate(patterns.patterns):
        if not pattern.text and pattern.anchor is not Anchor.EXACT:
            raise FilterError(
                f"pattern {number + 1}: an empty {pattern.anchor.value} pattern would match everything; leave it out"
            )


def check_names(names: Sequence[bytes]) -> None:
    """ContractError for names that no header field can have, for none of them, and for too many."""
    if not 1 <= len(names) <= MOST_NAMES:
        raise ContractError(f"{len(names)} names of a header field: give 1 to {MOST_NAMES}")
    for name in names:
        if not 1 <= len(name) <= LONGEST_NAME or any(byte in _NOT_IN_NAMES for byte in name):
            raise ContractError(f"{name!r} names no header field: 1 to {LONGEST_NAME} bytes without colon or white space")
