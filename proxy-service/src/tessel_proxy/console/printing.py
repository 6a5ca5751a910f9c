"""The output of a command, and the form in which it prints."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from tessel_proxy.console.units import plain
from tessel_service_kit.serving import FAILED, OK

Shown = tuple[dict[str, Any], list[str]]
"""The answer of the API, and its lines for a person."""


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a command prints. `columns`: of the terminal; None: the output is not a terminal.

    `ask` asks the person for a text; None: nobody is there to be asked.
    """

    out: TextIO
    errors: TextIO
    columns: int | None
    ask: Callable[[str], str] | None = None


def print_answer(arguments: Namespace, answer: Any, lines: Sequence[str], screen: Screen) -> None:
    """Print the lines on a terminal and the JSON elsewhere, unless --table or --json is given."""
    is_table = arguments.table or (screen.columns is not None and not arguments.json)
    text = "\n".join(lines) if is_table else json.dumps(answer, indent=2)
    print(text, file=screen.out)


def report_missing(answer: Mapping[str, Any], screen: Screen) -> int:
    """Name the processes that did not answer, or have not acted; return the exit code."""
    missing: Sequence[str] = answer.get("missing") or ()
    what = "not confirmed by" if "confirmed" in answer else "no answer from"
    for name in sorted(missing):
        print(f"tessel-proxy: {what} {plain(name)}", file=screen.errors)
    return FAILED if missing else OK
