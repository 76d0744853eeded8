"""What commands there are, known without importing them: names from entry points, a first line from the source.

A command is an entry point of `lippycat.commands`, named by its path (`sniff.voip`), that names a function. Its module is read
as text here and imported only when the command runs. A command with others below it takes options only: an argument
would be taken for a subcommand.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from lippycat_core.host.inspection import what_is_wrong

GROUP = "lippycat.commands"

ABSENT = {"sniff.voip": "lippycat-voip"}
"""First-party commands and the distribution that brings them, for those who lack it."""


@dataclass(slots=True)
class Node:
    """One word of the command tree: its entry point (None for a word that only groups others) and what is below it."""

    path: str
    entry: EntryPoint | None = None
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The last word of the path."""
        return self.path.rpartition(".")[2]


def command_tree() -> Node:
    """All commands below one root. Where two distributions bring the same command, the first by distribution name has it."""
    root = Node("")
    for entry in sorted(entry_points(group=GROUP), key=lambda e: (e.name, e.dist.name if e.dist else "")):
        node = root
        for word in entry.name.split("."):
            path = f"{node.path}.{word}" if node.path else word
            node = node.children.setdefault(word, Node(path))
        if node.entry is None:
            node.entry = entry
    return root


def first_line(node: Node) -> str:
    """The first line of the command's docstring, or in parentheses why it would not run."""
    if node.entry is None:
        return "Commands: " + ", ".join(sorted(node.children))
    wrong = what_is_wrong(node.entry.value)
    return f"(broken: {wrong})" if wrong else _docstring(node.entry.module, node.entry.attr).partition("\n")[0]


def _docstring(module: str, function: str) -> str:
    """The function's docstring as its source has it; nothing where the module is no source file."""
    spec = find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return ""
    for statement in ast.parse(Path(spec.origin).read_bytes()).body:
        if isinstance(statement, ast.FunctionDef) and statement.name == function:
            return ast.get_docstring(statement) or ""
    return ""
