"""Looks at what an entry point names without importing it, so that a list of plugins stays cheap.

It finds what goes wrong most: a module that is not there, a dependency that is not installed, a name that has gone.
"""

from __future__ import annotations

import ast
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path


def what_is_wrong(value: str) -> str:
    """Why the object of an entry point `module:name` cannot be loaded, as far as its source tells; else nothing."""
    module, _, name = value.partition(":")
    spec = _find(module.strip())
    if spec is None:
        return f"ModuleNotFoundError: No module named {module!r}"
    if spec.origin is None or not spec.origin.endswith(".py"):
        return ""
    try:
        tree = ast.parse(Path(spec.origin).read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    for imported in _needed(tree):
        if _find(imported.partition(".")[0]) is None:
            return f"ModuleNotFoundError: No module named {imported!r}"
    name = name.partition("[")[0].strip().partition(".")[0]
    if name and name not in _defined(tree) and not _star(tree):
        return f"AttributeError: module {module!r} has no attribute {name!r}"
    return ""


def _find(module: str) -> ModuleSpec | None:
    try:
        return find_spec(module)
    except (Exception, SystemExit):  # a parent package that raises at import
        return None


def _needed(tree: ast.Module) -> list[str]:
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.append(node.module)
    return names


def _star(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in tree.body)


def _defined(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names
