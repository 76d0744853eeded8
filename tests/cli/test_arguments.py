from __future__ import annotations

import pytest

from lippycat_core.cli.arguments import Grammar

GRAMMAR = Grammar(
    frozenset({"-r", "--read-file", "-c"}),
    {"-q": "--no-quiet", "--quiet": "--no-quiet", "--no-quiet": "-q", "--version": None},
)


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("voip -r x", 0),
        ("-r x voip", 2),
        ("-rx voip", 1),
        ("-qr x voip", 2),
        ("--read-file=x voip", 1),
        ("--read-file x -q voip", 3),
        ("-q -- voip", 2),
        ("-r -q voip", 2),
        ("-r -", None),
        ("-", 0),
        ("-q", None),
        ("", None),
    ],
)
def test_the_first_argument_is_found_behind_options_and_their_values(line: str, first: int | None) -> None:
    assert GRAMMAR.first_argument(line.split()) == first


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("--quiet=false", "--no-quiet"),
        ("--quiet=TRUE", "--quiet"),
        ("--no-quiet=false", "-q"),
        ("--no-quiet=yes", "--no-quiet"),
        ("--quiet=maybe", "--quiet=maybe"),
        ("--version=false", "--version=false"),
        ("-r --quiet=false", "-r --quiet=false"),
        ("-- --quiet=false", "-- --quiet=false"),
        ("--read-file=true x", "--read-file=true x"),
    ],
)
def test_flags_with_a_value_are_spelt_plainly(line: str, plain: str) -> None:
    assert GRAMMAR.plain_flags(line.split()) == plain.split()


def test_a_subcommands_flags_are_left_to_it() -> None:
    line = ["--quiet=false", "voip", "--quiet=false"]
    assert GRAMMAR.plain_flags(line, until_argument=True) == ["--no-quiet", "voip", "--quiet=false"]
