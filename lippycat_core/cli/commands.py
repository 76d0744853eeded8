"""The command tree as click sees it: groups that list stubs and import a command's module only when it runs."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from lippycat_core.cli.arguments import Grammar
from lippycat_core.cli.stubs import ABSENT, Node, first_line
from lippycat_core.errors import PluginError, UsageError

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 120}


class Command(TyperCommand):
    """A command whose flags may be given a value (`--quiet=false`)."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, after flags with a value were spelt plainly."""
        return super().parse_args(ctx, Grammar.of(self.get_params(ctx)).plain_flags(args))


class LazyGroup(TyperGroup):
    """A group over a node of the command tree."""

    node: Node

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of what is below, sorted."""
        return sorted(self.node.children)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, imported now; None where there is none. PluginError where it cannot be imported."""
        node = self.node.children.get(cmd_name)
        return None if node is None else build(node)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the stubs, importing nothing."""
        rows = [(name, first_line(node)) for name, node in sorted(self.node.children.items())]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the group's own options; those in front of a subcommand are refused with the place where they belong."""
        grammar = Grammar.of(self.get_params(ctx))
        at = grammar.first_argument(args)
        if at is not None:
            self._check_subcommand(ctx, grammar, args, at)
            self.callback = None  # what the group does by itself it does without a subcommand only
        return super().parse_args(ctx, grammar.plain_flags(args, until_argument=True))

    def _check_subcommand(self, ctx: Any, grammar: Grammar, args: list[str], at: int) -> None:
        name, before = args[at], args[:at]
        if set(before) & {*ctx.help_option_names, "--version"} or grammar.unknown(before):
            return  # click answers these itself
        if name not in self.node.children:
            raise UsageError(self._unknown(ctx.command_path, name))
        options = " ".join(token for token in before if token != "--")
        if options:
            raise UsageError(
                f"{options}: an option of `{name}` stands in front of it; write `{ctx.command_path} {name} {options}`"
            )

    def _unknown(self, path: str, name: str) -> str:
        distribution = ABSENT.get(f"{self.node.path}.{name}".lstrip("."))
        if distribution is not None:
            return f"no command `{path} {name}`: it comes with {distribution}, which is not installed; pip install {distribution}"
        near = difflib.get_close_matches(name, self.node.children, 1)
        if near:
            return f"no command `{path} {name}`; did you mean `{path} {near[0]}`?"
        if "-r" in Grammar.of(self.params).valued:
            return f"no command `{path} {name}`; to read a file write `{path} -r {name}`"
        return f"no command `{path} {name}`; `{path} -h` lists them"


def build(node: Node) -> Any:
    """The click command of a node, its module imported. PluginError, in one line, where that fails."""
    function = _group_only(node) if node.entry is None else _load(node)
    return command_of(function, node)


def command_of(function: Callable[..., Any], node: Node) -> Any:
    """A click command, or group where the node has children, that calls `function`."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=dict(SETTINGS))
    name = node.name or "lc"
    if not node.children and not any(path.startswith(f"{node.path}.") for path in ABSENT):
        app.command(name, cls=Command)(function)
        return typer.main.get_command(app)
    app.callback(cls=LazyGroup, invoke_without_command=True, help=inspect.getdoc(function))(function)
    group = typer.main.get_command(app)
    assert isinstance(group, LazyGroup)
    group.name = name
    group.node = node
    group.subcommand_metavar = "[COMMAND]"
    return group


def _load(node: Node) -> Callable[..., Any]:
    assert node.entry is not None
    try:
        function = node.entry.load()
    except Exception as error:  # whatever a plugin raises at import, the others must go on
        owner = node.entry.dist.name if node.entry.dist else node.entry.module
        reason = " ".join(str(error).split()) or "no reason given"
        raise PluginError(
            f"command `{node.path.replace('.', ' ')}` of {owner} cannot be loaded: {type(error).__name__}: {reason}; "
            f"reinstall or remove {owner}"
        ) from error
    if not callable(function):
        raise PluginError(f"command `{node.path.replace('.', ' ')}`: {node.entry.value} is no function")
    return cast(Callable[..., Any], function)


def _group_only(node: Node) -> Callable[..., Any]:
    def group(ctx: typer.Context) -> None:
        if ctx.invoked_subcommand is None:
            typer.echo(ctx.get_help())

    group.__doc__ = first_line(node)
    return group
