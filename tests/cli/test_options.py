from __future__ import annotations

import inspect
from typing import Annotated, NamedTuple

import pytest
import typer

from lippycat_core.cli.options import Output, with_options


class Colour(NamedTuple):
    name: str
    bright: bool


def colour_options(name: Annotated[str, typer.Option()] = "red", bright: bool = False) -> Colour:
    return Colour(name, bright)


def test_a_group_becomes_options_of_the_command_and_one_record_in_its_call() -> None:
    @with_options(colour=colour_options)
    def paint(width: int = 1, *, colour: Colour) -> str:
        """Paint."""
        return f"{width} {colour.name} {colour.bright}"

    assert list(inspect.signature(paint).parameters) == ["width", "name", "bright"]
    assert paint(width=2, name="blue", bright=True) == "2 blue True"
    assert paint.__doc__ == "Paint."


def test_an_option_that_two_declare_is_an_error_of_the_plugin() -> None:
    def paint(name: str = "", *, colour: Colour) -> None: ...

    with pytest.raises(TypeError, match=r"paint: name of group 'colour' is there already"):
        with_options(colour=colour_options)(paint)


@pytest.mark.parametrize(
    ("asked", "terminal", "chosen"),
    [(None, True, "text"), (None, False, "json"), ("json", True, "json"), ("text", False, "text")],
)
def test_the_format_is_what_was_asked_for_else_what_fits_the_output(asked: str | None, terminal: bool, chosen: str) -> None:
    assert Output(asked).chosen(terminal) == chosen
