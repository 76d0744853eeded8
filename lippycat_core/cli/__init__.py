"""The `lc` command: Typer at the edge, and nothing that other parts of the core import.

Plugins' commands use three of its modules: `options` (shared options), `compose` (a run from settings), and `signals`.
"""
