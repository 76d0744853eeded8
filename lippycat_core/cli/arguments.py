"""What stands where on a command line: options told from arguments before click parses them.

Two things are settled here, once, for the core's and the plugins' commands: `--flag=false` means `--no-flag`, and an option
in front of a subcommand can be named in an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

TRUE = frozenset({"true", "yes", "on", "1"})
FALSE = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True)
class Grammar:
    """A command's options by spelling: those that take a value, and flags with the spelling that negates them."""

    valued: frozenset[str]
    flags: dict[str, str | None]

    @classmethod
    def of(cls, params: Sequence[Any]) -> Grammar:
        """The grammar of click parameters (options only; a flag's first negative spelling is its negation)."""
        options = [p for p in params if p.param_type_name == "option"]
        flags: dict[str, str | None] = {}
        for option in options:
            if getattr(option, "is_flag", False):
                flags.update(dict.fromkeys(option.opts, option.secondary_opts[0] if option.secondary_opts else None))
                flags.update(dict.fromkeys(option.secondary_opts, option.opts[0]))
        valued = frozenset(s for o in options for s in o.opts if s not in flags)
        return cls(valued, flags)

    def _takes_next(self, token: str) -> bool:
        """Whether the option in `token` has its value in the next token (`-r`, `-qr`, `--read-file`)."""
        if token.startswith("--"):
            return token in self.valued
        if token in self.valued:
            return True
        for index, letter in enumerate(token[1:], 1):
            if f"-{letter}" in self.valued:
                return index == len(token) - 1
        return False

    def positions(self, args: Sequence[str]) -> Iterator[tuple[int, bool]]:
        """Index of each token that begins an option (True) or is an argument (False); values of options are passed over,
        and so is everything behind `--`."""
        index = 0
        while index < len(args):
            token = args[index]
            if token == "--":
                yield from ((i, False) for i in range(index + 1, len(args)))
                return
            is_option = token.startswith("-") and len(token) > 1
            yield index, is_option
            index += 2 if is_option and self._takes_next(token) else 1

    def unknown(self, args: Sequence[str]) -> bool:
        """Whether an option in `args` is none of the command's."""
        names = (args[index].partition("=")[0] for index, is_option in self.positions(args) if is_option)
        return any(not self._known(name) for name in names)

    def _known(self, name: str) -> bool:
        spelling = name if name.startswith("--") else name[:2]
        return spelling in self.valued or spelling in self.flags

    def first_argument(self, args: Sequence[str]) -> int | None:
        """Index of the first token that is no option and no option's value."""
        return next((index for index, is_option in self.positions(args) if not is_option), None)

    def plain_flags(self, args: Sequence[str], *, until_argument: bool = False) -> list[str]:
        """`args` with `--flag=true` and `--flag=false` spelt as click has it: `--flag` or `--no-flag`, whichever means it.

        With `until_argument` the tokens from the first argument on stay as they are: they are a subcommand's.
        """
        plain = list(args)
        for index, is_option in self.positions(args):
            if not is_option:
                if until_argument:
                    break
                continue
            name, equals, value = args[index].partition("=")
            if not equals or name not in self.flags:
                continue
            negation = self.flags[name]
            if value.lower() in TRUE:
                plain[index] = name
            elif value.lower() in FALSE and negation is not None:
                plain[index] = negation
        return plain
