"""A parser for a command with subcommands. Its usage errors suggest the probable correction.

argparse reports a misspelt word as a list of choices or as a missing argument. CommandParser checks
the words before argparse does. It uses argparse's public interface only.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar

NEAR = 0.6  # difflib's default; `ruin` is similar enough to `run`

N = TypeVar("N")


class CommandParser(argparse.ArgumentParser):
    """An ArgumentParser that suggests corrections for unknown words. Options cannot be abbreviated.

    At the first unknown word it prints the usage and exits with code 2.
    """

    def __init__(
        self, *, explain: Callable[[str], str | None] = lambda _word: None, **options: Any
    ) -> None:
        """Accept the options of ArgumentParser, and `explain`.

        `explain` is called with a word that is not a command. It returns a sentence for the usage
        error, or None.
        """
        self._explain = explain
        self._options: dict[str, argparse.Action] = {}
        self._commands: Mapping[str, CommandParser] = {}
        self._command_is_required = False
        super().__init__(allow_abbrev=False, **options)

    def add_argument(self, *names: str, **options: Any) -> argparse.Action:
        """Add an argument as argparse does, and remember its names for suggestions."""
        action = super().add_argument(*names, **options)
        self._options |= dict.fromkeys(action.option_strings, action)
        return action

    def add_subparsers(self, *, required: bool = False, **options: Any) -> Any:
        """Return the object that `add_parser` is called on. Subcommands are CommandParsers too."""
        commands = super().add_subparsers(required=required, **options)
        self._commands = commands.choices  # filled later, by add_parser
        self._command_is_required = required
        return commands

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: N | None = None
    ) -> tuple[N, list[str]]:
        """Parse as argparse does, but exit with 2 at an unknown word and show this parser's usage.

        argparse would show the usage of the outermost command.
        """
        words = sys.argv[1:] if args is None else list(args)
        self._refuse_unknown(words)
        parsed, unknown = super().parse_known_args(words, namespace)
        if unknown:
            self._refuse(unknown)
        return parsed, unknown  # type: ignore[return-value]

    def _refuse_unknown(self, words: Sequence[str]) -> None:
        """Check the leading options and, if a command is expected, the word after them."""
        rest = iter(words)
        for word in rest:
            if not word.startswith("-") or word in ("-", "--"):
                if self._commands and word not in self._commands:
                    self._refuse_command(word)
                return
            name, equals, _value = word.partition("=")
            if name not in self._options:
                self._refuse([word])
            if self._options[name].nargs != 0 and not equals:
                next(rest, None)
        if self._command_is_required and not words:
            self.error(f"a command is missing; expected: {either(self._commands)}")

    def _refuse_command(self, word: str) -> NoReturn:
        hint = self._explain(word) or f"expected: {either(self._commands)}"
        if meant := self._meant(word):
            hint = f"did you mean {meant}?"
        self.error(f"{word!r} is not a command; {hint}")

    def _meant(self, word: str) -> str | None:
        if f"--{word}" in self._options:
            return f"--{word}"
        for parser in self._commands.values():
            if word in parser._commands:  # noqa: SLF001 - an object of this class
                return f"{parser.prog} {word}"
        return nearest(word, self._commands)

    def _refuse(self, words: Sequence[str]) -> NoReturn:
        name = words[0].partition("=")[0]
        if not name.startswith("-"):
            self.error(f"unexpected argument: {' '.join(map(repr, words))}")
        for parser in self._commands.values():
            if name in parser._options:  # noqa: SLF001 - an object of this class
                self.error(f"{name} goes after the command: {parser.prog} {name} ...")
        meant = nearest(name, self._options)
        self.error(f"{name} is not an option{f'; did you mean {meant}?' if meant else ''}")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the word in `known` that is most similar to `word`, or None if none is.

    Case is ignored.
    """
    return next(iter(get_close_matches(word.lower(), list(known), n=1, cutoff=NEAR)), None)


def explain_assignment(word: str) -> str | None:
    """Return a hint if an argument is an assignment such as NAME=value, or else None.

    Settings are read from the environment, and not from the command line.
    """
    name, equals, _value = word.partition("=")
    if not equals or not name:
        return None
    return f"settings come from the environment: write {word} before the command's name"


def either(words: Iterable[str]) -> str:
    """Return the words as a list for a sentence: `a, b or c`."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
